"""The teacher's guide: every command in it exists, and what it says that they print is what they print."""

import re
import shlex

import pytest

from course_lib import cli, paths
from course_lib.classroom import deadlines, hidden

GUIDE = (paths.root() / "classroom" / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    \.venv/bin/course (.+)$", GUIDE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_one(command):
    words = shlex.split(command)
    assert cli.parser(words).parse_args(words).run


def test_the_guide_shows_each_step():
    assert [" ".join(command.split()[:2]) for command in COMMANDS] == [
        "classroom init", "grade ../my_class/submitted", "classroom export", "classroom dashboard", "classroom labels",
        "classroom init", "classroom export", "classroom init"]         # nbgrader; solutions held back
    assert "sudo .venv/bin/course classroom hub ../my_class" in GUIDE


def test_what_init_prints(tmp_path, capsys, monkeypatch):
    roster = re.search(r"```\n(student,.+?)```", GUIDE, re.DOTALL)[1]
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "roster.csv").write_text(roster)
    monkeypatch.chdir(tmp_path / "course")
    assert cli.main(shlex.split(COMMANDS[0])) == 0
    for line in capsys.readouterr().out.splitlines():
        assert f"    {line}\n" in GUIDE
    assert (tmp_path / "my_class" / deadlines.FILE).is_file() and hidden.read(tmp_path / "my_class" / "private")
    assert sorted(path.name for path in (tmp_path / "my_class" / "submitted").iterdir()) == ["ada", "bob", "cleo"]
