"""The loop on the disk: two files that always belong together, whatever happens while they are written. Lesson 04.

The trainer's own file is written under a new name; then `loop.pt`, which names it, is swapped in with one rename; then
older trainer files go. A kill at any moment leaves a pair that fits.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from course_lib.errors import CourseError
from course_lib.preferences.segments import Segment, Verdicts, stack
from course_lib.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from course_lib.training.resume import settings_that_differ

if TYPE_CHECKING:
    from course_lib.preferences.loop import PreferenceLoop


class Files:
    """The two files of one loop, and a watch over whether another notebook writes them too."""

    def __init__(self, folder: Path):
        self.folder, self.state = folder, folder / "loop.pt"
        self.saves = 0
        self._mark: tuple[int, int] | None = None

    @property
    def exist(self) -> bool:
        """Whether there is a state to take up."""
        return self.state.exists()

    def save(self, loop: "PreferenceLoop") -> None:
        """Write the whole state. Raises CourseError when another notebook has taken the run further meanwhile."""
        if self._on_disk() != self._mark:
            raise CourseError(f"Another notebook has taken the run in {self.folder} further, so this one stops: "
                              "two would undo each other's work. Close one, make the loop again, and it goes on from "
                              "there.")
        self.saves += 1
        trainer = self.folder / f"trainer-{self.saves}.pt"
        loop.ppo.save(trainer)
        save_checkpoint(self.state, {**snapshot(loop), "saves": self.saves})
        self.settle()

    def settle(self) -> None:
        """Remember the state that is on the disk now as our own, and remove trainer files that no state names."""
        self._mark = self._on_disk()
        for other in self.folder.glob("trainer-*.pt"):
            if other.name != f"trainer-{self.saves}.pt":
                other.unlink(missing_ok=True)

    def _on_disk(self) -> tuple[int, int] | None:
        try:
            status = self.state.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns


def snapshot(loop: "PreferenceLoop") -> dict:
    """All of the loop but the trainer, as tensors, numbers and texts."""
    verdicts = loop.verdicts and {**vars(loop.verdicts), "sources": list(loop.verdicts.sources)}
    pool = (stack(loop.pool), torch.stack([clip.actions for clip in loop.pool])) if loop.pool else None
    return {
        "config": _settings(loop), "stage": loop.stage, "round": loop.round, "asked": loop.asked, "pool": pool,
        "verdicts": verdicts, "losses": loop.losses, "agents": loop.agents,
        "models": loop.models, "ensemble": loop.ensemble.state_dict(),
        "ensemble_random": loop.ensemble.generator.get_state(), "random": loop.rng.bit_generator.state}


def load(loop: "PreferenceLoop") -> None:
    """Take up what `Files.save` wrote. Raises CheckpointError when it is damaged or another run's."""
    files = loop.files
    remedy = (f"Move the folder {files.folder} away and make the loop again: the labels are safe in {loop.store.path}, "
              "and pairs that come up again are not asked again.")
    try:
        state = load_checkpoint(files.state)
        differing = settings_that_differ(state["config"], _settings(loop))
        if differing:
            raise CheckpointError(f"{files.folder} holds a run with other settings ({differing}). Give this "
                                  "run another folder, or make it with the settings of that one.")
        loop.ppo.load(files.folder / f"trainer-{state['saves']}.pt")
        loop.ensemble.load_state_dict(state["ensemble"])
        loop.ensemble.generator.set_state(state["ensemble_random"])
        loop.rng.bit_generator.state = state["random"]
        loop.pool = [Segment(*clip) for clip in zip(*state["pool"], strict=True)] if state["pool"] else []
        given = state["verdicts"]
        loop.verdicts = given and Verdicts(**{**given, "sources": tuple(given["sources"])})
        loop.stage, loop.round, loop.asked = state["stage"], state["round"], state["asked"]
        loop.losses, loop.agents, loop.models = state["losses"], state["agents"], state["models"]
        files.saves = state["saves"]
    except CheckpointError as error:
        if "other settings" in str(error):
            raise
        raise CheckpointError(f"The state of this run cannot be read. {error} {remedy}") from error
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        kind = type(error).__name__
        raise CheckpointError(f"{files.state} is not a state of this loop ({kind}). {remedy}") from error
    files.settle()


def _settings(loop: "PreferenceLoop") -> dict:
    """What two runs must share for one to go on with the other's state."""
    config = asdict(loop.config)
    config.pop("save_every")
    return {**config, "run": loop.run, "task": loop.task.name}
