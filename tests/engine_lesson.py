"""Lesson 99, for the tests of the check engine: where its checks are, right and wrong functions, other processes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from waiting import LONG_ENOUGH

from course_lib.exercises import expect, hints, lesson_checks

ROOT = Path(__file__).resolve().parent.parent
LESSONS = Path(__file__).resolve().parent / "fixtures" / "lessons"

PREAMBLE = f"""
from pathlib import Path
from course_lib.exercises import lesson_checks
lesson_checks.further_folders.append(Path({str(LESSONS)!r}))
from course_lib import board, budget, check, expect, hint, mine
import torch
"""


def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make lesson 99 known and give it an empty my_work, which is returned (it does not exist yet)."""
    folder = tmp_path / "my_work"
    monkeypatch.setenv("COURSE_WORK", str(folder))
    for name in ("COURSE_STRICT", "COURSE_BUDGET", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(lesson_checks, "further_folders", [LESSONS])
    monkeypatch.setattr(hints, "_failures", {})
    monkeypatch.setattr(hints, "_opened", {})
    monkeypatch.setattr(expect, "_since", 0.0)
    return folder


def python(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `PREAMBLE` and `code`, from a file so that sources can be found, in a Python process of its own."""
    script = folder.parent / f"script_{len(list(folder.parent.glob('script_*')))}.py"
    script.write_text(PREAMBLE + code, encoding="utf-8")
    return subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=LONG_ENOUGH,
                          env=settings(folder, **environment))


def settings(folder: Path, **environment: str) -> dict[str, str]:
    """The environment of another process: this checkout's course_lib, and `folder` as my_work."""
    keep = {key: value for key, value in os.environ.items() if not key.startswith(("COURSE_", "JPY_"))}
    return {**keep, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "OMP_NUM_THREADS": "1",
            "COURSE_WORK": str(folder), **environment}


def right(r: Any) -> Any:
    """A right answer to 99.1, in other words than the course's."""
    total = r.sum(-1)
    return r - (total / r.shape[-1])[..., None]


def one_mean(r: Any) -> Any:
    """A wrong answer to 99.1: right for one row only."""
    return r - r.mean()


def stub(r: Any) -> Any:
    """Not written yet."""
    raise NotImplementedError            # your code
