"""Recurrent cells: one step of a recurrence each, and the same over a whole sequence."""
