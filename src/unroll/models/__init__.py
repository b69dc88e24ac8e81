"""LightningModules: one for each way to map time steps to outputs."""
