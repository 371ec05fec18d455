"""What the label store hands out: items, questions, labels, preferences, counts. Taught in lesson 04.

One vocabulary everywhere: "left", "right", "equal" (a preference: both are as good) and "skip" (none: cannot tell, or
neither is good). Which item was shown on the left is random, so a click has to be turned back before use.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

CHOICES = ("left", "right", "equal", "skip")       # the one vocabulary: sides are the labeller's, as on the screen
SOURCES = ("human", "scripted")                    # who answers: a person, or a function
MIRRORED = {"left": "right", "right": "left", "equal": "equal", "skip": "skip"}


@dataclass(frozen=True)
class Item:
    """One clip or one text.

    `info` of a clip holds fps, frames, width, height (of one frame), columns (of the sheet), and what the caller added.
    """

    item_id: str
    kind: str                                      # "clip" or "text"
    mime: str
    info: Mapping[str, object]
    media: bytes = field(repr=False)               # a clip's sheet of frames (PNG), or UTF-8 text
    packed: bytes | None = field(repr=False, default=None)

    @property
    def text(self) -> str:
        """The text; a clip has none (`ValueError`)."""
        if self.kind != "text":
            raise ValueError("a clip has no text: use .obs and .acts")
        return self.media.decode()

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays given to `add_clip`, by name; empty for a text."""
        if self.packed is None:
            return {}
        with np.load(io.BytesIO(self.packed), allow_pickle=False) as archive:
            return dict(archive)

    @property
    def obs(self) -> np.ndarray:
        """Observations of the clip, (T, ...) or (T + 1, ...) as they were given."""
        return self.arrays["obs"]

    @property
    def acts(self) -> np.ndarray:
        """Actions of the clip, (T, ...)."""
        return self.arrays["acts"]


@dataclass(frozen=True)
class Question:
    """What is put before a person: two items to choose from, or three to five to rank, from left to right."""

    question_id: int
    run: str
    round: int
    prompt: str
    shown: tuple[Item, ...]
    repeat_of: int | None                          # the question that this one asks again with the sides swapped

    @property
    def ranking(self) -> bool:
        """Whether it asks for an order of three or more."""
        return len(self.shown) > 2


@dataclass(frozen=True)
class Label:
    """One answer to one pair, as it was given on the screen."""

    question_id: int
    pair_id: int
    event_id: str                                  # names the answer; the pairs of one ranking share it
    choice: str                                    # one of CHOICES: "left" is what stood left on the screen
    flip: bool                                     # whether the pair's first item stood right
    confidence: int | None                         # 1 (left, surely) to 9 (right, surely); None where nobody asked
    labeler: str
    source: str                                    # "human" or "scripted"
    answered_at: float                             # seconds since 1970
    response_ms: int | None                        # from drawn to answered; None where it was not measured


@dataclass(frozen=True)
class Preference:
    """One comparison with its label, ready for the Bradley–Terry loss: `sigma1, sigma2, mu = preference`.

    `mu` is 1 where sigma1 was preferred, 0 where sigma2 was, 0.5 for a tie. The sides are items of the store, or
    segments where a synthetic labeler answered without a store: both have `obs`.
    """

    sigma1: Item
    sigma2: Item
    mu: float
    weight: float = 1.0                            # how sure the labeller was: 0.25 to 1; 1 where nobody asked
    group: int = 0                                 # the question it came from; a ranking implies several preferences
    prompt: str = ""
    labeler: str = "scripted"
    source: str = "scripted"                       # "human" or "scripted"

    def __iter__(self) -> Iterator:
        return iter((self.sigma1, self.sigma2, self.mu))


@dataclass(frozen=True)
class Counts:
    """How far the labelling of a run has come. Repeated questions are not among these."""

    total: int                                     # questions in the run
    left: int
    right: int
    equal: int
    skip: int
    rankings: int = 0                              # rankings answered: each counts once, whatever pairs it implies

    @property
    def done(self) -> int:
        """Questions answered; a skip is an answer too."""
        return self.left + self.right + self.equal + self.skip + self.rankings


def side_from_ranks(rank_1: int, rank_2: int, flip: int) -> str:
    """What a ranking says about one of its pairs, in the words of the screen; rank 0 is the best."""
    if rank_1 == rank_2:
        return "equal"
    return "left" if (rank_1 < rank_2) == (flip == 0) else "right"
