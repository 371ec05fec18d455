"""Inputs that only the teacher's grader draws, from a number in the teacher's private folder.

The course is public, and so are the inputs that `agrees` draws in a notebook. For a class they are drawn from the
class's own number as well: nobody can look them up. An answer that knows the public inputs and hardly any others was
written for them: `only_public_inputs` tells it from one that is wrong now and then.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from course_lib import atomic
from course_lib.errors import CourseError
from course_lib.exercises import draws

FILE = "class_seed.txt"
BITS = 128
TRIES = 6               # other numbers that an answer is tried with when it is right on public inputs alone
WORDS = ("It differs from the course's own on inputs that the class's teacher keeps. Run the check in your notebook "
         "again: "
         "where it passes, ask your teacher.")
MEMORIZED = ("This answer is right for the inputs that everybody can look up, and for no others. Write a function that "
             "computes what is asked for.")


def make(folder: Path) -> Path:
    """Write a new number into the teacher's private folder; one that is there stays. Returns its file."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700)
    path = folder / FILE
    if not path.exists():
        atomic.create(path, f"{secrets.randbits(BITS)}\n".encode())
        os.chmod(path, 0o600)
    return path


def read(folder: Path) -> int:
    """The class's number.

    Raises:
        CourseError: it is not there, or is no number.
    """
    path = folder / FILE
    try:
        number = int(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(f"{path} is missing: it has the number that a class's hidden inputs are drawn from. "
                          f"`course classroom init` makes a new one; scores that were given with the old one are then "
                          "given anew.") from None
    except (OSError, ValueError) as error:
        raise CourseError(f"{path} cannot be used ({error}). It holds one whole number.") from None
    if number < 0:
        raise CourseError(f"{path} cannot be used: the number must not be below 0.")
    return number


def only_public_inputs(passes: Callable[[], bool], seed: int) -> bool:
    """Whether a case that was missed with the class's inputs passes with public ones, and with hardly any others.

    passes: runs the case once more, with the inputs that are in force.
    """
    with draws.of_class(None):
        if not passes():
            return False
    for number in range(1, TRIES + 1):
        with draws.of_class(seed + (number << BITS)):
            if passes():
                return False
    return True
