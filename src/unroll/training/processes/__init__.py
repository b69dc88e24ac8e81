"""The processes of a run: which is the first, what becomes of the others, SLURM."""
