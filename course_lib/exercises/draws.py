"""Random inputs for `agrees` and `differentiable`: small, with two decimals so that they can be read, and nasty.

A `draw(rng)` of a lesson's checks makes the arguments of one call from a `Draw`. Its `size` grows from 1 with every
draw, so that the first input that tells a wrong answer from a right one is a small one.

Everybody can know these inputs: their seeds are in `agrees`. A teacher who grades has others (`of_class`), from a
number that only the teacher knows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

T = TypeVar("T")

_class_seed: int | None = None
_drawn = 0


@contextmanager
def of_class(seed: int | None) -> Iterator[None]:
    """Other inputs in the block: those that follow from a class's own number. None: those that everybody can know."""
    global _class_seed
    before, _class_seed = _class_seed, seed
    try:
        yield
    finally:
        _class_seed = before


def drawn() -> int:
    """How many inputs were drawn in this process so far."""
    return _drawn


class Draw:
    """A source of random arguments. The same seed and size give the same arguments.

    Attributes:
        size: about how long the longest dimension should be, from 1 up.
    """

    def __init__(self, seed: int, size: int) -> None:
        global _drawn
        _drawn += 1
        seeds = seed if _class_seed is None else (seed, 1 + _class_seed)        # (seed, 0) would be seed alone
        self._rng = np.random.default_rng(seeds)
        self.size = size

    def length(self, least: int = 1, most: int | None = None) -> int:
        """A length from `least` to about `size` (at most `most`)."""
        top = max(least, self.size if most is None else min(self.size, most))
        return int(self._rng.integers(least, top + 1))

    def shape(self, least: int = 1, most: int = 3) -> tuple[int, ...]:
        """A shape with `least` to `most` dimensions of different lengths."""
        return tuple(self.length() for _ in range(self.whole(least, most)))

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return int(self._rng.integers(low, high + 1))

    def number(self, low: float, high: float) -> float:
        """A number with two decimals."""
        return round(float(self._rng.uniform(low, high)), 2)

    def chance(self, p: float = 0.5) -> bool:
        """True with probability `p`."""
        return bool(self._rng.random() < p)

    def one_of(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.whole(0, len(options) - 1)]

    def order(self, length: int) -> list[int]:
        """The numbers 0 to `length` - 1 in some order."""
        return self._rng.permutation(length).tolist()

    def normal(self, *shape: int, scale: float = 1.0) -> Tensor:
        """Numbers of both signs around 0, two decimals, float32."""
        return _tensor(np.round(self._rng.standard_normal(shape) * scale, 2))

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Numbers between two bounds, two decimals, float32."""
        return _tensor(np.round(self._rng.uniform(low, high, shape), 2))

    def logprobs(self, *shape: int) -> Tensor:
        """Log-probabilities: below 0, two decimals, float32."""
        return -self.uniform(0.05, 3.0, *shape)

    def wholes(self, low: int, high: int, *shape: int) -> Tensor:
        """Whole numbers from `low` to `high`, both included, int64; few of them make ties."""
        return torch.from_numpy(np.asarray(self._rng.integers(low, high + 1, shape)))

    def among(self, values: Sequence[float], *shape: int) -> Tensor:
        """Each entry one of `values`, float32: ties, borders and the numbers beside them, extremes."""
        return _tensor(self._rng.choice(np.asarray(values, dtype=np.float64), shape))

    def flags(self, *shape: int, p: float = 0.5) -> Tensor:
        """True or False, bool: True with probability `p`."""
        return torch.from_numpy(np.asarray(self._rng.random(shape) < p))

    def mask(self, rows: int, columns: int, *, gaps: bool = False) -> Tensor:
        """One stretch of True in each row, bool (rows, columns), that starts and ends anywhere; never empty.

        With `gaps` single columns inside a stretch may be False.
        """
        made = np.zeros((rows, columns), dtype=bool)
        for row in made:
            start = int(self._rng.integers(0, columns))
            end = int(self._rng.integers(start + 1, columns + 1))
            row[start:end] = True
            if gaps and end - start > 2:
                row[int(self._rng.integers(start + 1, end - 1))] = False
        return torch.from_numpy(made)

    def ends(self, *shape: int) -> Tensor:
        """Where episodes end, bool: none, one, several, at the last step too, sometimes two in a row."""
        return self.flags(*shape, p=self.one_of((0.0, 0.25, 0.25, 0.5)))

    def torch(self) -> torch.Generator:
        """A torch generator, for what needs one."""
        return torch.Generator().manual_seed(self.whole(0, 2**31))


def beside(*borders: float, step: float = 0.01) -> list[float]:
    """Each border, and the numbers just below and above it, for `Draw.among`."""
    return [value for border in borders for value in (border - step, border, border + step)]


def _tensor(values: Any) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
