"""Readers of tables and texts, which check what they read."""
