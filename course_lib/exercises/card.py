"""The card that a check shows, as HTML and as plain text for terminals, tests and readers without HTML.

One line for a pass; for a miss the first case in full and the rest in a line. Everything that comes from outside (the
learner's values, output and exceptions, the cases' texts) is escaped.

The style, which the progress board shares, is blue and orange with words and symbols, in light and dark themes: text
reaches a contrast of 4.5 to 1 on both themes' backgrounds. JupyterLab and nbconvert say their theme in
`data-jp-theme-light`, VS Code in a class of `body`; elsewhere the browser's preference counts.
"""

import re
from collections.abc import Sequence
from html import escape

from course_lib.exercises import report as r
from course_lib.exercises.registry import Exercise
from course_lib.exercises.report import Outcome, Report

_LIGHT = ("--cc-good:#005A92;--cc-miss:#A84300;--cc-calm:#57606a;--cc-line:#d0d7de;--cc-paper:#fff;--cc-ink:#1f2328;"
          "--cc-code:#f0f2f5;")
_DARK = ("--cc-good:#7CC4F5;--cc-miss:#F5A742;--cc-calm:#a0a8b3;--cc-line:#484f58;--cc-paper:#161a20;--cc-ink:#e6e9ee;"
         "--cc-code:#2a3038;")

STYLE = f"""<style>
.course-card{{{_LIGHT}}}
@media (prefers-color-scheme:dark){{body:not([data-jp-theme-light]) .course-card{{{_DARK}}}}}
[data-jp-theme-light="false"] .course-card,.vscode-dark .course-card,.vscode-high-contrast .course-card{{{_DARK}}}
.vscode-light .course-card{{{_LIGHT}}}
.course-card.course-card{{border:1px solid var(--cc-line);border-left:5px solid var(--cc-edge);border-radius:4px;
padding:.5em .9em;margin:.3em 0;max-width:54em;background:var(--jp-layout-color1,var(--vscode-editor-background,
var(--cc-paper)));color:var(--jp-content-font-color1,var(--vscode-editor-foreground,var(--cc-ink)));line-height:1.5;
font-family:var(--jp-content-font-family,system-ui,sans-serif);font-size:var(--jp-content-font-size1,14px);
text-align:left;overflow-wrap:anywhere}}
.course-card.course-passed{{--cc-edge:var(--cc-good)}}
.course-card.course-failed{{--cc-edge:var(--cc-miss)}}
.course-card.course-calm{{--cc-edge:var(--cc-calm);border-left-style:dashed}}
.course-card .course-head{{margin:0;display:flex;flex-wrap:wrap;gap:.2em .6em;align-items:baseline}}
.course-card .course-mark,.course-card .course-word{{color:var(--cc-edge);font-weight:700}}
.course-card .course-mark{{font-size:1.15em}}
.course-card .course-title{{font-weight:600}}
.course-card .course-points{{margin-left:auto;color:var(--cc-calm)}}
.course-card p.course-line{{margin:.35em 0}}
.course-card p.course-case{{margin:.6em 0 .2em;font-weight:600}}
.course-card dl.course-facts{{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.2em .9em;margin:.2em 0}}
.course-card.course-card .course-facts dt{{grid-column:1;margin:0;color:var(--cc-calm);font-weight:400;
white-space:nowrap}}
.course-card.course-card .course-facts dd{{grid-column:2;margin:0}}
.course-card.course-card .course-facts :is(dt,dd){{display:block;float:none;width:auto;padding:0}}
.course-card.course-card.course-card code,.course-card.course-card.course-card pre{{background:var(--cc-code);
color:inherit;padding:.05em .35em;border-radius:3px;font-family:var(--jp-code-font-family,monospace);font-size:.92em;
white-space:pre-wrap;overflow-wrap:anywhere}}
.course-card.course-card.course-card pre{{padding:.5em .7em;margin:.3em 0;max-height:16em;overflow:auto}}
.course-card p.course-mistake{{margin:.5em 0;padding-left:.8em;border-left:3px solid var(--cc-edge)}}
.course-card ul.course-cases{{list-style:none;margin:.5em 0 .3em;padding:0}}
.course-card .course-cases li{{margin:.1em 0;padding-left:1.5em;text-indent:-1.5em}}
.course-card .course-cases .course-yes{{color:var(--cc-good);font-weight:700}}
.course-card .course-cases .course-no{{color:var(--cc-miss);font-weight:700}}
.course-card .course-cases span[aria-hidden]{{display:inline-block;width:1.5em;text-indent:0}}
.course-card details{{margin:.35em 0}}
.course-card summary{{cursor:pointer;color:var(--cc-calm)}}
.course-card.course-card details>:not(summary){{margin-left:1.1em}}
.course-card.course-card a{{color:var(--cc-good);text-decoration:underline}}
.course-card .course-hidden{{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);
white-space:nowrap}}
</style>"""


