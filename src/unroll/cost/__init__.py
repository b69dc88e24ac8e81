"""Time and memory: counted, and measured."""
