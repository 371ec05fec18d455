"""The `course` command: quick to start, and every known fault a sentence."""

import sqlite3
import subprocess
import sys
import types

import pytest

from course_lib import cli
from course_lib.errors import CourseError


def test_help_lists_every_command_and_imports_nothing_heavy():
    script = ("import sys\nfrom course_lib.cli import main\n"
              "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
              "print('heavy:', sorted({'torch', 'numpy', 'IPython', 'matplotlib', 'jupyterlab'} & set(sys.modules)))")
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.endswith("heavy: []\n")
    for name, command in cli.COMMANDS.items():
        assert f"    {name} " in said and command.help in said


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_its_own_help(name, capsys):
    try:
        code = cli.main([name, "--help"])
    except SystemExit as end:
        code = end.code
    assert code == 0
    assert f"usage: course {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_only_the_module_of_the_command_is_loaded(name):
    script = (f"import sys\nfrom course_lib import cli\ncli.parser(['{name}'])\n"
              "print('torch' in sys.modules)")
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == "False\n"


def test_an_unknown_command_is_told_the_known_ones(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["labb"])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "invalid choice: 'labb'" in said and "lab" in said and "doctor" in said


@pytest.fixture
def failing(monkeypatch):
    """Let `course fail` raise the given error."""
    def prepare(error: Exception) -> None:
        def raise_it(_):
            raise error

        module = types.ModuleType("course_lib.failing")
        module.add_parser = lambda subparsers: subparsers.add_parser("fail").set_defaults(run=raise_it)
        monkeypatch.setitem(sys.modules, "course_lib.failing", module)
        monkeypatch.setitem(cli.COMMANDS, "fail", cli.Command("course_lib.failing", "fails"))
    return prepare


@pytest.mark.parametrize(("error", "sentence"), [
    (CourseError("Lesson 99 does not exist."), "course: Lesson 99 does not exist."),
    (PermissionError(13, "Permission denied", "my_work/labels"), "course: my_work/labels cannot be read or written"),
    (FileNotFoundError(2, "No such file", "notebooks/x.ipynb"), "course: notebooks/x.ipynb is missing."),
    (OSError(28, "No space left on device", "my_work/a"), "course: No space left on device (my_work/a)."),
    (sqlite3.DatabaseError("file is not a database"), "could not be used: file is not a database."),
    (ModuleNotFoundError("No module named 'torch'", name="torch"), "the package torch is not installed. Run"),
])
def test_known_faults_are_one_sentence(failing, capsys, error, sentence):
    failing(error)
    assert cli.main(["fail"]) == 1
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1


@pytest.mark.parametrize("words", [["--traceback", "fail"], ["fail", "--traceback"]])
def test_traceback_shows_where_a_known_fault_came_from(failing, words):
    failing(CourseError("Lesson 99 does not exist."))
    with pytest.raises(CourseError):
        cli.main(words)


@pytest.mark.parametrize("error", [ValueError("a bug"), ModuleNotFoundError("gone", name="course_lib.gone")])
def test_a_bug_is_not_hidden(failing, error):
    failing(error)
    with pytest.raises(type(error)):
        cli.main(["fail"])


def test_ctrl_c_is_no_traceback(failing, capsys):
    failing(KeyboardInterrupt())
    assert cli.main(["fail"]) == 130
    assert capsys.readouterr().err == "\nStopped.\n"
