"""What grading costs: synthetic notebooks of one lesson, graded one after the other.

    .venv/bin/python benchmarks/grading.py                # 300 notebooks of lesson 03, about 10 minutes
    .venv/bin/python benchmarks/grading.py --count 20

A third of the notebooks are the solution, a third have one wrong answer, a third one that never ends or is not written.
Computing time counts this process and all processes of the students; the target is under 3 CPU-seconds a notebook.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from course_lib import atomic, paths
from course_lib.classroom import grading, notebooks, results, sandbox
from course_lib.exercises import registry

TARGET = 3.0            # CPU-seconds a notebook
SEED = 2**100           # of a class: hidden inputs, and a process of its own for each exercise
KINDS = ("right", "wrong", "right", "wrong", "right", "stub or endless")


def synthetic(lesson: str, number: int) -> dict[str, Any]:
    """Notebook number so and so: the solution, with another answer to one exercise in some."""
    book = json.loads(next((paths.root() / "solutions").glob(f"{lesson}_*.ipynb")).read_text(encoding="utf-8"))
    exercises = registry.of_lesson(lesson)
    exercise = exercises[number // len(KINDS) % len(exercises)]
    other = {"wrong": f"def {exercise.function}(*args, **kwargs):\n    return 0.5\n",
             "stub or endless": f"def {exercise.function}(*args, **kwargs):\n    " + (
                 "while True: pass\n" if number // len(KINDS) % 10 == 0 else "raise NotImplementedError\n")}
    for cell in book["cells"]:
        if f"exercise:{exercise.id}" in cell["metadata"].get("tags", ()):
            cell["source"] = other.get(KINDS[number % len(KINDS)], cell["source"])
    book["metadata"]["synthetic"] = number
    return book


def main() -> None:
    """Measure, print, and keep the figures in benchmarks/results/grading.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--lesson", default="03")
    parser.add_argument("--out", type=Path, default=paths.root() / "benchmarks" / "results" / "grading.json")
    arguments = parser.parse_args()
    box = sandbox.find(trusted=True)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.count):
            path = Path(folder, "submitted", f"student_{number:03}", f"{arguments.lesson}.ipynb")
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(synthetic(arguments.lesson, number)), encoding="utf-8")
        found = notebooks.find([Path(folder, "submitted")])
        children, own, began = psutil.Process().cpu_times(), time.process_time(), time.monotonic()
        records = grading.grade_all(found, results.Results(Path(folder, "results")), box, arguments.lesson, SEED)
        box.close()
        after = psutil.Process().cpu_times()
    sandboxed = (after.children_user + after.children_system) - (children.children_user + children.children_system)
    seconds = time.process_time() - own + sandboxed + box.computed
    told = {"lesson": arguments.lesson, "notebooks": len(records), "backend": box.name,
            "graded": sum(one["status"] == "graded" for one in records),
            "cpu_seconds_each": round(seconds / len(records), 2),
            "wall_seconds_each": round((time.monotonic() - began) / len(records), 2),
            "grader_memory_mb": round(psutil.Process().memory_info().rss / 1e6)}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(arguments.out, json.dumps(told, indent=1) + "\n")
    print(told)
    if told["cpu_seconds_each"] > TARGET:
        raise SystemExit(f"more than {TARGET} CPU-seconds a notebook")


if __name__ == "__main__":
    main()
