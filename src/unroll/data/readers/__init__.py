"""Readers of tables and texts, checked as they are read."""
