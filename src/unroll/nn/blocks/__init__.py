"""What stands around a cell in a stack of layers."""
