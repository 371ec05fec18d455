"""The card that a check shows, as HTML: one line for a pass; for a miss the first case in full and the rest in a line.

Everything that comes from outside (the learner's values, output and exceptions, the cases' texts) is escaped.
"""

import re
from collections.abc import Sequence
from html import escape

from course_lib.exercises import card_text as words
from course_lib.exercises import report as r
from course_lib.exercises.card_style import STYLE
from course_lib.exercises.registry import Exercise
from course_lib.exercises.report import Outcome, Report

_SORTS = {r.PASSED: "course-passed", r.FAILED: "course-failed", r.UNWRITTEN: "course-calm"}
_MARKS = {r.PASSED: ("✓", "course-yes", "passed"), r.SKIPPED: ("–", "", "not tried")}
_MISSED = ("✗", "course-no", "not yet")


def report_card(result: Report, step: int, notes: Sequence[str], solution: str) -> tuple[str, str]:
    """The card of a run, as (HTML, plain text).

    Args:
        step: steps of the hint ladder that are open: 0 to 3, 4 for the way to the solution.
        notes: sentences at the end, for example that nothing could be saved.
        solution: the solution notebook, relative to the exercise notebook.
    """
    exercise, status = result.exercise, result.status
    mark, word = words.HEADS[status]
    parts = [_head(mark, f"{exercise.id} {exercise.title}", word, words.score(result))]
    if status == r.UNWRITTEN:
        parts.append(_line(words.to_write(result)))
    if status == r.FAILED:
        miss = result.first_miss
        parts += [_in_full(miss, words.keeps_secret(result, step)), _others(result, miss)]
    if result.printed.strip():
        parts.append(_fold(words.printed_title(result), f"<pre>{escape(result.printed.rstrip())}</pre>"))
    if status == r.FAILED:
        parts += _ladder(exercise, step, solution)
    parts += [_line(note) for note in notes]
    return _card(_SORTS[status], parts), words.report_text(result, step, notes, solution)


def hint_card(exercise: Exercise, step: int, solution: str) -> tuple[str, str]:
    """The card of one hint, as (HTML, plain text); step 4 is the way to the solution."""
    steps = len(exercise.hints)
    title = f"{exercise.id} {exercise.title}"
    if step > steps:
        parts = [_head("→", title, "all hints are open", ""), _solution(solution)]
        return _card("course-calm", parts), f"→ {title}: all hints are open\n  {words.solution_text(solution)}"
    word = f"hint {step} of {steps}"
    parts = [_head("→", title, word, ""), _line(exercise.hints[step - 1])]
    return _card("course-calm", parts), f"→ {title}: {word}\n  {exercise.hints[step - 1]}"


def prose(text: str) -> str:
    """Escaped text in which `this` is set as code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escape(text))


def _card(sort: str, parts: Sequence[str]) -> str:
    return f'{STYLE}<div class="course-card {sort}" role="status">{"".join(parts)}</div>'


def _head(mark: str, title: str, word: str, points: str) -> str:
    return (f'<p class="course-head"><span class="course-mark" aria-hidden="true">{mark}</span> '
            f'<span class="course-title">{prose(title)}</span> <span class="course-word">{escape(word)}</span> '
            f'<span class="course-points">{escape(points)}</span></p>')


def _line(text: str) -> str:
    return f'<p class="course-line">{prose(text)}</p>'


def _in_full(miss: Outcome, secret: bool) -> str:
    """The first case that missed: what was called, expected, got, where, and the likely mistake."""
    case = f'<p class="course-case">{prose(miss.case)}</p>'
    if miss.status == r.UNWRITTEN:
        return case + _line(words.partly_unwritten(miss))
    rows = "".join(f"<dt>{name}</dt><dd><code>{escape(text)}</code></dd>" for name, text in words.facts(miss, secret))
    mistake = f'<p class="course-mistake">{prose(miss.mistake)}</p>' if miss.mistake else ""
    return f'{case}<dl class="course-facts">{rows}</dl>{mistake}'


def _others(result: Report, miss: Outcome) -> str:
    rows = []
    for outcome in result.outcomes:
        if outcome is miss:
            continue
        mark, sort, word = _MARKS.get(outcome.status, _MISSED)
        rows.append(f'<li><span class="{sort}" aria-hidden="true">{mark}</span>'
                    f'<span class="course-hidden">{word}: </span>{prose(outcome.case)}</li>')
    return f'<ul class="course-cases" aria-label="The other cases">{"".join(rows)}</ul>' if rows else ""


def _ladder(exercise: Exercise, step: int, solution: str) -> list[str]:
    steps = len(exercise.hints)
    parts = [_fold(f"Hint {i + 1} of {steps}", _line(exercise.hints[i])) for i in range(min(step, steps))]
    return [*parts, _solution(solution) if step > steps else _line(words.again(exercise, step))]


def _solution(solution: str) -> str:
    link = f'<a href="{escape(solution, quote=True)}">{escape(solution.removeprefix("../"))}</a>'
    text = prose(words.solution_text("\0"))
    return f'<p class="course-line">{text.replace(chr(0), link)}</p>'


def _fold(summary: str, inside: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{inside}</details>"
