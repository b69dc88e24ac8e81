"""Unroll: experiments with recurrent sequence models."""
