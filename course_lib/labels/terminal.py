"""Labelling text pairs in a terminal: `course labels answer RUN`. Taught in lesson 10."""

import textwrap
import time
import uuid
from collections.abc import Callable

from course_lib.errors import CourseError
from course_lib.labels.plain import verdict
from course_lib.labels.records import CHOICES, Question
from course_lib.labels.session import Desk

WIDTH = 88
WORDS = {"l": "left", "r": "right", "e": "equal", "s": "skip"} | {word: word for word in CHOICES}
SCALE = tuple("123456789")


def answer(desk: Desk, ask: Callable[[str], str] = input, tell: Callable[[str], None] = print) -> int:
    """Ask until the target is reached or the person quits; returns how many they answered.

    Raises `CourseError` when the run holds clips, which a terminal cannot show.
    """
    answered = 0
    while questions := desk.next():
        question = questions[0]
        if question.shown[0].kind != "text":
            raise CourseError(f"The run “{desk.run}” holds clips: label them in a notebook, with Labeler.")
        counts, shown_at = desk.counts, time.time()
        goal = min(desk.target, counts.total)
        tell(f"\n{desk.title}  ({min(counts.done + 1, goal)} of {goal})\n{text_of(question)}")
        word = _ask(ask, question, desk.scale)
        if word == "quit":
            break
        if word == "undo":
            note = desk.handle({"type": "undo", "id": uuid.uuid4().hex})["note"]
            tell(note or "Your last answer is taken back.")
            continue
        try:
            given = verdict(word, question)
        except ValueError as error:
            tell(f"Not understood: {error}.")
            continue
        state = desk.handle({"type": "answer", "id": uuid.uuid4().hex, "question": question.question_id, **given,
                             "shown_at": shown_at, "answered_at": time.time(),
                             "response_ms": round(1000 * (time.time() - shown_at))})
        answered += 1
        if state["note"]:
            tell(state["note"])
    counts = desk.counts
    tell(f"{counts.done} of {min(desk.target, counts.total)} answered. Saved in {desk.store.path}")
    return answered


def text_of(question: Question) -> str:
    """The question as lines for a terminal: the prompt, then each text under its name."""
    names = ["left", "right"] if not question.ranking else [str(place + 1) for place in range(len(question.shown))]
    parts = [textwrap.fill(question.prompt, WIDTH)] if question.prompt else []
    for name, item in zip(names, question.shown, strict=True):
        body = "\n".join(textwrap.fill(line, WIDTH - 4) for line in item.text.splitlines())
        parts.append(f"--- {name} ---\n{textwrap.indent(body, '    ')}")
    return "\n".join(printable(part) for part in parts)


def printable(text: str) -> str:
    """The text without control characters, which could move the cursor or recolour the terminal."""
    return "".join(character for character in text if character.isprintable() or character == "\n")


def _ask(ask: Callable[[str], str], question: Question, scale: bool) -> str:
    if question.ranking:
        choices = "order, best first (312); s skip"
    else:
        choices = "1 left, surely, to 9 right, surely; s skip" if scale else "l left, r right, e equal, s skip"
    while True:
        try:
            word = ask(f"[{choices}; u undo, q quit] > ").strip().lower()
        except EOFError:
            return "quit"
        if word in ("q", "quit", "u", "undo"):
            return "quit" if word[0] == "q" else "undo"
        if word in ("s", "skip") or (word in WORDS and not scale and not question.ranking):
            return WORDS[word]
        if (question.ranking and word) or (scale and word in SCALE):
            return word
