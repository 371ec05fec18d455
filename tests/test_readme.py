"""The README says what is so: its table, its commands, its links."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.course_map import MAP, markdown_map

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_is_that_of_the_course_map():
    command = "python -c 'from course_lib.course_map import markdown_map; print(markdown_map())'"
    assert markdown_map() in README, f"put the output of this command into the README: {command}"


def test_every_lesson_on_disk_is_on_the_map():
    slugs = {entry.slug for entry in MAP}
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} <= slugs | {"glossary"}


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https?:)([^)#]+)\)", README))
def test_links_lead_to_files(target: str):
    assert (ROOT / target).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z-]+)\b(?=[ `\n])", README)) - {"up", "it"}))
def test_make_targets_exist(target: str):
    assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_course_commands_exist():
    said = set(re.findall(r"`course ([a-z]+)", README))
    command = [sys.executable, "-m", "course_lib.cli", "--help"]
    helped = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    known = set(re.findall(r"^\s{2,}([a-z]+)\s", helped.stdout, re.MULTILINE))
    assert said and said <= known
