"""The unit tests on a loaded machine, again and again: does one of them depend on who is quicker, or on their order?

    .venv/bin/python tools/loaded.py --runs 10 --settings

Each run has two busy loops beside it and an order of its own. With `--settings` the runs also take turns with the
variables below, under which torch computes as on other processors. A row is printed for each run; the output of the
runs that did not pass is kept. Exit code 1 when there is one. To repeat a row on its own: --runs 1 --seed SEED.
"""

import argparse
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from run_tests import STAGES, run

LOOPS = 2
PATIENCE = 5        # times the stage's budget, which is for a machine with nothing else to do
SETTINGS = ("", "ATEN_CPU_CAPABILITY=default", "MKL_CBWR=COMPATIBLE", "DNNL_MAX_CPU_ISA=SSE41")
LOOP = """
import os, sys, threading
threading.Thread(target=lambda: os._exit(len(sys.stdin.read())), daemon=True).start()       # its starter has ended
while True:
    pass
"""


def main() -> int:
    """Run the unit stage as often as asked for, and print the table; 1 when a run did not pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="of the first run's order; the next runs count on (default: chance)")
    parser.add_argument("--settings", nargs="*", metavar="NAME=VALUE", default=[""],
                        help=f"take turns with these; without any, with none and {', '.join(SETTINGS[1:])}")
    options = parser.parse_args()
    settings = options.settings or SETTINGS
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    logs = Path(tempfile.mkdtemp(prefix="loaded-"))
    print(f"{'run':>3} {'seed':>8} {'setting':<28} {'result':<8} {'seconds':>8}", flush=True)
    bad = 0
    with busy() as loops:
        for number in range(options.runs):
            bad += not one_run(number + 1, first + number, settings[number % len(settings)], logs)
            if any(loop.poll() is not None for loop in loops):
                sys.exit("Somebody else has ended a busy loop: the last run was not loaded, and proves nothing.")
    print(f"{bad} of {options.runs} runs did not pass" + (f"; what they said is in {logs}" if bad else ""))
    if not bad:
        logs.rmdir()
    return int(bad > 0)


def one_run(number: int, seed: int, setting: str, logs: Path) -> bool:
    """Run the unit stage once and print its row; whether it passed. What a run said is kept when it did not."""
    stage = next(stage for stage in STAGES if stage.name == "units")
    command = (*stage.command, "--verbose", f"--randomly-seed={seed}")      # a run that is stopped names its tests, too
    stage = replace(stage, command=command, budget=PATIENCE * stage.budget)
    log = logs / f"run-{number}.log"
    with tempfile.TemporaryDirectory(prefix="course-tests-") as work, log.open("wb") as output:
        result = run(stage, Path(work) / "units", output, **dict([setting.split("=", 1)] if setting else []))
    print(f"{number:>3} {seed:>8} {setting or 'none':<28} {result.status:<8} {result.seconds:>8.1f}", flush=True)
    if result.status == "passed":
        log.unlink()
        return True
    for name in re.findall(r"^(?:FAILED|ERROR) (\S.*)", log.read_text(encoding="utf-8", errors="replace"), re.M):
        print(f"      {name}", flush=True)
    return False


@contextmanager
def busy() -> Iterator[list[subprocess.Popen]]:
    """Keep `LOOPS` processors busy. A loop ends with this program whatever becomes of it: its stdin is closed then."""
    loops = []
    try:
        for _ in range(LOOPS):
            loops.append(subprocess.Popen([sys.executable, "-c", LOOP], stdin=subprocess.PIPE,
                                          stderr=subprocess.DEVNULL))
        yield loops
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
            loop.stdin.close()


if __name__ == "__main__":
    sys.exit(main())
