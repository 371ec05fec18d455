"""The kernel's half of the labeller, no browser: messages, `require`, synthetic labelers, plain buttons, errors."""

import io
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from labelling import clip_store, counter_clip, full_disk, rows, side_of, text_store
from PIL import Image

from course_lib.errors import CourseError
from course_lib.labels import Labeler
from course_lib.labels.labeler import NotYetLabelled
from course_lib.labels.media import animation, frames, hide, sheet
from course_lib.labels.session import LabelingSession, in_words


@pytest.fixture
def store(tmp_path):
    return text_store(tmp_path / "labels.sqlite", 12)


@pytest.fixture
def session(store):
    return LabelingSession(store, "texts", "ann", 10, "Which?")


def say(session, choice, question, event, **more):
    return session.handle({"type": "answer", "id": event, "question": question, "choice": choice, "have": [], **more})


def hello(session, have=()):
    return session.handle({"type": "hello", "have": list(have)})


# ---- messages ------------------------------------------------------------------------------------------------------

def test_hello_brings_one_question_and_three_in_reserve(session):
    state = hello(session)
    assert len(state["questions"]) == 4 and (state["done"], state["target"], state["total"]) == (0, 10, 12)
    held = [question["id"] for question in state["questions"]]
    assert hello(session, held)["questions"] == [], "what the browser holds is not sent again"


def test_an_answer_is_acknowledged_once_it_is_on_the_disk(session, store):
    question = hello(session)["questions"][0]["id"]
    state = say(session, "left", question, "e1", response_ms=800)
    assert state["acks"] == ["e1"] and state["gone"] == [question] and state["done"] == 1
    assert [row[0] for row in rows(store, "SELECT response_ms FROM labels")] == [800]
    assert say(session, "left", question, "e1")["done"] == 1, "sent twice, counted once"


def test_the_right_side_really_is_the_other_item(session, store):
    for question in hello(session)["questions"]:
        left, right = (item["text"] for item in question["items"])
        assert left != right and side_of(store, question["id"], left) == "left"


def test_undo_after_a_reload_brings_the_question_back(session):
    question = hello(session)["questions"][0]["id"]
    say(session, "left", question, "e1")
    state = session.handle({"type": "undo", "id": "u1", "have": []})
    assert [one["id"] for one in state["front"]] == [question] and state["done"] == 0
    assert session.handle({"type": "undo", "id": "u2", "have": []})["note"] == "There is nothing to take back."


