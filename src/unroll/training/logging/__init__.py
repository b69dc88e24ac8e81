"""Where what a run says and draws goes: the terminal, its folder, Weights & Biases."""
