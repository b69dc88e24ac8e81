"""Unroll: experiments with recurrent sequence models."""

import logging

__version__ = "0.1.0"

# On its first use matplotlib logs that it builds a cache of fonts, or that it cannot keep one. No run should
# print that, whichever module is the first to draw.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
