"""Every claim of the lessons with its margin, under several processors: `.venv/bin/python tools/claims.py [NN ...]`.

A claim (`expect`) about a training run must hold on any processor. This script runs the lessons (and with
`--solutions` the solutions) once for each setting, notes how far each claim was from its bound, and prints the narrow
ones first, so that they are seen before they fail.

The settings: `native` (this machine's own kernels), `default` (torch's plainest), `avx2`, `avx512`, `mkl` and
`mkl-avx2` (Intel's matrix library in the form that every processor computes alike, and its AVX2 form), `dnnl` and
`dnnl-avx` (oneDNN's plain forms), `bfloat16` and `float32` (what language models take where a processor is quick with
16-bit products, and where it is not), and `rounding-N` (N any number): native, with the last bit of trained weights
turned by chance, which is what another processor's kernels amount to (course_lib/authoring/rounding.py). A plus joins
several: `rounding-1+bfloat16`.

Exit code 1 when a claim or a cell failed under any setting.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from course_lib import kernel, paths
from course_lib.authoring import execute

SETTINGS = {
    "native": {}, "default": {"ATEN_CPU_CAPABILITY": "default"}, "avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "avx512": {"ATEN_CPU_CAPABILITY": "avx512"}, "mkl": {"MKL_CBWR": "COMPATIBLE"}, "mkl-avx2": {"MKL_CBWR": "AVX2"},
    "dnnl": {"DNNL_MAX_CPU_ISA": "SSE41"}, "dnnl-avx": {"DNNL_MAX_CPU_ISA": "AVX"},
    "bfloat16": {"COURSE_BFLOAT16": "1"}, "float32": {"COURSE_BFLOAT16": "0"}}
QUICK = ("default", "rounding-1+bfloat16")
STARTUP = """
import os
from course_lib.authoring import margins, rounding
margins.install(get_ipython(), margins.note_in({path!r}))
if os.environ.get("COURSE_ROUNDING"):
    rounding.install(int(os.environ["COURSE_ROUNDING"]))
"""
NARROW = 2.0        # standard deviations between the settings that a margin should be away from 0


def main(words: list[str] | None = None) -> int:
    """Run what is asked for, print the table, and return 1 when a claim or a cell failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", metavar="NN", help="only these lessons (default: all)")
    parser.add_argument("--settings", nargs="+", default=list(QUICK), metavar="NAME",
                        help=f"of {', '.join(SETTINGS)}, rounding-N (default {' '.join(QUICK)})")
    parser.add_argument("--budget", choices=("ci", "full"), default="ci", help="short runs or the lesson's own")
    parser.add_argument("--solutions", action="store_true", help="run the solutions too")
    parser.add_argument("--all", action="store_true", help="print every claim, not only failed and narrow ones")
    parser.add_argument("--jobs", type=int, default=2, help="notebooks at a time (default 2)")
    parser.add_argument("--save", type=Path, metavar="FILE", help="add each claim of each run to FILE, a line of JSON")
    parser.add_argument("--read", action="store_true", help="run nothing; print the table of what --save has kept")
    options = parser.parse_args(words)
    if options.read:
        records = [json.loads(line) for line in options.save.read_text(encoding="utf-8").splitlines()]
        return report(records, options.all)
    folders = ("notebooks", "solutions") if options.solutions else ("notebooks",)
    notebooks = [path for folder in folders for path in sorted((paths.root() / folder).glob("[0-9][0-9]_*.ipynb"))
                 if not options.lessons or path.name[:2] in options.lessons]
    jobs = [(path, setting) for setting in options.settings for path in notebooks]
    records: list[dict[str, Any]] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for found in pool.map(lambda job: run(*job, options.budget), jobs):
            records += found
            if options.save:
                with options.save.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(record) + "\n" for record in found)
    return report(records, options.all)


def variables(setting: str) -> dict[str, str]:
    """The environment variables of a setting. Raises SystemExit for an unknown one."""
    if "+" in setting:
        return {name: value for part in setting.split("+") for name, value in variables(part).items()}
    if setting.startswith("rounding-") and setting[9:].isdigit():
        return {"COURSE_ROUNDING": setting[9:]}
    if setting not in SETTINGS:
        raise SystemExit(f"There is no setting {setting!r}. There are: {', '.join(SETTINGS)}, rounding-N, "
                         "and several joined by a plus.")
    return SETTINGS[setting]


