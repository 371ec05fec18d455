"""`course build`: `lessons/NN_slug/` into `notebooks/`, `exercises/` and `solutions/`."""

import argparse
import sys

from course_lib import paths
from course_lib.authoring import glossary, notebook_file, teachers_notebook
from course_lib.authoring.render import FOLDERS, render
from course_lib.authoring.rules import faults
from course_lib.authoring.source import Lesson, lessons
from course_lib.errors import CourseError


def run(arguments: argparse.Namespace) -> int:
    """Build, check or execute; the exit code is 1 when any lesson is at fault."""
    words = [word for word in arguments.lessons if word != teachers_notebook.WORD]
    teachers = not words                                # asked for by its name, or with everything
    chosen = lessons(words) if words or not arguments.lessons else []
    sound = [lesson for lesson in chosen if _is_sound(lesson)]
    bad = len(chosen) - len(sound)
    if arguments.check:
        bad += sum(not check(lesson) for lesson in sound)
        if not arguments.lessons:
            bad += sum(map(_say_orphan, orphans())) + _check_glossary()
        if teachers:
            bad += _check_teachers_notebook()
        if not bad:
            print(f"{len(chosen)} lessons: every cell as in the source")
        return int(bad > 0)
    for lesson in sound:
        build(lesson)
    if not arguments.lessons and (said := glossary.build()):
        print(said)
    if teachers and (said := teachers_notebook.build()):
        print(said)
    if arguments.execute:
        bad += sum(not run_and_store(lesson, arguments.timeout) for lesson in sound)
        bad += teachers and not _run_teachers_notebook(arguments.timeout)
    return int(bad > 0)


def build(lesson: Lesson) -> None:
    """Write one lesson's notebooks, with the outputs that still belong to their cells."""
    for folder, notebook in render(lesson).items():
        path = paths.root() / folder / f"{lesson.slug}.ipynb"
        if folder != "exercises":                     # the learner's stubs never hold an output
            notebook_file.keep_outputs(notebook, notebook_file.read(path))
        words = "built" if notebook_file.write(notebook, path) else "unchanged"
        missing = notebook_file.without_outputs(notebook) if folder != "exercises" else 0
        note = f", {missing} without stored outputs (course build --execute {lesson.number})" if missing else ""
        print(f"{words:9} {folder}/{path.name}: {len(notebook.cells)} cells{note}")
    _say_missing(lesson)


def check(lesson: Lesson) -> bool:
    """True when the lesson's notebooks hold the cells that would be built; prints each difference to stderr."""
    wrong = _say_missing(lesson)
    for folder, notebook in render(lesson).items():
        found = notebook_file.differences(notebook, notebook_file.read(paths.root() / folder / f"{lesson.slug}.ipynb"))
        for sentence in found:
            print(f"{folder}/{lesson.slug}.ipynb: {sentence}", file=sys.stderr)
        wrong += bool(found)
    if wrong:
        print(f"Lesson {lesson.number}: run `course build {lesson.number}` and commit what it writes.", file=sys.stderr)
    return not wrong


def run_and_store(lesson: Lesson, cell_seconds: int) -> bool:
    """Execute the lesson's notebook and its solutions; True when both ran. A failure is printed, not stored."""
    from course_lib.authoring.execute import execute

    ran = True
    for folder, source in (("notebooks", lesson.lesson), ("solutions", lesson.exercises)):
        if not source.exists():
            continue
        try:
            execute(paths.root() / folder / f"{lesson.slug}.ipynb", cell_seconds=cell_seconds)
        except CourseError as error:
            print(error, file=sys.stderr)
            ran = False
    return ran


def orphans() -> list[str]:
    """Built notebooks whose lesson is gone or has another name, as paths from the checkout's root."""
    known = {lesson.slug for lesson in lessons()}
    return [f"{folder}/{path.name}" for folder in FOLDERS
            for path in sorted((paths.root() / folder).glob("*.ipynb"))
            if path.stem not in known and not (path == glossary.target() and glossary.source().exists())]


def _check_glossary() -> int:
    found = glossary.differences()
    for sentence in found:
        print(f"notebooks/{glossary.NAME}: {sentence}: run `course build` and commit what it writes.", file=sys.stderr)
    return int(bool(found))


def _check_teachers_notebook() -> int:
    found = teachers_notebook.differences()
    for sentence in found:
        print(f"{teachers_notebook.WORD}/{teachers_notebook.NAME}.ipynb: {sentence}: run `course build "
              f"{teachers_notebook.WORD}` and commit what it writes.", file=sys.stderr)
    return int(bool(found))


def _run_teachers_notebook(cell_seconds: int) -> bool:
    try:
        teachers_notebook.execute(cell_seconds)
    except CourseError as error:
        print(error, file=sys.stderr)
        return False
    return True


def _is_sound(lesson: Lesson) -> bool:
    found = faults(lesson)
    for fault in found:
        print(fault, file=sys.stderr)
    if found:
        print(f"Lesson {lesson.number}: {len(found)} to mend; its notebooks were left as they are.", file=sys.stderr)
    return not found


def _say_missing(lesson: Lesson) -> int:
    missing = [path.name for path in (lesson.lesson, lesson.exercises) if not path.exists()]
    for name in missing:
        print(f"lessons/{lesson.slug}/{name} is missing: a lesson has lesson.py and exercises.py", file=sys.stderr)
    return len(missing)


def _say_orphan(path: str) -> bool:
    print(f"{path} has no lesson: delete it (`git rm {path}`).", file=sys.stderr)
    return True
