"""The runner of the suite, the Makefile, and the script of the continuous integration."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from course_lib.paths import root


@pytest.fixture
def runner(monkeypatch):
    """tools/run_tests.py, loaded afresh, with two stages of our own that the test may change."""
    spec = importlib.util.spec_from_file_location("run_tests", root() / "tools" / "run_tests.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "run_tests", module)
    spec.loader.exec_module(module)
    return module


def python(code: str) -> tuple[str, ...]:
    """The command that runs this code."""
    return (sys.executable, "-c", code)


def test_a_failing_stage_does_not_stop_the_others_and_fails_the_whole(runner, monkeypatch, capfd):
    monkeypatch.setattr(runner, "STAGES", (runner.Stage("first", "fails", python("raise SystemExit(5)"), 9),
                                           runner.Stage("second", "works", python("print('at work')"), 9)))
    monkeypatch.setattr(sys, "argv", ["run_tests.py"])
    assert runner.main() == 1
    said = capfd.readouterr().out
    assert "at work" in said
    table = said[said.index("=== the suite"):].splitlines()
    assert [row.split()[:2] for row in table[2:]] == [["first", "FAILED"], ["second", "passed"], ["all", "1"]]


def test_over_budget_is_a_warning_and_far_over_is_stopped(runner, monkeypatch, tmp_path):
    quick = runner.Stage("quick", "a bit over", python("pass"), 60)
    assert runner.run(quick, tmp_path).status == "passed"
    late = runner.table([runner.Result(quick, "passed", 60.5)])
    assert "over budget" in late and "BAD" not in late
    stuck = runner.Stage("stuck", "never ends", python("import time; time.sleep(60)"), 1)
    assert runner.run(stuck, tmp_path, patience=0.5).status == "STOPPED"


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a stage is stopped without a word")
def test_a_stage_that_is_stopped_may_say_what_had_failed(runner, tmp_path, capfd):
    as_pytest_does = "import time\ntry:\n    time.sleep(600)\nfinally:\n    print('the name of it', flush=True)"
    assert runner.run(runner.Stage("two", "hangs", python(as_pytest_does), 1), tmp_path, patience=5).status == "STOPPED"
    assert "the name of it" in capfd.readouterr().out


def test_one_may_have_more_patience(runner, monkeypatch, capfd):
    takes_longer = runner.Stage("long", "takes longer", python("import time; time.sleep(3)"), 1)
    monkeypatch.setattr(runner, "STAGES", (takes_longer,))
    for words, status in ((["--patience", "0.5"], "STOPPED"), (["--patience", "60"], "passed")):
        monkeypatch.setattr(sys, "argv", ["run_tests.py", *words])
        runner.main()
        assert status in capfd.readouterr().out


def test_every_stage_runs_strictly_in_the_ci_budget_and_in_a_work_folder_of_its_own(runner, tmp_path, capfd):
    names = ("COURSE_STRICT", "COURSE_BUDGET", "COURSE_WORK", "OMP_NUM_THREADS")
    code = f"import os; print([os.environ[name] for name in {names}])"
    runner.run(runner.Stage("look", "prints", python(code), 9), tmp_path / "look")
    assert str(["1", "ci", str(tmp_path / "look"), "1"]) in capfd.readouterr().out


@pytest.mark.skipif(os.name != "posix", reason="sends itself SIGINT")
def test_interrupted_while_a_stage_is_being_started_ends_it(runner, monkeypatch, tmp_path):
    started = []

    class Interrupted(subprocess.Popen):
        def __init__(self, *words, **options):
            super().__init__(*words, **options)
            started.append(self)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(runner.subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.run(runner.Stage("stuck", "never ends", python("import time; time.sleep(600)"), 9), tmp_path)
    [process] = started
    assert process.returncode == -signal.SIGKILL


def test_only_the_unit_tests_run_in_an_order_of_chance(runner):
    tests = {stage.name: stage.command for stage in runner.STAGES if "pytest" in stage.command}
    assert [name for name, command in tests.items() if "no:randomly" not in command] == ["units"]


def test_slow_stages_run_with_all_only(runner, monkeypatch, capfd):
    monkeypatch.setattr(runner, "STAGES", (runner.Stage("slow", "slow", python("print('crawling')"), 9, slow=True),))
    monkeypatch.setattr(sys, "argv", ["run_tests.py"])
    assert runner.main() == 0 and "crawling" not in capfd.readouterr().out
    monkeypatch.setattr(sys, "argv", ["run_tests.py", "--all"])
    assert runner.main() == 0 and "crawling" in capfd.readouterr().out


def test_the_budgets_of_a_quick_processor_keep_to_25_and_90_minutes(runner):
    quick = sum(stage.budget for stage in runner.STAGES if not stage.slow)
    everything = sum(stage.budget for stage in runner.STAGES)
    assert quick <= 21 * 60 and everything <= 86 * 60      # with 4 for the set-up


def make(*words: str) -> str:
    """What make prints, called from a clean environment: the suite itself runs under make."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ARGS", "TORCH_INDEX")}
    return subprocess.run(["make", *words], cwd=root(), env=environment, capture_output=True, text=True,
                          check=True).stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