def run(path: Path, setting: str, budget: str) -> list[dict[str, Any]]:
    """One notebook under one setting: a dict for each claim, and one for each cell that raised."""
    notebook = nbformat.read(path, as_version=4)
    name = f"{path.parent.name}/{path.stem}"
    about = {"notebook": name, "setting": setting, "budget": budget}
    with tempfile.TemporaryDirectory(prefix="course-claims-") as folder:
        place, noted = Path(folder), Path(folder) / "claims.jsonl"
        startup = place / "ipython" / "profile_default" / "startup"
        startup.mkdir(parents=True)
        (startup / "00-margins.py").write_text(STARTUP.format(path=str(noted)), encoding="utf-8")
        environment = {**execute.environment(place / "work"), **variables(setting), "COURSE_BUDGET": budget,
                       "IPYTHONDIR": str(place / "ipython"), "OMP_NUM_THREADS": "1"}
        client = NotebookClient(notebook, timeout=1800, kernel_name=kernel.NAME, allow_errors=True,
                                resources={"metadata": {"path": str(path.parent)}})
        records = []
        try:
            client.execute(env=environment)
        except (CellTimeoutError, DeadKernelError) as error:
            records.append({**about, "cell": -1, "claim": f"the notebook did not end: {type(error).__name__}",
                            "held": False, "slack": None, "relative": None, "bound": ""})
        for index, cell in enumerate(notebook.cells):
            records += [{**about, "cell": index + 1, "claim": f"the cell raised {output.ename}: {output.evalue[:300]}",
                         "held": False, "slack": None, "relative": None, "bound": ""}
                        for output in cell.get("outputs", ()) if output.output_type == "error"]
        lines = noted.read_text(encoding="utf-8").splitlines() if noted.exists() else []
        records += [{**about, **json.loads(line)} for line in lines]
    failed = sum(not record["held"] for record in records)
    print(f"{name} under {setting}: {len(lines)} claims, {failed} failed", file=sys.stderr, flush=True)
    return records


def report(records: list[dict[str, Any]], everything: bool) -> int:
    """Print claims from the narrowest: its margins under each setting, relative to the larger side of the bound."""
    claims: dict[tuple, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        claims[record["notebook"], record["claim"], record["budget"]].append(record)
    rows = sorted(claims.items(), key=lambda item: distance(item[1]))
    failed = [key for key, runs in rows if not all(run["held"] for run in runs)]
    narrow = [key for key, runs in rows if key not in failed and distance(runs) < NARROW]
    print(f"{len(rows)} claims, {len(failed)} failed somewhere, {len(narrow)} narrow "
          f"(the smallest margin is under {NARROW:g} standard deviations between the runs)\n")
    for key, runs in rows:
        if not (everything or key in failed or key in narrow):
            continue
        mark = "FAILED" if key in failed else "narrow" if key in narrow else "ok"
        print(f"{mark:<7} {key[0]}, cell {runs[0]['cell']} ({key[2]}): {key[1]}")
        print("        " + "; ".join(margin(run) for run in runs))
    return int(bool(failed))


def distance(runs: list[dict[str, Any]]) -> float:
    """The smallest margin in standard deviations between the runs; -1 for a failure, infinite where nothing varies."""
    if not all(run["held"] for run in runs):
        return -1.0
    slacks = [run["slack"] for run in runs if run["slack"] is not None]
    deviation = statistics.stdev(slacks) if len(slacks) > 1 else 0.0
    return min(slacks) / deviation if deviation > 1e-9 * max(map(abs, slacks), default=0) else float("inf")


def margin(run: dict[str, Any]) -> str:
    """One run of a claim in a few words: the setting, the deciding bound, and the margin as a share of it."""
    mark = "" if run["held"] else " FAILED"
    if run["slack"] is None:
        return f"{run['setting']}{mark or ' held'}"
    return f"{run['setting']} {run['bound']} ({run['relative']:+.0%}){mark}"


if __name__ == "__main__":
    os.chdir(paths.root())
    sys.exit(main())
