"""The labeller's front end in a real Chromium, with the real session behind it but no Jupyter: fast and exact."""

import itertools
import json
from pathlib import Path

import pytest
from axe import axe_core
from labelling import BLOCKS, clip_store, rows, text_store
from waiting import until

from course_lib.labels.session import LabelingSession, in_words

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent.parent / "course_lib" / "labels"
NUMBERS = itertools.count()                        # each widget has an address, and so a localStorage, of its own
LOCK, PAUSE = 80, 140                              # ms: shorter than for people, so that the tests are shorter too

START = """async ([script, style, width, above]) => {
  document.head.append(Object.assign(document.createElement("style"), { textContent: style }));
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const { default: widget } = await import(url), heard = [];
  const box = Object.assign(document.createElement("div"), { style: `width: ${width}px; margin-top: ${above}px` });
  document.body.append(box);
  const model = { on: (_, f) => heard.push(f), off() {}, send: async (message) => {
    if (window.deaf) return;
    window.waiting = (window.waiting ?? 0) + 1;
    const reply = await window.python(message);
    if (!window.deaf) heard.forEach((f) => f(reply));
    window.waiting -= 1;
  } };
  window.end = widget.render({ model, el: box });
}"""


class Widget:
    """A page with the labeller in it. `session` answers; `broken`, when set, is raised instead."""

    def __init__(self, context, session, width=700):
        self.context, self.session, self.width, self.broken = context, session, width, None
        self.address = f"http://labeller-{next(NUMBERS)}.test/"
        self.open()

    def open(self, above=0, **media):
        """A fresh page, as after a reload or in a new tab; `above`: so many pixels of something else come first."""
        self.page = self.context.new_page()
        self.page.emulate_media(**media)
        self.page.on("pageerror", lambda error: print("[page error]", error))
        self.page.route(self.address, lambda route: route.fulfill(
            body='<!doctype html><html lang="en"><title>labeller</title><body>', content_type="text/html"))
        self.page.expose_function("python", self.hear)
        self.page.goto(self.address)
        self.page.evaluate(START, [(HERE / "labeler.js").read_text(), (HERE / "labeler.css").read_text(), self.width,
                                     above])
        self.root = self.page.locator(".cl-root")
        self.page.wait_for_function("document.querySelector('.cl-number').innerText")
        self.wait()
        self.root.evaluate("(root) => root.focus({ preventScroll: true })")

    def hear(self, message):
        try:
            if self.broken:
                raise self.broken
            return {**self.session.handle(message), "view": message["view"], "lock_ms": LOCK}
        except Exception as error:
            return {"type": "error", "words": in_words(error, self.session.store.path), "view": message["view"]}

    def wait(self, ms=PAUSE):
        """Until Python has answered all that the page has sent, and then longer than the lock."""
        self.page.wait_for_function("!window.waiting")
        self.page.wait_for_timeout(ms)

    def until(self, there):
        """Until `there()` is true. The page and Python speak meanwhile."""
        until(there, pause=lambda: self.page.wait_for_timeout(50))

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
            self.wait()

    def click(self, name, **options):
        self.root.get_by_role("button", name=name).click(**options)
        self.wait()

    @property
    def shown(self):
        return int(self.root.get_attribute("data-question") or 0)

    @property
    def text(self):
        return self.root.inner_text()

    def choices(self):
        found = rows(self.session.store, "SELECT question_id, choice FROM live_labels ORDER BY label_id")
        return [tuple(row) for row in found]

    def numbers(self):
        """Read the blocks of every clip on screen: [(frame number, clip number), ...] from left to right."""
        return self.page.evaluate(f"""() => [...document.querySelectorAll(".cl-canvas")].map((canvas) => {{
          const read = (y) => [...Array({BLOCKS}).keys()].reduce((sum, block) => sum + (canvas.getContext("2d")
            .getImageData(6 + block * (canvas.width / {BLOCKS}), y, 1, 1).data[0] > 128 ? 1 << block : 0), 0);
          return [read(canvas.height / 4), read(3 * canvas.height / 4)]; }})""")


@pytest.fixture
def clips(browser_context, tmp_path):
    store = clip_store(tmp_path / "clips.sqlite", 8)
    widget = Widget(browser_context, LabelingSession(store, "clips", "ann", 6, "Which clip?"))
    yield widget
    widget.page.close()


def ranking(browser_context, tmp_path, kind="clips", cards=4, width=700):
    store = (clip_store if kind == "clips" else text_store)(tmp_path / "order.sqlite", 3, run="other")
    items = [row[0] for row in rows(store, "SELECT item_id FROM items ORDER BY rowid LIMIT ?", cards)]
    store.add_ranking(items, run="order")
    return Widget(browser_context, LabelingSession(store, "order", "ann", 1, "Order?"), width)


