"""Labels to and from other programs. Taught in lessons 06 (clips) and 09 (text).

Out: text pairs as JSON lines (what trl reads), clips as arrays (what imitation reads). In: JSON lines with prompt,
chosen and rejected, and the label files of other people. Both may be repeated without making anything double.
"""

import hashlib
import io
import json
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from course_lib import atomic
from course_lib.errors import CourseError
from course_lib.labels.queue import repeat_key
from course_lib.labels.records import Item, Preference
from course_lib.labels.store import PreferenceStore


@dataclass(frozen=True)
class Fragment:
    """One clip as the `imitation` library has it: `TrajectoryWithRew(**vars(fragment))` accepts it.

    obs: (T + 1, ...), acts: (T, ...), rews: (T,), all NaN, because a label file never holds the true reward.
    """

    obs: np.ndarray
    acts: np.ndarray
    infos: None
    terminal: bool
    rews: np.ndarray


@dataclass(frozen=True)
class FragmentPairs:
    """What `imitation.algorithms.preference_comparisons.PreferenceDataset.push` takes, and two columns more."""

    fragments: list[tuple[Fragment, Fragment]]
    preferences: np.ndarray            # (pairs,) float32: 1 where the first fragment was preferred, 0.5 for a tie
    weights: np.ndarray                # (pairs,) float32
    groups: np.ndarray                 # (pairs,) int64


def write_jsonl(store: PreferenceStore, run: str, path: Path) -> tuple[int, int]:
    """Write the run's text verdicts as JSON lines with prompt, chosen and rejected; returns (lines, ties left out).

    A tie has no chosen side, so trl cannot use it. Raises `CourseError` for a run of clips.
    """
    rows = store.connection.execute(
        "SELECT preferences.*, question_key FROM preferences JOIN questions ON question_id = \"group\""
        " WHERE preferences.run = ? ORDER BY answered_at, pair_id", (run,)).fetchall()
    items = {name: store.item(name) for row in rows for name in (row["sigma1"], row["sigma2"])}
    if any(item.kind != "text" for item in items.values()):
        raise CourseError(f"The run “{run}” holds clips: give the file a name that ends in .npz, for arrays.")
    lines, ties = [], 0
    for row in rows:
        if row["mu"] == 0.5:
            ties += 1
            continue
        better, worse = (row["sigma1"], row["sigma2"]) if row["mu"] == 1 else (row["sigma2"], row["sigma1"])
        lines.append(json.dumps({
            "prompt": row["prompt"], "chosen": items[better].text, "rejected": items[worse].text,
            "weight": row["weight"], "group": row["question_key"], "labeler": row["labeler"], "source": row["source"],
            "event_id": f"{row['event_id']}#{row['pair_id']}", "answered_at": row["answered_at"]}, ensure_ascii=False))
    atomic.write_text(path, "".join(f"{line}\n" for line in lines))
    return len(lines), ties


def fragment_pairs(preferences: Sequence[Preference]) -> FragmentPairs:
    """The preferences as pairs of fragments. Raises `CourseError` for items without observations and actions."""
    return FragmentPairs([(fragment(p.sigma1), fragment(p.sigma2)) for p in preferences],
                         np.array([p.mu for p in preferences], np.float32),
                         np.array([p.weight for p in preferences], np.float32),
                         np.array([p.group for p in preferences], np.int64))


def fragment(item: Item) -> Fragment:
    """One clip as a fragment. With as many actions as observations, the last action has no outcome and is left out."""
    if not {"obs", "acts"} <= item.arrays.keys():
        raise CourseError("These items hold no observations and actions: give them to add_clip(obs=..., acts=...).")
    acts = item.acts[:len(item.obs) - 1]
    no_reward = np.full(len(acts), np.nan, np.float32)
    return Fragment(item.obs, acts, None, bool(item.info.get("terminal", False)), no_reward)