def test_undo_does_not_reach_what_is_used_for_training(tmp_path):
    store, used = text_store(tmp_path / "rounds.sqlite", 0), [0]
    for number in range(8):
        store.add_pair(store.add_text(f"a{number}"), store.add_text(f"b{number}"), run="texts", round=1 + number // 6)
    session = LabelingSession(store, "texts", "ann", 6, "?", repeats=0.5, used_rounds=lambda: used[0])
    for number in range(6):
        say(session, "left", store.questions_of("texts")[number], f"e{number}")
    used[0] = 1                                                 # the loop has taken round 1
    refused = "The answers of round 1 are already used for training; they stay."
    state = session.handle({"type": "undo", "id": "u1", "event": "e5", "question": 6, "have": [6]})
    assert (state["note"], state["gone"][0], state["front"], state["done"]) == (refused, 6, [], 6)
    assert session.handle({"type": "undo", "id": "u2", "have": []})["note"] == refused, "after a reload, too"
    session.target = 8
    repeat = next(question for question in hello(session)["questions"] if question["extra"])
    say(session, "left", repeat["id"], "again")
    state = session.handle({"type": "undo", "id": "u3", "have": []})
    assert [one["id"] for one in state["front"]] == [repeat["id"]], "a repeat belongs to the round that asks it"
    say(session, "right", store.questions_of("texts", round=2)[0], "e6")
    assert session.handle({"type": "undo", "id": "u4", "event": "e6", "have": []})["done"] == 6
    assert len(store.preferences("texts")) == 6


def test_no_more_than_the_target_is_asked(session):
    answered = 0
    while (state := hello(session))["questions"]:
        say(session, "equal", state["questions"][0]["id"], f"e{answered}")
        answered += 1
    assert answered == 11 and state["done"] == 10               # one of them was asked twice
    assert state["summary"]["equal"] == 10 and state["summary"]["same"] == len(state["summary"]["repeats"]) == 1
    more = session.handle({"type": "more", "have": []})
    assert len(more["questions"]) == 2 and more["target"] == 12


def test_a_repeat_is_named_after_it_was_answered(session):
    asked = []
    for number in range(5):
        asked.append(hello(session)["questions"][0])
        say(session, "left", asked[-1]["id"], f"e{number}")
    repeat = hello(session)["questions"][0]
    assert repeat["extra"] and [item["text"] for item in repeat["items"]] == [
        item["text"] for item in reversed(asked[0]["items"])]
    note = say(session, "right", repeat["id"], "again")["note"]
    assert note == "That was pair 1 again, with the sides swapped: the same answer as before."


def test_the_scale_is_stored_as_given(store):
    session = LabelingSession(store, "texts", "ann", 10, "Which?", scale=True)
    state = hello(session)
    assert state["scale"]
    say(session, "right", state["questions"][0]["id"], "e1", confidence=8)
    assert store.preferences("texts")[0].weight == 0.75


def test_clips_go_out_as_one_picture_each(tmp_path):
    store = clip_store(tmp_path / "clips.sqlite", 1)
    left, right = hello(LabelingSession(store, "clips", "ann", 1, "?"))["questions"][0]["items"]
    assert left["data"] != right["data"] and (left["frames"], left["width"], left["height"]) == (12, 80, 60)


# ---- pictures ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("colours", ["few", "many", "in a corner", "still", "one frame"])
def test_a_sheet_holds_every_frame(colours):
    clip = counter_clip(3)
    rng = np.random.default_rng(0)
    if colours == "many":
        clip = rng.integers(0, 256, (7, 9, 11, 3), dtype=np.uint8)
    elif colours != "few":
        clip = np.repeat(rng.integers(0, 3, (1, 9, 11, 3), dtype=np.uint8), 1 if colours == "one frame" else 7, axis=0)
        if colours == "in a corner":
            clip[2:, :3, 6:] = rng.integers(0, 4, (5, 3, 5, 3))
    picture, columns = sheet(clip)
    grid = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    count, height, width, _ = clip.shape
    for frame in range(count):
        row, column = divmod(frame, columns)
        cell = grid[row * height:(row + 1) * height, column * width:(column + 1) * width]
        np.testing.assert_array_equal(cell, clip[frame])


def test_the_animation_shows_both_sides_in_step(tmp_path):
    store = clip_store(tmp_path / "clips.sqlite", 1)
    question = store.question(1)
    picture = Image.open(io.BytesIO(animation(question)))
    assert picture.n_frames == 12 and picture.info["duration"] == pytest.approx(1000 / 15, abs=0.1)
    left, right = (frames(item) for item in question.shown)
    for frame in (0, 5, 11):
        picture.seek(frame)
        pixels = np.asarray(picture.convert("RGB"))
        np.testing.assert_array_equal(pixels[:, :80], left[frame])
        np.testing.assert_array_equal(pixels[:, -80:], right[frame])


def test_the_score_of_pong_is_hidden():
    ale_py, gymnasium = pytest.importorskip("ale_py"), pytest.importorskip("gymnasium")
    gymnasium.register_envs(ale_py)
    env = gymnasium.make("ALE/Pong-v5", frameskip=4)
    env.reset(seed=0)
    clip = np.stack([env.step(0)[0] for _ in range(120)])       # the other player scores: the digits change
    covered = hide(clip, rows=slice(0, 24))
    assert len(np.unique(clip[:, :24].reshape(120, -1), axis=0)) > 1, "there is something to hide"
    assert len(np.unique(covered[:, :24].reshape(-1, 3), axis=0)) == 1
    np.testing.assert_array_equal(covered[:, 24:], clip[:, 24:])


# ---- Labeler -------------------------------------------------------------------------------------------------------

def prefer_smaller(left, right):
    return "left" if int(left.text.split()[1]) < int(right.text.split()[1]) else "right"


def test_require_says_how_far_one_is(store):
    labeler = Labeler(store, run="texts", target=10, labeler="ann")
    store.answer(1, "left", labeler="ann")
    with pytest.raises(NotYetLabelled) as raised:
        labeler.require()
    assert raised.value._render_traceback_() == [
        "1 of 10 pairs are labelled; go on above, then run this cell again."]
    with pytest.raises(NotYetLabelled, match="has 12 pairs, fewer than the 50"):
        labeler.require(50)


def test_require_gives_the_preferences(store):
    labeler = Labeler(store, run="texts", target=2, labeler="ann")
    store.answer(1, side_of(store, 1, "text 1"), labeler="ann")
    store.answer(2, "skip", labeler="ann")
    store.answer(3, "left", labeler="someone else")
    [(sigma1, sigma2, mu)] = labeler.require(2)
    assert (sigma1.text, sigma2.text, mu) == ("text 0", "text 1", 0.0)


def test_the_synthetic_labeler_answers_only_when_asked(store, monkeypatch):
    monkeypatch.delenv("COURSE_LABELER", raising=False)
    labeler = Labeler(store, run="texts", target=6, labeler="ann", synthetic=prefer_smaller)
    with pytest.raises(NotYetLabelled):
        labeler.require()
    monkeypatch.setenv("COURSE_LABELER", "scripted")
    preferences = labeler.require()
    assert [p.mu for p in preferences] == [1.0] * 6 and {p.source for p in preferences} == {"scripted"}
    assert {row[0] for row in rows(store, "SELECT DISTINCT labeler FROM labels")} == {"scripted"}
    assert len(labeler.require(4)) == 6, "nothing is asked twice"


def test_label_some_more_does_not_move_what_the_next_cell_needs(store):
    labeler = Labeler(store, run="texts", target=1, labeler="ann")
    say(labeler.session, "left", hello(labeler.session)["questions"][0]["id"], "e1")
    labeler.session.handle({"type": "more", "have": []})
    assert labeler.session.target > 1 and len(labeler.require()) == 1


def test_the_button_of_the_synthetic_labeler_finishes_what_a_person_began(store):
    session = LabelingSession(store, "texts", "ann", 6, "?", synthetic=prefer_smaller)
    say(session, "equal", hello(session)["questions"][0]["id"], "e1")
    state = session.handle({"type": "synthetic", "have": []})
    assert state["done"] == 6 and state["note"] == "The synthetic labeler answered 5 pairs."
    sources = [p.source for p in store.preferences("texts")]
    assert sorted(sources) == ["human"] + 5 * ["scripted"]


def test_the_script_answers_in_batches_and_names_what_is_not_to_be_asked(store):
    session = LabelingSession(store, "texts", "ann", 10, "?", repeats=0.5, synthetic=prefer_smaller)
    for number in range(5):
        say(session, "left", hello(session)["questions"][0]["id"], f"e{number}")
    held = [question["id"] for question in hello(session)["questions"]]
    assert any(question["extra"] for question in hello(session)["questions"]), "a repeat is due"
    state = session.handle({"type": "synthetic", "count": 2, "have": held})
    assert (state["done"], state["own"], state["scripted"], state["answered"]) == (7, 5, 2, 2)
    assert len(state["gone"]) == 2 and set(state["gone"]) < set(held)
    held = [one for one in held if one not in state["gone"]] + [one["id"] for one in state["questions"]]
    state = session.handle({"type": "synthetic", "count": 20, "have": held})
    assert (state["done"], state["answered"], state["questions"]) == (10, 3, [])
    assert sorted(state["gone"]) == sorted(held), "the due repeat is not asked either"
    assert hello(session)["questions"] == [] and "summary" in hello(session)


def test_what_the_script_answered_is_not_answered_again(store):
    session = LabelingSession(store, "texts", "ann", 3, "?", synthetic=prefer_smaller)
    first = hello(session)["questions"][0]["id"]
    session.handle({"type": "synthetic", "have": [first]})
    state = say(session, "left", first, "late")
    assert state["done"] == 3 and "by the synthetic labeler" in state["note"] and state["gone"] == [first]
    assert [label.labeler for label in store.labels("texts")] == 3 * ["scripted"]
    assert rows(store, "SELECT reason FROM set_aside")[0][0] == "scripted has already answered this question"
    note = session.handle({"type": "undo", "id": "u1", "have": []})["note"]
    assert note == "There is nothing of yours to take back: the synthetic labeler answered."


@pytest.mark.parametrize(("function", "words"), [
    (lambda left, right: {}[left.text], "KeyError"),
    (lambda left, right: "the first", "returned 'the first'; it should return \"left\", \"right\""),
    (lambda left, right: 1 / 0, "ZeroDivisionError: division by zero.")])
def test_an_error_of_the_scripted_function_is_told_and_the_person_can_go_on(store, function, words):
    calls = []

    def third_fails(left, right):
        calls.append(left)
        return function(left, right) if len(calls) == 3 else "equal"

    session = LabelingSession(store, "texts", "ann", 10, "?", synthetic=third_fails)
    state = session.handle({"type": "synthetic", "count": 10, "have": []})
    assert words in state["stopped"] and (state["answered"], state["done"]) == (2, 2)
    assert say(session, "left", state["questions"][0]["id"], "mine")["done"] == 3


def mixed_session(store, **options):
    """Ann has answered two pairs and the script four."""
    labeler = Labeler(store, run="texts", target=6, labeler="ann", synthetic=prefer_smaller, **options)
    for number in range(2):
        say(labeler.session, "equal", hello(labeler.session)["questions"][0]["id"], f"e{number}")
    labeler.answer_synthetic()
    return labeler


@pytest.mark.parametrize(("source", "again", "left"), [("human", 4, 2), ("scripted", 2, 4)])
def test_keep_only_sets_the_other_source_aside_and_says_so_in_the_log(store, source, again, left):
    labeler = mixed_session(store)
    assert labeler.keep_only(source) == again and labeler.counts.done == left
    assert {p.source for p in store.preferences("texts")} == {source}
    assert len(rows(store, "SELECT * FROM labels")) == 6, "nothing is deleted"
    assert [row[0] for row in rows(store, "SELECT reason FROM undos")] == again * [f"only the {source} labels are kept"]
    assert labeler.keep_only(source) == 0, "once is enough"
    with pytest.raises(NotYetLabelled):
        labeler.require()
    labeler.answer_synthetic()
    assert len(labeler.require()) == 6


def test_keep_only_knows_two_sources(store):
    with pytest.raises(CourseError, match=r'keep_only\("human"\) or keep_only\("scripted"\), not .mine.'):
        mixed_session(store).keep_only("mine")


def test_labels_that_are_used_for_training_stay(store):
    labeler = mixed_session(store, used_rounds=lambda: 0)       # the pairs are of round 0
    assert labeler.keep_only("human") == 0 and labeler.counts.done == 6
    assert labeler.session.summary()["mixture"] == {"human": 2, "scripted": 4, "used": 4, "again": 0}


def test_the_summary_names_a_mixture_only_where_there_is_one(store):
    labeler = mixed_session(store)
    assert labeler.session.summary()["mixture"] == {"human": 2, "scripted": 4, "used": 0, "again": 4}
    state = labeler.session.handle({"type": "keep_only", "source": "human", "have": []})
    assert state["note"] == "4 labels are set aside; their pairs are asked again." and len(state["questions"]) == 4
    assert labeler.session.summary()["mixture"] is None


def test_a_skip_does_not_make_a_mixture(store):
    session = LabelingSession(store, "texts", "ann", 3, "?", synthetic=prefer_smaller)
    say(session, "skip", hello(session)["questions"][0]["id"], "e1")
    session.answer_synthetic()
    assert session.mixture() is None and {p.source for p in store.preferences("texts")} == {"scripted"}


def test_a_full_disk_is_not_blamed_on_the_scripted_function(store):
    session = LabelingSession(store, "texts", "ann", 10, "?", synthetic=prefer_smaller)
    with full_disk(store), pytest.raises(sqlite3.OperationalError):
        for _ in range(100):
            session.handle({"type": "synthetic", "have": []})
            while store.undo("texts", "scripted"):
                pass


def test_a_synthetic_labeler_ranks(tmp_path):
    store = text_store(tmp_path / "labels.sqlite", 0)
    store.add_ranking([store.add_text(f"text {n}") for n in (3, 1, 4)], run="texts")
    Labeler(store, run="texts", target=1, synthetic=prefer_smaller).answer_synthetic()
    preferences = {(p.sigma1.text, p.sigma2.text): p.mu for p in store.preferences("texts")}
    assert preferences == {("text 3", "text 1"): 0, ("text 3", "text 4"): 1, ("text 1", "text 4"): 1}


def test_the_stored_notebook_shows_a_picture_and_no_widget(tmp_path, monkeypatch, store):
    monkeypatch.setenv("COURSE_LABELER", "scripted")
    clips = clip_store(tmp_path / "clips.sqlite", 1)
    data, _ = Labeler(clips, run="clips", target=1, title="a < b?")._repr_mimebundle_()
    shown = data["text/html"]
    assert "data:image/png" in shown and "a &lt; b?" in shown and "alt=" in shown
    data, _ = Labeler(store, run="texts")._repr_mimebundle_()
    assert "text 0" not in data["text/html"], "others' texts are not stored"


def test_what_a_notebook_keeps_of_the_widget_is_true_whenever_it_is_read(store, monkeypatch):
    monkeypatch.delenv("COURSE_LABELER", raising=False)
    labeler = Labeler(store, run="texts", target=10, labeler="ann")
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda what, **options: shown.append(what))
    labeler._ipython_display_()
    data, note = shown
    assert "application/vnd.jupyter.widget-view+json" in data
    for words in (data["text/plain"], note.data):
        assert "Every answer is kept in labels.sqlite: run this cell" in words and "0 of" not in words
    assert 'class="cl-stored"' in note.data, "labeler.css hides it beside the widget"
    store.answer(1, "left", labeler="ann")
    data, _ = labeler._repr_mimebundle_()
    assert "Answered when this cell last ran: 1; what came later is kept, too." in data["text/plain"]


