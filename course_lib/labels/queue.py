"""Who is asked what next: leases, so that two notebooks on one file show different pairs, and repeated pairs.

A lease is a reservation with an end. It is renewed while the question is on a screen, freed when it is answered, and
taken over when the process that held it is gone. Taught in lesson 04.
"""

import hashlib
import json
import os
import random
import socket
import sqlite3
import time
from collections.abc import Sequence

import psutil

from course_lib.labels.records import MIRRORED, Question
from course_lib.labels.store import PreferenceStore

REPEAT_AFTER = 4               # a pair comes back only after at least so many others
CHANGED = "changed in the review"                  # why an answer was taken back when another one took its place
DAMAGED = "SELECT 1 FROM set_aside WHERE what = 'question' AND key = CAST(q.question_id AS TEXT)"


def session_name() -> str:
    """A name for this process on this machine; it tells nothing about the machine to those who get the file."""
    return f"{_machine()}:{os.getpid()}:{psutil.Process().create_time():.0f}"


def session_gone(name: str) -> bool:
    """Whether the process of that session has ended. On another machine nobody can say: then it counts as alive."""
    machine, process, started = name.split(":")
    if machine != _machine():
        return False
    try:
        return f"{psutil.Process(int(process)).create_time():.0f}" != started    # else: given away again
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def lease(store: PreferenceStore, run: str, labelers: Sequence[str], session: str, count: int,
          seconds: float = 60.0) -> list[Question]:
    """Up to `count` questions of the run that none of `labelers` has answered, reserved for this session.

    What others hold comes last, so that nobody runs dry. `labelers[0]` is the one who is asked.
    """
    now = time.time()
    answered = f"SELECT 1 FROM live_labels l WHERE l.question_id = q.question_id AND l.labeler IN ({_marks(labelers)})"
    with store.transaction():
        free_the_gone(store)
        rows = store._connection.execute(
            f"SELECT question_id FROM questions q WHERE run = ? AND COALESCE(only_for, ?) = ?"
            f" AND NOT EXISTS({answered}) AND NOT EXISTS({DAMAGED})"
            " ORDER BY leased_by IS NOT NULL AND leased_by <> ? AND leased_until >= ?,"
            " repeat_of IS NULL, priority DESC, question_id LIMIT ?",
            (run, labelers[0], labelers[0], *labelers, session, now, count)).fetchall()
        names = [row["question_id"] for row in rows]
        store._connection.executemany(
            "UPDATE questions SET leased_by = ?, leased_until = ? WHERE question_id = ?"
            " AND (leased_by IS NULL OR leased_by = ? OR leased_until < ?)",
            [(session, now + seconds, name, session, now) for name in names])
    return [store.question(name) for name in names]


def renew(store: PreferenceStore, session: str, seconds: float = 60.0) -> None:
    """Keep what this session holds for `seconds` more."""
    with store.transaction():
        store._connection.execute("UPDATE questions SET leased_until = ? WHERE leased_by = ?",
                                  (time.time() + seconds, session))


def answered(store: PreferenceStore, names: Sequence[int], labelers: Sequence[str]) -> list[int]:
    """Which of these questions one of `labelers` has answered, in rising order."""
    return [row[0] for row in store._connection.execute(
        f"SELECT DISTINCT question_id FROM live_labels WHERE question_id IN ({_marks(names)})"
        f" AND labeler IN ({_marks(labelers)}) ORDER BY question_id", (*names, *labelers))]


