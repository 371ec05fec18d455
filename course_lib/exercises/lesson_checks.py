"""The file of checks of each lesson, `lessons/NN_slug/checks.py`: where it is, and how Python imports it.

`lessons/03_bradley_terry/checks.py` is the module `course_lib.exercises.lesson_checks.lesson_03`. A lesson with a build
keeps that one's checks in `build_checks.py` beside it, the module `lesson_02_build`. A folder's name that
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
    """The file of checks of each lesson that has one, by the lesson's number (`"03"`), in order; see `build_file`.

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


def build_file(checks: Path) -> Path:
    """Where the checks of a lesson's build stand, if it has one. checks: the lesson's file of checks."""
    return checks.with_name("build_checks.py")


def module(number: str) -> ModuleType:
    """The checks of one lesson, imported, and those of its build; again when the file is another one than it was.

    It is another one when `COURSE_ROOT` has changed. Raises ImportError when the lesson has no file of checks.
    """
    file = files().get(number)
    found = _imported(f"lesson_{number}", file)
    if file is not None and build_file(file).is_file():
        _imported(f"lesson_{number}_build", build_file(file))
    return found


def _imported(last: str, file: Path | None) -> ModuleType:
    name = f"{__name__}.{last}"
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ != str(file):
        del sys.modules[name]
    return importlib.import_module(name)


class _Finder:
    """Finds `course_lib.exercises.lesson_checks.lesson_NN` and `lesson_NN_build`."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """What Python asks of a finder; None for every other name."""
        parent, _, last = name.rpartition(".")
        if parent != __name__:
            return None
        number, _, build = last.removeprefix("lesson_").partition("_")
        file = files().get(number)
        if file is not None and build == "build":
            file = build_file(file) if build_file(file).is_file() else None
        return spec_from_file_location(name, file) if file is not None and build in ("", "build") else None


sys.meta_path.append(_Finder)