def test_a_notebook_shows_the_sentence_without_a_traceback(tmp_path):
    file = str(tmp_path / "labels.sqlite")
    cell = f"from course_lib.labels import Labeler\nLabeler({file!r}, run='r', target=3).require()"
    done = subprocess.run([sys.executable, "-m", "IPython", "--colors=NoColor", "-c", cell],
                          capture_output=True, text=True)
    assert done.stdout.strip() == ("The run “r” has 0 pairs, fewer than the 3 asked for; add pairs to the store, then "
                                   "show the labeller again.")


# ---- the review ----------------------------------------------------------------------------------------------------

def answered_twice(session, answers=6):
    """Left to each pair, and the other item to the one that is asked again: one pair with two different answers."""
    for number in range(answers + 1):
        question = hello(session)["questions"][0]
        say(session, "left", question["id"], f"e{number}")
    return session.review(0, 20)


def change(session, past, event, choice, **more):
    return session.handle({"type": "change", "id": event, "event": past["event"], "question": past["question"]["id"],
                           "choice": choice, "have": [], **more})


def test_the_review_lists_what_was_said_and_first_what_was_asked_twice(session, store):
    found = answered_twice(session)
    assert (found["first"], found["total"], found["stays"]) == (0, 6, "")
    twice, *others = found["answers"]
    assert (twice["twice"]["first"], twice["twice"]["second"], twice["twice"]["same"]) == ("left", "right", False)
    assert not any(one["twice"] for one in others) and {one["choice"] for one in found["answers"]} == {"left"}
    page = session.handle({"type": "review", "first": 4, "count": 4, "have": []})["review"]
    assert [one["event"] for one in page["answers"]] == [one["event"] for one in found["answers"]][4:]
    for one in found["answers"]:
        left, right = (item["text"] for item in one["question"]["items"])
        assert side_of(store, one["question"]["id"], left) == "left"


