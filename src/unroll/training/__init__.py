"""One run: its trainer, callbacks, checkpoints, loggers and results."""
