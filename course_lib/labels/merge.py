"""`course labels merge`: brings another label file into one's own, all of it or nothing, and nothing twice.

Taught in lesson 07.
"""

import json
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.labels.fingerprints import repeat_key
from course_lib.labels.store import PreferenceStore

COPIED = ("event_id", "choice", "flip", "confidence", "source", "session", "shown_at", "answered_at", "saved_at",
          "response_ms", "plays")                  # columns of a label that mean the same in every file


@dataclass
class Merged:
    """What a merge brought: new rows, answers that were there already, answers put aside, rows that are damaged."""

    labels: int = 0
    duplicates: int = 0
    damaged: int = 0
    set_aside: list[str] = field(default_factory=list)     # whose answers to questions they had answered differently


def merge(store: PreferenceStore, path: Path, labeler: str | None = None) -> Merged:
    """Bring everything of another label file into `store`: all of it or nothing. The other file is not touched.

    Questions are recognised by their content, answers by their event ids. `labeler` renames the file's person, for
    two people of the same name. A second, different answer of one person to one question is kept in `set_aside`.
    """
    if not path.is_file():
        raise CourseError(f"{path} is not there.")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.sqlite"
        with closing(sqlite3.connect(path)) as original, closing(sqlite3.connect(copy)) as target:
            original.backup(target)                        # together with what is still in its write-ahead log
        other = PreferenceStore(copy)                      # an older file is brought up to date here, in the copy
        try:
            with store.transaction():
                return _bring(store, other, labeler)
        finally:
            other.close()


def _bring(store: PreferenceStore, other: PreferenceStore, labeler: str | None) -> Merged:
    merged = Merged()
    bad = {(row["what"], row["key"]) for row in other._connection.execute("SELECT what, key FROM set_aside")}
    for item in other._connection.execute("SELECT * FROM items"):
        if ("item", item["item_id"]) not in bad:
            store._connection.execute("INSERT OR IGNORE INTO items VALUES(?, ?, ?, ?, ?, ?, ?)", tuple(item))
    names = {}                                             # question_id there -> question_id here
    for question in other._connection.execute("SELECT * FROM questions ORDER BY repeat_of IS NOT NULL, question_id"):
        if ("question", str(question["question_id"])) in bad:
            merged.damaged += 1
        else:
            names[question["question_id"]] = _bring_question(store, other, question, names, labeler)
    for undo in other._connection.execute("SELECT * FROM undos"):
        store._connection.execute("INSERT OR IGNORE INTO undos VALUES(?, ?, ?, ?)", tuple(undo))
    for label in other._connection.execute(
            "SELECT labels.*, question_id, item_1, item_2 FROM labels JOIN pairs USING(pair_id) ORDER BY label_id"):
        if label["question_id"] not in names or ("label", str(label["label_id"])) in bad:
            merged.damaged += 1
        else:
            _bring_label(store, label, names[label["question_id"]], labeler, merged)
    for aside in other._connection.execute("SELECT * FROM set_aside WHERE what = 'answer'"):
        store._connection.execute("INSERT OR IGNORE INTO set_aside VALUES(?, ?, ?, ?, ?)", tuple(aside))
    return merged


def _bring_question(store: PreferenceStore, other: PreferenceStore, question: sqlite3.Row, names: dict[int, int],
                    labeler: str | None) -> int:
    pairs = other._connection.execute("SELECT * FROM pairs WHERE question_id = ? ORDER BY pair_id",
                                      (question["question_id"],)).fetchall()
    items = list(dict.fromkeys(name for pair in pairs for name in (pair["item_1"], pair["item_2"])))
    key, only_for = question["question_key"], question["only_for"]
    if only_for and labeler:
        original = other._connection.execute("SELECT question_key FROM questions WHERE question_id = ?",
                                             (question["repeat_of"],)).fetchone()[0]
        key, only_for = repeat_key(original, labeler), labeler
    return store.insert_question(key, question["run"], question["round"], question["prompt"], items,
                                 json.loads(question["shown"]), question["priority"],
                                 names.get(question["repeat_of"]), only_for)


def _bring_label(store: PreferenceStore, label: sqlite3.Row, question_id: int, labeler: str | None,
                 merged: Merged) -> None:
    pair = store._connection.execute(
        "SELECT pair_id, item_1 FROM pairs WHERE question_id = ? AND item_1 IN (?, ?) AND item_2 IN (?, ?)",
        (question_id, *2 * (label["item_1"], label["item_2"]))).fetchone()
    who = labeler if labeler and label["source"] == "human" else label["labeler"]
    if store._connection.execute("SELECT 1 FROM labels WHERE event_id = ? AND pair_id = ?",
                                 (label["event_id"], pair["pair_id"])).fetchone():
        merged.duplicates += 1
        return
    row = {name: label[name] for name in COPIED} | {"pair_id": pair["pair_id"], "labeler": who}
    if pair["item_1"] != label["item_1"]:                  # the same two items, numbered the other way round here
        row["flip"] = 1 - label["flip"]
    undone = store._connection.execute("SELECT 1 FROM undos WHERE event_id = ?", (label["event_id"],)).fetchone()
    if not undone and store._connection.execute("SELECT 1 FROM live_labels WHERE pair_id = ? AND labeler = ?",
                                                (pair["pair_id"], who)).fetchone():
        store.set_aside("answer", label["event_id"], "merge: this labeller has answered this question already", row)
        merged.set_aside.append(who)
        return
    store.insert_label(row)
    merged.labels += 1
