"""Pairs of clips with what was said about them: each pair side by side as a looping video, and a line of words below.

Used from lesson 04 on.
"""

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from course_lib.show.video import side_by_side, video

MAX_BYTES = 60_000                  # of one pair's video: notebooks are kept in git


class LabelledPair(Protocol):
    """Two clips and what was said about them, for instance a `Difference` (preferences/differences.py)."""

    @property
    def clips(self) -> tuple[np.ndarray, np.ndarray]:
        """Left and right, (L, H, W, 3) uint8 each; of one height, lengths may differ."""

    @property
    def fps(self) -> float:
        """Frames a second."""

    @property
    def words(self) -> str:
        """What was said, in a line."""

    @property
    def alt(self) -> str:
        """Clips and answers in words, for those who cannot see the clips."""


def show_pairs(pairs: Iterable[LabelledPair], width: int = 400, max_bytes: int = MAX_BYTES) -> None:
    """Show each pair, left and right as they stood, and print its words below. width: of both together, pixels."""
    for pair in pairs:
        video(side_by_side(pair.clips, ["left", "right"]), alt=pair.alt, fps=pair.fps, width=width, max_bytes=max_bytes)
        print(pair.words)
