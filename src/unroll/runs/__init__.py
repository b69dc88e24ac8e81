"""A run's folder: its files and how they are written, locked and read. No torch."""