def test_a_change_counts_and_the_log_keeps_both(session, store):
    past = answered_twice(session)["answers"]
    for _ in range(2):                                          # sent twice, as after a lost reply
        state = change(session, past[1], "c1", "equal")
        assert (state["acks"], state["note"], state["done"]) == (["c1"], "", 6)
    assert [p.mu for p in store.preferences("texts")].count(0.5) == 1
    assert len(rows(store, "SELECT * FROM labels")) == 8, "seven answers and the change"
    assert [tuple(row) for row in rows(store, "SELECT event_id, reason FROM undos")] == [
        (past[1]["event"], "changed in the review")]
    now = session.review(0, 20)["answers"]
    assert [one["question"]["id"] for one in now] == [one["question"]["id"] for one in past], "each stays in its place"
    assert (now[1]["choice"], now[1]["was"], now[1]["event"]) == ("equal", "left", "c1")
    state = session.handle({"type": "undo", "id": "u1", "have": []})
    assert [one["id"] for one in state["front"]] == [past[1]["question"]["id"]], "an undo takes the change back"


def test_a_change_does_not_improve_the_agreement_with_oneself(session):
    past = answered_twice(session)["answers"]
    change(session, past[0], "c1", past[0]["twice"]["second"])
    [pair] = session.summary()["repeats"]
    assert (pair["first"], pair["second"], pair["same"]) == ("left", "right", False)


