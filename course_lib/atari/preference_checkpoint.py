"""A run from preferences on the disk: close the lid, go on tomorrow, reach the same curve. Lesson 06.

Two files: the trainer's own checkpoint, named after its number of updates, and one with the rest that names it; the
second is written last and in one step, so that the two always belong together. The emulators cannot be copied: games
begin anew at a save, in the run that goes on and in the one that is loaded, and clips not yet judged are dropped.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from course_lib.atari.fit_reward import Fit
from course_lib.atari.from_preferences import AtariFromPreferences
from course_lib.atari.segments import Preference, Segment
from course_lib.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint


def save_run(run: AtariFromPreferences, path: Path) -> None:
    """Write the whole run; call it between two rounds, not while `run.train()` is under way."""
    path = Path(path)
    trainer = path.with_name(f"{path.stem}.{run.ppo.updates}.ppo.pt")
    path.parent.mkdir(parents=True, exist_ok=True)
    run.ppo.save(trainer)
    run.pool = []
    save_checkpoint(path, {
        "config": asdict(run.config), "trainer": trainer.name, "ensemble": run.ensemble.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in run.fitter.optimizers],
        "weights": [torch.from_numpy(np.asarray(weight, dtype=np.float64)) for weight in run.fitter.weights],
        "fitter_random": run.fitter.rng.bit_generator.state, "random": run.rng.bit_generator.state,
        "standardiser": [run.standardise.mean, run.standardise.deviation], "fits": [asdict(fit) for fit in run.fits],
        "preferences": [(*map(_pack, (a, b)), mu, source) for a, b, mu, source in run.preferences]})
    for older in path.parent.glob(f"{path.stem}.*.ppo.pt"):
        if older != trainer:
            older.unlink()


def load_run(run: AtariFromPreferences, path: Path) -> None:
    """Let a new `run` of the same config go on from a save. Raises CheckpointError for a damaged or foreign file."""
    path = Path(path)
    state = load_checkpoint(path)
    try:
        ours = asdict(run.config)
        differing = [name for name in ours if state["config"].get(name) != ours[name]]
        if differing:
            raise CheckpointError(f"{path.name} belongs to a run with another {', '.join(differing)}. Make the run "
                                  "with its settings, or give the new run another file.")
        run.ppo.load(path.with_name(state["trainer"]))
        run.ensemble.load_state_dict(state["ensemble"])
        preferences = [Preference(_unpack(a), _unpack(b), mu, source) for a, b, mu, source in state["preferences"]]
        run.fitter.add(preferences)
        run.fitter.weights = [weight.numpy() for weight in state["weights"]]
        run.fitter.rng.bit_generator.state = state["fitter_random"]
        for optimizer, saved in zip(run.fitter.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        run.preferences, run.fits = preferences, [Fit(**fit) for fit in state["fits"]]
        run.rng.bit_generator.state = state["random"]
        run.standardise.mean, run.standardise.deviation = state["standardiser"]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(f"{path.name} is not a run from preferences ({type(error).__name__}). Give the "
                              "run another file, or delete this one and start again.") from error


def _pack(segment: Segment) -> tuple[torch.Tensor, list[int]]:
    """Observations small: eight cells a byte. (L, ...) -> bits or numbers, and the shape."""
    obs = segment.obs
    packed = np.packbits(obs) if obs.dtype == np.uint8 else obs
    return torch.from_numpy(packed.copy()), list(obs.shape)


def _unpack(saved: tuple[torch.Tensor, list[int]]) -> Segment:
    packed, shape = saved
    numbers = packed.numpy()
    obs = np.unpackbits(numbers, count=int(np.prod(shape))) if numbers.dtype == np.uint8 else numbers
    return Segment(obs.reshape(shape), None)
