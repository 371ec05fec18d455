"""Labelling with a finger, on a tablet that Chromium emulates: taps, swipes, scrolling, targets of 44 pixels."""

import pytest
from browser import FLAGS, Lab, wait_for_notebook, write_notebook
from labelling import clip_store, text_store
from test_labeler_jupyter import SHOW, labels
from test_labeler_widget import Widget
from waiting import LONG_ENOUGH, until

from course_lib.labels.session import LabelingSession

pytestmark = pytest.mark.browser

TABLET = {"width": 820, "height": 1180}
SMALLER = """[...document.querySelectorAll(".cl-root :is(button, input, summary)")].filter((one) => {
  const { width, height } = one.getBoundingClientRect();
  return one.offsetParent && (width < 44 || height < 44);
}).map((one) => one.innerText || one.className)"""


@pytest.fixture(scope="module")
def tablet(chromium, tmp_path_factory):
    """A playwright context with a touch screen, held upright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("tablet"), executable_path=chromium, headless=True, args=list(FLAGS),
            viewport=TABLET, has_touch=True, is_mobile=True)
        context.set_default_timeout(1000 * LONG_ENOUGH)
        yield context
        context.close()


class Finger:
    """A finger on the page of a browser."""

    def __init__(self, page):
        self.page, self.fingers = page, page.context.new_cdp_session(page)

    def touch(self, kind, *points):
        self.fingers.send("Input.dispatchTouchEvent", {
            "type": kind, "touchPoints": [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]})

    def move(self, across=0, down=0, on=".cl-canvas", lift=True):
        """Put a finger on the middle of the first such element, move it by so many pixels in ten steps, and lift it."""
        box = self.page.locator(on).first.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.touch("touchStart", (x, y))
        for step in range(1, 11):
            self.touch("touchMove", (x + across * step / 10, y + down * step / 10))
            self.page.wait_for_timeout(16)
        if lift:
            self.touch("touchEnd")


class Touched(Widget):
    """The labeller, under a finger."""

    def open(self, **options):
        super().open(**options)
        self.finger = Finger(self.page)

    def swipe(self, **how):
        self.finger.move(**how)
        self.wait()

    def said(self):
        return [choice for _, choice in self.choices()]

    def tap(self, name):
        self.root.get_by_role("button", name=name).tap()
        self.wait()


@pytest.fixture
def clips(tablet, tmp_path):
    """The labeller with six pairs of clips."""
    store = clip_store(tmp_path / "clips.sqlite", 6)
    widget = Touched(tablet, LabelingSession(store, "clips", "ann", 6, "Which clip?", repeats=0))
    yield widget
    widget.page.close()


def test_swipe_and_tap(clips):
    hint = clips.root.get_by_text("Swipe towards the better one, or tap a button.")
    assert hint.is_visible() and not clips.root.get_by_text("then use the keys").is_visible()
    clips.swipe(across=-120)
    clips.swipe(across=150, down=20)
    assert clips.said() == ["left", "right"]
    assert not hint.is_visible() and "You said: right is better." in clips.root.inner_text()
    clips.tap("Undo")
    assert clips.said() == ["left"]
    clips.tap("Equally good")
    clips.tap("Left is better")
    assert clips.said() == ["left", "equal", "left"]
    clips.page.keyboard.press("e")                                  # with a keyboard, keys work after a touch
    clips.wait()
    assert clips.said() == ["left", "equal", "left", "equal"]


def test_what_is_not_a_swipe(clips):
    for across, down in ((25, 0), (-40, 5), (0, 0), (70, 60), (-100, 90)):
        clips.swipe(across=across, down=down)
    clips.swipe(across=-200, lift=False)                            # and back again: one may think better of it
    assert clips.root.locator(".cl-body").get_attribute("data-towards") == "left"
    for x in (300, 350, 400, 405):
        clips.finger.touch("touchMove", (x, 300))
    clips.finger.touch("touchCancel")
    clips.finger.touch("touchStart", (300, 300))                           # two fingers are a pinch
    clips.finger.touch("touchStart", (300, 300), (400, 300))
    for moved in (40, 80, 120):
        clips.finger.touch("touchMove", (300 - moved, 300), (400 + moved, 300))
    clips.finger.touch("touchEnd")
    clips.wait()
    assert clips.said() == []
    assert clips.root.locator(".cl-body").get_attribute("data-towards") is None


def test_up_and_down_scrolls_the_page(clips):
    clips.open(above=900)
    clips.page.evaluate("document.body.style.paddingBottom = '2000px'")
    before = clips.page.evaluate("scrollY")
    clips.page.evaluate("scrollTo(0, 600)")
    clips.swipe(down=-200)
    clips.wait(400)
    assert clips.page.evaluate("scrollY") > max(before, 600) + 100
    assert clips.said() == []
    clips.swipe(across=-120)                                        # and then a swipe is one again
    assert clips.said() == ["left"]


def test_texts_are_swiped_too_and_a_scale_is_not(tablet, tmp_path):
    texts = Touched(tablet, LabelingSession(text_store(tmp_path / "a.sqlite", 4), "texts", "ann", 4, "Which text?"))
    texts.swipe(across=120, on=".cl-text")
    assert texts.said() == ["right"]
    texts.page.close()
    scale = Touched(tablet, LabelingSession(text_store(tmp_path / "b.sqlite", 4), "texts", "ann", 4, "Which text?",
                                            scale=True))
    assert not scale.root.get_by_text("Swipe").is_visible()
    scale.swipe(across=120, on=".cl-text")
    assert scale.said() == [] and scale.page.evaluate(SMALLER) == []
    scale.page.close()


def test_every_target_is_as_large_as_a_finger(clips):
    assert clips.page.evaluate("matchMedia('(pointer: coarse)').matches")
    assert clips.page.evaluate(SMALLER) == []
    for _ in range(6):
        clips.swipe(across=-120)
    assert "Done. Thank you!" in clips.root.inner_text()
    assert clips.page.evaluate(SMALLER) == []
    clips.tap("Review my answers")
    clips.root.locator(".cl-past").first.wait_for()
    assert clips.page.evaluate(SMALLER) == []
    clips.swipe(across=120, on=".cl-past .cl-canvas")               # a past answer is not swiped away
    assert clips.said() == 6 * ["left"]


@pytest.mark.slow
def test_in_jupyterlab(tablet, tmp_path):
    clip_store(tmp_path / "clips.sqlite", 4).close()
    long = "\n".join(f"# line {line}" for line in range(80))
    write_notebook(tmp_path / "a.ipynb", SHOW.format(file="clips", target=4), long)
    with Lab(tmp_path, COURSE_WORK=str(tmp_path)) as lab:
        page = tablet.new_page()
        page.goto(lab.url("a.ipynb"))
        wait_for_notebook(page)
        page.locator(".jp-CodeCell .jp-InputArea-editor").first.tap()
        page.keyboard.press("Control+Enter")
        page.locator('.cl-root[data-question]:not([data-question=""])').wait_for()
        page.wait_for_timeout(1000)
        finger, scrolled = Finger(page), "document.querySelector('.jp-WindowedPanel-outer').scrollTop"
        shown, first = "document.querySelector('.cl-root').dataset.question", page.locator(".cl-root").get_attribute(
            "data-question")
        finger.move(across=150, down=10)
        until(lambda: [choice for _, choice in labels(tmp_path, "clips")] == ["right"])
        until(lambda: page.evaluate(shown) not in ("", first), pause=lambda: page.wait_for_timeout(100))
        page.wait_for_timeout(500)                                  # the lock on the next pair is over
        page.get_by_role("button", name="Undo").tap()
        until(lambda: labels(tmp_path, "clips") == [])
        before = page.evaluate(scrolled)
        finger.move(down=-150)
        until(lambda: page.evaluate(scrolled) > before + 50, pause=lambda: page.wait_for_timeout(100))
        assert labels(tmp_path, "clips") == []
        page.close()
