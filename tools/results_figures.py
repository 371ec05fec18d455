"""Figures of the results, read from the files of benchmarks/ and from stored notebooks, and put into words."""

import json
import math
import re
import statistics
from pathlib import Path

from scipy.stats import t

from course_lib.lm.blind_evaluation import wilson

ROOT = Path(__file__).resolve().parent.parent
RESULTS, NOTEBOOKS = ROOT / "benchmarks" / "results", ROOT / "notebooks"
DASH = "–"


class Missing(SystemExit):
    """A figure that a sentence needs is not in its file any more."""


def load(name: str) -> list[dict]:
    """The runs in `NAME.jsonl` or `NAME.json` of benchmarks/results, by seed. Raises Missing where there are none."""
    path = next((path for path in (RESULTS / f"{name}.jsonl", RESULTS / f"{name}.json") if path.is_file()), None)
    if path is None:
        raise Missing(f"benchmarks/results has no file {name}: run the benchmark again, or take its sentences out")
    text = path.read_text(encoding="utf-8")
    runs = json.loads(text)["runs"] if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]
    if not runs:
        raise Missing(f"{path} is empty")
    return sorted(runs, key=lambda run: run.get("seed", 0))


def goal(benchmark: str, names: str) -> tuple[float, ...]:
    """The bounds that a benchmark itself holds its seeds to, from the line `NAMES = ...` of its source."""
    source = (ROOT / "benchmarks" / f"{benchmark}.py").read_text(encoding="utf-8")
    found = re.search(rf"^{names} = ([\d., ]+)", source, re.MULTILINE)
    if not found:
        raise Missing(f"benchmarks/{benchmark}.py does not set {names} any more")
    return tuple(float(value) for value in found[1].split(","))


def keyed(name: str, start: str) -> list[dict]:
    """The runs of a .json file whose key begins with `start`."""
    found = [run for run in load(name) if run["key"].startswith(start)]
    if not found:
        raise Missing(f"benchmarks/results/{name}.json has no run whose key begins with {start!r}")
    return found


def printed(notebook: str, pattern: str) -> tuple[str, ...]:
    """The groups of the first match of `pattern` in what the cells of a stored notebook printed."""
    path = next(NOTEBOOKS.glob(f"{notebook}_*.ipynb"))
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", ()))
    found = re.search(pattern, text)
    if not found:
        raise Missing(f"{path} does not print {pattern!r} any more: change the sentence in tools/results_*.py")
    return found.groups()


def claim(notebook: str, words: str) -> str:
    """What was measured for a claim that held in the stored notebook."""
    return printed(notebook, rf"✓ {re.escape(words)} \(measured (.+?), [\d.]+ CPU-seconds")[0]


def number(value: float, digits: int) -> str:
    """Rounded as people round: 17.15 is 17.2, although its float lies a trace below."""
    return f"{value + math.copysign(1e-9, value):.{digits}f}"


def span(values: list[float], digits: int = 0, unit: str = "", to: str = " to ") -> str:
    """`4.3 to 8.9`, or one number where they are the same."""
    low, high = number(min(values), digits), number(max(values), digits)
    return f"{low}{unit}" if low == high else f"{low}{to}{high}{unit}"


def each(values: list[float], digits: int = 1) -> str:
    """`20.0, 18.8 and 19.3`."""
    words = [number(value, digits) for value in values]
    return listed(words)


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def percent(share: float, digits: int = 0) -> str:
    """`72%`."""
    return f"{number(100 * share, digits)}%"


def of_seeds(good: int, every: int) -> str:
    """`5 of 5 seeds (57–100%)`, with Wilson's 95% interval."""
    return f"{good} of {every} seeds ({between(*wilson(good, every))})"


def between(low: float, high: float) -> str:
    """`57–100%`."""
    return f"{percent(low)[:-1]}{DASH}{percent(high)}"


def mean_interval(values: list[float], digits: int = 1, unit: str = "") -> tuple[str, str]:
    """(`19.4`, `5 seeds (18.8–19.9)`): the mean over the seeds with Student's 95% interval."""
    middle, error = statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5
    half = float(t.ppf(0.975, len(values) - 1)) * error
    ends = span([middle - half, middle + half], digits, unit, DASH)
    return number(middle, digits) + unit, f"{len(values)} seeds ({ends})"


def plus_minus(values: list[float], digits: int = 1, scale: float = 100.0) -> str:
    """`65.8 ± 2.1`, mean and standard deviation over seeds or splits; in percent unless `scale` says otherwise."""
    return f"{number(scale * statistics.mean(values), digits)} ± {number(scale * statistics.stdev(values), digits)}"


def seeds_of(rows: list[dict]) -> str:
    """`seed 5`, or `seeds 5, 7 and 1000 to 1004`."""
    blocks: list[list[int]] = []
    for seed in sorted(column(rows, "seed")):
        if blocks and seed == blocks[-1][-1] + 1:
            blocks[-1].append(seed)
        else:
            blocks.append([seed])
    words = [word for block in blocks
             for word in ([f"{block[0]} to {block[-1]}"] if len(block) > 2 else map(str, block))]
    return ("seeds " if len(rows) > 1 else "seed ") + listed(words)


def column(rows: list[dict], name: str) -> list:
    """One figure of each run."""
    return [row[name] for row in rows]
