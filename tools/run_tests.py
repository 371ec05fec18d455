"""The whole suite, stage by stage: `make test`, or `.venv/bin/python tools/run_tests.py --only units`.

Each stage has a budget in seconds, printed with what it took; over budget is a warning, and a stage that takes four
times its budget is stopped (`--patience 12` waits longer: for a slow or busy machine). A failing stage does not stop
the others; the exit code is 1 when one failed. `--all` adds the slow proofs. The notebooks run in the CI budget, where
checks and claims raise.

The unit tests run in an order drawn anew each time; pytest prints its seed (`Using --randomly-seed=...`), and
`python -m pytest --randomly-seed=SEED -m "not slow and not browser" tests --ignore=tests/notebooks` repeats it.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from course_lib.interrupts import PatientInterrupt

ROOT = Path(__file__).resolve().parent.parent
STOP_AFTER = 4      # budgets; --patience
LAST_WORDS = 20.0   # seconds that a stage has to say what failed before it was stopped
COURSE = (sys.executable, "-m", "course_lib.cli")
PYTEST = (sys.executable, "-m", "pytest", "--color=auto", "-p", "no:cacheprovider",
          "--durations=15", "--durations-min=5")
IN_ORDER = ("-p", "no:randomly")
TWO = ("-n", "2", "--dist", "worksteal")        # two processes; one that has nothing left takes over of the other's


@dataclass(frozen=True)
class Stage:
    """One part of the suite."""

    name: str
    what: str
    command: tuple[str, ...]
    budget: int             # seconds on two cores
    slow: bool = False      # runs with --all only


STAGES = (
    Stage("lint", "ruff over everything, and the layers of course_lib", (sys.executable, "tools/lint.py"), 10),
    Stage("build", "the notebooks are what lessons/ says", (*COURSE, "build", "--check"), 30),
    Stage("answers", "right and wrong answers against every check", (*COURSE, "answers"), 200),
    Stage("units", "unit tests", (*PYTEST, *TWO, "-m", "not slow and not browser", "tests",
                                  "--ignore=tests/notebooks"), 300),
    Stage("notebooks", "notebooks and solutions in the CI budget", 
          (*PYTEST, *IN_ORDER, *TWO, "-m", "not slow", "tests/notebooks"), 505),
    Stage("browser", "a real JupyterLab in Chromium",
          (*PYTEST, *IN_ORDER, "-n", "2", "--dist", "loadfile", "-m", "browser and not slow", "tests"), 200),
    Stage("slow", "the slow proofs", (*PYTEST, *IN_ORDER, *TWO, "-m", "slow", "tests"), 3000, slow=True),
    Stage("processors", "every claim of the notebooks on other processors",
          (sys.executable, "tools/claims.py", "--solutions", "--settings", "default", "rounding-1+bfloat16"), 700,
          slow=True),
)


@dataclass(frozen=True)
class Result:
    """What became of a stage."""

    stage: Stage
    status: str        # passed, FAILED, STOPPED
    seconds: float


def main() -> int:
    """Run the stages asked for and print the closing table; 1 when one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="also the slow proofs")
    parser.add_argument("--only", nargs="+", metavar="STAGE", choices=[stage.name for stage in STAGES], default=[],
                        help="only these stages: %(choices)s")
    parser.add_argument("--patience", type=float, default=STOP_AFTER, metavar="BUDGETS",
                        help="stop a stage after so many times its budget (default: %(default)s)")
    options = parser.parse_args()
    stages = [stage for stage in STAGES
              if (stage.name in options.only if options.only else options.all or not stage.slow)]
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="course-tests-") as work:
        for stage in stages:
            print(f"\n=== {stage.name}: {stage.what} (budget {stage.budget} s)\n$ {shown(stage.command)}", flush=True)
            results.append(run(stage, Path(work) / stage.name, patience=options.patience))
    print(table(results))
    return int(any(result.status != "passed" for result in results))


def run(stage: Stage, work: Path, output: IO[bytes] | None = None, patience: float = STOP_AFTER,
        **variables: str) -> Result:
    """Run one stage in a my_work of its own, with these variables too; it speaks to the terminal or into `output`.

    It is stopped after `patience` times its budget.
    """
    environment = {**os.environ, "COURSE_STRICT": "1", "COURSE_BUDGET": "ci", "COURSE_WORK": str(work),
                   "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **variables}
    begun = time.monotonic()
    with PatientInterrupt() as interrupt:
        process = subprocess.Popen(stage.command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=output, start_new_session=os.name == "posix")
    try:
        if interrupt.asked:
            raise KeyboardInterrupt
        code = process.wait(patience * stage.budget)
        status = "passed" if code == 0 else "FAILED"
    except subprocess.TimeoutExpired:
        stop(process, says=LAST_WORDS)
        status = "STOPPED"
    except KeyboardInterrupt:
        stop(process)
        raise
    return Result(stage, status, time.monotonic() - begun)


def stop(process: subprocess.Popen, says: float = 0) -> None:
    """End a stage and whatever it started; with `says`, after so many seconds in which it may tell what had failed."""
    if says and os.name == "posix":
        process.send_signal(signal.SIGINT)              # pytest prints the failures so far, and ends
        with suppress(subprocess.TimeoutExpired):
            process.wait(says)
    if os.name == "posix":
        with suppress(ProcessLookupError):              # all of it has ended by itself
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def table(results: list[Result]) -> str:
    """The closing table: stage, status, seconds, budget, and a warning where it took longer."""
    rows = [f"{'stage':<10} {'result':<8} {'seconds':>8} {'budget':>7}"]
    for result in results:
        over = "  over budget" if result.seconds > result.stage.budget else ""
        row = f"{result.stage.name:<10} {result.status:<8} {result.seconds:>8.1f} {result.stage.budget:>7}"
        rows.append(row + over)
    total, budget = sum(result.seconds for result in results), sum(result.stage.budget for result in results)
    bad = sum(result.status != "passed" for result in results)
    rows.append(f"{'all':<10} {f'{bad} bad' if bad else 'passed':<8} {total:>8.1f} {budget:>7}")
    return "\n=== the suite\n" + "\n".join(rows)


def shown(command: tuple[str, ...]) -> str:
    """The command as one could type it, without the long path of Python."""
    words = ["python" if word == sys.executable else word for word in command]
    return " ".join(f'"{word}"' if " " in word else word for word in words)


if __name__ == "__main__":
    sys.exit(main())