HEADS = {r.PASSED: ("✓", "passed"), r.FAILED: ("✗", "not yet"), r.UNWRITTEN: ("✎", "not written yet")}
_TEXT_MARKS = {r.PASSED: "✓", r.SKIPPED: "–"}


def report_text(result: Report, step: int, notes: Sequence[str], solution: str, offer: bool = True) -> str:
    """The card of a run as plain text; see `card.report_card` for the arguments."""
    exercise, status = result.exercise, result.status
    mark, word = HEADS[status]
    lines = [f"{mark} {exercise.id} {exercise.title}: {word}, {score(result)}"]
    if status == r.UNWRITTEN:
        lines.append(f"  {to_write(result)}")
    if status == r.FAILED:
        miss = result.first_miss
        lines += _text_in_full(miss, keeps_secret(result, step))
        others = [outcome for outcome in result.outcomes if outcome is not miss]
        lines += [f"  {_TEXT_MARKS.get(outcome.status, '✗')} {outcome.case}" for outcome in others]
    if result.printed.strip():
        lines += [f"  {printed_title(result)}:", *(f"    | {line}" for line in result.printed.rstrip().splitlines())]
    if status == r.FAILED:
        steps = len(exercise.hints)
        lines += [f"  Hint {i + 1} of {steps}: {exercise.hints[i]}" for i in range(min(step, steps))]
        if step > steps or offer or step:
            lines.append(f"  {solution_text(solution) if step > steps else again(exercise, step)}")
    return "\n".join(lines + [f"  {note}" for note in notes])


def to_write(result: Report) -> str:
    """What to do about a stub."""
    function, name = result.exercise.function, result.first_miss.where
    if not name:
        return f"Put your answer in place of each `...` in `{function}`, run its cell, then this one."
    if name != function:
        return f"Your `{function}` uses `{name}`, which is not written yet. Write it, run its cell, then this one."
    return (f"Write the body of `{function}` in place of `raise NotImplementedError`, run its cell, then this one. "
            f"It takes about {result.exercise.minutes} minutes.")


def partly_unwritten(miss: Outcome) -> str:
    """What to do when a function is written for some cases only."""
    return f"`{miss.where}` is not written yet." if miss.where else "There is still a `...` to replace."


def again(exercise: Exercise, step: int) -> str:
    """How to get the next hint."""
    steps = len(exercise.hints)
    what = "the solution" if step == steps else "the first hint" if step == 0 else f"hint {step + 1}"
    opens = f'`hint("{exercise.id}")` in a cell shows {what}'
    return f"Stuck? {opens}. It costs no points."


def solution_text(solution: str) -> str:
    """The way to the solution; an empty path: the class's teacher holds it back."""
    if not solution:
        return "Your teacher holds the solutions back for this class: ask them."
    return f"The worked solution is in {solution}. Read it, close it, and write it again in your own words."


def score(result: Report) -> str:
    """`1 of 4 cases, 0.5 of 2 points`; without the cases when all passed."""
    points = f"{result.points:g} of {result.exercise.points:g} point{'s' * (result.exercise.points != 1)}"
    count = len(result.outcomes)
    cases = f"{result.passed} of {count} case{'s' * (count != 1)}, " if result.status == r.FAILED else ""
    return cases + points


