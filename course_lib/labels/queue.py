"""Who is asked what next: leases, so that two notebooks on one file show different pairs, and repeated pairs.

A lease is a reservation with an end. It is renewed while the question is on a screen, freed when it is answered, and
taken over when the process that held it is gone. Taught in lesson 04.
"""

import json
import random
import sqlite3
import time
from collections.abc import Sequence

from course_lib.labels.fingerprints import repeat_key
from course_lib.labels.records import MIRRORED, Question
from course_lib.labels.store import PreferenceStore
from course_lib.processes import session_gone, session_name

DRAWS = 5
REPEAT_AFTER = 4               # a pair comes back only after at least so many others
CHANGED = "changed in the review"                  # why an answer was taken back when another one took its place
HELD = "leased_by IS NOT NULL AND leased_by <> ? AND leased_until >= ?"
DAMAGED = "SELECT 1 FROM set_aside WHERE what = 'question' AND key = CAST(q.question_id AS TEXT)"


def lease(store: PreferenceStore, run: str, labelers: Sequence[str], session: str, count: int,
          seconds: float = 60.0) -> list[Question]:
    """Up to `count` questions of the run that none of `labelers` has answered, reserved for this session.

    What others hold comes last, so that nobody runs dry. `labelers[0]` is the one who is asked.
    """
    now = time.time()
    with store.transaction():
        free_the_gone(store)
        free, held = [], []
        for names, mine in ((free, "NOT"), (held, "")):                # what others hold comes last
            if len(free) < count:
                ordered = [*_repeats_to_ask(store, run, labelers, mine, session, now, count),
                           *_questions_to_ask(store, run, labelers, mine, session, now, count)]
                names += ordered[:count - len(free)]
        store._connection.executemany(
            "UPDATE questions SET leased_by = ?, leased_until = ? WHERE question_id = ?"
            " AND (leased_by IS NULL OR leased_by = ? OR leased_until < ?)",
            [(session, now + seconds, name, session, now) for name in free + held])
    return [store.question(name) for name in free + held]


def _repeats_to_ask(store: PreferenceStore, run: str, labelers: Sequence[str], mine: str, session: str, now: float,
                    count: int) -> list[int]:
    """Open repeats for the one who is asked: those that others hold, or those that they do not."""
    return [row[0] for row in store._connection.execute(
        "SELECT question_id FROM questions q INDEXED BY repeats_unanswered WHERE run = ? AND only_for = ?"
        f" AND answered_by = 0 AND repeat_of IS NOT NULL AND {mine} ({HELD}) AND NOT EXISTS({DAMAGED})"
        " ORDER BY priority DESC, question_id LIMIT ?", (run, labelers[0], session, now, count))]


def _questions_to_ask(store: PreferenceStore, run: str, labelers: Sequence[str], mine: str, session: str, now: float,
                      count: int) -> list[int]:
    """Open questions in their order: what nobody has answered has an index; what only others have needs a search."""
    limits = (labelers[0], labelers[0], session, now, count)
    conditions = (f"AND COALESCE(only_for, ?) = ? AND {mine} ({HELD}) AND NOT EXISTS({DAMAGED})"
                  " ORDER BY priority DESC, question_id LIMIT ?")
    found = store._connection.execute(
        "SELECT question_id, priority FROM questions q INDEXED BY questions_unanswered WHERE run = ?"
        f" AND answered_by = 0 AND repeat_of IS NULL {conditions}", (run, *limits)).fetchall()
    if _answered_by_others_alone(store, run, labelers):
        found += store._connection.execute(
            "SELECT question_id, priority FROM questions q INDEXED BY questions_to_ask WHERE run = ?"
            " AND answered_by > 0 AND repeat_of IS NULL"
            " AND NOT EXISTS(SELECT 1 FROM answers a WHERE a.question_id = q.question_id"
            f" AND a.labeler IN ({_marks(labelers)})) {conditions}", (run, *labelers, *limits)).fetchall()
    return [row["question_id"] for row in sorted(found, key=lambda row: (-row["priority"], row["question_id"]))][:count]


def _answered_by_others_alone(store: PreferenceStore, run: str, labelers: Sequence[str]) -> bool:
    """Whether others have answered questions that none of `labelers` has: counted, not searched."""
    size = store._connection.execute("SELECT questions - unanswered FROM runs WHERE run = ?", (run,)).fetchone()
    tallies = store._connection.execute(
        f"SELECT SUM(number) FROM tallies WHERE run = ? AND repeated = 0 AND labeler IN ({_marks(labelers)})"
        " GROUP BY labeler HAVING SUM(number) > 0", (run, *labelers)).fetchall()
    own = sum(row[0] for row in tallies)
    if len(tallies) > 1:
        own -= store._connection.execute(
            "SELECT COUNT(*) - COUNT(DISTINCT question_id) FROM answers JOIN questions INDEXED BY questions_shared"
            " USING(question_id) WHERE questions.run = ? AND answered_by > 1 AND repeated = 0"
            f" AND labeler IN ({_marks(labelers)})", (run, *labelers)).fetchone()[0]
    return size is not None and size[0] > own


