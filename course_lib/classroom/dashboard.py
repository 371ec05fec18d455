"""One page for the teacher: who is where, which exercise stops the class, which message is met most.

Made from the results that `course grade` wrote. The page is one file that loads nothing from anywhere and says so to
the browser (a content security policy that allows its own style and its own script by their hashes). Every text in it
is foreign, and is escaped. Tables are sorted by buttons in their heads (dashboard.js); without JavaScript they
are whole.
"""

import base64
import hashlib
import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from course_lib import atomic
from course_lib.classroom import gradebooks, results
from course_lib.classroom.results import Record
from course_lib.errors import CourseError
from course_lib.exercises import report as r

FILE = "dashboard.html"
MOST = 30                           # messages that are listed
FACTS = ("Called: ", "Expected: ", "Got: ", "Where: ")       # lines of a feedback that are no message
STATES = {"passed": "✓", "part": "◐", "failed": "✗", "unwritten": "○", "none": "?"}
NEEDED = ("student", "lesson", "file", "status", "points", "of", "reason", "exercises")


def read(folder: Path) -> list[Record]:
    """The records in a folder of results.

    Raises:
        CourseError: there are none, or the file is not what `course grade` writes.
    """
    path = folder / results.JSON if folder.is_dir() else folder
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(f"{path} is missing. Grade first: course grade SUBMISSIONS --out {folder}") from None
    except (OSError, ValueError) as error:
        raise CourseError(f"{path} cannot be read: {error}. Run `course grade` again, which writes it anew.") from None
    if not isinstance(records, list) or not all(
            isinstance(one, dict) and all(name in one for name in NEEDED) for one in records):
        raise CourseError(f"{path} is not what `course grade` writes: name the folder of its results.")
    return records


def write(records: Sequence[Record], out: Path) -> None:
    """Write the page."""
    with atomic.in_a_sentence(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(out, page(records).encode(errors="replace").decode())


def page(records: Sequence[Record]) -> str:
    """The page, as HTML. Of several notebooks of a student for a lesson one counts, as in the grade book."""
    chosen = gradebooks.counted(records)
    graded = [one for one in chosen.values() if one["points"] is not None]
    ungraded = sorted((one for one in records if one["points"] is None), key=lambda one: (one["student"], one["file"]))
    students = sorted({one["student"] for one in records})
    body = [f"<h1>The class</h1><p>{len(students)} students, {len(records)} notebooks, "
            f"{len(ungraded)} of them not graded. Press a column's name to sort by it.</p>",
            _section("stops", "Which exercise stops the class", _exercises(records, graded)),
            _section("messages", "Which message is met most", _messages(graded)),
            _section("students", "Who is where", _students(students, chosen)),
            _section("ungraded", "Not graded", _ungraded(ungraded))]
    style, script = (Path(__file__).with_name(f"dashboard.{kind}").read_text(encoding="utf-8")
                     for kind in ("css", "js"))
    policy = f"default-src 'none'; style-src {_allowed(style)}; script-src {_allowed(script)}"
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>The class: results</title>'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
            '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
            f"<style>{style}</style></head>\n<body><main>\n" + "\n".join(body) +
            f'\n</main><p id="said" role="status"></p><script>{script}</script></body></html>\n')


def _allowed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _section(name: str, title: str, content: str) -> str:
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>\n{content}</section>'


def _exercises(records: Sequence[Record], graded: Sequence[Record]) -> str:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in graded:
        for item in one["exercises"]:
            found[item["id"]].append(item)
    handed: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in records:
        handed[one["lesson"]][one["student"]] += 1
    rows = []
    for key, items in found.items():
        states = [_state(item) for item in items]
        passed, number = states.count("passed"), len(items)
        rows.append((passed / number, _natural(key), [
            (key, _natural(key)), (items[0]["title"], None), (number, number),
            (f"{passed / number:.0%}", passed / number), (states.count("part") + states.count("failed"), None),
            (states.count("unwritten"), None),
            (f"{statistics.median(handed[key[:2]].values()):g}", statistics.median(handed[key[:2]].values()))]))
    rows.sort(key=lambda row: row[:2])
    note = ("<p>The exercise that the fewest have passed comes first. Attempts in the notebook are the students' own "
            "and are not handed in; “handed in” counts notebooks of the lesson, median of the students.</p>")
    return note + _table("Exercises, the hardest first", ("Exercise", "Title", "Students", "Passed",
                         "Tried, not passed", "Not written", "Handed in"), [row for _, _, row in rows])


