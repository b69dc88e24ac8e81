"""Tasks × architectures: what runs have reached, beside what papers have published."""
