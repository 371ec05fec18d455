"""A new label file from what can still be read of a damaged one: every label that is whole, and its question.

A label is taken where its seal fits, so a damaged one is never taken for a sound one. A question whose own row is lost
is made again from what its labels kept of it. Taught in lesson 04.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from course_lib.labels import salvage
from course_lib.labels.fingerprints import REALS, question_key
from course_lib.labels.row_faults import asked_of, item_fault, label_fault, question_fault, undo_fault
from course_lib.labels.schema import count_again, migrate

COLUMNS = {                                        # as they lie in the file; later versions added some at the end
    "meta": ("key", "value"),
    "items": ("item_id", "kind", "mime", "media", "arrays", "info", "created_at"),
    "questions": ("question_id", "question_key", "run", "round", "prompt", "shown", "priority", "repeat_of", "only_for",
                  "created_at", "leased_by", "leased_until", "group_key", "group_id", "answered_by"),
    "pairs": ("pair_id", "question_id", "item_1", "item_2", "flip"),
    "labels": ("label_id", "event_id", "pair_id", "choice", "flip", "confidence", "labeler", "source", "session",
               "shown_at", "answered_at", "saved_at", "response_ms", "plays", "weight", "asked", "seal"),
    "undos": ("undo_id", "event_id", "saved_at", "reason"),
    "set_aside": ("what", "key", "reason", "content", "found_at")}
NUMBERED = {"questions": "question_id", "pairs": "pair_id", "labels": "label_id"}      # kept as the row's own number
FLOATS = {*REALS, "created_at", "priority", "leased_until", "found_at"}    # whole ones lie there as integers
LENGTHS = {"items": (7,), "questions": (12, 13, 14, 15), "pairs": (5,), "labels": (14, 15, 16, 17), "undos": (3, 4),
           "set_aside": (5,)}


@dataclass
class Rescued:
    """What a rescue brought into the new file, and what it knows to be missing."""

    items: int = 0
    questions: int = 0
    labels: int = 0
    rebuilt: int = 0               # of the questions: made again from what a label kept of them
    damaged: int = 0               # labels that were found and are not whole: kept in `set_aside`
    homeless: int = 0              # whole labels, but nothing says what was asked: kept in `set_aside`
    unread: int = 0                # labels whose numbers are missing: labels are numbered without gaps

    @property
    def nothing(self) -> bool:
        """Whether nothing at all was found that is worth a new file."""
        return not (self.questions or self.labels)


def rescue(path: Path, goal: Path) -> Rescued:
    """Write everything readable of the damaged file at `path` into a new label file at `goal`."""
    found = gather(path)
    result = Rescued()
    goal.unlink(missing_ok=True)
    with closing(sqlite3.connect(goal, isolation_level=None)) as target:
        migrate(target)
        target.execute("BEGIN IMMEDIATE")
        for row in found["meta"]:
            _insert(target, "meta", row)
        for row in _once(found["items"], "item_id"):
            if not item_fault(row):
                result.items += _insert(target, "items", row)
        for row in found["undos"]:
            if not undo_fault(row):
                _insert(target, "undos", row)
        questions, pairs = _questions(found, result)
        for row in questions.values():
            result.questions += _insert(target, "questions", row | {"leased_by": None, "leased_until": None,
                                                                    "answered_by": 0})
        for row in pairs.values():
            _insert(target, "pairs", row)
        _bring_labels(target, found["labels"], pairs, result)
        result.unread = max(_highest_number(path), result.unread)
        result.unread = max(0, result.unread - result.labels - result.damaged - result.homeless)
        for row in found["set_aside"]:
            if row["what"] == "answer":            # damage is judged anew
                _insert(target, "set_aside", row)
        count_again(target)
        target.execute("COMMIT")
    return result


def gather(path: Path) -> dict[str, list[dict]]:
    """The rows of the damaged file by table, told apart by their shape; some may be there twice or be damaged."""
    found: dict[str, list[dict]] = {name: [] for name in COLUMNS}
    for _, rowid, values in salvage.rows(path):
        table = _table_of(values)
        if table is None:
            continue
        row = dict.fromkeys(COLUMNS[table]) | dict(zip(COLUMNS[table], values, strict=False))
        if table in NUMBERED:
            row[NUMBERED[table]] = rowid
        found[table].append({name: float(value) if name in FLOATS and type(value) is int else value
                             for name, value in row.items()})
    return found


def _table_of(values: list) -> str | None:
    """Which table a row of these values belongs to; None where it is none of a label file's."""
    def fits(table: str, **kinds: type | tuple) -> bool:
        row = dict(zip(COLUMNS[table], values, strict=False))
        return len(values) in LENGTHS[table] and all(isinstance(row[name], kind) for name, kind in kinds.items())

    if values[:1] == ["store_id"] and len(values) == 2:
        return "meta"
    if fits("labels", label_id=type(None), event_id=str, pair_id=int, labeler=str):
        return "labels"
    if fits("items", item_id=str, kind=str, mime=str, media=(bytes, str)):
        return "items"
    if fits("questions", question_id=type(None), question_key=str, run=str, prompt=str, shown=str):
        return "questions"
    if fits("pairs", pair_id=type(None), question_id=int, item_1=str, item_2=str, flip=int):
        return "pairs"
    if fits("undos", undo_id=str, event_id=str, saved_at=(int, float)):
        return "undos"
    if fits("set_aside", what=str, key=str, reason=str, found_at=(int, float)) and values[0] == "answer":
        return "set_aside"
    return None


