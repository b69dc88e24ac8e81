"""Data sets that are drawn at random, all from one base."""