def write_arrays(store: PreferenceStore, run: str, path: Path) -> int:
    """Write the run's clip verdicts as one .npz without pickles; returns the number of pairs. See `read_arrays`."""
    preferences = store.preferences(run)
    if not preferences:
        raise CourseError(f"The run “{run}” has no verdicts yet: nothing is written.")
    items = {item.item_id: item for p in preferences for item in (p.sigma1, p.sigma2)}
    place = {name: index for index, name in enumerate(items)}
    fragments = [fragment(item) for item in items.values()]
    pairs = fragment_pairs(preferences)
    file = io.BytesIO()
    np.savez_compressed(
        file, obs=np.concatenate([f.obs for f in fragments]), acts=np.concatenate([f.acts for f in fragments]),
        lengths=np.array([len(f.acts) for f in fragments]), terminal=np.array([f.terminal for f in fragments]),
        first=np.array([place[p.sigma1.item_id] for p in preferences]),
        second=np.array([place[p.sigma2.item_id] for p in preferences]),
        preferences=pairs.preferences, weights=pairs.weights, groups=pairs.groups)
    atomic.write_bytes(path, file.getvalue())
    return len(preferences)


def read_arrays(path: Path) -> FragmentPairs:
    """Read what `write_arrays` wrote.

    In the file, `obs` and `acts` of all fragments follow one another, `lengths` says how many actions each has (and
    one observation more), `first` and `second` (pairs,) point into them.
    """
    with np.load(path, allow_pickle=False) as file:
        lengths = file["lengths"]
        all_obs = np.split(file["obs"], np.cumsum(lengths + 1)[:-1])
        all_acts = np.split(file["acts"], np.cumsum(lengths)[:-1])
        fragments = [Fragment(obs, acts, None, bool(terminal), np.full(len(acts), np.nan, np.float32))
                     for obs, acts, terminal in zip(all_obs, all_acts, file["terminal"], strict=True)]
        pairs = [(fragments[i], fragments[j]) for i, j in zip(file["first"], file["second"], strict=True)]
        return FragmentPairs(pairs, file["preferences"], file["weights"], file["groups"])


COPIED = ("event_id", "choice", "flip", "confidence", "source", "session", "shown_at", "answered_at", "saved_at",
          "response_ms", "plays")                  # columns of a label that mean the same in every file


@dataclass
class Merged:
    """What a merge brought: new rows, answers that were there already, answers put aside, rows that are damaged."""

    labels: int = 0
    duplicates: int = 0
    damaged: int = 0
    set_aside: list[str] = field(default_factory=list)     # whose answers to questions they had answered differently


def read_jsonl(store: PreferenceStore, path: Path, run: str, labeler: str) -> tuple[int, int]:
    """Add each line's verdict to the run; returns (new, already there). Lines may name labeler, source and event_id.

    Raises `CourseError` naming the first line that cannot be read; then nothing is added.
    """
    new = there = 0
    with store.transaction(), path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            row = _verdict(line, path, number)
            better, worse = store.add_text(row["chosen"]), store.add_text(row["rejected"])
            question_id = store.add_pair(better, worse, run=run, prompt=row["prompt"])
            side = "left" if store.question(question_id).shown[0].item_id == better else "right"
            event_id = row.get("event_id") or hashlib.sha256(
                json.dumps([run, labeler, row["prompt"], row["chosen"], row["rejected"]]).encode()).hexdigest()
            filed = store.answer(question_id, side, labeler=row.get("labeler") or labeler, event_id=event_id,
                                 source=row.get("source") or "human", answered_at=row.get("answered_at"))
            new += filed == "saved"
            there += filed != "saved"
    return new, there


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
    bad = {(row["what"], row["key"]) for row in other.connection.execute("SELECT what, key FROM set_aside")}
    for item in other.connection.execute("SELECT * FROM items"):
        if ("item", item["item_id"]) not in bad:
            store.connection.execute("INSERT OR IGNORE INTO items VALUES(?, ?, ?, ?, ?, ?, ?)", tuple(item))
    names = {}                                             # question_id there -> question_id here
    for question in other.connection.execute("SELECT * FROM questions ORDER BY repeat_of IS NOT NULL, question_id"):
        if ("question", str(question["question_id"])) in bad:
            merged.damaged += 1
        else:
            names[question["question_id"]] = _bring_question(store, other, question, names, labeler)
    for undo in other.connection.execute("SELECT * FROM undos"):
        store.connection.execute("INSERT OR IGNORE INTO undos VALUES(?, ?, ?)", tuple(undo))
    for label in other.connection.execute(
            "SELECT labels.*, question_id, item_1, item_2 FROM labels JOIN pairs USING(pair_id) ORDER BY label_id"):
        if label["question_id"] not in names or ("label", str(label["label_id"])) in bad:
            merged.damaged += 1
        else:
            _bring_label(store, label, names[label["question_id"]], labeler, merged)
    for aside in other.connection.execute("SELECT * FROM set_aside WHERE what = 'answer'"):
        store.connection.execute("INSERT OR IGNORE INTO set_aside VALUES(?, ?, ?, ?, ?)", tuple(aside))
    return merged


