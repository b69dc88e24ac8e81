"""Attention of a decoder's states over the encoder's outputs."""
