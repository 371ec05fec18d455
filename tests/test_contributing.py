"""CONTRIBUTING.md, followed to the letter in a copy of the checkout."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import LONG_ENOUGH

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = re.findall(r"```python file=(\S+)\n(.*?)```", GUIDE, re.DOTALL)
COMMANDS = re.search(r"```console\n(.*?)```", GUIDE, re.DOTALL)[1].strip().split("\n")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a command needs: the library, and a folder for lessons, with the guide's files in their places."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "course_lib", root / "course_lib", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def course(checkout: Path, command: str) -> subprocess.CompletedProcess:
    """Run `course ...` on the copy."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "COURSE_ROOT": str(checkout), "COURSE_BUDGET": "ci",
                   "COURSE_WORK": str(checkout / "my_work")}
    words = command.split()
    assert words[0] == "course"
    return subprocess.run([sys.executable, "-m", "course_lib.cli", *words[1:]], cwd=checkout, env=environment,
                          capture_output=True, text=True, timeout=LONG_ENOUGH)


def test_the_guide_has_all_files_and_commands():
    assert [Path(name).name for name, _ in FILES] == ["lesson.py", "exercises.py", "checks.py", "answers.py"]
    assert COMMANDS == ["course build 16", "course answers 16", "course build --execute 16"]


def test_following_the_guide_builds_a_lesson(checkout: Path):
    for command in COMMANDS:
        done = course(checkout, command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "raise NotImplementedError" in (checkout / "exercises/16_your_lesson.ipynb").read_text()
    assert "return 1 / chance" in (checkout / "solutions/16_your_lesson.ipynb").read_text()
    assert "the dice agree with the formula" in (checkout / "notebooks/16_your_lesson.ipynb").read_text()


def test_a_wrong_answer_that_passes_is_caught(checkout: Path):
    answers = checkout / "lessons/16_your_lesson/answers.py"
    text = answers.read_text()
    answers.write_text(text.replace("return 1 / chance - 1", "return 1 / chance"))
    try:
        assert course(checkout, "course answers 16").returncode == 1
    finally:
        answers.write_text(text)
