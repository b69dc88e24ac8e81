"""One run: trainer, loggers, callbacks, checkpoints, results."""
