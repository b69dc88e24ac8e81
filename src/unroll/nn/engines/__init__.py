"""Pure functions that run linear recurrences over time."""