def test_what_is_used_for_training_is_shown_but_not_changed(session, store):
    past = answered_twice(session)["answers"]
    session.used_rounds = lambda: 0
    refused = "The answers of round 0 are already used for training; they stay."
    assert session.review(0, 20)["stays"] == refused and len(session.review(0, 20)["answers"]) == 6
    assert change(session, past[1], "c1", "equal")["note"] == refused
    assert {label.choice for label in store.labels("texts")} == {"left"}


def test_the_review_is_about_this_person_and_this_round(store):
    session = LabelingSession(store, "texts", "ann", 12, "?", repeats=0, synthetic=prefer_smaller)
    assert session.review(0, 20)["total"] == 0, "nothing answered yet"
    say(session, "left", hello(session)["questions"][0]["id"], "e1")
    session.answer_synthetic()
    assert session.review(0, 20)["total"] == 1
    later = store.add_pair(store.add_text("new"), store.add_text("other"), run="texts", round=1)
    say(session, "skip", later, "e2")
    [past] = session.review(0, 20)["answers"]
    assert (past["question"]["id"], past["choice"]) == (later, "skip")


def test_rankings_and_the_scale_in_the_review(tmp_path):
    store = text_store(tmp_path / "labels.sqlite", 1)
    ranking = store.add_ranking([store.add_text(word) for word in "abc"], run="texts")
    session = LabelingSession(store, "texts", "ann", 2, "?", scale=True)
    say(session, "left", 1, "e1", confidence=2)
    session.handle({"type": "answer", "id": "e2", "question": ranking, "ranks": [2, 0, 1], "have": []})
    pair, order = session.review(0, 20)["answers"]
    assert (pair["confidence"], pair["ranks"], order["ranks"]) == (2, None, [2, 0, 1])
    change(session, pair, "c1", "right", confidence=9)
    assert [label.confidence for label in store.labels("texts") if label.question_id == 1] == [9]


