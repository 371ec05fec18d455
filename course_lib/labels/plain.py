"""The labeller with ipywidgets alone, for front ends in which the full one does not load: `Labeler(..., plain=True)`.

No keys, no stepping; both clips are one animated picture, so that they stay in step. "Review" lists the answers of the
latest round: pick one, and answer its pair anew. Taught in lesson 04.
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
        self.event: str | None = None              # the past answer that is being given anew; None: a new pair
        self.head, self.note = widgets.Label(), widgets.Label()
        self.stage, self.buttons = widgets.VBox(), widgets.HBox()
        self.back = widgets.Button(description="Undo")
        self.back.on_click(lambda _: self._try({"type": "undo", "id": uuid.uuid4().hex}))
        self.past = widgets.Button(description="Review")
        self.past.on_click(lambda _: self.review())
        self.children = [self.head, self.stage, self.buttons, widgets.HBox([self.back, self.past, self.note])]
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
        now, kind = time.time(), {"type": "change", "event": self.event} if self.event else {"type": "answer"}
        self._try({**kind, "id": uuid.uuid4().hex, "question": self.question.question_id, **given,
                   "shown_at": self.shown_at, "answered_at": now,
                   "response_ms": round(1000 * (now - self.shown_at))})

    def review(self) -> None:
        """List this person's answers of the latest round; the one that is picked is shown again, to be changed."""
        found = self.session.review(0, self.session.counts.total)
        if found["stays"] or not found["answers"]:
            self.note.value = found["stays"] or "You have not answered anything yet."
            return
        lines = [f"{place}. {answer['choice'] if answer['ranks'] is None else 'an order'}"
                 f"{' (asked twice)' if answer['twice'] else ''}" for place, answer in enumerate(found["answers"], 1)]
        self.picker = widgets.Dropdown(options=[("Pick an answer", None), *zip(lines, found["answers"], strict=True)])
        self.picker.observe(lambda change: self._pick(change["new"]), "value")
        on = widgets.Button(description="Go on labelling", layout=widgets.Layout(width="auto"))
        on.on_click(lambda _: self._try({"type": "hello"}))
        self.question, self.stage.children, self.buttons.children = None, [self.picker], [on]
        self.note.value = "The answer that you change is kept, too, but no longer counts."

    def _pick(self, past: dict | None) -> None:
        if past is None:
            return
        self.event = past["event"]
        self._ask(self.session.store.question(past["question"]["id"]), [self.picker])

    def _try(self, message: dict) -> None:
        try:
            state = self.session.handle(message)
            waiting = self.session.next()
            self._show(waiting[0] if waiting else None, state)
        except Exception as error:
            said = in_words(error, self.session.store.path)
            self.note.value = f"{said} Your last answer was not saved: give it again."

    def _show(self, question: Question | None, state: dict) -> None:
        self.event = None
        self.head.value = f"{self.session.title}    {state['done']} / {state['target']}"
        self.note.value = state["note"]
        if question is None:
            self.question = None
            summary = state.get("summary", {})
            self.stage.children = [widgets.Label("Done. Run the next cell."), widgets.Label(
                ", ".join(f"{summary[name]} {name}" for name in ("left", "equal", "right", "skip") if name in summary))]
            self.buttons.children = []
            return
        self._ask(question, [])

    def _ask(self, question: Question, above: list[widgets.Widget]) -> None:
        self.question, self.shown_at = question, time.time()
        self.stage.children = [*above, *_prompt(question), _items(question)]
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
