"""LightningDataModules, and batches of sequences."""
