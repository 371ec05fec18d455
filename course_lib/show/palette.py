"""The course's colours: Okabe and Ito's eight, which people with any colour vision can tell apart.

Source: M. Okabe and K. Ito (2008), "Color Universal Design". Used in every figure from lesson 01 on.
"""

from cycler import cycler
from matplotlib.figure import Figure

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


def show(figure: Figure, alt: str) -> None:
    """Display a figure with a text for people who cannot see it, then close it.

    `alt` says what the picture shows and what it finds, in one or two sentences.
    """
    import base64
    import html
    import io

    import matplotlib.pyplot as plt
    from IPython.display import HTML, display

    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    plt.close(figure)
    image = base64.b64encode(png.getvalue()).decode()
    display(HTML(f'<img alt="{html.escape(alt, quote=True)}" style="max-width:100%" src="data:image/png;base64,{image}">'))