# ---- plain buttons -------------------------------------------------------------------------------------------------

def plain(store, run="texts", **options):
    labeler = Labeler(store, run=run, labeler="ann", plain=True, **options)
    labeler._repr_mimebundle_()
    return labeler._widget


def press(widget, description):
    widget.shown_at -= 1                                        # a person has looked at it for a second
    [button] = [one for one in widget.buttons.children if one.description == description]
    button.click()


def test_plain_buttons_label_and_undo(store):
    widget = plain(store, target=3)
    for word in ("Left is better", "Equally good", "Skip"):
        press(widget, word)
    assert "Done" in widget.stage.children[0].value and store.counts("texts", ["ann"]).done == 3
    widget.back.click()
    assert store.counts("texts", ["ann"]).done == 2 and widget.question is not None


def test_plain_buttons_ignore_a_double_click(store):
    widget = plain(store)
    press(widget, "Left is better")
    widget.buttons.children[0].click()                          # at once, on a pair that nobody has seen yet
    assert store.counts("texts", ["ann"]).done == 1


def test_plain_clips_scale_and_ranking(tmp_path):
    clips = clip_store(tmp_path / "clips.sqlite", 2)
    widget = plain(clips, run="clips", scale=True)
    assert widget.stage.children[0].format == "png"
    press(widget, "7")
    assert clips.preferences("clips")[0].weight == 0.5
    question = clips.add_ranking([clips.add_text(word) for word in "abc"], run="order")
    widget = plain(clips, run="order")
    widget.shown_at -= 1
    widget.buttons.children[0].value = "12"
    assert "each number from 1 to 3 once" in widget.note.value
    widget.shown_at -= 1
    widget.buttons.children[0].value = "312"
    order = [clips.question(question).shown[place].text for place in (2, 0, 1)]
    beaten = {(one.text, other.text) if mu else (other.text, one.text) for one, other, mu in clips.preferences("order")}
    assert beaten == {(order[0], order[1]), (order[0], order[2]), (order[1], order[2])}


