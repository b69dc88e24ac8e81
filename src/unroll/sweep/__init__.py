"""Several runs that are one experiment: which are tried, how they are run, what they reached."""
