"""A page for each notebook that its student may read: points, and for each case what was called, expected and got.

It shows what the record has, and a record has no hidden input. Every text in it is foreign and is escaped; the page
loads nothing from anywhere.
"""

from html import escape
from pathlib import Path
from typing import Any

from course_lib import atomic
from course_lib.classroom import results

FOLDER = "feedback"
STYLE = ("body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
         "pre{white-space:pre-wrap;background:#f4f4f4;color:#111;padding:.6rem;border-radius:.3rem}"
         "li{margin:.4rem 0}h2{margin-top:2rem}")
WORDS = {"passed": "✓ passed", "failed": "✗ not passed", "unwritten": "not written yet",
         "stopped": "✗ stopped: out of time or memory", "skipped": "not tried"}


def write(folder: Path, records: list[dict[str, Any]]) -> None:
    """A page for each record: `feedback/STUDENT/LESSON.html`, numbered where a student handed in several."""
    taken: set[Path] = set()
    for one in records:
        student = one["student"].encode(errors="replace").decode().replace("/", "_").replace("\0", "_")
        place = folder / FOLDER / (f"_{student}" if student.startswith(".") or not student else student)
        path, number = place / f"{one['lesson'] or 'notebook'}.html", 1
        while path in taken:
            number += 1
            path = place / f"{one['lesson'] or 'notebook'}_{number}.html"
        taken.add(path)
        with atomic.in_a_sentence(path):
            place.mkdir(parents=True, exist_ok=True)
            atomic.write_text(path, page(one).encode(errors="replace").decode())


def page(one: dict[str, Any]) -> str:
    """The page of one record, as HTML."""
    name = f"Lesson {one['lesson']}" if one["lesson"] else "Your notebook"
    points = f"{one['points']:g} of {one['of']:g} points" if one["points"] is not None else one["reason"]
    late = one.get("late_days")
    parts = [f"<h1>{escape(name)}: {escape(points)}</h1>",
             f"<p>{escape(one['student'])}, {escape(Path(one['file']).name)}"
             + (f", handed in {escape(one['handed_in'])}" if one.get("handed_in") else "")
             + (f", {late} {'day' if late == 1 else 'days'} late" if late else "") + "</p>"]
    parts += [f"<p>{escape(note)}</p>" for note in one["notes"]]
    for item in one["exercises"]:
        parts.append(f"<h2>{escape(item['id'])} {escape(item['title'])}: {item['points']:g} of {item['of']:g}</h2><ul>")
        for case in item["cases"]:
            said = "" if case["feedback"] in results.FIXED.values() else case["feedback"]
            text = f"<pre>{escape(said)}</pre>" if said else ""
            parts.append(f"<li>{escape(case['case'])}: {WORDS.get(case['status'], escape(case['status']))}{text}</li>")
        parts.append("</ul>")
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title>'
            f"<style>{STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n")
