"""`course doctor`: what is right and what is wrong on this machine, each fault with its remedy."""

import argparse
import importlib.metadata
import json
import os
import platform
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from course_lib.assets import manifest, verify
from course_lib.assets.fetch import still_working
from course_lib.errors import CourseError
from course_lib.paths import home_fault, my_work, root

OK, NOTE, FAULT = "ok", "warning", "FAULT"
PYTHONS = ((3, 11), (3, 12), (3, 13))
DISK_GB = (1.0, 3.0)         # free: less than the first is a fault, less than the second a warning
MEMORY_GIB = 6.0             # what the largest of lessons 00 to 11 takes at its peak
SET_UP = "run `make setup` (without make: python tools/bootstrap.py)"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTH = 100


class Labextension(NamedTuple):
    """A widget's front end: its folder among JupyterLab's extensions, and the package that puts it there."""

    folder: str
    package: str


LABEXTENSIONS = {"anywidget": Labextension("anywidget", "anywidget"),
                 "ipywidgets": Labextension("@jupyter-widgets/jupyterlab-manager", "jupyterlab_widgets")}


@dataclass(frozen=True)
class Finding:
    """One row of the table."""

    what: str
    state: str           # OK, NOTE or FAULT
    text: str
    remedy: str = ""     # what to do about it; empty when all is well


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `course doctor` to the command line."""
    parser = subparsers.add_parser("doctor", help="what is right and what is wrong on this machine, with remedies")
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the table; 1 when there is a fault. Warnings do not count."""
    found = findings()
    print(table(found))
    faults, notes = (sum(finding.state == state for finding in found) for state in (FAULT, NOTE))
    print(f"\n{counted(faults, 'fault')}, {counted(notes, 'warning')}.")
    return int(faults > 0)


def findings() -> list[Finding]:
    """The result of every check, in the order of the table. A check that breaks is itself a fault."""
    found = []
    for check in CHECKS:
        try:
            found.append(check())
        except Exception as error:
            name = check.__name__.replace("_", " ")
            found.append(Finding(name, FAULT, f"could not be checked: {type(error).__name__}: {error}", SET_UP))
    return found


def table(found: list[Finding]) -> str:
    """The findings as aligned plain text, the remedy under the fault."""
    wide = max(len(finding.what) for finding in found)
    rows = []
    for finding in found:
        head = f"{finding.state:<8} {finding.what:<{wide}}  "
        indent = " " * len(head)
        rows.append(textwrap.fill(finding.text, WIDTH, initial_indent=head, subsequent_indent=indent))
        if finding.remedy:
            rows.append(textwrap.fill(f"-> {finding.remedy}", WIDTH, initial_indent=indent,
                                      subsequent_indent=indent + "   ", break_on_hyphens=False))
    return "\n".join(rows)


def python() -> Finding:
    """Whether this Python fits, and is the one that the set-up made."""
    version = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] not in PYTHONS:
        return Finding("Python", FAULT, version, f"Python 3.11, 3.12 or 3.13 is needed: install one, then {SET_UP}.")
    if (root() / ".venv").is_dir() and Path(sys.prefix).resolve() != (root() / ".venv").resolve():
        return Finding("Python", NOTE, f"{version}, not the course's own",
                       "start the course with `make lab`, or call .venv/bin/course.")
    return Finding("Python", OK, version)


def packages() -> Finding:
    """The installed versions against the lock: a missing package is a fault, another version a warning."""
    missing, other, pins = [], [], lock()
    remedy = python_command("-m", "pip", "install", "-r", str(root() / "requirements.lock"))
    for name, wanted in pins.items():
        try:
            installed = importlib.metadata.version(name).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if installed != wanted:
            other.append(f"{name} {installed} (lock: {wanted})")
    if missing:
        return Finding("packages", FAULT, f"missing: {some(missing)}", remedy)
    if other:
        return Finding("packages", NOTE, f"other versions than the lock's: {some(other)}", remedy)
    return Finding("packages", OK, f"{len(pins)} packages, all as in requirements.lock")


