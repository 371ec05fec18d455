"""The label store: what is written stays, is counted once, and is turned the right way round."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from labelling import clip_store, raw, rows, side_of, text_store
from waiting import LONG_ENOUGH

from course_lib.errors import CourseError
from course_lib.labels.queue import add_due_repeat
from course_lib.labels.schema import MIGRATIONS, migrate
from course_lib.labels.store import PreferenceStore


@pytest.fixture
def store(tmp_path):
    return text_store(tmp_path / "labels.sqlite", 6)


def first_question(store):
    return rows(store, "SELECT MIN(question_id) FROM questions")[0][0]


def test_a_verdict_is_turned_back_to_the_items(store):
    for pair, preferred in enumerate(["text 0", "text 3"]):
        question = first_question(store) + pair
        store.answer(question, side_of(store, question, preferred), labeler="ann")
    found = [(p.sigma1.text, p.sigma2.text, p.mu) for p in store.preferences("texts")]
    assert found == [("text 0", "text 1", 1.0), ("text 2", "text 3", 0.0)]
    sigma1, sigma2, mu = store.preferences("texts")[0]
    assert (sigma1.text, sigma2.text, mu) == ("text 0", "text 1", 1.0)


def test_a_tie_is_half_and_a_skip_is_no_verdict(store):
    first = first_question(store)
    store.answer(first, "equal", labeler="ann")
    store.answer(first + 1, "skip", labeler="ann")
    assert [p.mu for p in store.preferences("texts")] == [0.5]
    counts = store.counts("texts", ["ann"])
    assert (counts.done, counts.equal, counts.skip, counts.total) == (2, 1, 1, 6)


def test_the_sides_are_drawn_at_random(tmp_path):
    store = text_store(tmp_path / "many.sqlite", 200)
    flips = [row[0] for row in rows(store, "SELECT flip FROM pairs ORDER BY question_id")]
    assert 60 < sum(flips) < 140                               # 200 fair coins leave this range once in 10^8 times
    left = [store.question(question).shown[0].text for question in store.questions_of("texts")]
    assert [int(text.removeprefix("text ")) % 2 for text in left] == flips


def test_the_first_answer_is_written_at_once(store, tmp_path):
    store.answer(first_question(store), "left", labeler="ann")
    reader = sqlite3.connect(tmp_path / "labels.sqlite")
    assert reader.execute("SELECT COUNT(*) FROM labels").fetchone()[0] == 1


def test_every_label_carries_its_times(store):
    before = time.time()
    store.answer(first_question(store), "left", labeler="ann", shown_at=before - 3, response_ms=2900, plays=2)
    [row] = rows(store, "SELECT * FROM labels")
    assert row["shown_at"] == before - 3 and before <= row["answered_at"] <= row["saved_at"] <= time.time()
    assert (row["response_ms"], row["plays"], row["source"]) == (2900, 2, "human")


def test_the_same_event_counts_once(store):
    question = first_question(store)
    assert store.answer(question, "left", labeler="ann", event_id="e1") == "saved"
    assert store.answer(question, "left", labeler="ann", event_id="e1") == "duplicate"
    assert store.counts("texts", ["ann"]).done == 1


def test_a_second_answer_is_kept_but_not_counted(store):
    question = first_question(store)
    store.answer(question, "left", labeler="ann", event_id="e1")
    assert store.answer(question, "right", labeler="ann", event_id="e2") == "set aside"
    assert store.answer(question, "right", labeler="ann", event_id="e2") == "duplicate"
    assert [row["choice"] for row in rows(store, "SELECT choice FROM labels")] == ["left"]
    kept = rows(store, "SELECT key, content FROM set_aside")
    assert [row["key"] for row in kept] == ["e2"] and '"right"' in kept[0]["content"]


def test_an_answer_to_an_unknown_question_is_kept(store):
    assert store.answer(99_999, "left", labeler="ann", event_id="lost") == "set aside"
    assert rows(store, "SELECT reason FROM set_aside")[0][0] == "no such question"


def test_each_person_has_their_own_answer(store):
    question = first_question(store)
    store.answer(question, "left", labeler="ann")
    assert store.answer(question, "right", labeler="bob") == "saved"
    assert {p.labeler: p.mu for p in store.preferences("texts")}.keys() == {"ann", "bob"}
    assert len(store.preferences("texts", ["bob"])) == 1


def test_undo_takes_back_and_keeps_the_row(store):
    question = first_question(store)
    store.answer(question, "left", labeler="ann", event_id="e1")
    assert store.undo("texts", "ann", undo_id="u1") == question
    assert store.counts("texts", ["ann"]).done == 0 and store.preferences("texts") == []
    assert store.answer(question, "right", labeler="ann", event_id="e2") == "saved"
    assert store.undo("texts", "ann", undo_id="u1") == question, "the same undo again"
    assert store.counts("texts", ["ann"]).done == 1, "must not take back the new answer"
    assert len(rows(store, "SELECT * FROM labels")) == 2


def test_what_may_be_asked_of_a_run(store):
    first, second = (store.add_pair(store.add_text(f"a {round}"), store.add_text(f"b {round}"), run="r", round=round)
                     for round in (1, 2))
    assert store.questions_of("r") == [first, second] and store.questions_of("r", 2) == [second]
    assert store.questions_of("texts")[0] == first_question(store) and store.questions_of("texts", 1) == []
    store.answer(second, "skip", labeler="ann", answered_at=1.0)
    store.answer(first, "left", labeler="bob", confidence=2, response_ms=700, answered_at=2.0, event_id="e")
    store.answer(first, "right", labeler="ann", answered_at=3.0)
    assert store.undo("r", "ann") == first and (store.undone("r", "ann"), store.undone("r", "bob")) == (1, 0)
    assert store.answered_questions("r") == {first, second} and store.answered_questions("texts") == set()
    skipped, label = store.labels("r")
    assert (skipped.question_id, skipped.choice, skipped.labeler) == (second, "skip", "ann")
    assert (label.event_id, label.confidence, label.response_ms, label.source) == ("e", 2, 700, "human")
    assert label.flip == (store.question(first).shown[0].text == "b 1")
    [row] = store.preference_rows("r")
    assert (row["event_id"], row["pair_id"], row["mu"]) == ("e", label.pair_id, store.preferences("r")[0].mu)


def test_answers_to_repeated_pairs_are_asked_for_by_name(store):
    for question in store.questions_of("texts"):
        store.answer(question, "left", labeler="ann")
    repeat = add_due_repeat(store, "texts", "ann", 0.2)
    store.answer(repeat, "left", labeler="ann")
    assert repeat not in store.questions_of("texts") and repeat not in store.answered_questions("texts")
    assert (len(store.labels("texts")), len(store.labels("texts", repeats=True))) == (6, 7)


def test_undo_takes_back_the_latest_of_this_person(store):
    first = first_question(store)
    for labeler, question in (("ann", first), ("ann", first + 1), ("bob", first + 2)):
        store.answer(question, "left", labeler=labeler)
    assert store.undo("texts", "ann") == first + 1
    assert store.undo("texts", "ann") == first
    assert store.undo("texts", "ann") is None


@pytest.mark.parametrize("statement", [
    "UPDATE labels SET choice = 'right'", "DELETE FROM labels", "UPDATE undos SET saved_at = 0", "DELETE FROM undos"])
def test_no_statement_can_change_or_delete_an_answer(store, statement):
    store.answer(first_question(store), "left", labeler="ann")
    store.undo("texts", "ann")
    with pytest.raises(sqlite3.IntegrityError, match="never"):
        rows(store, statement)


def test_adding_twice_is_adding_once(store):
    one, other = store.add_text("text 0"), store.add_text("text 1")
    assert store.add_pair(other, one, run="texts") == first_question(store)
    assert store.counts("texts", []).total == 6


def test_both_sides_never_show_the_same(store):
    same = store.add_text("text 0")
    with pytest.raises(ValueError, match="both sides would show the same"):
        store.add_pair(same, store.add_text("text 0"), run="texts")


def test_a_ranking_is_stored_as_the_pairs_it_implies(tmp_path):
    store = PreferenceStore(tmp_path / "labels.sqlite")
    question = store.add_ranking([store.add_text(word) for word in "abcd"], run="order")
    shown = [item.text for item in store.question(question).shown]
    place = {"c": 0, "a": 1, "d": 1, "b": 3}                   # c best, a and d tied, b worst
    store.answer(question, ranks=[place[word] for word in shown], labeler="ann")
    preferences = {(p.sigma1.text, p.sigma2.text): p.mu for p in store.preferences("order")}
    assert preferences == {("a", "b"): 1, ("a", "c"): 0, ("a", "d"): 0.5, ("b", "c"): 0, ("b", "d"): 0, ("c", "d"): 1}
    assert {p.group for p in store.preferences("order")} == {question}
    counts = store.counts("order", ["ann"])
    assert (counts.done, counts.rankings) == (1, 1)
    assert store.undo("order", "ann") == question and store.preferences("order") == []


@pytest.mark.parametrize(("confidence", "choice", "weight"), [
    (1, "left", 1.0), (4, "left", 0.25), (5, "equal", 1.0), (7, "right", 0.5), (None, "left", 1.0)])
def test_confidence_becomes_the_weight(store, confidence, choice, weight):
    store.answer(first_question(store), choice, confidence=confidence, labeler="ann")
    assert store.preferences("texts")[0].weight == weight


def test_clips_keep_their_arrays(tmp_path):
    store = clip_store(tmp_path / "labels.sqlite", 1)
    store.answer(first_question(store), "equal", labeler="ann")
    preference = PreferenceStore(store.path).preferences("clips")[0]
    np.testing.assert_array_equal(preference.sigma2.obs, np.full((12, 2), 1, np.float32))
    assert preference.sigma1.acts.dtype == np.int64 and preference.sigma1.info["number"] == 0


def test_bad_input_is_named(store, tmp_path):
    frames = np.zeros((3, 4, 4, 3))
    with pytest.raises(ValueError, match="must be uint8"):
        store.add_clip(frames)
    with pytest.raises(ValueError, match=r"shape \(T, height, width, 3\)"):
        store.add_clip(frames.astype(np.uint8)[0, 0])
    with pytest.raises(ValueError, match="obs has 5 rows and acts 3"):
        store.add_clip(frames.astype(np.uint8), obs=np.zeros(5), acts=np.zeros(3))
    with pytest.raises(ValueError, match="two to five"):
        store.add_ranking([store.add_text("alone")], run="texts")
    with pytest.raises(ValueError, match="empty"):
        store.add_text("  ")


def test_default_place_is_the_learners_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    assert PreferenceStore().path == tmp_path / "labels" / "preferences.sqlite"


def test_a_transaction_that_fails_leaves_nothing(store):
    with pytest.raises(RuntimeError, match="halfway"), store.transaction():
        store.add_text("new")
        raise RuntimeError("halfway")
    assert len(rows(store, "SELECT item_id FROM items")) == 12


def test_threads_share_a_store(store):
    first, results = first_question(store), []

    def work(question):
        results.append(store.answer(question, "left", labeler="ann", event_id=f"e{question}"))

    threads = [threading.Thread(target=work, args=(first + number % 6,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["duplicate"] * 18 + ["saved"] * 6


ANSWER_ALL = f"""
import sys
from course_lib.labels import label_file
from course_lib.labels.store import PreferenceStore
label_file.BUSY_SECONDS = {LONG_ENOUGH}                     # a busy machine's disk may be slow
store = PreferenceStore(sys.argv[1])
for question in store.questions_of("texts"):
    store.answer(question, "left", labeler=sys.argv[2])
