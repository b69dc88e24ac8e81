"""What happens to each time step before the recurrence."""
