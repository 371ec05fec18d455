"""The loop in a notebook: its four steps as boxes, the one that is due marked, and what each has brought. Lesson 04."""

from html import escape
from typing import TYPE_CHECKING

from course_lib.show.palette import BLUE

if TYPE_CHECKING:
    from course_lib.preferences.loop import PreferenceLoop

DOES = {"label": "a person compares", "fit": "the reward model learns",
        "train": "the agent learns"}

BOX = ("display:inline-block;border:1.5px solid;border-radius:8px;padding:6px 12px;margin:2px;text-align:center;"
       "line-height:1.35")


def text(loop: "PreferenceLoop") -> str:
    """One line: `PreferenceLoop(run='cartpole', round 2 of 3, next step: label)`."""
    if loop.stage == "finished":
        return f"PreferenceLoop(run={loop.run!r}, all {loop.rounds} rounds are done)"
    return f"PreferenceLoop(run={loop.run!r}, round {loop.round} of {loop.rounds}, next step: {loop.stage})"


def picture(loop: "PreferenceLoop") -> str:
    """The steps as boxes with arrows between them, and below each what it has brought so far."""
    boxes = []
    for stage, found in facts(loop).items():
        due = stage == loop.stage
        does = loop.task.collects if stage == "collect" else DOES[stage]
        style = f"background:{BLUE};color:white;border-color:{BLUE}" if due else "border-color:currentColor"
        boxes.append(
            f'<span role="listitem"{" aria-current=step" if due else ""} style="{BOX};{style}">'
            f"<b>{stage}</b>{' ◂ now' if due else ''}<br><small>{does}<br>{escape(found)}</small></span>")
    done = loop.stage == "finished"
    head = f"all {loop.rounds} rounds are done" if done else f"round {loop.round} of {loop.rounds}"
    return (f'<div style="margin:4px 0"><b>Run “{escape(loop.run)}”</b>: {head}</div>'
            f'<div role="list" aria-label="The steps of the loop">{" → ".join(boxes)} ↩</div>')


def facts(loop: "PreferenceLoop") -> dict[str, str]:
    """What each step has brought so far, in a few words."""
    called = loop.task.segments_called
    asked, answered = len(loop.asked), loop.answered
    skips = f", {loop.skipped} skipped" if loop.skipped else ""
    whose = {"human": " by a person", "scripted": " by a script", "mixed": ", MIXED: by a person and a script", "": ""}
    fitted = f"loss {loop.fits[-1].loss:.2f} nats (guessing: 0.69)" if loop.fits else "not fitted yet"
    return {
        "collect": f"{len(loop.pool)} {called} to draw pairs from" if loop.pool else f"no {called} yet",
        "label": f"{answered} of {asked} pairs answered{whose[loop.source]}{skips}" if asked else "no pairs yet",
        "fit": f"{len(loop.preferences.mu)} preferences, {fitted}" if loop.preferences else "no preferences yet",
        "train": f"{loop.trainer.updates} of {sum(loop.updates_a_round)} "
                 + f"{loop.task.algorithm} updates".strip(),
    }
