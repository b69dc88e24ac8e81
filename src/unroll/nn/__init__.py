"""The parts that models are made of, in plain PyTorch."""
