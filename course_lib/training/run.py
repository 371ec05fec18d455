"""What every training shares that is not its algorithm: the loop, the curve, checkpoints, and a guard against nan.

A subclass of `TrainingRun` is one algorithm. Its `update()` holds all of it, from the data to the gradient step, and
returns one point of the curve. `TrainingRun` calls it again and again; stops and goes on at will; keeps networks,
optimizers, learning-rate schedules and random state in a checkpoint; and says what to do when a number is not finite.

Used by PPO (lesson 02), language-model training (08), the policy gradient on text (09), PPO and RLOO on text (11).
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.training.checkpoint import save_checkpoint
from course_lib.training.resume import TrainingDiverged, last_good, load_matching, shapes_must_fit

Progress = TypeVar("Progress")              # one point of a training curve, a dataclass


class NotFinite(CourseError):
    """A number that training needs is nan or infinite. what: which one, without a full stop; remedy: what to do."""

    def __init__(self, what: str, remedy: str = ""):
        super().__init__(f"{what}. {remedy}".strip())
        self.what = what


def require_finite(name: str, *numbers: Tensor) -> None:
    """Raise NotFinite unless all of `numbers` are finite."""
    if not all(torch.isfinite(some).all() for some in numbers):
        raise NotFinite(f"{name} is not a number")


def gradient_step(loss: Tensor, network: nn.Module, *optimizers: torch.optim.Optimizer, max_grad_norm: float) -> Tensor:
    """One gradient step of `network` down `loss` (); returns the gradient's norm before it was clipped, ().

    optimizers: that together hold the network's parameters. max_grad_norm: longer gradients are scaled down to this.
    Raises NotFinite when the loss or its gradient is nan or infinite; the weights are then still the good ones.
    """
    network.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(network.parameters(), max_grad_norm)
    if not torch.isfinite(loss.detach() + norm):
        raise NotFinite(f"The loss is {loss.item()} and its gradient {norm.item()} long")
    for optimizer in optimizers:
        optimizer.step()
    return norm


class Stopwatch:
    """CPU-seconds that this process spent while the watch was running."""

    def __init__(self) -> None:
        self._before, self._started = 0.0, None

    @property
    def seconds(self) -> float:
        """So far, also while it is running."""
        return self._before + (0.0 if self._started is None else time.process_time() - self._started)

    @seconds.setter
    def seconds(self, value: float) -> None:
        self._before = value

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let it run inside a `with` block."""
        self._started = time.process_time()
        try:
            yield
        finally:
            self._before, self._started = self.seconds, None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop a running watch inside a `with` block."""
        self._before, self._started = self.seconds, None
        yield
        self._started = time.process_time()


class Stateful(Protocol):
    """A network, an optimizer or a learning-rate scheduler."""

    def state_dict(self) -> dict: ...

    def load_state_dict(self, state: dict) -> object: ...


class TrainingRun(ABC, Generic[Progress]):
    """`for progress in run.train(): ...` makes one update a turn; leave the loop and go on at will.

    A subclass gives `parts`, by name, to be kept in checkpoints, and ends its `__init__` with `self.resume()`. config:
    a dataclass with `seed` and `checkpoint_every`, and with `updates` unless the subclass counts otherwise.

    With `checkpoint` the state is saved now and then and whenever the loop is left; a new run with the same path goes
    on from there, to the identical curve. Raises CheckpointError when that file belongs to other settings.
    """

    progress: ClassVar[type]                # of the points of the curve
    remedy = "Lower the learning rate."     # where a number is not finite

    def __init__(self, config: Any, checkpoint: Path | None):
        self.config, self.checkpoint = config, checkpoint
        self.generator = torch.Generator().manual_seed(config.seed)
        self.stopwatch = Stopwatch()
        self.history: list[Progress] = []
        self.until: int | None = None       # where the `train` that is under way shall end; None: at the config's end
        self.parts: dict[str, Stateful] = {}

    @abstractmethod
    def update(self) -> Progress:
        """The algorithm: one update, from the data to the gradient steps."""

    @property
    def updates(self) -> int:
        """Updates so far."""
        return len(self.history)

    @property
    def cpu_seconds(self) -> float:
        """Spent in updates so far."""
        return self.stopwatch.seconds

    def train(self, until: int | None = None) -> Iterator[Progress]:
        """Go on to `until` updates in all (default: to the config's end), yielding after each.

        Leaving the loop keeps everything; calling `train` again goes on. Raises TrainingDiverged, with the weights as
        they were before the step that failed.
        """
        self.until = until
        while not self.reached():
            try:
                with self.stopwatch.running():
                    progress = self.update()
            except NotFinite as error:
                kept = last_good(self.checkpoint, self.kept_at)
                raise TrainingDiverged(f"{error.what}, {self.place}. {kept} {self.remedy}") from error
            self.history.append(progress)
            if self.checkpoint is not None and (self.reached() or self.checkpoint_due):
                self.save()
            try:
                yield progress
            except GeneratorExit:           # a break, a stop button, an error in the loop over the training
                if self.checkpoint is not None:
                    self.save()
                raise

    def reached(self) -> bool:
        """Whether the run is as far as it shall go now."""
        return self.updates >= (self.config.updates if self.until is None else self.until)

    @property
    def checkpoint_due(self) -> bool:
        """Whether a checkpoint is written after the update that was just made."""
        return self.updates % self.config.checkpoint_every == 0

    @property
    def place(self) -> str:
        """Where an error happened, for its message."""
        return f"in update {self.updates + 1}"

    @staticmethod
    def kept_at(state: dict) -> str:
        """Which place in the run a checkpoint's state is from, for an error's message."""
        return f"update {state['updates']}"

    def extra_state(self) -> dict:
        """What a checkpoint must hold besides parts, random state and curve."""
        return {}

    def load_extra_state(self, state: dict) -> None:
        """Take up what `extra_state` gave."""

    def save(self, path: Path | None = None) -> None:
        """Write a checkpoint to `path` (default: the one given at the start)."""
        save_checkpoint(path or self.checkpoint, {
            "kind": type(self).__name__, "config": asdict(self.config),
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "generator": self.generator.get_state(), "updates": self.updates, "cpu_seconds": self.cpu_seconds,
            "history": [asdict(point) for point in self.history], **self.extra_state()})

    def load(self, path: Path) -> None:
        """Go on from a checkpoint. Raises CheckpointError when it is damaged or belongs to other settings."""
        state = load_matching(path, {"kind": type(self).__name__, **asdict(self.config)})
        with shapes_must_fit(path):
            for name, part in self.parts.items():
                part.load_state_dict(state["parts"][name])
        self.generator.set_state(state["generator"])
        self.stopwatch.seconds = state["cpu_seconds"]
        self.history = [self.progress(**point) for point in state["history"]]
        self.load_extra_state(state)

    def resume(self) -> None:
        """Go on from the checkpoint given at the start, if there is one."""
        if self.checkpoint is not None and Path(self.checkpoint).exists():
            self.load(self.checkpoint)