# ---- answers -------------------------------------------------------------------------------------------------------

def test_keys_and_buttons_say_the_same(clips):
    asked = [clips.shown]
    for key in ("ArrowLeft", "ArrowRight", "e"):
        clips.press(key)
        asked.append(clips.shown)
    for name in ("Left is better", "Skip"):
        clips.click(name)
        asked.append(clips.shown)
    assert clips.choices() == list(zip(asked, ["left", "right", "equal", "left", "skip"], strict=False))
    assert len(set(asked)) == 6 and "5 / 6" in clips.text


def test_each_side_shows_its_own_clip(clips):
    for _ in range(3):
        left, right = (item.info["number"] for item in clips.session.store.question(clips.shown).shown)
        assert [number for _, number in clips.numbers()] == [left, right] and left != right
        clips.press("e")


def test_both_clips_show_the_same_moment(clips):
    pairs = []
    for _ in range(40):
        clips.wait(23)
        pairs.append([frame for frame, _ in clips.numbers()])
    assert all(left == right for left, right in pairs) and len({left for left, _ in pairs}) > 5, "and they do move"


def test_a_double_click_answers_once(clips):
    clips.root.get_by_role("button", name="Left is better").dblclick()
    clips.wait()
    assert len(clips.choices()) == 1


def test_a_held_key_answers_once(clips):
    for _ in range(5):
        clips.page.keyboard.down("ArrowLeft")                  # from the second on repeats, as from a held key
        clips.wait()
    clips.page.keyboard.up("ArrowLeft")
    clips.wait()
    assert len(clips.choices()) == 1


def test_a_pair_that_nobody_has_seen_is_not_answered(clips):
    clips.page.evaluate("""for (const key of ["ArrowLeft", "ArrowRight"])       // at once: no time to see the next pair
      document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }))""")
    clips.wait()
    assert [choice for _, choice in clips.choices()] == ["left"]


def test_a_mouse_does_not_swipe(clips):
    assert not clips.root.get_by_text("Swipe").is_visible()
    box = clips.root.locator(".cl-canvas").first.bounding_box()
    clips.page.mouse.move(box["x"] + 50, box["y"] + 50)
    clips.page.mouse.down()
    clips.page.mouse.move(box["x"] + 250, box["y"] + 50, steps=5)
    clips.page.mouse.up()
    clips.wait()
    assert clips.choices() == []


def test_undo_and_answer_again(clips):
    first = clips.shown
    clips.press("ArrowLeft", "e", "u", "u")
    assert clips.shown == first and clips.choices() == [] and "0 / 6" in clips.text
    clips.press("ArrowRight")
    assert clips.choices() == [(first, "right")]


def test_undo_before_the_answer_has_arrived(clips):
    first = clips.shown
    clips.page.evaluate("window.deaf = true")
    clips.press("ArrowLeft", "u")
    assert clips.shown == first
    clips.page.evaluate("window.deaf = false")
    clips.root.locator(".cl-banner").wait_for()
    clips.click("Try again")                                   # Python hears of the answer, then of the undo
    assert clips.shown == first and clips.choices() == []
    clips.press("e")
    assert clips.choices() == [(first, "equal")]


def test_undo_after_a_reload(clips):
    first = clips.shown
    clips.press("ArrowLeft", "ArrowRight")
    second = clips.choices()[1][0]
    clips.page.close()
    clips.open()
    assert "2 / 6" in clips.text
    clips.press("u")
    assert clips.shown == second and [question for question, _ in clips.choices()] == [first]
    clips.press("u")
    assert clips.shown == first and clips.choices() == []


def test_undo_of_an_answer_that_is_used_for_training(clips):
    clips.press("ArrowLeft")
    now = clips.shown
    clips.session.used_rounds = lambda: 0                         # the pairs are of round 0
    clips.press("u")
    assert clips.shown == now and "already used for training; they stay." in clips.text and "1 / 6" in clips.text
    assert [choice for _, choice in clips.choices()] == ["left"]


def test_the_scale(browser_context, tmp_path):
    store = text_store(tmp_path / "texts.sqlite", 4)
    widget = Widget(browser_context, LabelingSession(store, "texts", "ann", 3, "?", scale=True))
    widget.press("7", "5")
    widget.click("1: left, surely")
    given = [(label.choice, label.confidence) for label in store.labels("texts")]
    assert given == [("right", 7), ("equal", 5), ("left", 1)]
    widget.page.close()


