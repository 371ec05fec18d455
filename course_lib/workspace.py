"""`my_work/`: the learner's own copies of the notebooks, which the course fills once and then never writes over.

A new version of a lesson is put beside the learner's copy (`03_bradley_terry.update-1.ipynb`), always: also where the
copy looks untouched, because its outputs, too, are the learner's. What was handed out is noted in
`my_work/.course/copies.json`, as a hash of the cells; a lesson whose outputs alone changed is not a new version.
"""

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from course_lib import atomic, paths, renumbered, restore
from course_lib.atomic import in_a_sentence
from course_lib.errors import CourseError

FOLDERS = ("notebooks", "exercises", "solutions")
GLOSSARY = "notebooks/glossary.ipynb"


@dataclass
class Brought:
    """What came into `my_work/`; paths from there."""

    new: list[str] = field(default_factory=list)               # lessons that were not there before
    changed: list[str] = field(default_factory=list)           # copies of lessons that have a newer version
    beside: list[tuple[str, str]] = field(default_factory=list)     # (the learner's copy, the new version beside it)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `course update` and `course reset` to the command line."""
    parser = subparsers.add_parser("update", help="bring new and changed lessons into my_work, beside your own")
    parser.set_defaults(run=run_update)
    restore.add_parser(subparsers)


def run_update(_: argparse.Namespace) -> int:
    """Bring what is new and say what was done."""
    brought = update()
    for name in brought.new:
        print(f"new       {name}")
    for mine, name in brought.beside:
        print(f"changed   {name} is the new version; yours is still {mine}")
    if not brought.new and not brought.beside:
        print("Your copies are up to date.")
    else:
        print(f"Nothing of yours in {paths.my_work()} was changed.")
    return 0


def prepare() -> Brought:
    """Copy every lesson that `my_work/` does not have yet; lessons with a newer version are only listed.

    Raises:
        CourseError: the folder cannot be written; what was copied so far stays and the next call goes on.
    """
    return _bring(put_beside=False)


def update() -> Brought:
    """As `prepare`, and put the new version of each changed lesson beside the learner's copy, once."""
    return _bring(put_beside=True)


def _bring(put_beside: bool) -> Brought:
    renumbered.bring_forward()
    brought = Brought()
    handed_out = _read_record()
    before = dict(handed_out)
    try:
        for name in _shipped():
            _bring_one(name, handed_out, brought, put_beside)
    finally:
        if handed_out != before:
            with in_a_sentence(_record()):
                _record().parent.mkdir(parents=True, exist_ok=True)
                note = {"version": 1, "copies": handed_out}
                atomic.write_text(_record(), json.dumps(note, indent=1, sort_keys=True) + "\n")
    return brought


def _bring_one(name: str, handed_out: dict[str, str], brought: Brought, put_beside: bool) -> None:
    shipped, target = paths.root() / name, paths.my_work() / name
    content = shipped.read_bytes()
    try:
        notebook = restore.read(shipped)
    except restore.BrokenNotebook:
        raise CourseError(f"the course's own {name} is damaged: `git checkout -- {name}` brings it back") from None
    version = restore.digest(notebook)
    _bring_pictures(notebook)
    if not target.exists():
        with in_a_sentence(target):
            atomic.create(target, content)
        brought.new.append(name)
    elif version not in (handed_out.get(name), _digest_of(target)):
        if not put_beside:
            brought.changed.append(name)
            return
        with in_a_sentence(target):
            beside = atomic.create_next(lambda n: target.with_name(f"{target.stem}.update-{n}.ipynb"), content)
        brought.beside.append((name, beside.relative_to(paths.my_work()).as_posix()))
    handed_out[name] = version


def _bring_pictures(notebook: dict) -> None:
    """Pictures that a notebook shows from the checkout, so that its relative links lead to them here too."""
    from course_lib.authoring.prose import local_pictures

    for cell in notebook["cells"]:
        for picture in local_pictures(restore.source(cell)) if cell["cell_type"] == "markdown" else ():
            target = paths.my_work() / picture
            if not target.exists():
                with in_a_sentence(target):
                    atomic.create(target, (paths.root() / picture).read_bytes())


def _shipped() -> list[str]:
    found = [PurePosixPath(folder, path.name).as_posix() for folder in FOLDERS
             for path in sorted((paths.root() / folder).glob("[0-9][0-9]_*.ipynb"))]
    found += [GLOSSARY] if found and (paths.root() / GLOSSARY).is_file() else []
    if not found:
        raise CourseError(f"no lessons in {paths.root()}: is this the course's folder? (Authors: `course build`.)")
    return found


def _digest_of(path: Path) -> str | None:
    try:
        return restore.digest(restore.read(path))
    except CourseError:
        return None


def _record() -> Path:
    return paths.my_work() / ".course" / "copies.json"


def _read_record() -> dict[str, str]:
    """Hash of the version last handed out, by notebook; a damaged record is kept aside and started again."""
    try:
        copies = json.loads(_record().read_text(encoding="utf-8"))["copies"]
        return {name: version for name, version in copies.items() if isinstance(version, str)}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        aside = _record().with_name(f"copies.damaged-{time.time_ns()}.json")
        with in_a_sentence(aside):
            _record().rename(aside)
        print(f"The note of your copies could not be read; it is now {aside}, and a new one is made.")
        return {}
