"""The label files that students handed in, together in one file: `course classroom labels`.

Each file is foreign. It is copied and judged whole (labels/foreign.py) before anything of it is used; one that is not
sound is left out and named with the reason, and stops no other. Of a file only one run and one person count, the
student's own: a learner may have merged other people's files into theirs (lesson 07). Every label gets the name of the
student's folder, so that thirty people called "jovyan" stay thirty.
"""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.labels.foreign import Foreign, read
from course_lib.labels.label_file import LOGS
from course_lib.labels.merge import bring_in
from course_lib.labels.store import PreferenceStore

ENDINGS = (".sqlite", ".sqlite3", ".db")
LARGEST = 512 * 2**20               # bytes of one student's file


@dataclass
class Collected:
    """What came of a class's label files."""

    labels: dict[str, int] = field(default_factory=dict)               # student -> labels taken
    refused: dict[Path, str] = field(default_factory=dict)             # file -> why nothing of it was taken
    notes: list[str] = field(default_factory=list)                     # what a teacher should look at
    runs: Counter[str] = field(default_factory=Counter)                # run -> students who have labels in it


def find(folder: Path) -> list[tuple[str, Path]]:
    """(student, label file) in a folder with a folder for each student, at any depth; the newest of a student first.

    Backups that the label store made are left out. Links to folders are not followed.
    """
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in ("backups", ".ipynb_checkpoints"))
        for name in names:
            inside = Path(parent, name).relative_to(folder).parts
            if name.lower().endswith(ENDINGS):
                found.append((inside[0] if len(inside) > 1 else Path(name).stem, Path(parent, name)))
    return sorted(found, key=lambda one: (one[0], -one[1].lstat().st_mtime, str(one[1])))


def collect(files: Sequence[tuple[str, Path]], run: str, store: PreferenceStore, source: str = "human") -> Collected:
    """Bring the labels of one run of all these files into an empty `store`, under the students' names.

    source: whose labels count, "human" or "scripted" (those of synthetic labelers).

    Raises:
        CourseError: the store holds something already.
    """
    if store.runs():
        raise CourseError(f"{store.path} holds labels already. Name a file that is not there yet.")
    done, sound = Collected(), []
    for student, path in files:
        try:
            sound.append((student, path, _read(path)))
        except (CourseError, OSError, ValueError, RecursionError, MemoryError) as error:
            done.refused[path] = str(error)
    for _, name in {(student, row["run"]) for student, _, other in sound for row in other.questions.values()}:
        done.runs[name] += 1
    where: dict[str, set[str]] = defaultdict(set)                      # event -> students whose files hold it
    for student, _, other in sound:
        for label in _of_run(other, run):
            where[label["event_id"]].add(student)
    chosen = [_own(student, path, other, run, source, where, done) for student, path, other in sound]
    owners: dict[str, set[str]] = defaultdict(set)                     # event -> students whose own it would be
    for (student, _, _), labels in zip(sound, chosen, strict=True):
        for label in labels:
            owners[label["event_id"]].add(student)
    for (student, path, other), labels in zip(sound, chosen, strict=True):
        copies = Counter(name for label in labels for name in owners[label["event_id"]] - {student})
        done.notes += [f"{student}: {number} of {len(labels)} labels are also in the file of {name}, answer for answer"
                       for name, number in sorted(copies.items())]
        if labels:
            _take(student, path, other, run, labels, store, done)
    return done


def _read(path: Path) -> Foreign:
    beside = [path.with_name(path.name + end) for end in ("", *LOGS)]
    if any(one.is_symlink() for one in beside):
        raise CourseError(f"{path} is a link, or its log is. Hand in the label file itself.")
    if sum(one.stat().st_size for one in beside if one.is_file()) > LARGEST:
        raise CourseError(f"{path} is larger than {LARGEST // 2**20} MiB: it is not read.")
    if path.is_file() and not path.stat().st_size:
        raise CourseError(f"{path} is empty: nothing was labelled in it, or it was cut off. Hand it in again.")
    return read(path)


def _of_run(other: Foreign, run: str) -> list[dict]:
    return [label for label in other.labels
            if other.questions[other.pairs[label["pair_id"]]["question_id"]]["run"] == run]


def _own(student: str, path: Path, other: Foreign, run: str, source: str, where: Mapping[str, set[str]],
         done: Collected) -> list[dict]:
    """The labels of the run in a student's file that are the student's own; what is odd is noted."""
    mine = [label for label in _of_run(other, run) if label["source"] == source]
    people = Counter(label["labeler"] for label in mine)
    if not people:
        kind = {"human": "a person", "scripted": "a synthetic labeler"}[source]
        others = len(_of_run(other, run))
        done.notes.append(f"{student}: no labels of {kind} in the run “{run}” in {path.name}"
                          + (f" ({others} by others)" if others else ""))
        return []
    alone = Counter(label["labeler"] for label in mine if where[label["event_id"]] == {student})
    own = max(people, key=lambda name: (name.casefold() == student.casefold(), alone[name], people[name], name))
    if len(people) > 1:
        done.notes.append(f"{student}: {path.name} holds labels of {len(people)} people; those of “{own}” count, as "
                          f"{student}'s")
    return [label for label in mine if label["labeler"] == own]


def _take(student: str, path: Path, other: Foreign, run: str, chosen: Sequence[dict], store: PreferenceStore,
          done: Collected) -> None:
    """Bring the student's own labels of one sound file."""
    asked = {number: row for number, row in other.questions.items() if row["run"] == run}
    pairs = {number: row for number, row in other.pairs.items() if row["question_id"] in asked}
    shown = {row[side] for row in pairs.values() for side in ("item_1", "item_2")}
    part = replace(other, questions=asked, pairs=pairs, answers=[], items={name: other.items[name] for name in shown},
                   labels=[{**label, "event_id": _event(student, label), "labeler": student} for label in chosen],
                   undos=[{**undo, "event_id": _event(student, undo), "undo_id": _event(student, undo)}
                          for undo in other.undos])
    merged = bring_in(store, part, student)
    done.labels[student] = done.labels.get(student, 0) + merged.labels
    if merged.set_aside:
        done.notes.append(f"{student}: {len(merged.set_aside)} questions have another answer in {path.name} than in a "
                          "newer file; the newer one counts")


def _event(student: str, row: Mapping) -> str:
    """The name of an answer: a copy in another student's file is another answer, and can neither hide nor undo it."""
    return hashlib.sha256(f"{student}\0{row['event_id']}".encode(errors="surrogatepass")).hexdigest()
