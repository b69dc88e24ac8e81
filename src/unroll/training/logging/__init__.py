"""Where a run prints, logs and draws: the terminal, its folder, Weights & Biases."""
