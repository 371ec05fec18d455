"""Ratings on several axes, one to seven, in a notebook cell: the evaluation of lesson 13, section 13.6.

    rater = Rater(RatingBook(path), items, AXES, target=8)
    rater                                       # a text, its summary, a row of buttons for each axis
    ratings = rater.require(8)                  # in the next cell; what was given so far is on the disk

A rating is a line of a text file that only ever grows (JSON lines): it is written and flushed to the disk when the
button is pressed. Rating an item again adds a line, and the newest one of a person counts. A line that a power cut left
half written is passed over, and nothing before it is touched. Who rates never sees where an item comes from.

Source: N. Stiennon et al. (2020), "Learning to summarize from human feedback", section 4: four axes, seven points.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.labels.labeler import NotYetLabelled, unattended, user_name

POINTS = range(1, 8)
AXES = {"coverage": "Does it say what matters in the text?", "accuracy": "Is what it says in the text?",
        "coherence": "Can it be read on its own?", "overall": "How good is it, all in all?"}

Scores = Mapping[str, int]


@dataclass(frozen=True)
class RatingItem:
    """Something to rate: what it is about, and the text that is rated. The id says neither who wrote it nor where."""

    item_id: str
    text: str
    summary: str


@dataclass(frozen=True)
class Rating:
    """What one person (source "human") or function ("scripted") gave to one item."""

    item_id: str
    scores: dict[str, int]
    labeler: str
    source: str
    saved_at: float                     # seconds since 1970


class RatingBook:
    """The file with all ratings. axes: what every rating must have. The folder is made when it is not there."""

    def __init__(self, path: str | os.PathLike, axes: Sequence[str] = tuple(AXES)) -> None:
        self.path, self.axes = Path(path), tuple(axes)

    def add(self, item_id: str, scores: Scores, labeler: str, source: str = "human") -> Rating:
        """Write one rating to the disk. Raises CourseError for scores that are no ratings, or when it cannot be
        written; then the file is as it was."""
        if source not in ("human", "scripted"):
            raise CourseError(f"A rating is by a \"human\" or \"scripted\", not {source!r}.")
        if not item_id:
            raise CourseError("A rating needs the id of what is rated.")
        self.check(scores)
        rating = Rating(item_id, {axis: int(scores[axis]) for axis in self.axes}, labeler, source, time.time())
        line = json.dumps(rating.__dict__) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write((b"" if self._ends_whole() else b"\n") + line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CourseError(f"{self.path} cannot be written ({error.strerror or error}). Your rating is still on the "
                              "screen: make room, or give yourself the right to write there, and press "
                              "again.") from error
        return rating

    def check(self, scores: Scores) -> None:
        """Raise CourseError unless there is a whole number from 1 to 7 for every axis, and nothing else."""
        if missing := [axis for axis in self.axes if scores.get(axis) is None]:
            raise CourseError(f"Not rated yet: {', '.join(missing)}. Give each axis one of the numbers from 1 to 7.")
        if unknown := [axis for axis in scores if axis not in self.axes]:
            raise CourseError(f"There is no axis {unknown[0]!r}: there are {', '.join(self.axes)}.")
        if wrong := [axis for axis in self.axes if type(scores[axis]) is not int or scores[axis] not in POINTS]:
            raise CourseError(f"{wrong[0]} is {scores[wrong[0]]!r}; it is a whole number from 1 (worst) to 7 (best).")

    def all(self) -> list[Rating]:
        """Every rating that was ever given, oldest first; lines that are damaged are left out. Raises CourseError when
        the file is there and cannot be read."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CourseError(f"{self.path} cannot be read ({error.strerror or error}).") from error
        found = []
        for line in lines:
            try:
                rating = Rating(**json.loads(line))
                self.check(rating.scores)
                found.append(rating)
            except (ValueError, TypeError, AttributeError, CourseError):
                continue
        return found

    def latest(self, labeler: str | None = None) -> dict[str, Rating]:
        """The newest rating of each item, by its id; of one labeler, or (None) of whoever rated last."""
        return {one.item_id: one for one in self.all() if labeler in (None, one.labeler)}

    def _ends_whole(self) -> bool:
        """Whether the file ends with a whole line; a cut one gets its end before the next is written."""
        if not self.path.exists() or not self.path.stat().st_size:
            return True
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


class Rater:
    """Asks one person to rate items, and keeps the ratings in a book.

    axes: name -> question. target: how many to rate. synthetic: a function of an item that can rate instead, where
    COURSE_LABELER=scripted is set (as in tests) or `rate_synthetic` is called; its ratings carry source "scripted".
    """

    def __init__(self, book: RatingBook, items: Sequence[RatingItem], axes: Mapping[str, str] | None = None,
                 target: int | None = None, labeler: str | None = None,
                 synthetic: Callable[[RatingItem], Scores] | None = None) -> None:
        self.book, self.items, self.axes = book, list(items), dict(axes or AXES)
        if len({item.item_id for item in self.items}) < len(self.items) or not self.items:
            raise CourseError("Give at least one item to rate, and each an id of its own.")
        self.target = min(target or len(self.items), len(self.items))
        self.labeler, self.synthetic, self._view = labeler or user_name(), synthetic, None

    @property
    def rated(self) -> list[Rating]:
        """The newest rating of each of these items that has one, in the items' order."""
        kept = self.book.latest("scripted") | self.book.latest(self.labeler)           # the person's own comes first
        return [kept[item.item_id] for item in self.items if item.item_id in kept]

    def waiting(self) -> list[RatingItem]:
        """Items without a rating, in order."""
        done = {rating.item_id for rating in self.rated}
        return [item for item in self.items if item.item_id not in done]

    def rate(self, item_id: str, scores: Scores) -> Rating:
        """Take one rating by the person. Raises CourseError as `RatingBook.add` does, and for an unknown item."""
        if item_id not in {item.item_id for item in self.items}:
            raise CourseError(f"There is no item {item_id!r} here.")
        return self.book.add(item_id, scores, self.labeler)

    def rate_synthetic(self, number: int | None = None) -> int:
        """Let the function rate until `number` (default: the target) are rated; returns how many it rated."""
        if self.synthetic is None:
            raise CourseError("This rater has no synthetic labeler: give one, Rater(..., synthetic=function).")
        open_items = self.waiting()[:max(0, (self.target if number is None else number) - len(self.rated))]
        for item in open_items:
            self.book.add(item.item_id, self.synthetic(item), "scripted", "scripted")
        return len(open_items)

    def require(self, number: int | None = None) -> list[Rating]:
        """The ratings, once `number` (default: the target) items are rated; never waits. Raises NotYetLabelled."""
        number = self.target if number is None else number
        if unattended():
            self.rate_synthetic(number)
        found = self.rated
        if len(found) < number:
            raise NotYetLabelled(f"{len(found)} of {number} are rated; go on above, then run this cell again.")
        return found

    def __repr__(self) -> str:
        return f"Rater({len(self.rated)} of {self.target} rated, kept in {self.book.path.name})"

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        if unattended():
            display(HTML(f"<p>Here a person rates {self.target} summaries on {len(self.axes)} axes. In this stored run "
                         "a function rates instead (<code>source = 'scripted'</code>).</p>"))
            return
        from course_lib.labels.rating_view import RatingView

        self._view = self._view or RatingView(self)
        display(self._view)
        display(HTML(f'<p class="cl-stored">{escape(repr(self))}</p>'))
