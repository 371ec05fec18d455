"""The course's results, from the files that the benchmarks left: `.venv/bin/python tools/results_table.py`

Writes the table in README.md, between two markers, and the page docs/results.md. Every figure is read: from
benchmarks/results, or from what a stored notebook printed where no benchmark has it. None is typed in by hand, so after
a benchmark has run again, run this again. `--check` writes nothing and fails when README or page would change.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from course_lib.course_map import MAP  # noqa: E402
from tools import results_figures  # noqa: E402
from tools.results_agents import AGENTS  # noqa: E402
from tools.results_text import TEXTS  # noqa: E402

README, PAGE = ROOT / "README.md", ROOT / "docs" / "results.md"
BEGIN, END = "<!-- results: written by tools/results_table.py -->", "<!-- end of results -->"
INTRODUCTION = """# What comes out

Every figure on this page was read from a file that a benchmark of `benchmarks/` left, or from what a stored notebook
printed, by `python tools/results_table.py`. Times are CPU-seconds on one core of the machine in the last table.
Intervals are 95%: Wilson's for shares, Student's for means over seeds; ± is a standard deviation. What missed its aim
says so.
"""


def main() -> int:
    """Write README and page, or compare them with what would be written; 1 when they differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file would change")
    options = parser.parse_args()
    stale = []
    for path, text in written(README.read_text(encoding="utf-8")).items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
            if not options.check:
                path.write_text(text, encoding="utf-8")
    if options.check and stale:
        print(f"not up to date: {', '.join(stale)}. Run .venv/bin/python tools/results_table.py", file=sys.stderr)
        return 1
    print(f"written: {', '.join(stale) or 'nothing, all is up to date'}")
    return 0


def written(readme: str) -> dict[Path, str]:
    """README and results page as they have to be. Raises Missing when a figure is gone or the README has no markers."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise results_figures.Missing(f"README.md needs one line {BEGIN} and below it one line {END}")
    every = {number: measure() for number, measure in {**AGENTS, **TEXTS}.items()}
    rows = ["| lesson | result | seeds and 95% interval | from |", "|---|---|---|---|"]
    rows += [f"| {number} | {result} | {seeds} | {where} |" for number, (result, seeds, where, _) in every.items()]
    head, tail = readme.split(BEGIN)[0], readme.split(END)[1]
    page = [INTRODUCTION]
    for entry in MAP:
        if entry.number in every:
            page += [f"## {entry.number} {entry.title}\n", *(f"{text}\n" for text in every[entry.number][3])]
    page += ["## The files\n", *files()]
    return {README: "\n".join([head + BEGIN, *rows, END + tail]), PAGE: "\n".join(page) + "\n"}


def files() -> list[str]:
    """A table of the result files: how many runs, when, on what."""
    rows = ["| file in benchmarks/results | runs | measured | PyTorch | processor |", "|---|---|---|---|---|"]
    for path in sorted(results_figures.RESULTS.glob("*.json*")):
        runs = as_runs(path)
        dates = sorted({run["date"] for run in runs if "date" in run})
        torch = sorted({run["versions"]["torch"] for run in runs if "torch" in run.get("versions", {})})
        machine = sorted({f"{run['machine']['processor']}, {run['machine']['cores']} cores"
                          for run in runs if "machine" in run})
        when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}" if dates else ""
        rows.append(f"| {path.name} | {len(runs)} | {when} | {', '.join(torch)} | {', '.join(machine)} |")
    return rows


def as_runs(path: Path) -> list[dict]:
    """The runs of a result file; one that holds a single measurement is a single run."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    whole = json.loads(text)
    return whole.get("runs", [whole])


if __name__ == "__main__":
    sys.exit(main())
