"""tools/loaded.py: a row for each run, the output of a bad one kept, and busy loops that never outlive it."""

import os
import signal
import subprocess
import sys
import tempfile

import psutil
import pytest
from waiting import until

from course_lib.paths import root

TOOLS = root() / "tools"


@pytest.fixture
def loaded(monkeypatch, tmp_path):
    """The module, with a unit stage that passes under no setting and fails under one, and a folder for its logs."""
    monkeypatch.syspath_prepend(str(TOOLS))
    for name in ("loaded", "run_tests"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import loaded

    code = "import os, sys; print('FAILED tests/a.py::b', sys.argv[2]); sys.exit(os.environ.get('SLOW') == 'yes')"
    monkeypatch.setattr(loaded, "STAGES", [loaded.STAGES[0], loaded.replace(
        next(stage for stage in loaded.STAGES if stage.name == "units"), command=(sys.executable, "-c", code))])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield loaded
    for name in ("loaded", "run_tests"):
        sys.modules.pop(name, None)


def test_a_row_for_each_run_and_the_words_of_a_bad_one(loaded, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["loaded.py", "--runs", "3", "--seed", "7", "--settings", "FAST=yes", "SLOW=yes"])
    assert loaded.main() == 1
    _, *rows, last = capsys.readouterr().out.splitlines()
    assert [row.split()[:4] for row in rows if "tests/" not in row] == [
        ["1", "7", "FAST=yes", "passed"], ["2", "8", "SLOW=yes", "FAILED"], ["3", "9", "FAST=yes", "passed"]]
    assert rows[2].strip() == "tests/a.py::b --randomly-seed=8" and last.startswith("1 of 3 runs did not pass")
    [log] = tmp_path.glob("loaded-*/*.log")
    assert log.name == "run-2.log" and str(log.parent) in last and "FAILED" in log.read_text()


def test_runs_that_pass_leave_nothing(loaded, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["loaded.py", "--runs", "1"])
    assert loaded.main() == 0 and "none" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_run_whose_busy_loops_were_ended_proves_nothing(loaded, monkeypatch):
    def ends_them(*_):
        for child in psutil.Process().children():
            if loaded.LOOP in child.cmdline():
                child.kill()
                child.wait()
        return True

    monkeypatch.setattr(sys, "argv", ["loaded.py", "--runs", "2"])
    monkeypatch.setattr(loaded, "one_run", ends_them)
    with pytest.raises(SystemExit, match="proves nothing"):
        loaded.main()


@pytest.mark.parametrize("ending", [pytest.param(signal.SIGINT, marks=pytest.mark.skipif(
    os.name != "posix", reason="no signals here")), signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)])
def test_the_busy_loops_end_with_their_starter_however_it_ends(ending):
    code = ("import loaded, time\nwith loaded.busy():\n    print('busy', flush=True)\n    time.sleep(600)")
    starter = subprocess.Popen([sys.executable, "-c", code], cwd=TOOLS, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(root())})
    try:
        assert starter.stdout.readline().strip() == b"busy"
        loops = psutil.Process(starter.pid).children()
        assert len(loops) == 2 and all(loop.is_running() for loop in loops)
        starter.send_signal(ending)
        until(lambda: not any(alive(loop) for loop in loops))
    finally:
        starter.kill()
        starter.communicate()


def alive(process: psutil.Process) -> bool:
    """Whether the process still runs; one that nobody has buried yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
