"""What cells and training cost in time and memory: counted, and measured."""