def disk() -> Finding:
    """Free disk where the course lies."""
    free = shutil.disk_usage(root()).free / 1e9
    state = FAULT if free < DISK_GB[0] else NOTE if free < DISK_GB[1] else OK
    remedy = "" if state == OK else f"checkpoints, labels and data need room: free at least {DISK_GB[1]:.0f} GB."
    return Finding("disk", state, f"{free:.1f} GB free in {root()}", remedy)


def memory() -> Finding:
    """Memory of the machine, and what is free of it."""
    import psutil

    memory = psutil.virtual_memory()
    total, free = memory.total / 2**30, memory.available / 2**30
    text = f"{free:.1f} of {total:.1f} GiB free"
    if total < MEMORY_GIB:
        return Finding("memory", NOTE, text, f"the larger lessons take up to {MEMORY_GIB:.0f} GiB and will swap.")
    if free < MEMORY_GIB / 2:
        return Finding("memory", NOTE, text, "close other programs, and shut down the kernels of other notebooks.")
    return Finding("memory", OK, text)


def work_folder() -> Finding:
    """Whether the learner's folder can be written, and the progress file read."""
    folder = my_work()
    place = next(place for place in (folder, *folder.parents) if place.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        return Finding("your work", FAULT, f"{place} cannot be written",
                       "give yourself the right to write there, or set COURSE_WORK to a folder of yours.")
    progress = folder / "progress.sqlite"
    if progress.exists():
        try:
            with closing(sqlite3.connect(f"{progress.as_uri()}?mode=ro", uri=True)) as database:
                found = database.execute("PRAGMA quick_check").fetchone()[0]
                there = [database.execute(f"PRAGMA table_info({table})").fetchone() for table in ("attempts", "hints")]
                if found == "ok" and progress.stat().st_size and not all(there):
                    found = "its tables are missing"
        except sqlite3.Error as error:
            found = str(error)
        if found != "ok":
            return Finding("your work", FAULT, f"{progress} is damaged ({found})",
                           "move the file away; a new one is made, and running your checks again fills it.")
    return Finding("your work", OK, str(folder) + ("" if folder.exists() else " (made when you start)"))


def labels() -> Finding:
    """Whether the label file can be read, is whole, and lies where several notebooks can use it safely."""
    from course_lib.labels.check import integrity
    from course_lib.labels.label_file import copy_of, network_folder
    from course_lib.labels.store import PreferenceStore, default_path

    path = default_path()
    if not path.exists():
        return Finding("labels", OK, "no label file yet (the first lesson that asks for labels makes it)")
    if not path.is_file():
        return Finding("labels", FAULT, f"{path} is not a file", "move it away; the next notebook makes a label file.")
    try:
        with tempfile.TemporaryDirectory(prefix="labels-") as folder:
            copy_of(path, Path(folder) / path.name)
            faults = integrity(Path(folder) / path.name)
            store = None if faults else PreferenceStore(Path(folder) / path.name)
            number = 0 if store is None else sum(
                count for run in store.runs() for _, _, count in store.choices(run))
            if store is not None:
                store.close()
    except (CourseError, OSError, sqlite3.Error) as error:
        faults, number = [str(error)], 0
    if faults:
        return Finding("labels", FAULT, f"{path} is damaged ({' '.join(faults[0].split())})",
                       "close the notebooks and run `course labels check`: it saves what can be read.")
    kind = network_folder(path)
    if kind:
        return Finding("labels", NOTE, f"{number} labels in {path}, on a network folder ({kind})",
                       "answers are saved more slowly there; label on one machine at a time, or set COURSE_WORK to a "
                       "folder of this machine.")
    return Finding("labels", OK, f"{number} labels in {path}")


def home() -> Finding:
    """Whether Jupyter can keep its files in the home folder."""
    fault = home_fault()
    if fault:
        return Finding("home", NOTE, fault, "`course lab` keeps Jupyter's files in my_work/.course instead; to open "
                                            "the notebooks otherwise, set HOME to a folder that can be written.")
    return Finding("home", OK, f"{Path.home()} can be written")


def kernel() -> Finding:
    """Whether notebooks start this Python."""
    from course_lib import kernel

    fault = kernel.fault()
    if fault:
        remedy = python_command("-m", "ipykernel", "install", "--sys-prefix", "--name", kernel.NAME)
        return Finding("kernel", FAULT, fault, f"{remedy} (`course lab` does it too)")
    return Finding("kernel", OK, f"{kernel.NAME} starts {sys.executable}")


def widgets() -> Finding:
    """Whether JupyterLab has the front ends of the widgets that the lessons use."""
    found = {name: Path(sys.prefix, "share", "jupyter", "labextensions", extension.folder, "package.json")
             for name, extension in LABEXTENSIONS.items()}
    missing = [name for name, file in found.items() if not file.is_file()]
    if missing:
        pins = [f"{LABEXTENSIONS[name].package}=={lock()[LABEXTENSIONS[name].package]}" for name in missing]
        return Finding("widgets", FAULT, f"JupyterLab has no front end for {', '.join(missing)}",
                       python_command("-m", "pip", "install", "--force-reinstall", "--no-deps", *pins))
    versions = [f"{name} {json.loads(file.read_text(encoding='utf-8'))['version']}" for name, file in found.items()]
    return Finding("widgets", OK, "JupyterLab front ends: " + ", ".join(versions))


def assets() -> Finding:
    """Whether the data is there and whole."""
    state = verify()
    damaged = {name: faults for name, faults in state.items() if faults}
    if damaged:
        known = manifest()
        gone = [name for name in damaged if not known[name].folder.exists()]
        texts = [f"{name} is missing" if name in gone else f"{name}: {'; '.join(damaged[name])}" for name in damaged]
        return Finding("assets", FAULT, ". ".join(texts) + ". " + still_working([known[name] for name in damaged]),
                       "connect to the network and run `course assets`.")
    return Finding("assets", OK, f"{', '.join(state)}: every file as in the manifest")


def torch() -> Finding:
    """Whether torch starts, with how many threads, on which devices."""
    import torch

    cores, threads = usable_cores(), torch.get_num_threads()
    device = ("NVIDIA " + torch.cuda.get_device_name(0).removeprefix("NVIDIA ") if torch.cuda.is_available()
              else "Apple GPU" if torch.backends.mps.is_available() else "no GPU (none is needed)")
    text = f"torch {torch.__version__}, {counted(threads, 'thread')} on {counted(cores, 'core')}, {device}"
    if threads > cores:
        return Finding("torch", NOTE, text, "more threads than cores slow small networks down several times: "
                                            "set OMP_NUM_THREADS=1 before you start the course.")
    return Finding("torch", OK, text)


def browser() -> Finding:
    """A Chromium or Chrome: only the browser tests want it."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    return Finding("Chromium", OK, found or "none on PATH (only the browser tests use it; lessons run in any browser)")


CHECKS: tuple[Callable[[], Finding], ...] = (
    python, packages, disk, memory, home, work_folder, labels, kernel, widgets, assets, torch, browser)


def lock() -> dict[str, str]:
    """The versions that the course was tested with, by package. Raises CourseError when the lock is gone."""
    file = root() / "requirements.lock"
    if not file.is_file():
        raise CourseError(f"{file} is missing. Restore it: git checkout requirements.lock")
    pins = (line.split("==") for line in file.read_text(encoding="utf-8").splitlines() if "==" in line)
    return {name: version for name, version in pins}


def python_command(*words: str) -> str:
    """A command line for this Python, quoted so that it can be pasted into the terminal."""
    command = [sys.executable, *words]
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


def usable_cores() -> int:
    """The cores that this process may use, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def counted(number: int, noun: str) -> str:
    """`1 fault`, `2 faults`, `no faults`."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def some(names: list[str]) -> str:
    """The first five names, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
