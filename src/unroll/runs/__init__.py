"""The folder of a run: its files, and how they are written, locked and read. No torch."""
