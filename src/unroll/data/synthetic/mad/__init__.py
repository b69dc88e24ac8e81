"""The tasks of the MAD suite: Poli et al. 2024, "Mechanistic Design and Scaling of Hybrid Architectures"."""