def renew(store: PreferenceStore, session: str, seconds: float = 60.0) -> None:
    """Keep what this session holds for `seconds` more."""
    with store.transaction():
        store._connection.execute("UPDATE questions SET leased_until = ? WHERE leased_by = ?",
                                  (time.time() + seconds, session))


def answered(store: PreferenceStore, names: Sequence[int], labelers: Sequence[str]) -> list[int]:
    """Which of these questions one of `labelers` has answered, in rising order."""
    return [row[0] for row in store._connection.execute(
        f"SELECT DISTINCT question_id FROM answers WHERE question_id IN ({_marks(names)})"
        f" AND labeler IN ({_marks(labelers)}) ORDER BY question_id", (*names, *labelers))]


def add_due_repeat(store: PreferenceStore, run: str, labeler: str, share: float) -> int | None:
    """Put one earlier pair back in the queue, sides swapped, when fewer than `share` of the answers were repeats.

    The pair is drawn at random among those that this person answered a while ago, without skipping, and has not seen
    twice. It belongs to the round in which it is asked again, the run's latest. Returns the new question's id, or None
    when no repeat is due.
    """
    with store.transaction():
        own = (run, labeler)
        answers = store._connection.execute(
            "SELECT COALESCE(SUM(number), 0) FROM tallies WHERE run = ? AND labeler = ? AND repeated = 0"
            " AND source = 'human' AND answer <> 'rankings'", own).fetchone()[0]
        repeated = store._connection.execute("SELECT COUNT(*) FROM questions WHERE run = ? AND only_for = ?"
                                             " AND repeat_of IS NOT NULL", own).fetchone()[0]
        if repeated >= int(share * answers + 0.5) or answers <= REPEAT_AFTER:
            return None
        name = _drawn(store, run, labeler, answers - REPEAT_AFTER)
        if name is None:
            return None
        row = store._connection.execute("SELECT question_key, shown, prompt, item_1, item_2 FROM questions JOIN pairs"
                                        " USING(question_id) WHERE question_id = ?", (name,)).fetchone()
        latest = store._connection.execute("SELECT latest_round FROM runs WHERE run = ?", (run,)).fetchone()[0]
        return store.insert_question(
            repeat_key(row["question_key"], labeler), run, latest, row["prompt"], [row["item_1"], row["item_2"]],
            json.loads(row["shown"])[::-1], repeat_of=name, only_for=labeler)


def _drawn(store: PreferenceStore, run: str, labeler: str, early: int) -> int | None:
    """One of this person's first `early` answers to a pair that may be asked again, drawn at random; None without one.

    A few draws nearly always find one; only then are all of them looked at.
    """
    may = ("answer <> 'skip' AND NOT EXISTS(SELECT 1 FROM questions again WHERE again.run = answers.run"
           " AND again.only_for = answers.labeler AND again.repeat_of = answers.question_id)")
    those = ("FROM answers WHERE run = ? AND labeler = ? AND repeated = 0 AND source = 'human' AND answer <> 'rankings'"
             " ORDER BY label_id")
    draw = random.SystemRandom()
    for _ in range(DRAWS):
        row = store._connection.execute(f"SELECT question_id, {may} AS may {those} LIMIT 1 OFFSET ?",
                                        (run, labeler, draw.randrange(early))).fetchone()
        if row["may"]:
            return row["question_id"]
    rows = store._connection.execute(f"SELECT question_id, {may} AS may {those} LIMIT ?", (run, labeler, early))
    candidates = [row["question_id"] for row in rows if row["may"]]
    return draw.choice(candidates) if candidates else None


def repeats(store: PreferenceStore, run: str, labelers: Sequence[str]) -> list[dict]:
    """The pairs that were answered twice: number of the pair, first and second answer in the sides of the first.

    `[{"pair": 4, "question_id": 17, "original": 3, "first": "left", "second": "equal", "same": False}, ...]`; "pair"
    counts this person's answers in the run from 1, "original" is the question that was asked again.
    """
    found = _answered_twice(store, run, labelers)
    if not found:
        return []
    ordered = store._connection.execute("SELECT question_id FROM answers WHERE run = ? AND repeated = 0 AND labeler IN"
                                        f" ({_marks(labelers)}) ORDER BY label_id", (run, *labelers))
    places = {name: place for place, name in enumerate(dict.fromkeys(row[0] for row in ordered), 1)}
    return [_compared(again["question_id"], again, first, places[first["question_id"]])
            for again, first in found if first["question_id"] in places]


