"""The course's colours: Okabe and Ito's eight, which people with any colour vision can tell apart.

Source: M. Okabe and K. Ito (2008), "Color Universal Design". Used in every figure from lesson 01 on.
"""

from cycler import cycler

BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
VERMILION = "#D55E00"
SKY = "#56B4E9"
PURPLE = "#CC79A7"
YELLOW = "#F0E442"
GREY = "#6E6E6E"

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, GREY)


def style() -> None:
    """Set matplotlib's defaults for the course: palette, size, no box, 90 dpi. Call it once per notebook."""
    import matplotlib.pyplot as plt

    plt.rcParams.update({
        "axes.prop_cycle": cycler(color=COLOURS), "figure.figsize": (7.0, 3.6), "figure.dpi": 90,
        "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left", "axes.titlesize": 11,
        "axes.grid": True, "grid.alpha": 0.25, "legend.frameon": False, "figure.constrained_layout.use": True,
    })
