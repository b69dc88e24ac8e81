"""Inputs to predict on, and the tables that come back."""
