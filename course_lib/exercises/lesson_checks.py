"""The file of checks of each lesson, `lessons/NN_slug/checks.py`: where it is, and how Python imports it.

`lessons/03_bradley_terry/checks.py` is the module `course_lib.exercises.lesson_checks.lesson_03`. A folder's name that
begins with a digit is no name of a package, so a finder of this module tells Python the file. It is asked in every
process that imports the name: a learner's saved answer may import the course's own function, and a child process may
unpickle one.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from course_lib import paths
from course_lib.errors import CourseError

further_folders: list[Path] = []        # folders of lessons beside the checkout's own `lessons/`; the tests add theirs

__path__: list[str] = []                # this module has submodules, and they lie in no folder of its own


def files() -> dict[str, Path]:
    """The file of checks of each lesson that has one, by the lesson's number (`"03"`), in order.

    Raises:
        CourseError: the checkout has no folder `lessons/`, or two folders hold checks of one lesson.
    """
    own = paths.root().absolute() / "lessons"
    if not own.is_dir():
        raise CourseError(f"The folder {own} is missing: it has the checks of the exercises. The course works from its "
                          "checkout: bring the folder back (`git checkout lessons`), or install the course there "
                          "(`pip install -e .`), or set COURSE_ROOT to the checkout.")
    found: dict[str, Path] = {}
    for path in (path for folder in (own, *further_folders) for path in folder.glob("[0-9][0-9]_*/checks.py")):
        number = path.parent.name[:2]
        if found.setdefault(number, path) != path:
            raise CourseError(f"Lesson {number} has two files of checks, {found[number]} and {path}: remove one.")
    return dict(sorted(found.items()))


def module(number: str) -> ModuleType:
    """The checks of one lesson, imported; again when the file is another one than it was (`COURSE_ROOT` has changed).

    Raises:
        ImportError: the lesson has no file of checks.
    """
    name = f"{__name__}.lesson_{number}"
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ != str(files().get(number)):
        del sys.modules[name]
    return importlib.import_module(name)


class _Finder:
    """Finds `course_lib.exercises.lesson_checks.lesson_NN`."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """What Python asks of a finder; None for every other name."""
        parent, _, last = name.rpartition(".")
        file = files().get(last.removeprefix("lesson_")) if parent == __name__ else None
        return spec_from_file_location(name, file) if file else None


sys.meta_path.append(_Finder)
