"""What a case must not disturb and what must not disturb it: output, warnings, random numbers, torch's switches."""

import io
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import numpy as np
import torch

ROOM = 4000         # characters of output that are kept


class Output(io.TextIOBase):
    """Stands in for stdout and stderr; keeps the first `ROOM` characters, counts the rest."""

    def __init__(self) -> None:
        self._kept = ""
        self._dropped = 0

    def writable(self) -> bool:
        """Always: print and tqdm ask."""
        return True

    def write(self, text: str) -> int:
        """Keep what there is room for."""
        room = ROOM - len(self._kept)
        self._kept += text[:room]
        self._dropped += max(0, len(text) - room)
        return len(text)

    def text(self) -> str:
        """What was written."""
        return self._kept + (f"\n… and {self._dropped:,} more characters" if self._dropped else "")


@contextmanager
def captured() -> Iterator[Output]:
    """Catch stdout, stderr and warnings of the block; the warnings are added as lines."""
    output = Output()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            with redirect_stdout(output), redirect_stderr(output):
                yield output
        finally:
            for warning in caught:
                output.write(f"{warning.category.__name__}: {warning.message}\n")


@contextmanager
def undisturbed(seed: int) -> Iterator[None]:
    """Seed torch (CPU), numpy and random for the block; put their states and torch's switches back after it."""
    torch_state, numpy_state, python_state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    dtype = torch.get_default_dtype()
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    try:
        with torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)
        random.setstate(python_state)