# ---- nothing is lost -----------------------------------------------------------------------------------------------

def test_unsaved_answers_survive_a_closed_tab(clips):
    clips.press("ArrowLeft")
    clips.page.evaluate("window.deaf = true")                  # the kernel is gone
    clips.page.keyboard.press("ArrowRight")
    clips.page.close()                                         # in the middle of it
    assert len(clips.choices()) == 1
    clips.open()
    assert [choice for _, choice in clips.choices()] == ["left", "right"]
    assert clips.page.evaluate("localStorage.length") == 0, "what is on the disk is not kept twice"


def test_answers_of_another_person_are_not_sent_as_mine(clips):
    clips.page.evaluate("window.deaf = true")
    clips.press("ArrowLeft")
    clips.page.close()
    clips.session = LabelingSession(clips.session.store, "clips", "bob", 6, "?")
    clips.open()
    assert clips.choices() == []
    clips.page.close()
    clips.session = LabelingSession(clips.session.store, "clips", "ann", 6, "?")
    clips.open()
    assert len(clips.choices()) == 1


def test_a_silent_kernel_is_named_and_answers_wait(clips):
    clips.page.evaluate("window.deaf = true")
    clips.press("ArrowLeft", "e")
    banner = clips.root.locator(".cl-banner")
    banner.wait_for()
    assert "The kernel does not answer" in banner.inner_text()
    for words in ("2 answers wait safely in this browser", "run this cell again"):
        assert words in banner.inner_text()
    clips.page.evaluate("window.deaf = false")
    clips.click("Try again")
    assert [choice for _, choice in clips.choices()] == ["left", "equal"] and not banner.is_visible()


def test_a_full_disk_is_named_and_the_answer_is_sent_again(clips):
    import sqlite3

    clips.broken = sqlite3.OperationalError("database or disk is full")
    clips.broken.sqlite_errorname = "SQLITE_FULL"
    clips.press("ArrowRight")
    banner = clips.root.locator(".cl-banner")
    banner.wait_for()
    assert "The disk is full" in banner.inner_text() and "Free some space" in banner.inner_text()
    assert "1 answer waits safely" in banner.inner_text()
    clips.broken = None
    clips.until(lambda: not banner.is_visible())               # it tries again by itself
    assert [choice for _, choice in clips.choices()] == ["right"]


def test_an_error_in_python_reaches_the_person(clips):
    clips.broken = ZeroDivisionError("division by zero")
    clips.press("ArrowRight")
    assert "ZeroDivisionError: division by zero" in clips.root.locator(".cl-banner").inner_text()


def test_a_view_that_was_taken_away_says_so(clips):
    clips.page.evaluate("window.deaf = true")
    clips.press("ArrowLeft")
    clips.page.evaluate("window.end()")
    words = clips.root.locator(".cl-banner").inner_text()
    assert "The connection to the kernel is gone" in words and "Run this cell again" in words
    assert clips.root.get_by_role("button", name="Left is better").is_disabled()


def test_an_answer_that_was_given_elsewhere_counts_once(clips):
    clips.session.store.answer(clips.shown, "equal", labeler="ann")
    clips.press("ArrowLeft")
    assert "had been answered before" in clips.text
    now = clips.shown
    clips.press("u")
    assert "nothing to take back" in clips.text and clips.shown == now, "what was not counted is not asked again"
    assert [choice for _, choice in clips.choices()] == ["equal"]


# ---- the end -------------------------------------------------------------------------------------------------------

def test_the_summary(clips):
    clips.press("ArrowLeft", "ArrowLeft", "ArrowRight", "e", "s")
    clips.press("ArrowLeft", "ArrowLeft")                      # among these the pair that is asked again
    if "Done" not in clips.text:
        clips.press("ArrowLeft")
    assert "Done. Thank you!" in clips.text and "Run the next cell" in clips.text and "6 / 6" in clips.text
    assert "1 skip" in clips.text and "1 equal" in clips.text and "pairs asked twice, same answer" in clips.text
    clips.root.locator("summary").click()
    assert "Pair " in clips.root.locator("details li").inner_text()
    clips.click("Label some more")
    assert clips.shown and "/ 8" in clips.text
    clips.press("u")
    assert "taken back" in clips.text


def test_a_run_without_pairs_says_what_to_do(browser_context, tmp_path):
    widget = Widget(browser_context, LabelingSession(text_store(tmp_path / "t.sqlite", 0), "none", "ann", 5, "?"))
    assert "There are no pairs yet" in widget.text and "store.add_pair" in widget.text
    widget.page.close()


