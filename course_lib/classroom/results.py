"""The results of a class as files: one record for each notebook, one JSON and one CSV for all.

A record is written when its notebook is done, whole or not at all, so that a run that was stopped goes on where it was.
A notebook that has not changed since, graded with the same checks and the same class's number, keeps its record:
grading twice gives the same files. A notebook that was not graded has no points; it never shows as 0.
"""

import csv
import functools
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from course_lib import atomic
from course_lib.classroom import hidden
from course_lib.classroom.grader import GRADER, Graded
from course_lib.exercises import lesson_checks, registry
from course_lib.exercises import report as r
from course_lib.exercises.report import Outcome, Report

RECORDS, JSON, CSV = "notebooks", "results.json", "results.csv"
FORMAT = 1
FIXED = {r.UNWRITTEN: "Not written yet.", r.SKIPPED: "Not tried, because of what came before it."}

Record = dict[str, Any]


def record(graded: Graded, file: str, checks: str) -> Record:
    """What is kept of one notebook; nothing in it tells a hidden input.

    Args:
        file: its path as the teacher gave it.
        checks: a text that changes with the checks and the class's number (`fingerprint`).
    """
    whole = not graded.reason
    return {
        "format": FORMAT, "student": graded.student, "file": file, "sha256": graded.digest, "lesson": graded.lesson,
        "checks": checks, "status": "graded" if whole else "not graded",
        "reason": f"Not graded, because {graded.reason}." if graded.reason else "",
        "points": _number(graded.points) if whole else None,
        "of": _number(_whole(graded.lesson)) if graded.lesson else None,
        "exercises": [_exercise(report) for report in graded.reports], "notes": list(graded.notes),
        "memorized": [report.exercise.id for report in graded.reports
                      if any(outcome.mistake == hidden.MEMORIZED for outcome in report.outcomes)]}


def _whole(lesson: str) -> float:
    return sum(exercise.points for exercise in registry.of_lesson(lesson))


def _number(points: float) -> float:
    """3 rather than 3.0."""
    return int(points) if points == int(points) else points


def _exercise(report: Report) -> Record:
    return {"id": report.exercise.id, "title": report.exercise.title, "points": _number(report.points),
            "of": report.exercise.points,
            "status": report.status, "passed": report.passed,
            "cases": [{"case": outcome.case, "status": outcome.status, "feedback": feedback(outcome)}
                      for outcome in report.outcomes]}


def feedback(outcome: Outcome) -> str:
    """What a student reads about one case; empty for one that passed."""
    if outcome.status == r.PASSED:
        return ""
    if outcome.status in FIXED and not outcome.mistake:
        return FIXED[outcome.status]
    rows = (("Called: ", outcome.call), ("Expected: ", outcome.expected), ("Got: ", outcome.got), ("", outcome.mistake),
            ("Where: ", outcome.where))
    return "\n".join(f"{name}{text}" for name, text in rows if text)[:2000]


@functools.lru_cache(maxsize=64)
def fingerprint(lesson: str, seed: int | None) -> str:
    """A short text that changes when a lesson's checks or the class's number change; it tells neither."""
    checks = lesson_checks.files()[lesson] if lesson else None
    content = b"" if checks is None else b"".join(
        path.read_bytes() for path in (checks, lesson_checks.build_file(checks)) if path.is_file())
    return hashlib.sha256(content + f"|{seed}|{FORMAT}".encode()).hexdigest()[:16]


class Results:
    """A folder of results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def known(self, student: str, file: str, digest: str, seed: int | None) -> Record | None:
        """The record of a notebook, where it need not be graded again."""
        try:
            found = json.loads(self._path(student, file).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        same = (isinstance(found, dict) and found.get("format") == FORMAT and found.get("sha256") == digest
                and digest and not str(found.get("reason")).startswith(f"Not graded, because {GRADER}"))
        return found if same and found.get("checks") == fingerprint(str(found.get("lesson") or ""), seed) else None

    def save(self, one: Record) -> None:
        """Write the record of a notebook."""
        path = self._path(one["student"], one["file"])
        with atomic.in_a_sentence(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_text(path, _json(one))

    def finish(self, records: Iterable[Record]) -> list[Record]:
        """Write the JSON and the CSV of all; returns the records with their flags, in order."""
        every = sorted(records, key=lambda one: (one["lesson"], one["student"], one["file"]))
        flags = flagged(every)
        every = [{**one, "flags": flags.get((one["student"], one["file"]), [])} for one in every]
        with atomic.in_a_sentence(self.folder / JSON):
            self.folder.mkdir(parents=True, exist_ok=True)
            atomic.write_text(self.folder / JSON, _json(every))
            atomic.write_text(self.folder / CSV, _writable(table(every)))
        return every

    def _path(self, student: str, file: str) -> Path:
        name = hashlib.sha256(f"{student}\0{file}".encode(errors="surrogatepass")).hexdigest()[:24]
        return self.folder / RECORDS / f"{name}.json"


def _json(value: Any) -> str:
    return _writable(json.dumps(value, indent=1, ensure_ascii=False)) + "\n"


def _writable(text: str) -> str:
    """The text with a `?` for half a character (a lone surrogate), which UTF-8 cannot hold: names and errors may."""
    return text.encode(errors="replace").decode()


def flagged(records: Sequence[Record]) -> dict[tuple[str, str], list[str]]:
    """What a teacher should look at: (student, file) -> sentences."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    same, several = defaultdict(list), defaultdict(list)
    for one in records:
        if one["sha256"]:
            same[one["sha256"]].append(one)
        if one["lesson"]:
            several[one["student"], one["lesson"]].append(one)
        for exercise in one["memorized"]:
            found[one["student"], one["file"]].append(
                f"{exercise} is right for the public inputs and for no others: its points are 0")
        for item in one["exercises"]:
            missed = [case for case in item["cases"] if case["status"] != r.PASSED]
            if 0 < len(missed) < len(item["cases"]) and all(case["feedback"] == hidden.WORDS for case in missed):
                found[one["student"], one["file"]].append(
                    f"{item['id']} passes every case whose inputs are public, and none with hidden inputs: an honest "
                    "slip, or written for those inputs")
    for group in same.values():
        students = sorted({one["student"] for one in group})
        for one in group if len(students) > 1 else ():
            others = ", ".join(name for name in students if name != one["student"])
            found[one["student"], one["file"]].append(f"byte for byte the notebook of {others}")
    for group in several.values():
        for one in group if len(group) > 1 else ():
            found[one["student"], one["file"]].append(
                f"one of {len(group)} notebooks of this lesson by this student; the last that was handed in counts")
    return found


def table(records: Sequence[Record]) -> str:
    """The CSV: a line for each notebook, a column for each exercise. What was not graded has no points."""
    exercises = sorted({item["id"] for one in records for item in one["exercises"]},
                       key=lambda key: (key[:2], int(key[3:])))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", "lesson", "file", "handed_in", "late_days", "status", "points", "of", *exercises,
                     "flags", "reason"])
    for one in records:
        points = {item["id"]: item["points"] for item in one["exercises"]}
        late = one.get("late_days")
        row = [one["student"], one["lesson"], one["file"], one.get("handed_in", ""), "" if late is None else late,
               one["status"],
               "" if one["points"] is None else one["points"],
               "" if one["of"] is None else one["of"], *(points.get(key, "") for key in exercises),
               "; ".join(one["flags"]), one["reason"]]
        writer.writerow([safe(value) for value in row])
    return text.getvalue()


def safe(value: Any) -> Any:
    """A text that a spreadsheet does not take for a formula (a student chooses the name of a file)."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
