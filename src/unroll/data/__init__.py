"""LightningDataModules, and what makes batches of sequences."""