def _questions(found: dict[str, list[dict]], result: Rescued) -> tuple[dict[int, dict], dict[int, dict]]:
    """The questions and pairs by number: sound rows, and for all others what the sealed labels kept."""
    told: dict[int, dict] = {}                     # question -> what a sealed label kept of it
    pairs: dict[int, dict] = {}
    for label in found["labels"]:
        asked = asked_of(label)
        if asked:
            told.setdefault(asked["question"], asked)
            one, other = asked["pair"]
            pairs[label["pair_id"]] = {"pair_id": label["pair_id"], "question_id": asked["question"], "item_1": one,
                                       "item_2": other, "flip": _flip(asked["shown"], one, other)}
    for row in found["pairs"]:
        pairs.setdefault(row["pair_id"], row)
    of_question: dict[int, list[dict]] = {}
    for row in pairs.values():
        of_question.setdefault(row["question_id"], []).append(row)
    questions: dict[int, dict] = {}
    for row in sorted(found["questions"], key=lambda row: not _name_fits(row)):
        asked = told.get(row["question_id"])
        if asked is None or asked["key"] == row["question_key"]:
            questions.setdefault(row["question_id"], row)
    by_key = {row["question_key"]: number for number, row in questions.items()} | {
        asked["key"]: number for number, asked in told.items()}
    for number, asked in told.items():
        if number not in questions or question_fault(questions[number], of_question.get(number, [])):
            _complete(number, asked["shown"], of_question.setdefault(number, []), pairs)
            result.rebuilt += number not in questions
            questions[number] = _as_asked(asked, by_key)
    for number, row in list(questions.items()):
        own = of_question.setdefault(number, [])
        if question_fault(row, own):
            _complete(number, _shown(row), own, pairs)
            if question_fault(row, own):           # and no label knows better
                del questions[number]
    return questions, {number: pair for number, pair in pairs.items() if pair["question_id"] in questions}


def _as_asked(asked: Mapping, by_key: Mapping[str, int]) -> dict:
    return {"question_id": asked["question"], "question_key": asked["key"], "run": asked["run"],
            "round": asked["round"], "prompt": asked["prompt"], "shown": json.dumps(asked["shown"]),
            "priority": asked.get("priority") or 0.0, "repeat_of": by_key.get(asked.get("repeat_of")),
            "only_for": asked.get("only_for"), "created_at": time.time(), "group_key": asked.get("group"),
            "group_id": None}


def _name_fits(row: Mapping) -> bool:
    """Whether the question's name is the hash of what it asks, so that it is certainly whole; a repeat's is not."""
    shown = _shown(row)
    return bool(shown) and row["question_key"] == question_key(row["run"], row["prompt"], shown, row["group_key"])


