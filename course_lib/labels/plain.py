"""The labeller with ipywidgets alone, for front ends in which the full one does not load: `Labeler(..., plain=True)`.

No keys, no stepping; both clips are one animated picture, so that they stay in step. Taught in lesson 04.
"""

import time
import uuid

import ipywidgets as widgets

from course_lib.labels.media import animation
from course_lib.labels.records import Question
from course_lib.labels.session import LOCK_MS, LabelingSession, in_words

PAIR = (("left", "Left is better"), ("equal", "Equally good"), ("skip", "Skip"), ("right", "Right is better"))
SCALE = tuple((str(value), str(value)) for value in range(1, 10))


class PlainLabeler(widgets.VBox):
    """Buttons and pictures. Texts are shown in text areas, as text."""

    def __init__(self, session: LabelingSession) -> None:
        super().__init__()
        self.session, self.question, self.shown_at = session, None, 0.0
        self.head, self.note = widgets.Label(), widgets.Label()
        self.stage, self.buttons = widgets.VBox(), widgets.HBox()
        self.back = widgets.Button(description="Undo")
        self.back.on_click(lambda _: self._try({"type": "undo", "id": uuid.uuid4().hex}))
        self.children = [self.head, self.stage, self.buttons, widgets.HBox([self.back, self.note])]
        self._try({"type": "hello"})

    def answer(self, word: str) -> None:
        """Take one answer: a choice, a place on the scale ("1" to "9"), or an order such as "312", best first."""
        if self.question is None or time.time() - self.shown_at < LOCK_MS / 1000:
            return                                 # a double click must not answer the pair that nobody has seen
        try:
            given = parse_answer(word, self.question)
        except ValueError as error:
            self.note.value = f"Not understood: {error}."
            return
        now = time.time()
        self._try({"type": "answer", "id": uuid.uuid4().hex, "question": self.question.question_id, **given,
                   "shown_at": self.shown_at, "answered_at": now,
                   "response_ms": round(1000 * (now - self.shown_at))})

    def _try(self, message: dict) -> None:
        try:
            state = self.session.handle(message)
            waiting = self.session.next()
            self._show(waiting[0] if waiting else None, state)
        except Exception as error:
            said = in_words(error, self.session.store.path)
            self.note.value = f"{said} Your last answer was not saved: give it again."

    def _show(self, question: Question | None, state: dict) -> None:
        self.question, self.shown_at = question, time.time()
        self.head.value = f"{self.session.title}    {state['done']} / {state['target']}"
        self.note.value = state["note"]
        if question is None:
            summary = state.get("summary", {})
            self.stage.children = [widgets.Label("Done. Run the next cell."), widgets.Label(
                ", ".join(f"{summary[name]} {name}" for name in ("left", "equal", "right", "skip") if name in summary))]
            self.buttons.children = []
            return
        self.stage.children = [*_prompt(question), _items(question)]
        self.buttons.children = [self._order()] if question.ranking else [
            self._button(*choice) for choice in (SCALE + PAIR[2:3] if self.session.scale else PAIR)]

    def _button(self, word: str, text: str) -> widgets.Button:
        button = widgets.Button(description=text, layout=widgets.Layout(width="auto"))
        button.on_click(lambda _: self.answer(word))
        return button

    def _order(self) -> widgets.Text:
        field = widgets.Text(placeholder="numbers, best first, for instance 312; then Enter", continuous_update=False)
        field.observe(lambda change: self.answer(change["new"]), "value")
        return field


def parse_answer(word: str, question: Question) -> dict:
    """What was typed or pressed, as the session reads it. Raises `ValueError` with a sentence."""
    if question.ranking and word != "skip":
        numbers = [int(digit) for digit in word if digit.isdigit()]
        if sorted(numbers) != list(range(1, len(question.shown) + 1)):
            raise ValueError(f"give each number from 1 to {len(question.shown)} once, the best first")
        return {"ranks": [numbers.index(place + 1) for place in range(len(numbers))]}
    if word.isdigit():
        value = int(word)
        return {"choice": "left" if value < 5 else "right" if value > 5 else "equal", "confidence": value}
    return {"choice": word}


def _prompt(question: Question) -> list[widgets.Widget]:
    return [_text(question.prompt)] if question.prompt else []


def _items(question: Question) -> widgets.Widget:
    if question.shown[0].kind == "clip":
        return widgets.Image(value=animation(question), format="png")
    return widgets.HBox([_text(item.text) for item in question.shown])


def _text(text: str) -> widgets.Textarea:
    return widgets.Textarea(text, disabled=True, layout=widgets.Layout(width="100%", height="9em"))
