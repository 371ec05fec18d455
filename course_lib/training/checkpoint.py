"""Checkpoints that a power cut cannot spoil: written beside the old one, then swapped in. Lesson 02."""

import io
import pickle
import zipfile
from pathlib import Path

import torch

from course_lib.atomic import in_a_sentence, write_bytes
from course_lib.errors import CourseError


class CheckpointError(CourseError):
    """A checkpoint that cannot be used; the message says why and what to do."""


def save_checkpoint(path: Path, state: dict) -> None:
    """Write `state` (tensors, numbers, strings, lists, dicts): `path` holds the old file or the new, never half.

    Raises CourseError when the disk is full or the folder may not be written.
    """
    content = io.BytesIO()
    torch.save(state, content)
    with in_a_sentence(Path(path)):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(Path(path), content.getvalue())


def load_checkpoint(path: Path) -> dict:
    """Read what `save_checkpoint` wrote. Raises CheckpointError when the file is missing or damaged.

    Only data is read, never code: a checkpoint from somebody else is safe to open.
    """
    path = Path(path)
    if not path.exists():
        raise CheckpointError(f"There is no {path.name} in {path.parent}. Train first, or look in that folder.")
    try:
        state = torch.load(path, weights_only=True)
    except (RuntimeError, EOFError, OSError, KeyError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path.name} in {path.parent} is damaged or is not a checkpoint ({type(error).__name__}). "
            "Delete or rename it and train again; nothing else depends on it.") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path.name} in {path.parent} holds no checkpoint but a {type(state).__name__}. "
                              "Delete or rename it and train again.")
    return state