def pick(widget, line):
    """Choose a line of the review's list."""
    [answer] = [value for text, value in widget.picker.options if text == line]
    widget.picker.value = answer


def test_plain_buttons_review_changes_a_past_answer_and_keeps_both(store):
    widget = plain(store, target=3, repeats=0.0)
    asked = []
    for word in ("Left is better", "Equally good", "Skip"):
        asked.append(widget.question.question_id)
        press(widget, word)
    assert "Done" in widget.stage.children[0].value
    widget.past.click()
    assert [line for line, _ in widget.picker.options] == ["Pick an answer", "1. left", "2. equal", "3. skip"]
    pick(widget, "2. equal")
    assert widget.question.question_id == asked[1] and widget.stage.children[0] is widget.picker
    press(widget, "Right is better")
    assert "Done" in widget.stage.children[0].value, "labelling is where it was"
    assert {label.question_id: label.choice for label in store.labels("texts")} == dict(
        zip(asked, ("left", "right", "skip"), strict=True))
    kept = rows(store, "SELECT choice, reason FROM labels JOIN undos USING(event_id)")
    assert [tuple(row) for row in kept] == [("equal", "changed in the review")], "what was said first is kept"


def test_plain_buttons_review_between_two_pairs_and_back(store):
    widget = plain(store, target=3)
    widget.past.click()
    assert "not answered anything" in widget.note.value and widget.question is not None
    press(widget, "Left is better")
    waiting = widget.question.question_id
    widget.past.click()
    widget.answer("left")
    assert store.counts("texts", ["ann"]).done == 1, "no pair is on the screen yet"
    press(widget, "Go on labelling")
    assert widget.question.question_id == waiting
    press(widget, "Right is better")
    assert [label.choice for label in store.labels("texts")] == ["left", "right"], "a new pair, not the reviewed one"


def test_plain_buttons_review_leaves_what_has_trained(store):
    widget = plain(store, target=3, used_rounds=lambda: 0)
    press(widget, "Left is better")
    widget.past.click()
    assert "already used for training" in widget.note.value and widget.question is not None


def test_plain_buttons_say_when_the_disk_is_full(store):
    widget = plain(store)
    with full_disk(store):
        for _ in range(1000):
            press(widget, "Left is better")
            if widget.note.value:
                break
            widget.back.click()
    assert "The disk is full" in widget.note.value and "give it again" in widget.note.value


# ---- errors in words -----------------------------------------------------------------------------------------------

def test_errors_are_words_that_say_what_to_do(store, tmp_path):
    with full_disk(store), pytest.raises(sqlite3.OperationalError) as full:
        store.add_text("x" * 100_000)
    assert "disk is full" in in_words(full.value, store.path) and "Free some space" in in_words(full.value, store.path)

    (tmp_path / "broken.sqlite").write_bytes(b"nothing of ours" * 1000)
    with pytest.raises(sqlite3.DatabaseError) as broken:
        text_store(tmp_path / "broken.sqlite", 1)
    assert "course labels check" in in_words(broken.value, tmp_path / "broken.sqlite")
    assert "bug" in in_words(ZeroDivisionError("division"), store.path)


def test_after_a_full_disk_the_same_answer_can_be_sent_again(session, store):
    question = hello(session)["questions"][0]["id"]
    with full_disk(store), pytest.raises(sqlite3.OperationalError):
        for number in range(2000):
            say(session, "left", question + number % 12, f"e{number}", plays=number)
            session.handle({"type": "undo", "id": f"u{number}", "have": []})
    written = len(rows(store, "SELECT * FROM labels"))
    event = f"e{written}"
    say(session, "right", question + written % 12, event)
    say(session, "right", question + written % 12, event)
    assert len(rows(store, "SELECT * FROM labels WHERE event_id = ?", event)) == 1