def _messages(graded: Sequence[Record]) -> str:
    met: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in graded:
        for item in one["exercises"]:
            for case in item["cases"]:
                if case["status"] != r.PASSED and (message := message_of(case["feedback"])):
                    met[item["id"], message].add(one["student"])
    most = sorted(met.items(), key=lambda each: (-len(each[1]), each[0]))[:MOST]
    rows = [[(len(students), len(students)), (key, _natural(key)), (message, None)]
            for (key, message), students in most]
    return _table("Messages, the most frequent first", ("Students", "Exercise", "Message"), rows)


def message_of(feedback: str) -> str:
    """What a feedback says beside the call and the values; empty where a case was not tried or not written."""
    if feedback in results.FIXED.values():
        return ""
    said = " ".join(line for line in feedback.split("\n") if line and not line.startswith(FACTS))
    return said[:400] or ("Another value than expected." if feedback else "")


def _students(students: Iterable[str], chosen: dict[tuple[str, str], Record]) -> str:
    keys = sorted({item["id"] for one in chosen.values() for item in one["exercises"]}, key=_natural)
    rows = []
    for student in students:
        own = [one for (name, _), one in chosen.items() if name == student]
        items = {item["id"]: item for one in own for item in one["exercises"]}
        lost = {one["lesson"] for one in own if one["points"] is None}
        points = sum(one["points"] for one in own if one["points"] is not None)
        late = sum(one.get("late_days") or 0 for one in own)
        row: list[tuple[Any, Any]] = [(student, None), (f"{points:g}", points), (len(own), len(own)),
                                      (len([one for one in own if one["points"] is None]), None), (late, late)]
        rows.append(row + [_cell(items.get(key), key[:2] in lost) for key in keys])
    key_words = ("<p>✓ passed, ◐ some points, ✗ tried and no points, ○ not written, ? not graded (never 0 points), "
                 "empty: not handed in. “Late” is days, all lessons together.</p>")
    return key_words + _table("Students and exercises", ("Student", "Points", "Lessons", "Not graded", "Late",
                                                         *keys), rows, row_heads=True)


def _cell(item: dict[str, Any] | None, lost: bool) -> tuple[Any, Any]:
    if item is None:
        return ("? not graded", -1) if lost else ("", -2)
    return f"{STATES[_state(item)]} {item['points']:g} of {item['of']:g}", item["points"] / max(item["of"], 1e-9)


def _ungraded(records: Sequence[Record]) -> str:
    if not records:
        return "<p>Every notebook was graded.</p>"
    return _table("Notebooks that were not graded", ("Student", "File", "Reason"), [
        [(one["student"], None), (Path(one["file"]).name, None), (one["reason"], None)] for one in records])


def _state(item: dict[str, Any]) -> str:
    if item["status"] in (r.PASSED, r.UNWRITTEN):
        return item["status"]
    return "part" if item["points"] else "failed"


def _natural(key: str) -> int:
    lesson, _, number = key.partition(".")
    return 1000 * int(lesson) + int(number) if lesson.isdigit() and number.isdigit() else 0


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[tuple[Any, Any]]],
           row_heads: bool = False) -> str:
    """A table whose columns can be sorted. A cell is (what is shown, a number to sort by; None: by what is shown)."""
    if not rows:
        return "<p>Nothing yet.</p>"
    top = "".join(f'<th scope="col"><button type="button">{escape(head)}</button></th>' for head in heads)
    body = []
    for row in rows:
        cells = []
        for place, (shown, number) in enumerate(row):
            sort = f' data-sort="{number:g}"' if number is not None else ""
            kind = f' class="{_colour(shown)}"' if _colour(shown) else ""
            tag = 'th scope="row"' if row_heads and not place else "td"
            cells.append(f"<{tag}{sort}{kind}>{escape(str(shown))}</{tag[:2]}>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (f'<div class="wide" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
            f"<caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead><tbody>\n" + "\n".join(body) +
            "\n</tbody></table></div>")


def _colour(shown: Any) -> str:
    first = {mark: name for name, mark in STATES.items()}.get(str(shown)[:1], "")
    return first if str(shown)[1:2] == " " else ""
