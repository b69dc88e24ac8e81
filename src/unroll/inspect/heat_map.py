"""A picture of the steps of a state: its units over time."""

from collections.abc import Sequence

import matplotlib as mpl
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

MOST_NAMES = 40
"""Of more steps than this, the names would not be readable."""


def draw_states(axes: Axes, steps: Float[Tensor, "time size"], title: str, names: Sequence[str] = ()) -> None:
    """Units over steps, which may have `names`, as the tokens that they read.

    Blue to red around 0 for what has a sign; dark to light from 0 to 1 or more for what has none.
    """
    low, high = (limit.item() for limit in steps.aminmax())
    limit = max(-low, high)
    signed = {"cmap": mpl.colormaps["RdBu_r"], "vmin": -limit, "vmax": limit}
    unsigned = {"cmap": mpl.colormaps["viridis"], "vmin": 0.0, "vmax": max(1.0, high)}
    time, size = steps.shape
    image = axes.imshow(
        steps.float().mT.numpy(),
        aspect="auto",
        interpolation="nearest",
        extent=(0.5, time + 0.5, size - 0.5, -0.5),
        **(signed if low < 0 else unsigned),
    )
    axes.set_title(title, fontsize=9)
    if 0 < len(names) <= MOST_NAMES:
        upright = max(map(len, names)) > 2
        axes.set_xticks(range(1, time + 1), names, rotation=90 * upright, fontsize=8, parse_math=False)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes)
