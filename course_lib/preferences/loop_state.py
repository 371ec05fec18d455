"""The loop on the disk: two files that always belong together, whatever happens while they are written. Lesson 04.

The trainer's own file is written under a new name; then `loop.pt`, which names it, is swapped in with one rename; then
older trainer files go. A kill at any moment leaves a pair that fits. Where the trainer cannot write down that it acted
(an emulator cannot be copied), its last file stays, and a new loop acts as long again.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.preferences.reward_ensemble import Fit
from course_lib.preferences.segments import Clips, PreferenceDataset, Segment, stack
from course_lib.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from course_lib.training.resume import settings_that_differ

if TYPE_CHECKING:
    from course_lib.preferences.loop import PreferenceLoop


LATER = {"exploration_updates": 0}              # settings that earlier versions did not know, as they behaved


class Files:
    """The two files of one loop, and a watch over whether another notebook writes them too."""

    def __init__(self, folder: Path):
        self.folder, self.state = folder, folder / "loop.pt"
        self.saves, self.trainer = 0, None          # number of saves; name of the trainer's file
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
        if not loop.trainer.acted:
            self.trainer = f"trainer-{self.saves}.pt"
            loop.trainer.save(self.folder / self.trainer)
        save_checkpoint(self.state, {**snapshot(loop), "saves": self.saves, "trainer": self.trainer})
        self.settle()

    def settle(self) -> None:
        """Remember the state that is on the disk now as our own, and remove trainer files that no state names."""
        self._mark = self._on_disk()
        for other in self.folder.glob("trainer-*.pt"):
            if other.name != self.trainer:
                other.unlink(missing_ok=True)

    def _on_disk(self) -> tuple[int, int] | None:
        try:
            status = self.state.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns


def snapshot(loop: "PreferenceLoop") -> dict:
    """All of the loop but the trainer, as tensors, numbers and texts."""
    data = loop.preferences
    return {
        "config": _settings(loop), "added": loop.added, "stage": loop.stage, "round": loop.round, "asked": loop.asked,
        "pool": _stacked(loop.pool) if loop.task.keeps_clips and loop.pool else None,
        "verdicts": data and {"first": pack(data.first), "second": pack(data.second), "mu": data.mu,
                              "weight": data.weight, "sources": list(data.sources)},  # so called in learners' files
        "fits": [asdict(fit) for fit in loop.fits], "agents": loop.agents, "models": loop.models,
        "acted": loop.trainer.acted, "ensemble": loop.ensemble.checkpoint(), "random": loop.rng.bit_generator.state}


def _stacked(pool: Sequence[Segment]) -> tuple[Tensor, Tensor]:
    return stack(pool), torch.stack([clip.actions for clip in pool])


def pack(clips: Clips) -> Tensor | tuple[Tensor, list[int]] | list:
    """Observations as they are, but pictures of 0 and 1 at eight cells a byte: (bits, shape)."""
    if not isinstance(clips, Tensor):
        return [pack(clip) for clip in clips]
    if clips.dtype != torch.uint8 or clips.max() > 1:
        return clips
    return torch.from_numpy(np.packbits(clips.numpy())), list(clips.shape)


def unpack(packed: Tensor | tuple[Tensor, list[int]] | list) -> Clips:
    """Clips back from `pack`."""
    if isinstance(packed, list):
        return [unpack(clip) for clip in packed]
    if isinstance(packed, Tensor):
        return packed
    bits, shape = packed
    return torch.from_numpy(np.unpackbits(bits.numpy(), count=int(np.prod(shape))).reshape(shape))


def load(loop: "PreferenceLoop") -> None:
    """Take up what `Files.save` wrote. Raises CheckpointError when it is damaged or another run's."""
    files = loop.files
    remedy = (f"Move the folder {files.folder} away and make the loop again: the labels are safe in {loop.store.path}, "
              "and pairs that come up again are not asked again.")
    try:
        state = load_checkpoint(files.state)
        differing = settings_that_differ(LATER | state["config"], _settings(loop))
        if differing:
            raise CheckpointError(f"{files.folder} holds a run with other settings ({differing}). Give this "
                                  "run another folder, or make it with the settings of that one.")
        for labels, updates in state.get("added", ()):      # files of earlier versions have none
            loop._extend(labels, updates)
        loop.trainer.load(state["trainer"] and files.folder / state["trainer"], state["acted"])
        loop.ensemble.restore(state["ensemble"])
        loop.rng.bit_generator.state = state["random"]
        loop.pool.extend(Segment(*clip) for clip in zip(*state["pool"] or ((), ()), strict=True))
        given = state["verdicts"]
        loop.preferences = given and PreferenceDataset(unpack(given["first"]), unpack(given["second"]), given["mu"],
                                                      given["weight"], tuple(given["sources"]))
        loop.stage, loop.round, loop.asked = state["stage"], state["round"], state["asked"]
        loop.fits = [Fit(**fit) for fit in state["fits"]]
        loop.agents, loop.models = state["agents"], state["models"]
        files.saves, files.trainer = state["saves"], state["trainer"]
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
