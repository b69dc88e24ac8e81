"""What a sweep proposes to try, and what it compares the trials by."""
