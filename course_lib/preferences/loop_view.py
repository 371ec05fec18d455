"""How the loop shows itself in a notebook: the four steps, the one that is due marked, and what has been counted."""

from html import escape
from typing import TYPE_CHECKING

from course_lib.show.palette import BLUE

if TYPE_CHECKING:
    from course_lib.preferences.loop import PreferenceLoop

DOES = {"collect": "the agent acts, clips are cut", "label": "a person compares", "fit": "the reward model learns",
        "train": "the agent learns"}

BOX = ("display:inline-block;border:1.5px solid;border-radius:8px;padding:6px 12px;margin:2px;text-align:center;"
       "line-height:1.35")


def text(loop: "PreferenceLoop") -> str:
    """One line: `PreferenceLoop(run='cartpole', round 2 of 3, next: label)`."""
    return f"PreferenceLoop(run={loop.run!r}, round {loop.round} of {len(loop.config.labels)}, next: {loop.stage})"


def picture(loop: "PreferenceLoop") -> str:
    """The steps as boxes with arrows between them, and below each what it has brought so far."""
    boxes = []
    for stage, found in facts(loop).items():
        due = stage == loop.stage
        style = f"background:{BLUE};color:white;border-color:{BLUE}" if due else "border-color:currentColor"
        boxes.append(
            f'<span role="listitem"{" aria-current=step" if due else ""} style="{BOX};{style}">'
            f"<b>{stage}</b>{' ◂ now' if due else ''}<br><small>{DOES[stage]}<br>{escape(found)}</small></span>")
    rounds = len(loop.config.labels)
    head = f"all {rounds} rounds are done" if loop.stage == "finished" else f"round {loop.round} of {rounds}"
    return (f'<div style="margin:4px 0"><b>Run “{escape(loop.run)}”</b>: {head}</div>'
            f'<div role="list" aria-label="The steps of the loop">{" → ".join(boxes)} ↩</div>')


def facts(loop: "PreferenceLoop") -> dict[str, str]:
    """What each step has brought so far, in a few words."""
    asked, answered = len(loop.asked), loop.answered
    whose = {"human": " by a person", "scripted": " by a script", "mixed": " MIXED: person and script", "": ""}
    fitted = f"loss {loop.losses[-1]:.2f} nats" if loop.losses else "not fitted yet"
    return {
        "collect": f"{len(loop.pool)} clips at hand",
        "label": f"{answered} of {asked} pairs{whose[loop.source]}" if asked else "no pairs yet",
        "fit": f"{len(loop.verdicts.mu)} verdicts, {fitted}" if loop.verdicts else "no verdicts yet",
        "train": f"{loop.ppo.updates} of {sum(loop.config.updates)} updates",
    }
