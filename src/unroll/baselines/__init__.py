"""Baselines, which a model has to beat, and the verdict on a model beside them."""