def _complete(number: int, shown: list[str], own: list[dict], pairs: dict[int, dict]) -> None:
    """Add the pairs that a question implies and that were not found."""
    there = {frozenset((pair["item_1"], pair["item_2"])) for pair in own}
    for one, other in combinations(shown, 2):
        if frozenset((one, other)) not in there:
            pair = {"pair_id": max(pairs, default=0) + 1, "question_id": number, "item_1": one, "item_2": other,
                    "flip": _flip(shown, one, other)}
            pairs[pair["pair_id"]] = pair
            own.append(pair)


def _bring_labels(target: sqlite3.Connection, labels: Iterable[dict], pairs: Mapping[int, dict],
                  result: Rescued) -> None:
    """Insert the whole labels, the latest first: where two count, the undo of the earlier one was lost."""
    best: dict[int, dict] = {}
    for row in labels:
        other = best.get(row["label_id"])
        if other is None or (label_fault(other, pairs.get(other["pair_id"])) and not label_fault(
                row, pairs.get(row["pair_id"]))) or (other["seal"] is None and asked_of(row)):
            best[row["label_id"]] = row
    taken = {row[0] for row in target.execute("SELECT event_id FROM undos")}
    live: set[tuple] = set()
    trigger = target.execute("SELECT sql FROM sqlite_master WHERE name = 'one_live_answer'").fetchone()[0]
    target.execute("DROP TRIGGER one_live_answer")         # `live` knows it sooner
    for number in sorted(best, reverse=True):
        row = best[number]
        fault = label_fault(row, pairs.get(row["pair_id"]))
        if fault:
            result.homeless += row["pair_id"] not in pairs
            result.damaged += row["pair_id"] in pairs
            what = "nothing says what was asked" if row["pair_id"] not in pairs else fault
            _insert(target, "set_aside", {"what": "answer", "key": f"label {number}", "reason": f"not rescued: {what}",
                                          "content": json.dumps(row, default=repr), "found_at": time.time()})
            continue
        own = (row["pair_id"], row["labeler"])
        if row["event_id"] not in taken and own in live:
            taken.add(row["event_id"])
            _insert(target, "undos", {"undo_id": f"rescued {row['event_id']}", "event_id": row["event_id"],
                                      "saved_at": time.time(), "reason": "rescued: a later answer had taken its place"})
        live |= {own} if row["event_id"] not in taken else set()
        result.labels += _insert(target, "labels", row)
    target.execute(trigger)
    result.unread = max(best, default=0)           # labels are numbered from 1 without gaps


def _highest_number(path: Path) -> int:
    """The highest number of a label that an index names: of labels_of_pair (pair_id, labeler, number), or `answers`."""
    highest = 0
    for entry in salvage.entries(path):
        kinds = [type(value) for value in entry]
        if kinds == [int, str, int]:
            highest = max(highest, entry[2])
        elif kinds == [int, str, str, int, str, str, int]:
            highest = max(highest, entry[3])
    return highest


def _insert(target: sqlite3.Connection, table: str, row: Mapping) -> int:
    """Insert a row unless there is one of its name; returns how many were inserted."""
    given = {name: row[name] for name in COLUMNS[table] if name in row}
    marks = ", ".join("?" * len(given))
    return target.execute(f"INSERT OR IGNORE INTO {table}({', '.join(given)}) VALUES({marks})",
                          tuple(given.values())).rowcount


def _once(rows: Iterable[dict], name: str) -> Iterable[dict]:
    """For each name one row, a sound one where there is one."""
    best: dict[object, dict] = {}
    for row in rows:
        if row[name] not in best or item_fault(best[row[name]]):
            best[row[name]] = row
    return best.values()


def _shown(row: Mapping) -> list[str]:
    try:
        shown = json.loads(row["shown"])
    except (TypeError, ValueError, RecursionError):
        return []
    return shown if isinstance(shown, list) and all(isinstance(name, str) for name in shown) else []


def _flip(shown: list[str], one: str, other: str) -> int:
    return int(shown.index(one) > shown.index(other))
