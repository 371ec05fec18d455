"""The page itself: one HTML file with everything inside. It holds no script, and the browser is told to run none.

Whatever comes from the learner's files is escaped. Should that fail one day, the page's own policy (its first line in
the head) still forbids scripts and anything from elsewhere: pictures inside the file and its style are all it allows.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path

from course_lib.course_map import MAP
from course_lib.exercises.progress import SIGNS, Line, earned
from course_lib.share.films import Film, Trained
from course_lib.share.findings import Findings, LabelRun, Titles

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
WHOSE = {"human": "labels by a person", "scripted": "labels by a synthetic labeler",
         "mixed": "labels, by a person and by a synthetic labeler"}
NUMBERS = ("points", "by people", "by a synthetic labeler", "ties", "skipped")         # heads of columns of numbers
CLASS = ' class="number"'
TITLES = {entry.number: entry.title for entry in MAP}


@dataclass(frozen=True)
class Page:
    """Everything that goes onto the page."""

    findings: Findings
    runs: Sequence[Trained]
    titles: Titles
    made: date
    name: str = ""


def html(page: Page) -> str:
    """The page as one HTML file."""
    style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    title = f"What {page.name} did" if page.name else "What I did"
    title += " in “From ‘what is a reward?’ to RLHF”"
    parts = [head(page, title), points(page.findings), labels(page.findings.labels), agents(page)]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
{"".join(filter(None, parts))}</main>
<footer>
<p class="calm">Made by <code>course share</code> on {day(page.made)}. Everything is inside this file: it loads nothing
and runs nothing.</p>
</footer>
</body>
</html>
"""


def head(page: Page, title: str) -> str:
    """What the course is, and the figures in short."""
    found = page.findings
    every = [line for rows in found.lessons.values() for line in rows]
    have, most = earned(every)
    passed = sum(line.status == "passed" for line in every)
    human, scripted = (sum(getattr(run, who) for run in found.labels) for who in ("human", "scripted"))
    facts = [(f"{have:g} of {most:g}", "points"), (f"{passed} of {len(every)}", "exercises passed")] \
        if found.tried else []
    facts += [(f"{human:,}", plural(human, "label by a person", "labels by people"))] if human else []
    facts += [(f"{scripted:,}", plural(scripted, "label", "labels") + " by a synthetic labeler")] if scripted else []
    facts += [(str(len(page.runs)), plural(len(page.runs), "training run", "training runs") + " from labels")] \
        if page.runs else []
    shown = "".join(f"<li><b>{escape(figure)}</b> {escape(what)}</li>" for figure, what in facts)
    first, last = found.period or (page.made, page.made)
    when = day(first) if first == last else f"{day(first)} to {day(last)}"
    return (f"<h1>{escape(title)}</h1>\n"
            "<p>A course in which one labels clips and texts, writes the algorithms of reinforcement learning from "
            "human feedback, and trains agents and language models on one's own labels.</p>\n"
            f'<p class="calm">{when}</p>\n<ul class="facts">{shown}</ul>\n')


def points(found: Findings) -> str:
    """Points by lesson, and below each lesson its exercises."""
    tried = {number: rows for number, rows in found.lessons.items() if any(line.standing.attempts for line in rows)}
    if not tried:
        return ""
    lessons, exercises = [], []
    for number, rows in tried.items():
        have, most = earned(rows)
        title = f"{number} {TITLES.get(number, '')}".strip()
        share = 100 * have / most if most else 0
        lessons.append(f'<tr><th scope="row">{escape(title)}</th><td><span class="bar" aria-hidden="true">'
                       f'<span style="width:{share:.0f}%"></span></span></td>'
                       f'<td class="number">{have:g} of {most:g}</td></tr>')
        exercises.append(f"<details><summary>{escape(title)}</summary>{exercise_table(title, rows)}</details>\n")
    return ("<h2>Points</h2>\n" + table("Points by lesson, of the lessons that were begun",
                                        ("lesson", "", "points"), lessons)
            + "<h3>Exercise by exercise</h3>\n" + "".join(exercises))


def exercise_table(title: str, rows: Sequence[Line]) -> str:
    """The exercises of a lesson."""
    return table(f"Exercises of lesson {title}", ("exercise", "", "points"), [
        f'<tr><th scope="row">{escape(line.exercise.id)} {escape(line.exercise.title)}</th>'
        f'<td><span aria-hidden="true">{SIGNS[line.status]}</span> {line.status}</td>'
        f'<td class="number">{line.standing.points:g} of {line.exercise.points:g}</td></tr>' for line in rows])


