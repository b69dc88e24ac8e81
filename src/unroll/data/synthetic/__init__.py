"""Data sets that are drawn: seeded generators of one base."""