# ---- the synthetic labeler -----------------------------------------------------------------------------------------

def always_equal(left, right):
    return "equal"


@pytest.fixture
def script(browser_context, tmp_path):
    """A labeller with a synthetic labeler behind its button: 25 pairs of texts."""
    session = LabelingSession(text_store(tmp_path / "texts.sqlite", 25), "texts", "ann", 25, "Which text?",
                              synthetic=always_equal)
    widget = Widget(browser_context, session)
    yield widget
    widget.page.close()


def test_the_synthetic_labeler_asks_first_then_finishes(script):
    script.press("ArrowLeft", "ArrowRight")
    script.click("Let the synthetic labeler finish")
    for words in ("Let the synthetic labeler answer 23 pairs?", "marked scripted, yours human",
                  "already holds 2 labels of yours", "refuses to train on a mixture of both unless you allow it"):
        assert words in script.text
    assert not script.root.get_by_role("button", name="Left is better").is_visible()
    script.press("ArrowLeft", "e", "u")
    assert len(script.choices()) == 2, "the keys rest while the page asks"
    script.click("Answer 23 pairs")
    script.until(lambda: "Done. Thank you!" in script.text)
    assert "25 / 25" in script.text and not script.shown and "The synthetic labeler answered 23 pairs." in script.text
    script.press("ArrowLeft", "ArrowRight", "e")
    assert len(script.choices()) == 25 and [choice for _, choice in script.choices()][2:] == 23 * ["equal"]
    sources = [label.source for label in script.session.store.labels("texts")]
    assert sources.count("human") == 2 and sources.count("scripted") == 23


def test_escape_and_cancel_leave_the_pair_as_it_was(script):
    first = script.shown
    script.click("Let the synthetic labeler finish")
    assert "holds no labels of yours" in script.text
    script.press("Escape")
    assert script.shown == first and script.root.get_by_role("button", name="Left is better").is_visible()
    script.root.get_by_role("button", name="Let the synthetic labeler finish").focus()
    script.press("Enter", "Enter", "Tab", "Tab", "Enter")         # opens; nothing; to Cancel; cancels
    assert script.choices() == [] and script.root.get_by_role("button", name="Left is better").is_visible()
    script.press("ArrowLeft")
    assert script.choices() == [(first, "left")]


def test_progress_is_shown_and_a_stop_leaves_the_rest_to_the_person(script):
    batches = []
    handle = script.session.handle

    def watched(message):
        if message["type"] == "synthetic":
            batches.append(script.text)                       # what the page shows while Python works on a batch
            if len(batches) == 2:
                script.root.get_by_role("button", name="Stop").click()
        return handle(message)

    script.session.handle = watched
    script.click("Let the synthetic labeler finish")
    script.click("Answer 25 pairs")
    script.until(lambda: script.root.get_by_role("button", name="Left is better").is_visible())
    assert len(batches) == 2 and "0 of 25 pairs answered" in batches[0] and "10 of 25 pairs answered" in batches[1]
    assert "20 / 25" in script.text and len(script.choices()) == 20
    script.wait()
    script.press("ArrowRight")
    assert script.choices()[-1][1] == "right" and len({question for question, _ in script.choices()}) == 21


def test_the_other_controls_rest_while_the_script_answers(script):
    script.press("ArrowLeft")
    seen = []
    script.session.synthetic = lambda left, right: seen.append(
        (script.root.get_by_role("button", name="Undo").is_disabled(),
         script.root.get_by_role("button", name="Left is better").is_visible())) or "equal"
    script.click("Let the synthetic labeler finish")
    script.click("Answer 24 pairs")
    script.until(lambda: "Done. Thank you!" in script.text)
    assert set(seen) == {(True, False)}


def test_an_error_of_the_scripted_function_is_shown_and_one_can_go_on(script):
    script.session.synthetic = lambda left, right: 1 / 0
    script.click("Let the synthetic labeler finish")
    script.click("Answer 25 pairs")
    assert "stopped with an error" in script.text and "ZeroDivisionError: division by zero" in script.text
    script.click("Go on myself")
    script.press("ArrowLeft")
    assert [choice for _, choice in script.choices()] == ["left"] and "1 / 25" in script.text


def test_the_done_page_keeps_only_mine_in_one_click(script):
    script.press("ArrowLeft", "ArrowRight")
    script.session.answer_synthetic()
    script.until(lambda: script.session.counts.done == 25)
    script.press("e")                                          # a pair that was answered meanwhile
    script.until(lambda: "Done. Thank you!" in script.text)
    assert "2 of these labels are yours, 23 are the synthetic labeler's" in script.text and "mixed=True" in script.text
    script.click("Keep only mine: 23 pairs will be asked again")
    assert script.shown and "2 / 25" in script.text and "23 labels are set aside" in script.text
    script.press("ArrowRight")
    assert [choice for _, choice in script.choices()] == ["left", "right", "right"]


