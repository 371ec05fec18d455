"""`course labels merge`: brings another label file into one's own, all of it or nothing, and nothing twice.

The other file is judged whole before (foreign.py). Answers that count here and were taken back there are not hidden
without being asked for. Taught in lesson 07.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.labels.fingerprints import repeat_key
from course_lib.labels.foreign import Foreign, read
from course_lib.labels.store import PreferenceStore

COPIED = ("event_id", "choice", "flip", "confidence", "source", "session", "shown_at", "answered_at", "saved_at",
          "response_ms", "plays", "weight")        # columns of a label that mean the same in every file
DEFAULT_NAMES = ("jovyan", "root", "user", "me", "student", "ubuntu", "admin", "vscode", "codespace", "coder", "guest",
                 "test", "learner", "pi", "ec2-user", "azureuser", "runner")       # of images and machines, not people


@dataclass
class Merged:
    """What a merge brought: new rows, answers that were there already, answers put aside, rows that are damaged."""

    labels: int = 0
    duplicates: int = 0
    damaged: int = 0
    set_aside: list[str] = field(default_factory=list)     # whose answers to questions they had answered differently
    would_hide: int = 0                                    # answers that count here and were taken back there
    renamed: dict[str, str] = field(default_factory=dict)  # default names, told apart by the file that they came from


def merge(store: PreferenceStore, path: Path, labeler: str | None = None, take_undos: bool = False) -> Merged:
    """Bring everything of another label file into `store`: all of it or nothing. The other file is not touched.

    Questions are recognised by their content, answers by their event ids. `labeler` renames the file's person, for
    two people of the same name; names that a machine gives to everybody ("jovyan") are told apart by the file's id. A
    second, different answer of one person to one question is kept in `set_aside`. take_undos: also take back here what
    was taken back there. Raises `CourseError`, naming the other file, where any of it is not sound.
    """
    return bring_in(store, read(path), labeler, take_undos)


def bring_in(store: PreferenceStore, other: Foreign, labeler: str | None = None, take_undos: bool = False) -> Merged:
    """`merge` for a file that was judged already (foreign.py), or for a part of it."""
    with store.transaction():
        return _Merge(store, other, labeler, take_undos).bring()


class _Merge:
    """One merge, within a transaction."""

    def __init__(self, store: PreferenceStore, other: Foreign, labeler: str | None, take_undos: bool) -> None:
        self.store, self.other, self.take_undos = store, other, take_undos
        self.merged = Merged(damaged=other.damaged)
        self.labeler = labeler
        self.names: dict[int, int] = {}                    # question_id there -> question_id here
        self.pairs: dict[int, list[dict]] = {}             # the pairs of each question there, in their order
        for pair in sorted(other.pairs.values(), key=lambda pair: pair["pair_id"]):
            self.pairs.setdefault(pair["question_id"], []).append(pair)

    def bring(self) -> Merged:
        for item in self.other.items.values():
            self.store._connection.execute(
                "INSERT OR IGNORE INTO items VALUES(:item_id, :kind, :mime, :media, :arrays, :info, :created_at)", item)
        for row in sorted(self.other.questions.values(), key=lambda row: (row["repeat_of"] is not None,
                                                                          row["question_id"])):
            self.names[row["question_id"]] = self._question(row)
        self._undos()
        for label in sorted(self.other.labels, key=lambda label: label["label_id"]):
            self._label(label)
        for aside in self.other.answers:
            self.store._connection.execute("INSERT OR IGNORE INTO set_aside VALUES(:what, :key, :reason, :content,"
                                           " :found_at)", aside)
        return self.merged

    def _who(self, name: str, source: str) -> str:
        """The name here of a labeler there."""
        if source != "human":
            return name
        if self.labeler:
            return self.labeler
        if name not in DEFAULT_NAMES or self.other.store_id in ("", self.store.store_id):
            return name
        self.merged.renamed[name] = f"{name} of file {self.other.store_id[:6]}"
        return self.merged.renamed[name]

    def _question(self, row: dict) -> int:
        items = list(dict.fromkeys(name for pair in self.pairs[row["question_id"]]
                                   for name in (pair["item_1"], pair["item_2"])))
        key, only_for = row["question_key"], row["only_for"]
        if row["repeat_of"] is not None and only_for:
            only_for = self._who(only_for, "human")
            key = repeat_key(self.other.questions[row["repeat_of"]]["question_key"], only_for)
        return self.store.insert_question(key, row["run"], row["round"], row["prompt"], items, json.loads(row["shown"]),
                                          row["priority"], self.names.get(row["repeat_of"]), only_for,
                                          row["group_key"])

    def _undos(self) -> None:
        """Bring the undos of answers that are new here; of those that count here only where that was asked for."""
        brought = {label["event_id"] for label in self.other.labels}
        for undo in self.other.undos:
            if undo["event_id"] not in brought:            # of an answer that the file does not hold
                continue
            counts = self.store._connection.execute("SELECT 1 FROM live_labels WHERE event_id = ?",
                                                    (undo["event_id"],)).fetchone()
            self.merged.would_hide += bool(counts)
            known = self.store._connection.execute("SELECT 1 FROM undos WHERE undo_id = ? OR event_id = ?",
                                                   (undo["undo_id"], undo["event_id"])).fetchone()
            if not known and (self.take_undos or not counts):
                self.store._connection.execute("INSERT INTO undos(undo_id, event_id, saved_at, reason) VALUES(:undo_id,"
                                               " :event_id, :saved_at, :reason)", undo)

    def _label(self, label: dict) -> None:
        there = self.other.pairs[label["pair_id"]]
        pair = self.store._connection.execute(
            "SELECT pair_id, item_1 FROM pairs WHERE question_id = ? AND item_1 IN (?, ?) AND item_2 IN (?, ?)",
            (self.names[there["question_id"]], *2 * (there["item_1"], there["item_2"]))).fetchone()
        who = self._who(label["labeler"], label["source"])
        if self.store._connection.execute("SELECT 1 FROM labels WHERE event_id = ? AND pair_id = ?",
                                          (label["event_id"], pair["pair_id"])).fetchone():
            self.merged.duplicates += 1
            return
        row = {name: label[name] for name in COPIED} | {"pair_id": pair["pair_id"], "labeler": who}
        if pair["item_1"] != there["item_1"]:              # the same two items, numbered the other way round here
            row["flip"] = 1 - label["flip"]
        undone = self.store._connection.execute("SELECT 1 FROM undos WHERE event_id = ?",
                                                (label["event_id"],)).fetchone()
        if not undone and self.store._connection.execute("SELECT 1 FROM live_labels WHERE pair_id = ? AND labeler = ?",
                                                         (pair["pair_id"], who)).fetchone():
            self.store.set_aside("answer", label["event_id"], "merge: this labeller has answered this question already",
                                 row)
            self.merged.set_aside.append(who)
            return
        self.store.insert_label(row)
        self.merged.labels += 1
