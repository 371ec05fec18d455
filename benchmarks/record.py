"""How benchmarks keep their figures: run by run, with the circumstances, so that a stopped one goes on.

`lines` and `append` keep a .jsonl file, one line a seed; `Results` keeps a .json file of runs under keys.
"""

import contextlib
import json
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from course_lib.atomic import write_text

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("torch", "numpy", "gymnasium", "ale-py", "box2d", "stable-baselines3", "transformers", "tokenizers", "nltk")


def circumstances() -> dict:
    """Date, versions, processor model and cores; nothing that names a computer or a person."""
    return {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "python": platform.python_version(),
            "versions": _versions(),
            "machine": {"processor": _processor(), "cores": os.cpu_count()}}


def lines(name: str) -> list[dict]:
    """The lines measured so far; a last line that a kill cut in half is left out."""
    path = RESULTS / f"{name}.jsonl"
    if not path.exists():
        return []
    whole = path.read_text().split("\n")[:-1]
    return [json.loads(line) for line in whole if line]


def append(name: str, line: dict) -> None:
    """Add one line, whole and on the disk, behind the whole lines that are there."""
    RESULTS.mkdir(exist_ok=True)
    write_text(RESULTS / f"{name}.jsonl", "".join(json.dumps(entry) + "\n" for entry in [*lines(name), line]))


class Results:
    """The runs of one benchmark, each under a key; those already in the file are not run again."""

    def __init__(self, name: str, what: str):
        self.path, self.what = RESULTS / f"{name}.json", what
        self.runs = json.loads(self.path.read_text())["runs"] if self.path.exists() else []

    def once(self, key: str, measure: Callable[[], dict]) -> dict:
        """The run of this key: read from the file, or measured now and added to it."""
        for run in self.runs:
            if run["key"] == key:
                return run
        run = {"key": key, **measure(), **circumstances()}
        self.runs.append(run)
        RESULTS.mkdir(exist_ok=True)
        entries = ",\n".join(json.dumps(entry) for entry in self.runs)
        write_text(self.path, f'{{"what": {json.dumps(self.what)}, "runs": [\n{entries}\n]}}\n')
        print(json.dumps({name: value for name, value in run.items() if name not in ("steps", "returns", "versions")}),
              flush=True)
        return run


def _versions() -> dict[str, str]:
    """Of those PACKAGES that are here: some only come with the tests."""
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _processor() -> str:
    try:
        facts = Path("/proc/cpuinfo").read_text()
        return next(line.split(":", 1)[1].strip() for line in facts.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
