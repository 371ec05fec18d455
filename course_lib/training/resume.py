"""Stop a training and go on later: refuse a checkpoint that does not fit. For rl and lm alike."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.training.checkpoint import CheckpointError, load_checkpoint


class TrainingDiverged(CourseError):
    """The loss is no longer a number; the message names the step and the last good checkpoint."""


RENAMED = {"normalise_advantages": "normalize_advantages"}      # older checkpoints have the name on the left


def settings_that_differ(theirs: Mapping, ours: Mapping) -> str:
    """"seed 1 there, 0 here; ..." for all of `ours` that are otherwise in `theirs`; empty if there are none."""
    theirs = _with_names_of_today(theirs)
    return "; ".join(f"{name} {theirs.get(name)} there, {value} here"
                     for name, value in ours.items() if theirs.get(name) != value)


def _with_names_of_today(settings: Mapping) -> dict:
    return {RENAMED.get(name, name): _with_names_of_today(value) if isinstance(value, Mapping) else value
            for name, value in settings.items()}


def load_matching(path: Path, settings: Mapping) -> dict:
    """Read a checkpoint whose `config` (and `kind`, if it has one) says the same as `settings`.

    Raises CheckpointError when it is missing, damaged, of an earlier version of the course, or belongs to other
    settings, and names those.
    """
    state = load_checkpoint(path)
    theirs = {**state.get("config", {}), **({"kind": state["kind"]} if "kind" in state else {})}
    unknown = sorted(settings.keys() - _with_names_of_today(theirs).keys())
    if unknown:
        raise CheckpointError(f"{Path(path).name} was written by an earlier version of the course, which did not know "
                              f"{', '.join(unknown)}: it cannot be taken up. Delete it to start again, or give another "
                              "checkpoint path.")
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