@pytest.mark.parametrize(("words", "expected"), [
    (["lab", "ARGS=--no-browser --port 8899"], ["tools/bootstrap.py", ".venv/bin/course lab --no-browser --port 8899"]),
    (["lab", "TORCH_INDEX=URL"], ['tools/bootstrap.py --torch-index=\'URL\'', ".venv/bin/course lab"]),
    (["lab-scale"], ["tools/bootstrap.py --scale", ".venv/bin/course lab"]),
    (["test"], ["tools/bootstrap.py --test", ".venv/bin/python tools/run_tests.py"]),
    (["test-all"], ["tools/bootstrap.py --test --classroom", ".venv/bin/python tools/hub_proxy.py",
                    ".venv/bin/python tools/run_tests.py --all"]),
    (["classroom"], ["tools/bootstrap.py --classroom", ".venv/bin/python tools/hub_proxy.py"]),
    (["setup"], ["tools/bootstrap.py"]),
])
def test_make_does_what_it_says(words, expected):
    lines = [" ".join(line.split()) for line in make("-n", *words).splitlines()]
    assert len(lines) == len(expected)
    assert all(line.endswith(end) for line, end in zip(lines, expected, strict=True))


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
def test_make_alone_prints_help():
    said = make()
    assert "make lab " in said and "make test " in said and "TORCH_INDEX=URL" in said


@pytest.mark.skipif(os.name != "posix", reason="a script for Debian")
@pytest.mark.parametrize(("words", "target"), [((), "test"), (("test-all",), "test-all")])
def test_the_continuous_integration_installs_what_its_target_needs(words, target, tmp_path):
    programs, told = tmp_path / "programs", tmp_path / "told"
    programs.mkdir()
    for name in ("bash", "dirname", "env"):
        (programs / name).symlink_to(shutil.which(name))
    for name in ("apt-get", "make", "id", "python3"):                  # what else there is on this bare machine
        (programs / name).write_text(f'#!/usr/bin/env bash\necho {name} "$@" >> "{told}"\n[ {name} != id ] || echo 0\n')
        (programs / name).chmod(0o755)
    subprocess.run([programs / "bash", root() / ".ci" / "run", *words], env={"PATH": str(programs)}, check=True)
    lines = told.read_text().splitlines()
    [installed] = [set(line.split()) for line in lines if line.startswith("apt-get install")]
    assert {"chromium", "bubblewrap", "sqlite3"} <= installed and lines[-1] == f"make {target}"
    of_slow_tests = {"firefox-esr", "webkit2gtk-driver", "xvfb", "debootstrap"}.union(*(
        found.split() for file in (root() / "tests").glob("*.py")
        for found in re.findall(r"apt install ([a-z0-9 -]+[a-z0-9])\b(?!\.)", file.read_text(encoding="utf-8"))))
    assert {"npm", "epubcheck"} <= of_slow_tests
    missing = of_slow_tests - installed
    assert not missing if target == "test-all" else "epubcheck" in missing
