"""Stop a training and go on later: refuse a checkpoint that does not fit, and wait for a safe point to stop at.

`PatientInterrupt` makes Jupyter's stop button wait for a safe point: a run cut in the middle of an update leaves half
an update behind. So the first interrupt only raises a flag, which the loop reads between two updates; a second
interrupt stops on the spot. Needs no thread and no widget: it works on every kernel, in VS Code and in a terminal
(Ctrl-C). Used by the training view from lesson 01 on.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from course_lib.errors import CourseError
from course_lib.training.checkpoint import CheckpointError, load_checkpoint


class TrainingDiverged(CourseError):
    """The loss is no longer a number; the message names the step and the last good checkpoint."""


def settings_that_differ(theirs: Mapping, ours: Mapping) -> str:
    """"seed 1 there, 0 here; ..." for all of `ours` that are otherwise in `theirs`; empty if there are none."""
    return "; ".join(f"{name} {theirs.get(name)} there, {value} here"
                     for name, value in ours.items() if theirs.get(name) != value)


def load_matching(path: Path, settings: Mapping) -> dict:
    """Read a checkpoint whose `config` (and `kind`, if it has one) says the same as `settings`.

    Raises CheckpointError when it is missing, damaged, or belongs to other settings, and names those.
    """
    state = load_checkpoint(path)
    theirs = {**state.get("config", {}), **({"kind": state["kind"]} if "kind" in state else {})}
    differing = settings_that_differ(theirs, settings)
    if differing:
        raise CheckpointError(f"{Path(path).name} was trained with other settings ({differing}). Delete it to start "
                              "again, or give another checkpoint path.")
    return state


@contextmanager
def shapes_must_fit(path: Path) -> Iterator[None]:
    """Around `load_state_dict`: weights that do not fit are told as a CheckpointError."""
    try:
        yield
    except (KeyError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{Path(path).name} holds a model of another shape. Delete it to start again, or give "
                              "another checkpoint path.") from error


def last_good(checkpoint: Path | None, place: Callable[[dict], str]) -> str:
    """Where a training that went wrong can be taken up again, in a sentence or two.

    place: of the kept state, for instance "update 12".
    """
    if checkpoint is None or not Path(checkpoint).exists():
        return "No checkpoint was kept: give a `checkpoint` path, and make the models again."
    where = f"after {place(load_checkpoint(checkpoint))}, is in {checkpoint}"
    return f"The last good state, {where}: make the models and the run again to go on from it."


class PatientInterrupt:
    """`with PatientInterrupt() as interrupt:` then look at `interrupt.asked` at each safe point."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "PatientInterrupt":
        # signals reach the main thread only; elsewhere there is nothing to catch
        self._catches = threading.current_thread() is threading.main_thread()
        if self._catches:
            self._before = signal.signal(signal.SIGINT, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        if self._catches:
            signal.signal(signal.SIGINT, self._before)

    def _heard(self, _signal: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
