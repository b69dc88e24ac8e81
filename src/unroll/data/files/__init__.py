"""The kinds of data that come from files."""