def test_a_person_is_told_that_a_script_began(script):
    script.session.answer_synthetic(4)
    script.page.close()
    script.open()
    assert "The 4 pairs answered so far are the synthetic labeler's; yours will mix" in script.text
    assert script.root.get_by_role("button", name="Undo").is_disabled(), "there is nothing of one's own to take back"


# ---- the review ----------------------------------------------------------------------------------------------------

def to_the_end(widget, key="ArrowLeft", target=6):
    widget.page.close()
    widget.session.target = target
    widget.open()
    while "Done" not in widget.text:
        widget.press(key)


def test_an_answer_is_changed_in_the_review(clips):
    to_the_end(clips)
    before = dict(clips.choices())
    clips.click("Review my answers")
    clips.root.locator(".cl-past").first.wait_for()
    assert "Your answers, 1 to 4 of 6" in clips.text and "You were asked 1 pair twice" in clips.text
    card = clips.root.locator(".cl-past").nth(1)
    assert card.get_by_role("button", name="left is better").get_attribute("aria-pressed") == "true"
    card.get_by_role("button", name="equally good").click()
    clips.wait()
    assert "You said: equally good; before that: left is better." in card.inner_text()
    changed = [question for question, choice in clips.choices() if choice == "equal"]
    assert len(changed) == 1 and before[changed[0]] == "left" and len(clips.choices()) == len(before)
    clips.press("Escape")
    assert "Done. Thank you!" in clips.text and "1 equal" in clips.text
    clips.press("u")
    assert clips.shown == changed[0], "the changed answer is the latest"


def test_all_clips_of_the_review_play_together(clips):
    to_the_end(clips)
    clips.click("Review my answers")
    clips.root.locator(".cl-past").first.wait_for()
    clips.press(" ", ".", ".")
    shown = clips.numbers()
    assert len(shown) == 8 and len({frame for frame, _ in shown}) == 1, "all show the same moment"
    stored = [item.info["number"] for past in clips.session.review(0, 4)["answers"]
              for item in clips.session.store.question(past["question"]["id"]).shown]
    assert [number for _, number in shown] == stored
    clips.click("Later")
    clips.until(lambda: "5 to 6 of 6" in clips.text)
    assert len(clips.numbers()) == 4 and clips.root.get_by_role("button", name="Later").is_disabled()


def test_the_review_by_keyboard_alone(script):
    to_the_end(script, target=3)
    script.root.get_by_role("button", name="Review my answers").focus()
    script.press("Enter")
    script.root.locator(".cl-past").first.wait_for()
    script.press("ArrowRight", "e", "s", "u", "Enter")          # no key answers or takes back unseen
    assert [choice for _, choice in script.choices()] == 3 * ["left"]
    for _ in range(20):
        script.page.keyboard.press("Tab")
        if script.page.evaluate("document.activeElement.ariaLabel") == "right is better":
            break
    script.press("Enter")
    assert sorted(choice for _, choice in script.choices()) == ["left", "left", "right"]
    assert script.page.evaluate("document.activeElement.ariaLabel") == "right is better", "focus stays"
    assert script.page.get_by_role("status").inner_text() == "Changed to: right is better."


def test_the_review_shows_what_is_used_for_training_without_a_way_to_change_it(script):
    to_the_end(script, target=2)
    script.session.used_rounds = lambda: 0
    script.click("Review my answers")
    script.root.locator(".cl-past").first.wait_for()
    assert "already used for training; they stay" in script.text
    assert script.root.locator(".cl-past button:enabled").count() == 0


def test_a_change_that_comes_too_late_is_refused_and_shown_as_it_is(script):
    to_the_end(script, target=2)
    script.click("Review my answers")
    script.root.locator(".cl-past").first.wait_for()
    script.session.used_rounds = lambda: 0                     # the next cell has run meanwhile
    script.root.get_by_role("button", name="equally good").first.click()
    script.until(lambda: script.root.locator(".cl-past button:enabled").count() == 0)
    assert "before that" not in script.text and {choice for _, choice in script.choices()} == {"left"}


