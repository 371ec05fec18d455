"""Figures in a notebook: shown with a text for those who cannot see them, and with sliders where moving one teaches."""

import base64
import html
import io
import textwrap
from collections.abc import Callable

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

SMALLEST = 8            # points: words still too long at this size go on in a second line
COLOURS = 256
EDGE = 4                # pixels between words and the edge of the picture


def figure_html(figure: Figure, alt: str) -> str:
    """The figure as an HTML image with alternative text; the figure is closed. Words too long for it are fitted in."""
    fit_words(figure)
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    plt.close(figure)
    image = base64.b64encode(fewer_colours(png.getvalue())).decode()
    return f'<img alt="{html.escape(alt, quote=True)}" style="max-width:100%" src="data:image/png;base64,{image}">'


def fewer_colours(png: bytes) -> bytes:
    """The picture with its 256 most needed colours: for a plot a third of the bytes, and no difference to the eye."""
    small = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
            small, format="png", optimize=True)
    return min(png, small.getvalue(), key=len)


def fit_words(figure: Figure) -> None:
    """Make words that run out of the picture smaller, and break those that would become too small to read."""
    figure.draw_without_rendering()
    for text in figure.findobj(lambda part: isinstance(part, Text) and part.get_text() and not part.get_rotation()):
        box = text.get_window_extent()
        out = max(box.x1 - figure.bbox.x1, figure.bbox.x0 - box.x0)
        if out <= 0 or not text.get_visible():
            continue
        out = (out + EDGE) * (2 if text.get_horizontalalignment() == "center" else 1)
        room = max(box.width - out, 1.0) / box.width                            # the share of it that there is room for
        size = max(text.get_fontsize() * room, SMALLEST)
        if text.get_fontsize() * room < SMALLEST:
            letters = len(text.get_text()) * room * text.get_fontsize() / SMALLEST
            text.set_text(textwrap.fill(text.get_text(), max(int(letters), 12)))
        text.set_fontsize(size)


def show(figure: Figure, alt: str) -> None:
    """Display a figure with a text for people who cannot see it, then close it.

    `alt` says what the picture shows and what it finds, in one or two sentences.
    """
    from IPython.display import display

    display({"text/html": figure_html(figure, alt), "text/plain": alt}, raw=True)


def explore(draw: Callable[..., Figure], alt: str, **sliders: tuple[float, float, float, float]) -> None:
    """A figure with sliders under it; where no kernel runs (on the web, in print), the figure at the sliders' start.

    draw: called with one number for each slider, returns a figure. Keep it under a tenth of a second.
    sliders: name=(lowest, highest, step, start); an underscore in a name is shown as a space.

        explore(draw_curve, "Steeper with a larger scale.", scale=(0.25, 4, 0.25, 1))
    """
    import ipywidgets as widgets
    from IPython.display import display

    controls = {
        name: widgets.FloatSlider(value=start, min=low, max=high, step=step, description=name.replace("_", " "),
                                  style={"description_width": "initial"}, layout=widgets.Layout(width="420px"))
        for name, (low, high, step, start) in sliders.items()
    }
    still = figure_html(draw(**{name: control.value for name, control in controls.items()}), alt)
    picture = widgets.HTML(still)

    def redraw(_change: object) -> None:
        picture.value = figure_html(draw(**{name: control.value for name, control in controls.items()}), alt)

    for control in controls.values():
        control.observe(redraw, names="value")
    box = widgets.VBox([picture, *controls.values()])
    view = box._repr_mimebundle_() or {}
    display({**view, "text/html": still, "text/plain": alt}, raw=True)
