"""Looking inside: what a recurrence computes, step by step, and what that costs."""