def test_an_order_is_given_again_from_the_review(browser_context, tmp_path):
    widget = ranking(browser_context, tmp_path, cards=3)
    numbers = shown_numbers(widget)
    widget.press("3", "1", "Enter")
    widget.click("Review my answers")
    widget.root.locator(".cl-past").wait_for()
    assert [number for _, number in widget.numbers()] == [numbers[place] for place in (2, 0, 1)]
    widget.click("Order these again")
    widget.press("1", "2", "Enter")
    assert preferences(widget) == implied([numbers[place] for place in (0, 1, 2)])
    widget.page.close()


# ---- playing -------------------------------------------------------------------------------------------------------

def test_pause_step_slide_and_half_speed(clips):
    clips.press(" ")
    still = clips.numbers()[0][0]
    clips.wait(300)
    assert clips.numbers()[0][0] == still
    clips.press(".", ".", ",")
    assert [frame for frame, _ in clips.numbers()] == 2 * [(still + 1) % 12]
    clips.root.get_by_role("slider").fill("7")
    assert [frame for frame, _ in clips.numbers()] == [7, 7] and "8 / 12" in clips.text
    clips.click("½ speed")
    assert clips.root.get_by_role("button", name="½ speed").get_attribute("aria-pressed") == "true"
    clips.click("Play")
    clips.until(lambda: clips.numbers()[0][0] != 7)


def test_a_pause_is_for_one_pair(clips):
    clips.press(" ", "ArrowLeft")
    clips.until(lambda: clips.numbers()[0][0] != 0)
    assert clips.root.get_by_role("button", name="Pause").is_visible()


def test_reduced_motion_starts_every_pair_paused(clips):
    clips.page.close()
    clips.open(reduced_motion="reduce")
    assert clips.root.get_by_role("button", name="Play").is_visible()
    clips.press(" ", "ArrowLeft")
    assert clips.root.get_by_role("button", name="Play").is_visible() and clips.numbers()[0][0] == 0


@pytest.mark.parametrize(("fresh", "space"), [(True, 500), (False, 500), (True, 2000)])
def test_a_widget_that_is_cut_off_when_its_cell_has_run_comes_into_view(clips, fresh, space):
    """Not after a reload of the page, and not when its reader is elsewhere."""
    clips.page.close()
    handle = clips.session.handle
    clips.session.handle = lambda message: {**handle(message), "fresh": fresh}
    clips.open(above=space)
    top = clips.page.evaluate("scrollY")
    bottom = clips.root.bounding_box()["y"] + clips.root.bounding_box()["height"]
    assert (top > 0 and bottom <= 901) if fresh and space < 900 else top == 0


# ---- rankings ------------------------------------------------------------------------------------------------------

def preferences(widget):
    return {(p.sigma1.info["number"], p.sigma2.info["number"]): p.mu for p in widget.session.store.preferences("order")}


def shown_numbers(widget):
    return [item.info["number"] for item in widget.session.store.question(widget.shown).shown]


def implied(order):
    """The preferences that an order implies, for pairs in rising order of their numbers."""
    numbers = sorted(order)
    return {(one, other): float(order.index(one) < order.index(other))
            for place, one in enumerate(numbers) for other in numbers[place + 1:]}


def test_ranking_by_number_keys(browser_context, tmp_path):
    widget = ranking(browser_context, tmp_path)
    numbers = shown_numbers(widget)
    assert widget.root.get_by_role("button", name="Save this order").is_disabled()
    widget.press("3", "1", "4")                                # the fourth place is then known
    assert [number for _, number in widget.numbers()] == [numbers[place] for place in (2, 0, 3, 1)]
    widget.press("Enter")
    assert preferences(widget) == implied([numbers[place] for place in (2, 0, 3, 1)])
    widget.page.close()


def test_ranking_by_dragging(browser_context, tmp_path):
    widget = ranking(browser_context, tmp_path)
    numbers = shown_numbers(widget)
    first, last = (widget.root.locator(".cl-card").nth(place).bounding_box() for place in (0, 3))
    widget.page.mouse.move(first["x"] + 20, first["y"] + 60)
    widget.page.mouse.down()
    widget.page.mouse.move(last["x"] + last["width"] - 10, last["y"] + 60, steps=12)
    widget.page.mouse.up()
    widget.wait()
    assert [number for _, number in widget.numbers()] == [*numbers[1:], numbers[0]]
    widget.click("Save this order")
    assert preferences(widget) == implied([*numbers[1:], numbers[0]])
    widget.page.close()


