"""A heat map of a state: its units over time."""

from collections.abc import Sequence

import matplotlib as mpl
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy.cluster import hierarchy
from torch import Tensor

MOST_STEP_NAMES = 40
"""The names of more steps than this would be unreadable."""

MOST_UNITS = 64
"""A picture of more units than this shows a sample of them."""

MOST_NUMBERED_UNITS = 16
"""So few units stand in the order of their numbers, where a person can follow each of them."""


def similar_units(steps: Float[Tensor, "time size"], most: int = MOST_UNITS) -> list[int]:
    """The order of units in which those that behave alike stand together; of many units, a sample.

    It is the best order of the leaves (Bar-Joseph et al. 2001) of a tree that joins the nearest groups. A few
    units keep their own order.
    """
    size = steps.shape[1]
    sample = [place * size // most for place in range(most)] if size > most else list(range(size))
    if size <= MOST_NUMBERED_UNITS:
        return sample
    units = steps[:, sample].double().nan_to_num().mT.numpy()
    tree = hierarchy.linkage(units, method="average", optimal_ordering=True)
    return [sample[leaf] for leaf in hierarchy.leaves_list(tree)]


def with_order(title: str, most_units: int) -> str:
    """The title of a figure, with the order of its units unless it is that of their numbers."""
    return f"{title}; units that behave alike stand together" if most_units > MOST_NUMBERED_UNITS else title


def draw_units(
    axes: Axes, steps: Float[Tensor, "time size"], order: Sequence[int], title: str, names: Sequence[str] = ()
) -> None:
    """Draw units in an order, and say in the title if they are a sample."""
    size = steps.shape[1]
    shown = "" if len(order) == size else f", {len(order)} of {size} units"
    draw_states(axes, steps[:, order], f"{title}{shown}", names)


def draw_states(axes: Axes, steps: Float[Tensor, "time size"], title: str, names: Sequence[str] = ()) -> None:
    """Draw units over steps. `names` may name the steps, for example by the tokens that they read.

    Where a value is negative, the colours run from blue to red with white at 0. Elsewhere they run from dark
    at the smallest value to light at the largest.
    """
    low, high = (limit.item() for limit in steps.aminmax())
    colours, least, most = mpl.colormaps["viridis"], low, high
    if low < 0:
        most = max(-low, high)
        colours, least = mpl.colormaps["RdBu_r"], -most
    time, size = steps.shape
    image = axes.imshow(
        steps.float().mT.numpy(),
        aspect="auto",
        interpolation="nearest",
        extent=(0.5, time + 0.5, size - 0.5, -0.5),
        cmap=colours,
        vmin=least,
        vmax=most,
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