def labels(runs: Sequence[LabelRun]) -> str:
    """How many labels, and how far people agreed with themselves."""
    if not runs:
        return ""
    rows = []
    for run in runs:
        title = f"{run.lesson} {run.title}".strip()
        people = f"{run.human:,}" + (f" ({run.people} people)" if run.people > 1 else "")
        again = f"{run.same} of {run.repeated}" if run.repeated else "none asked twice"
        days = [day(end) for end in (run.first, run.last) if end]
        rows.append(f'<tr><th scope="row">{escape(title)}</th><td class="number">{people}</td>'
                    f'<td class="number">{run.scripted:,}</td><td class="number">{run.ties:,}</td>'
                    f'<td class="number">{run.skips:,}</td><td>{again}</td>'
                    f'<td>{" to ".join(dict.fromkeys(days))}</td></tr>')
    asked, same = sum(run.repeated for run in runs), sum(run.same for run in runs)
    agreed = (f"<p>Of {asked} {plural(asked, 'pair', 'pairs')} that came a second time with the sides swapped, {same} "
              f"got the same answer: {same / asked:.0%}.</p>\n") if asked else ""
    return "<h2>Labels</h2>\n" + agreed + table(
        "Answers by run; those that were taken back and second answers are not counted",
        ("lesson and run", "by people", "by a synthetic labeler", "ties", "skipped", "same answer when asked twice",
         "days"), rows)


def agents(page: Page) -> str:
    """Films of agents and texts of language models, before and after the rounds of labels."""
    if not page.runs:
        return ""
    films = any(run.films for run in page.runs)
    control = ('<p class="motion"><input type="checkbox" id="motion" checked> <label for="motion">Films move'
               "</label></p>\n") if films else ""
    return ("<h2>Agents and language models, taught by labels</h2>\n"
            "<p>No reward was written for these. Each learned from answers to “which of these two is better?”.</p>\n"
            + control + "".join(one_run(run, page.titles) for run in page.runs))


def one_run(run: Trained, titles: Titles) -> str:
    """One run: a film for each round, or texts before and after."""
    title, lesson = titles.of(run.run)
    whose = WHOSE.get(run.source, "labels").replace("labels", plural(run.labels, "label", "labels"))
    head = (f"<h3>{escape(f'{lesson} {title}'.strip())}</h3>\n<p>{run.labels:,} {whose}, "
            f"{run.rounds} {plural(run.rounds, 'round', 'rounds')} of training.</p>\n")
    if run.films:
        return head + f'<div class="films">{"".join(figure(film) for film in run.films)}</div>\n'
    if run.samples:
        rows = [f'<tr><th scope="row">{escape(prompt)}</th><td>{escape(before)}</td><td>{escape(after)}</td></tr>'
                for prompt, before, after in run.samples]
        return head + table("Answers of the language model", ("asked", "before", f"after round {run.rounds}"), rows)
    return head + '<p class="calm">There is no film of this kind of agent.</p>\n'


def figure(film: Film) -> str:
    """A film, and its middle picture for those who want nothing to move."""
    both = "".join(f'<img class="{kind}" alt="{escape(film.says)}" src="data:image/webp;base64,'
                   f'{base64.b64encode(content).decode()}">' for kind, content in
                   (("moving", film.moving), ("still", film.still)))
    return (f"<figure>{both}<figcaption><b>{escape(film.when)}</b> <span>{escape(film.says)}</span></figcaption>"
            "</figure>")


def table(caption: str, heads: Sequence[str], rows: Sequence[str]) -> str:
    """A table with a caption; on a narrow screen it scrolls by itself, also with keys. NUMBERS stand to the right."""
    top = "".join(f'<th scope="col"{CLASS if head in NUMBERS else ""}>{escape(head)}</th>' if head else "<td></td>"
                  for head in heads)
    return (f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
            f"<caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
            "</div>\n")


def day(when: date) -> str:
    """`22 November 2026`."""
    return f"{when.day} {when:%B %Y}"


def plural(number: int, one: str, several: str) -> str:
    """The word for this many."""
    return one if number == 1 else several