def add_due_repeat(store: PreferenceStore, run: str, labeler: str, share: float) -> int | None:
    """Put one earlier pair back in the queue, sides swapped, when fewer than `share` of the answers were repeats.

    The pair is drawn at random among those that this person answered a while ago, without skipping, and has not seen
    twice. It belongs to the round in which it is asked again, the run's latest. Returns the new question's id, or None
    when no repeat is due.
    """
    with store.transaction():
        answers = store._connection.execute(
            "SELECT question_id, choice, question_key, shown FROM live_labels JOIN questions USING(question_id)"
            " WHERE live_labels.run = ? AND labeler = ? AND source = 'human' AND live_labels.repeat_of IS NULL"
            " AND json_array_length(shown) = 2 ORDER BY label_id", (run, labeler)).fetchall()
        repeated = {row[0] for row in store._connection.execute(
            "SELECT repeat_of FROM questions WHERE run = ? AND only_for = ? AND repeat_of IS NOT NULL", (run, labeler))}
        candidates = [row for row in answers[:-REPEAT_AFTER]
                      if row["choice"] != "skip" and row["question_id"] not in repeated]
        if len(repeated) >= int(share * len(answers) + 0.5) or not candidates:
            return None
        original = random.SystemRandom().choice(candidates)
        question = store.question(original["question_id"])
        pair = store._connection.execute("SELECT * FROM pairs WHERE question_id = ?",
                                         (question.question_id,)).fetchone()
        latest = store._connection.execute("SELECT MAX(round) FROM questions WHERE run = ?", (run,)).fetchone()[0]
        return store.insert_question(
            repeat_key(original["question_key"], labeler), run, latest, question.prompt,
            [pair["item_1"], pair["item_2"]], json.loads(original["shown"])[::-1],
            repeat_of=question.question_id, only_for=labeler)


def repeat_key(question_key: str, labeler: str) -> str:
    """The name of a repeated question: one for each person and question."""
    return hashlib.sha256(f"repeat of {question_key} for {labeler}".encode()).hexdigest()


def repeats(store: PreferenceStore, run: str, labelers: Sequence[str]) -> list[dict]:
    """The pairs that were answered twice: number of the pair, first and second answer in the sides of the first.

    `[{"pair": 4, "question_id": 17, "original": 3, "first": "left", "second": "equal", "same": False}, ...]`; "pair"
    counts this person's answers in the run from 1, "original" is the question that was asked again.
    """
    answers = first_answers(store, run, labelers)
    places = {name: place for place, name in enumerate((n for n, row in answers.items() if not row["repeat_of"]), 1)}
    twice = []
    for name, row in answers.items():
        if row["repeat_of"] in places and row["choice"] != "skip":
            first = answers[row["repeat_of"]]
            second = MIRRORED[row["choice"]] if row["flip"] != first["flip"] else row["choice"]
            twice.append({"pair": places[row["repeat_of"]], "question_id": name, "original": row["repeat_of"],
                          "first": first["choice"], "second": second, "same": second == first["choice"]})
    return twice


def first_answers(store: PreferenceStore, run: str, labelers: Sequence[str]) -> dict[int, sqlite3.Row]:
    """What was said first to each question, in the order of time: rows with event_id, choice, flip and repeat_of.

    Undone answers are left out, but not those changed later in the review: whether one agrees with oneself is told by
    what one said when asked.
    """
    rows = store._connection.execute(
        "SELECT event_id, question_id, choice, labels.flip AS flip, repeat_of FROM labels JOIN pairs USING(pair_id)"
        f" JOIN questions USING(question_id) WHERE run = ? AND labeler IN ({_marks(labelers)})"
        " AND NOT EXISTS(SELECT 1 FROM undos WHERE undos.event_id = labels.event_id AND reason IS NOT ?)"
        " AND NOT EXISTS(SELECT 1 FROM set_aside WHERE what = 'label' AND key = CAST(label_id AS TEXT))"
        " ORDER BY label_id", (run, *labelers, CHANGED)).fetchall()
    earliest: dict[int, sqlite3.Row] = {}
    for row in rows:
        earliest.setdefault(row["question_id"], row)
    return earliest


def free_the_gone(store: PreferenceStore) -> int:
    """Free what ended processes held; returns how many questions that were."""
    with store.transaction():
        holders = store._connection.execute("SELECT DISTINCT leased_by FROM questions WHERE leased_by <> ?",
                                            (session_name(),)).fetchall()
        gone = [row["leased_by"] for row in holders if session_gone(row["leased_by"])]
        return store._connection.execute("UPDATE questions SET leased_by = NULL, leased_until = NULL"
                                  f" WHERE leased_by IN ({_marks(gone)})", gone).rowcount


def _machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
