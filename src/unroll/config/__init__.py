"""The config: its parts, how it is composed and checked, and what is said where it is wrong."""
