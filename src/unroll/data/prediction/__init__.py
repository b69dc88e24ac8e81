"""Inputs to predict for, and the tables of predictions that come back."""
