"""A heat map of a state: its units over time."""

from collections.abc import Sequence

import matplotlib as mpl
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

MOST_STEP_NAMES = 40
"""The names of more steps than this would be unreadable."""


def draw_states(axes: Axes, steps: Float[Tensor, "time size"], title: str, names: Sequence[str] = ()) -> None:
    """Draw units over steps. `names` may name the steps, for example by the tokens that they read.

    Where a value is negative, the colours run from blue to red with white at 0. Elsewhere they run from dark
    at 0 to light at 1, or at the largest value if that is more.
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
    if 0 < len(names) <= MOST_STEP_NAMES:
        upright = max(map(len, names)) > 2
        axes.set_xticks(range(1, time + 1), names, rotation=90 * upright, fontsize=8, parse_math=False)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes)
