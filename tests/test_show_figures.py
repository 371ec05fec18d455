"""Figures with a text for those who cannot see them; sliders that redraw, and a still picture where no kernel runs."""

import base64
import io
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pytest
from ipywidgets.widgets import widget
from PIL import Image

from course_lib.show import figures, palette
from course_lib.show.figures import SMALLEST, explore, figure_html, fit_words, show

WIDGET = "application/vnd.jupyter.widget-view+json"
AWKWARD = 'Left of "0" it is < 0.5 & right of it <b>more</b>;\nit\'s a curve.'


@pytest.fixture
def shown(monkeypatch):
    """What the code under test displays: a list of its bundles."""
    bundles = []

    def display(bundle, raw=False):
        assert raw
        bundles.append(bundle)

    monkeypatch.setattr("IPython.display.display", display)
    return bundles


def draw(height=1.0, width_of_line=2.0):
    figure, axes = plt.subplots(figsize=(2, 1))
    axes.plot([0, 1], [0, height], linewidth=width_of_line)
    axes.set_ylim(0, 4)
    return figure


class Images(HTMLParser):
    """Collects the attributes of all tags of a piece of HTML."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def only_image(html):
    [(tag, attributes)] = Images(html).tags
    assert tag == "img"
    return attributes


def pixels(html):
    head, data = only_image(html)["src"].split(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB").tobytes()


def test_the_alternative_text_arrives_as_it_was_written():
    assert only_image(figure_html(draw(), AWKWARD))["alt"] == AWKWARD


def test_the_figure_is_closed_and_the_picture_says_nothing_about_this_machine():
    figure = draw()
    html = figure_html(figure, "a line")
    assert not plt.fignum_exists(figure.number)
    assert b"matplotlib" not in base64.b64decode(only_image(html)["src"].split(",")[1])
    assert html == figure_html(draw(), "a line")


def test_show_gives_picture_and_text(shown):
    show(draw(), AWKWARD)
    [bundle] = shown
    assert bundle["text/plain"] == AWKWARD
    assert pixels(bundle["text/html"]) == pixels(figure_html(draw(), ""))


def explored(bundle):
    """(picture, sliders by description) of the widget in what `explore` displayed."""
    picture, *sliders = widget._instances[bundle[WIDGET]["model_id"]].children
    return picture, {slider.description: slider for slider in sliders}


def test_explore_gives_sliders_and_a_still_picture_at_their_start(shown):
    explore(draw, AWKWARD, height=(0, 4, 0.5, 3), width_of_line=(1, 5, 1, 2))
    [bundle] = shown
    picture, sliders = explored(bundle)
    assert bundle["text/plain"] == AWKWARD == only_image(bundle["text/html"])["alt"]
    assert pixels(bundle["text/html"]) == pixels(figure_html(draw(3, 2), "")) == pixels(picture.value)
    assert {name: (s.min, s.max, s.step, s.value) for name, s in sliders.items()} == {
        "height": (0, 4, 0.5, 3), "width of line": (1, 5, 1, 2)}


def test_a_moved_slider_redraws_with_all_sliders_as_they_stand(shown):
    explore(draw, AWKWARD, height=(0, 4, 0.5, 3), width_of_line=(1, 5, 1, 2))
    picture, sliders = explored(shown[0])
    sliders["height"].value = 1.5
    assert pixels(picture.value) == pixels(figure_html(draw(1.5, 2), ""))
    sliders["width of line"].value = 5
    assert pixels(picture.value) == pixels(figure_html(draw(1.5, 5), ""))
    assert only_image(picture.value)["alt"] == AWKWARD
    assert plt.get_fignums() == []
    assert pixels(shown[0]["text/html"]) == pixels(figure_html(draw(3, 2), ""))


TITLE = "VADER agrees with people on the whole, and fails badly on some texts"


@pytest.mark.parametrize("where", ["left", "center"])
@pytest.mark.parametrize(("inches", "lines"), [(6.0, 1), (5.0, 1), (2.5, 2)])
def test_a_title_stays_inside_the_picture(inches, lines, where):
    with plt.rc_context():
        palette.style()
        figure, axes = plt.subplots(figsize=(inches, 2.5))
        title = axes.set_title(TITLE, loc=where)
        fit_words(figure)
        figure.draw_without_rendering()
        box = title.get_window_extent()
    plt.close(figure)
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
    assert title.get_text().replace("\n", " ") == TITLE and title.get_fontsize() >= SMALLEST
    assert (title.get_text().count("\n") + 1 == 1) == (lines == 1)


def test_words_with_room_stay_as_they_are():
    with plt.rc_context():
        palette.style()
        figure, axes = plt.subplots(figsize=(6, 2))
        title, label = axes.set_title("Short"), axes.set_xlabel("steps")
        before = title.get_fontsize(), label.get_fontsize()
        fit_words(figure)
    plt.close(figure)
    assert (title.get_fontsize(), label.get_fontsize()) == before


def test_a_picture_of_many_colours_is_stored_small_and_looks_the_same(monkeypatch):
    def picture():
        figure, axes = plt.subplots(figsize=(6, 2))
        axes.imshow(np.add.outer(np.arange(200), np.arange(600)), cmap="viridis", aspect="auto")
        axes.set_title("A gradient")
        return image_of(figure_html(figure, "A gradient."))

    small, kept = picture(), figures.fewer_colours
    monkeypatch.setattr(figures, "fewer_colours", lambda png: png)
    large = picture()
    assert figures.fewer_colours is not kept and len(small) < len(large) / 2
    pixels = [np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=float) for png in (small, large)]
    assert np.abs(pixels[0] - pixels[1]).mean() < 2 and np.abs(pixels[0] - pixels[1]).max() < 64


def image_of(page: str) -> bytes:
    return base64.b64decode(page.split("base64,")[1].split('"')[0])
