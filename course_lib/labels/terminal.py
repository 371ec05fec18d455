"""Labelling text pairs in a terminal: `course labels answer RUN`. Taught in lesson 10."""

import textwrap
import time
import uuid
from collections.abc import Callable

from course_lib.errors import CourseError, printable
from course_lib.labels.plain import parse_answer
from course_lib.labels.records import CHOICES, Question
from course_lib.labels.session import LabelingSession

WIDTH = 88
WORDS = {"l": "left", "r": "right", "e": "equal", "s": "skip"} | {word: word for word in CHOICES}
SCALE = tuple("123456789")


def answer(session: LabelingSession, ask: Callable[[str], str] = input, tell: Callable[[str], None] = print) -> int:
    """Ask until the target is reached or the person quits; returns how many they answered.

    Raises `CourseError` when the run holds clips, which a terminal cannot show.
    """
    answered = 0
    while questions := session.next():
        question = questions[0]
        if question.shown[0].kind != "text":
            raise CourseError(f"The run “{session.run}” holds clips: label them in a notebook, with Labeler.")
        counts, shown_at = session.counts, time.time()
        goal = min(session.target, counts.total)
        tell(f"\n{session.title}  ({min(counts.done + 1, goal)} of {goal})\n{text_of(question)}")
        word = _ask(ask, question, session.scale)
        if word == "quit":
            break
        if word == "undo":
            note = session.handle({"type": "undo", "id": uuid.uuid4().hex})["note"]
            tell(note or "Your last answer is taken back.")
            continue
        try:
            given = parse_answer(word, question)
        except ValueError as error:
            tell(f"Not understood: {error}.")
            continue
        state = session.handle({"type": "answer", "id": uuid.uuid4().hex, "question": question.question_id, **given,
                             "shown_at": shown_at, "answered_at": time.time(),
                             "response_ms": round(1000 * (time.time() - shown_at))})
        answered += 1
        if state["note"]:
            tell(state["note"])
    counts = session.counts
    tell(f"{counts.done} of {min(session.target, counts.total)} answered. Saved in {session.store.path}")
    return answered


def text_of(question: Question) -> str:
    """The question as lines for a terminal: the prompt, then each text under its name."""
    names = ["left", "right"] if not question.ranking else [str(place + 1) for place in range(len(question.shown))]
    parts = [textwrap.fill(question.prompt, WIDTH)] if question.prompt else []
    for name, item in zip(names, question.shown, strict=True):
        body = "\n".join(textwrap.fill(line, WIDTH - 4) for line in item.text.splitlines())
        parts.append(f"--- {name} ---\n{textwrap.indent(body, '    ')}")
    return "\n".join(printable(part) for part in parts)


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