"""


def three_at_once(path):
    """Three processes that make the file where there is none, and answer every pair in it; their exit codes."""
    workers = [subprocess.Popen([sys.executable, "-c", ANSWER_ALL, str(path), f"person {number}"],
                                env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)})
               for number in range(3)]
    return [worker.wait(LONG_ENOUGH) for worker in workers]


def test_processes_share_a_file(tmp_path):
    store = text_store(tmp_path / "labels.sqlite", 25)
    assert three_at_once(store.path) == [0, 0, 0]
    assert len(store.preferences("texts")) == 75


ANSWER_UNTIL_KILLED = """
import sys
from course_lib.labels.store import PreferenceStore
store = PreferenceStore(sys.argv[1])
for question in store.questions_of("texts"):
    store.answer(question, "left", labeler="ann", event_id=f"event {question}")
    print(f"event {question}", flush=True)
"""


def test_what_was_acknowledged_survives_sigkill(tmp_path):
    store = text_store(tmp_path / "labels.sqlite", 400)
    child = subprocess.Popen([sys.executable, "-c", ANSWER_UNTIL_KILLED, str(store.path)], stdout=subprocess.PIPE,
                             text=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)})
    acknowledged = [child.stdout.readline().strip() for _ in range(20)]
    os.kill(child.pid, signal.SIGKILL)
    acknowledged += [line.strip() for line in child.stdout if line.endswith("\n")]
    child.wait()
    written = [row[0] for row in rows(store, "SELECT event_id FROM labels")]
    assert set(acknowledged) <= set(written) and len(written) == len(set(written))
    assert len(written) <= len(acknowledged) + 1               # at most the one that was being written


# ---- versions of the file --------------------------------------------------------------------------------------

ADD_COLUMN = "ALTER TABLE questions ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue';"


def version(path):
    return sqlite3.connect(path).execute("PRAGMA user_version").fetchone()[0]


def test_an_older_file_is_brought_up_to_date_with_its_rows(store):
    with raw(store) as connection:
        migrate(connection, (*MIGRATIONS, ADD_COLUMN))
    assert version(store.path) == len(MIGRATIONS) + 1
    assert rows(store, "SELECT DISTINCT colour FROM questions")[0][0] == "blue"
    assert store.counts("texts", []).total == 6


def test_an_undo_of_the_first_version_still_counts(tmp_path):
    """A file of version 1, in which `undos` had no reason."""
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS[:1])
        connection.executescript("""
          INSERT INTO items VALUES('a', 'text', 'text/plain', 'one', NULL, '{}', 0),
                                  ('b', 'text', 'text/plain', 'two', NULL, '{}', 0);
          INSERT INTO questions VALUES(1, 'k', 'texts', 0, '', '["a", "b"]', 0, NULL, NULL, 0, NULL, NULL);
          INSERT INTO pairs VALUES(1, 1, 'a', 'b', 0);
          INSERT INTO labels(event_id, pair_id, choice, flip, labeler, source, answered_at, saved_at)
            VALUES('e1', 1, 'left', 0, 'ann', 'human', 0, 0);
          INSERT INTO undos VALUES('u1', 'e1', 0);""")
    store = PreferenceStore(path)
    assert version(path) == len(MIGRATIONS) and store.preferences("texts") == []
    store.answer(1, "right", labeler="ann")
    assert store.take_back_all("texts", ["ann"], "human", after_round=-1, reason="a test") == 1
    assert [row[0] for row in rows(store, "SELECT reason FROM undos")] == [None, "a test"]


def test_a_step_that_fails_changes_nothing(store):
    with raw(store) as connection, pytest.raises(sqlite3.OperationalError):
        migrate(connection, (*MIGRATIONS, ADD_COLUMN, "SELECT * FROM nowhere;"))
    assert version(store.path) == len(MIGRATIONS)
    columns = [row["name"] for row in rows(store, "PRAGMA table_info(questions)")]
    assert "colour" not in columns


def test_a_newer_file_is_refused_in_words(store):
    rows(store, "PRAGMA user_version = 99")
    with pytest.raises(CourseError, match="Update the course; the labels are safe"):
        PreferenceStore(store.path)


def test_two_processes_may_make_the_file_at_once(tmp_path):
    assert three_at_once(tmp_path / "new.sqlite") == [0, 0, 0]