def printed_title(result: Report) -> str:
    """How much was printed."""
    count = len(result.printed.strip().splitlines())
    return f"Your code printed {count} line{'s' * (count != 1)}"


def facts(miss: Outcome, secret: bool) -> list[tuple[str, str]]:
    """The rows of a case that missed, in order: what was called, expected, got, and where; empty ones left out."""
    rows = (("You called", miss.call), ("Expected", "" if secret else miss.expected), ("Got", miss.got),
            ("In your code", miss.where))
    return [(name, text) for name, text in rows if text]


def keeps_secret(result: Report, step: int) -> bool:
    """Whether the expected value stays hidden: it would give a prediction away, until the hints are used up."""
    return result.exercise.kind == "predict" and step <= len(result.exercise.hints)


def _text_in_full(miss: Outcome, secret: bool) -> list[str]:
    if miss.status == r.UNWRITTEN:
        return [f"  {miss.case}", f"    {partly_unwritten(miss)}"]
    lines = [f"    {name:13}{text}" for name, text in facts(miss, secret)]
    return [f"  {miss.case}", *lines, *([f"    → {miss.mistake}"] if miss.mistake else [])]


_SORTS = {r.PASSED: "course-passed", r.FAILED: "course-failed", r.UNWRITTEN: "course-calm"}
_MARKS = {r.PASSED: ("✓", "course-yes", "passed"), r.SKIPPED: ("–", "", "not tried")}
_MISSED = ("✗", "course-no", "not yet")


def report_card(result: Report, step: int, notes: Sequence[str], solution: str, offer: bool = True) -> tuple[str, str]:
    """The card of a run, as (HTML, plain text).

    Args:
        step: steps of the hint ladder that were asked for: 0 to 3, 4 for the way to the solution.
        notes: sentences at the end, for example that nothing could be saved.
        solution: the solution notebook, relative to the exercise notebook; empty where it is held back.
        offer: whether a miss says how to ask for a hint before any was asked for.
    """
    exercise, status = result.exercise, result.status
    mark, word = HEADS[status]
    parts = [_head(mark, f"{exercise.id} {exercise.title}", word, score(result))]
    if status == r.UNWRITTEN:
        parts.append(_line(to_write(result)))
    if status == r.FAILED:
        miss = result.first_miss
        parts += [_in_full(miss, keeps_secret(result, step)), _others(result, miss)]
    if result.printed.strip():
        parts.append(_fold(printed_title(result), f"<pre>{escape(result.printed.rstrip())}</pre>"))
    if status == r.FAILED:
        parts += _ladder(exercise, step, solution, offer)
    parts += [_line(note) for note in notes]
    return _card(_SORTS[status], parts), report_text(result, step, notes, solution, offer)


def hint_card(exercise: Exercise, step: int, solution: str) -> tuple[str, str]:
    """The card of one hint, as (HTML, plain text); step 4 is the way to the solution."""
    steps = len(exercise.hints)
    title = f"{exercise.id} {exercise.title}"
    if step > steps:
        parts = [_head("→", title, "all hints are open", ""), _solution(solution)]
        return _card("course-calm", parts), f"→ {title}: all hints are open\n  {solution_text(solution)}"
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
        return case + _line(partly_unwritten(miss))
    rows = "".join(f"<dt>{name}</dt><dd><code>{escape(text)}</code></dd>" for name, text in facts(miss, secret))
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


def _ladder(exercise: Exercise, step: int, solution: str, offer: bool) -> list[str]:
    steps = len(exercise.hints)
    parts = [_fold(f"Hint {i + 1} of {steps}", _line(exercise.hints[i])) for i in range(min(step, steps))]
    if step > steps:
        return [*parts, _solution(solution)]
    return [*parts, *([_line(again(exercise, step))] if offer or step else [])]


def _solution(solution: str) -> str:
    if not solution:
        return _line(solution_text(solution))
    link = f'<a href="{escape(solution, quote=True)}">{escape(solution.removeprefix("../"))}</a>'
    text = prose(solution_text("\0"))
    return f'<p class="course-line">{text.replace(chr(0), link)}</p>'


def _fold(summary: str, inside: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{inside}</details>"
