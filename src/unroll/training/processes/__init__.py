"""The processes of a run: which one is the first, watching the others, SLURM."""