def same_again(store: PreferenceStore, run: str, labelers: Sequence[str]) -> tuple[int, int]:
    """How many pairs were answered twice, and how many of these the same way both times."""
    same = [_compared(0, again, first, 0)["same"] for again, first in _answered_twice(store, run, labelers)]
    return len(same), sum(same)


def _answered_twice(store: PreferenceStore, run: str, labelers: Sequence[str]) -> list[tuple[sqlite3.Row, sqlite3.Row]]:
    """(the second answer, the first one) to each pair that was asked again and not skipped then."""
    asked = [row[0] for row in store._connection.execute(
        f"SELECT DISTINCT question_id FROM answers WHERE run = ? AND repeated = 1 AND labeler IN ({_marks(labelers)})",
        (run, *labelers))]
    originals = [row[0] for row in store._connection.execute(
        "SELECT repeat_of FROM questions WHERE question_id IN (SELECT value FROM json_each(?))", (json.dumps(asked),))]
    answers = first_answers(store, run, labelers, asked + originals)
    return [(row, answers[row["repeat_of"]]) for row in answers.values()
            if row["repeat_of"] in answers and row["choice"] != "skip"]


def repeat_of_answer(store: PreferenceStore, run: str, labelers: Sequence[str], question_id: int) -> dict | None:
    """The row of `repeats` for this question alone, without a look at all the others; None where it is no repeat."""
    original = store._connection.execute("SELECT repeat_of FROM questions WHERE question_id = ?",
                                         (question_id,)).fetchone()
    if original is None or original["repeat_of"] is None:
        return None
    answers = first_answers(store, run, labelers, (question_id, original["repeat_of"]))
    if len(answers) < 2 or answers[question_id]["choice"] == "skip":
        return None
    first = answers[original["repeat_of"]]
    names = [row[0] for row in store._connection.execute(
        f"SELECT DISTINCT labeler FROM tallies WHERE run = ? AND repeated = 0 AND number AND labeler IN"
        f" ({_marks(labelers)})", (run, *labelers))]
    distinct = "DISTINCT question_id" if len(names) > 1 else "*"       # what two of them answered counts once
    place = store._connection.execute(
        f"SELECT COUNT({distinct}) FROM answers WHERE run = ? AND repeated = 0 AND labeler IN ({_marks(names)})"
        " AND label_id <= ?", (run, *names, first["label_id"])).fetchone()[0]
    return _compared(question_id, answers[question_id], first, place)


def _compared(name: int, row: sqlite3.Row, first: sqlite3.Row, place: int) -> dict:
    second = MIRRORED[row["choice"]] if row["flip"] != first["flip"] else row["choice"]
    return {"pair": place, "question_id": name, "original": row["repeat_of"], "first": first["choice"],
            "second": second, "same": second == first["choice"]}


def first_answers(store: PreferenceStore, run: str, labelers: Sequence[str],
                  names: Sequence[int] | None = None) -> dict[int, sqlite3.Row]:
    """What was said first to each question, in the order of time: rows with event_id, choice, flip and repeat_of.

    Undone answers are left out, but not those changed later in the review: whether one agrees with oneself is told by
    what one said when asked. names: only these questions.
    """
    those = ("labels JOIN pairs USING(pair_id) JOIN questions USING(question_id)" if names is None else
             "json_each(?) wanted CROSS JOIN questions ON questions.question_id = wanted.value"
             " CROSS JOIN pairs ON pairs.question_id = wanted.value CROSS JOIN labels USING(pair_id)")
    rows = store._connection.execute(
        "SELECT label_id, event_id, questions.question_id AS question_id, choice, labels.flip AS flip, repeat_of"
        f" FROM {those} WHERE run = ? AND labeler IN ({_marks(labelers)})"
        " AND NOT EXISTS(SELECT 1 FROM undos WHERE undos.event_id = labels.event_id AND reason IS NOT ?)"
        " AND NOT EXISTS(SELECT 1 FROM set_aside WHERE what = 'label' AND key = CAST(label_id AS TEXT))"
        " ORDER BY label_id", (*([] if names is None else [json.dumps(list(names))]), run, *labelers, CHANGED))
    earliest: dict[int, sqlite3.Row] = {}
    for row in rows:
        earliest.setdefault(row["question_id"], row)
    return earliest


def free_the_gone(store: PreferenceStore) -> int:
    """Free what ended processes held; returns how many questions that were."""
    with store.transaction():
        holders = store._connection.execute("SELECT DISTINCT leased_by FROM questions INDEXED BY questions_leased"
                                            " WHERE leased_by IS NOT NULL AND leased_by <> ?",
                                            (session_name(),)).fetchall()
        gone = [row["leased_by"] for row in holders if session_gone(row["leased_by"])]
        return store._connection.execute("UPDATE questions SET leased_by = NULL, leased_until = NULL"
                                         f" WHERE leased_by IN ({_marks(gone)})", gone).rowcount if gone else 0


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