def _bring_question(store: PreferenceStore, other: PreferenceStore, question: sqlite3.Row, names: dict[int, int],
                    labeler: str | None) -> int:
    pairs = other.connection.execute("SELECT * FROM pairs WHERE question_id = ? ORDER BY pair_id",
                                     (question["question_id"],)).fetchall()
    items = list(dict.fromkeys(name for pair in pairs for name in (pair["item_1"], pair["item_2"])))
    key, only_for = question["question_key"], question["only_for"]
    if only_for and labeler:
        original = other.connection.execute("SELECT question_key FROM questions WHERE question_id = ?",
                                            (question["repeat_of"],)).fetchone()[0]
        key, only_for = repeat_key(original, labeler), labeler
    return store.insert_question(key, question["run"], question["round"], question["prompt"], items,
                                 json.loads(question["shown"]), question["priority"],
                                 names.get(question["repeat_of"]), only_for)


def _bring_label(store: PreferenceStore, label: sqlite3.Row, question_id: int, labeler: str | None,
                 merged: Merged) -> None:
    pair = store.connection.execute(
        "SELECT pair_id, item_1 FROM pairs WHERE question_id = ? AND item_1 IN (?, ?) AND item_2 IN (?, ?)",
        (question_id, *2 * (label["item_1"], label["item_2"]))).fetchone()
    who = labeler if labeler and label["source"] == "human" else label["labeler"]
    if store.connection.execute("SELECT 1 FROM labels WHERE event_id = ? AND pair_id = ?",
                                (label["event_id"], pair["pair_id"])).fetchone():
        merged.duplicates += 1
        return
    row = {name: label[name] for name in COPIED} | {"pair_id": pair["pair_id"], "labeler": who}
    if pair["item_1"] != label["item_1"]:                  # the same two items, numbered the other way round here
        row["flip"] = 1 - label["flip"]
    undone = store.connection.execute("SELECT 1 FROM undos WHERE event_id = ?", (label["event_id"],)).fetchone()
    if not undone and store.connection.execute("SELECT 1 FROM live_labels WHERE pair_id = ? AND labeler = ?",
                                               (pair["pair_id"], who)).fetchone():
        store.set_aside("answer", label["event_id"], "merge: this labeller has answered this question already", row)
        merged.set_aside.append(who)
        return
    store.insert_label(row)
    merged.labels += 1


def _verdict(line: str, path: Path, number: int) -> dict:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise CourseError(f"{path}, line {number}: not JSON ({error}).") from None
    names = ("prompt", "chosen", "rejected")
    if not isinstance(row, dict) or any(not isinstance(row.get(name), str) for name in names):
        raise CourseError(f"{path}, line {number}: needs the texts prompt, chosen and rejected.")
    return row