def test_ranking_by_buttons_with_a_tie(browser_context, tmp_path):
    widget = ranking(browser_context, tmp_path, cards=3)
    numbers = shown_numbers(widget)
    widget.root.get_by_role("button", name="Move number 3 towards best").focus()
    widget.press("Enter")
    focused = widget.page.evaluate("document.activeElement.innerText")
    assert focused.endswith("Move number 3 towards best"), "focus stays"
    widget.click("Number 2 is as good as the one before")      # now 1, 3, 2 with the last two tied
    widget.press("Enter")                                      # saves: after a click the keys are the labeller's again
    expected = implied([numbers[0], numbers[2], numbers[1]])
    expected[min(numbers[1:]), max(numbers[1:])] = 0.5
    assert preferences(widget) == expected
    widget.page.close()


def test_ranking_start_over_and_skip(browser_context, tmp_path):
    widget = ranking(browser_context, tmp_path, kind="texts", cards=5)
    widget.press("5", "4", "3", "2")
    assert widget.root.get_by_role("button", name="Save this order").is_enabled()
    widget.press("Backspace")
    assert widget.root.get_by_role("button", name="Save this order").is_disabled()
    widget.press("s")
    assert {choice for _, choice in widget.choices()} == {"skip"} and len(widget.choices()) == 10
    widget.page.close()


# ---- text is text --------------------------------------------------------------------------------------------------

HOSTILE = '<img src=x onerror="window.hit = 1"><b>bold</b> & <script>window.hit = 1</script>'


def test_markup_is_shown_as_it_was_written(browser_context, tmp_path):
    store = text_store(tmp_path / "texts.sqlite", 0)
    store.add_pair(store.add_text(HOSTILE), store.add_text(f"other {HOSTILE}"), run=HOSTILE, prompt=HOSTILE)
    widget = Widget(browser_context, LabelingSession(store, HOSTILE, HOSTILE, 1, HOSTILE))
    assert widget.text.count(HOSTILE) == 4                     # title, prompt, both sides
    widget.press("e")
    assert widget.page.evaluate("window.hit") is None
    assert widget.root.locator("img, b:not(.cl-tile b), script").count() == 0
    widget.page.close()


# ---- keys, focus, names --------------------------------------------------------------------------------------------

def test_keys_stay_inside_but_shortcuts_pass(clips):
    clips.page.evaluate("window.leaked = []; document.addEventListener('keydown', (e) => window.leaked.push(e.key))")
    for key in ("d", "x", "a", "Enter", "1", "Control+s"):
        clips.page.keyboard.press(key)
    assert [key for key in clips.page.evaluate("window.leaked") if key != "Control"] == ["s"]
    clips.press("Escape")
    assert clips.page.evaluate("document.activeElement === document.body")


