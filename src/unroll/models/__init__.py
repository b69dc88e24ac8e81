"""LightningModules: one for each way in which time steps map to outputs."""
