"""The course without its solutions: a copy for a class whose solutions are held back (`--private-solutions`).

The copy is what students work with, on their server or as a download: lessons, exercises, checks, library, data. It has
no solution notebooks, no lesson sources (they hold the solutions), no tests (they hold right answers) and no history.
What it cannot hide: the course is public, the lessons run the library's own functions, and a check needs the course's
answer to compare with.
"""

import json
import shutil
from collections import Counter
from pathlib import Path

from course_lib import atomic, paths
from course_lib.errors import CourseError
from course_lib.exercises import registry

FOLDERS = ("notebooks", "exercises", "course_lib", "assets", "benchmarks/results", "tools")
FILES = ("pyproject.toml", "requirements.lock", "requirements-scale.lock", "environment.yml", "Makefile", "LICENSE",
         "CITATION.cff")
CHECKS = ("checks.py", "build_checks.py")                 # of a lesson's folder
WITHOUT = ("__pycache__", ".ipynb_checkpoints", "cache", "solutions")
MARK = ".solutions_held_back"                             # in the copy: this folder was made here and may be made anew


def write(folder: Path) -> list[str]:
    """Write the copy, or write it anew. Returns a line for the teacher about each thing that it does not hide.

    Raises:
        CourseError: there is another folder of that name, or something that is written holds a solution.
    """
    root = paths.root()
    if not (root / "solutions").is_dir():
        raise CourseError(f"{root} has no solutions: it is itself a copy for students. Use the course's own folder.")
    if folder.exists() and not (folder / MARK).is_file():
        raise CourseError(f"{folder} is there and was not made by this command. Move it away first.")
    with atomic.in_a_sentence(folder):
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        atomic.write_text(folder / MARK, "The course for a class whose solutions are held back.\n")
        for name in FILES:
            if (root / name).is_file():
                shutil.copyfile(root / name, folder / name)
        for name in FOLDERS:
            if (root / name).is_dir():
                shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns(*WITHOUT), symlinks=True)
        for path in (root / "lessons").glob("[0-9][0-9]_*/*.py"):
            if path.name in CHECKS:
                (folder / "lessons" / path.parent.name).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / "lessons" / path.parent.name / path.name)
    found = held(folder)
    if found:
        shutil.rmtree(folder)
        raise CourseError(f"The copy would have held solutions, so it was not made: {', '.join(found[:5])}.")
    where = Counter("checks" if ".lesson_checks." in exercise.reference else "library"
                    for lesson in registry.lessons() for exercise in registry.of_lesson(lesson))
    return [f"The course without its solutions, for the students: {folder}",
            f"Not hidden in it: {where['library']} exercises ask for a function that the course's library has, and "
            f"{where['checks']} have their answer in a file of checks; and the course is public"]


def held(folder: Path) -> list[str]:
    """Files in a folder that hold a solution: the code of a solution notebook's exercise cell, or its marks.

    The library and the files of checks are not searched: they have functions of their own.
    """
    solutions = {text for path in sorted((paths.root() / "solutions").glob("*.ipynb")) for text in _answers(path)}
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if not path.is_file() or path.suffix not in (".ipynb", ".py", ".md") or inside[0] in ("course_lib", "tools"):
            continue
        if path.name in CHECKS:
            continue
        cells = _cells(path) if path.suffix == ".ipynb" else {path.read_text(encoding="utf-8")}
        if cells & solutions or any("# BEGIN SOLUTION" in text for text in cells):
            found.append(Path(*inside).as_posix())
    return found


def _answers(path: Path) -> set[str]:
    return {"".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
            if any(tag.startswith("exercise:") for tag in cell["metadata"].get("tags", ()))}


def _cells(path: Path) -> set[str]:
    return {"".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]}