def test_all_of_it_works_by_keyboard_alone(clips):
    reached = set()
    for _ in range(16):
        clips.page.keyboard.press("Tab")
        reached.add(clips.page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel"))
    for name in ("Pause", "Equally good", "Left is better", "Right is better", "Frame of all clips", "½ speed"):
        assert any(name in one for one in reached), f"{name} is not reached by Tab: {reached}"
    clips.root.get_by_role("button", name="Equally good").focus()
    clips.press("Enter")
    assert [choice for _, choice in clips.choices()] == ["equal"]
    assert "Equally good" in clips.page.evaluate("document.activeElement.innerText"), "focus stays for the next pair"


def test_names_for_screen_readers(clips):
    for role, name in (("group", "Which clip?"), ("img", "Left clip: 12 frames"), ("img", "Right clip: 12 frames"),
                       ("progressbar", "Pairs labelled"), ("slider", "Frame of all clips")):
        assert clips.page.get_by_role(role, name=name, exact=True).count() == 1, name
    clips.press("e")
    assert clips.page.get_by_role("status").inner_text() == "You said: equally good."


# ---- size and accessibility ----------------------------------------------------------------------------------------

CHROME = 118                                       # what JupyterLab itself takes of a window's height


def states(browser_context, tmp_path, width):
    """The widget in each of its forms, one after the other."""
    for kind, make in (("clips", clip_store), ("texts", text_store)):
        options = {"height": 210, "width": 160} if kind == "clips" else {"prompt": "A prompt of some length. " * 20}
        for scale in (False, True):
            store = make(tmp_path / f"{kind}-{scale}-{width}.sqlite", 4, run=kind, **options)
            session = LabelingSession(store, kind, "ann", 4, "A question?", scale=scale)
            yield f"{kind}, scale {scale}", Widget(browser_context, session, width)
    for kind in ("clips", "texts"):
        folder = tmp_path / f"{kind}-{width}"
        folder.mkdir()
        yield f"ranking of {kind}", ranking(browser_context, folder, kind, 5, width)


@pytest.mark.parametrize("width", [700, pytest.param(1000, marks=pytest.mark.slow)])
def test_it_fits_a_window_of_620_pixels(browser_context, tmp_path, width):
    for name, widget in states(browser_context, tmp_path, width):
        widget.page.set_viewport_size({"width": 1200, "height": 620})
        for trouble in (False, True):
            if trouble:
                widget.page.evaluate("window.deaf = true")
                widget.page.keyboard.press("s")
                widget.root.locator(".cl-banner").wait_for()
            box = widget.root.bounding_box()
            assert box["height"] <= 620 - CHROME, f"{name}, trouble {trouble}: {box['height']} px"
            inside = widget.page.evaluate("""() => { const root = document.querySelector(".cl-root");
              const edge = root.getBoundingClientRect().right;
              return [...root.querySelectorAll("*")].every((e) => e.getBoundingClientRect().right <= edge + 1); }""")
            assert inside and box["width"] <= width, f"{name} sticks out"
        widget.page.close()


UNCLIPPED = """() => {
  const root = document.querySelector(".cl-root"), wrong = [];
  const box = (element) => element.getBoundingClientRect();
  const shown = [...root.querySelectorAll("button, input")].filter((element) => element.offsetParent);
  for (const one of shown) {
    const parent = box(one.parentElement);
    const inside = parent.left - 1 <= box(one).left && box(one).right <= parent.right + 1;
    if (!inside || box(one).right > box(root).right) wrong.push(`outside: ${one.innerText}`);
    if (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1)
      wrong.push(`cut: ${one.innerText}`);
  }
  shown.forEach((one, place) => shown.slice(place + 1).forEach((other) => {
    const a = box(one), b = box(other);
    if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
      wrong.push(`over each other: ${one.innerText} and ${other.innerText}`);
  }));
  return wrong; }"""


@pytest.mark.parametrize("width", [480, 560, 620, pytest.param(1000, marks=pytest.mark.slow)])
def test_controls_are_whole_from_480_pixels_on(browser_context, tmp_path, width):
    for name, widget in states(browser_context, tmp_path, width):
        widget.session.synthetic = always_equal                  # one more button
        widget.page.set_viewport_size({"width": 1200, "height": 620})
        if "ranking" not in name:
            widget.press("s")
        stages = ["question", "review"] if "ranking" in name else ["question", "ask", "done", "review"]
        for stage in stages:
            if stage == "ask":
                widget.click("Let the synthetic labeler finish")
            elif stage == "done":
                widget.root.get_by_role("button", name="Answer").first.click()
                widget.until(lambda page=widget: "Done" in page.text)
            elif stage == "review":
                if "ranking" in name:
                    widget.press(*"12345", "Enter")
                widget.click("Review my answers")
                widget.root.locator(".cl-past").first.wait_for()
            assert widget.page.evaluate(UNCLIPPED) == [], f"{name}, {stage}"
            if stage == "question":
                assert widget.root.bounding_box()["height"] <= 620 - CHROME, f"{name} must be scrolled"
        widget.page.close()


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation(browser_context, tmp_path, theme):
    axe = axe_core(tmp_path)
    found = {}
    for name, widget in states(browser_context, tmp_path, 700):
        colours = {"light": ("#fff", "rgba(0,0,0,.87)"), "dark": ("#111", "rgba(255,255,255,.87)")}[theme]
        widget.page.evaluate("""([back, front, light]) => { const { body } = document;
          body.dataset.jpThemeLight = light;
          body.style.background = back;
          body.style.setProperty("--jp-layout-color1", back);
          body.style.setProperty("--jp-ui-font-color1", front); }""", [*colours, str(theme == "light").lower()])
        widget.page.add_script_tag(content=axe)
        widget.session.synthetic = always_equal
        for stage in ("question", "help and error", "ask", "summary", "review"):
            if stage == "help and error":
                widget.press("?")
                widget.broken = ZeroDivisionError("oh")
                widget.press("s")
                widget.broken = None
                widget.wait(500)
            if stage == "ask":
                widget.until(lambda page=widget: not page.root.locator(".cl-banner").is_visible())      # it tries again
                if not widget.shown:                           # the one ranking is answered
                    continue
                widget.click("Let the synthetic labeler finish")
            if stage == "review":
                widget.click("Review my answers")
                widget.root.locator(".cl-past").first.wait_for()
            if stage == "summary":
                widget.press("Escape", *"sssss")
                assert not widget.shown
            result = widget.page.evaluate("axe.run('.cl-root')")
            if result["violations"]:
                found[f"{name}, {stage}"] = [(one["id"], [node["html"][:120] for node in one["nodes"]])
                                             for one in result["violations"]]
        widget.page.close()
    assert found == {}, json.dumps(found, indent=1)
