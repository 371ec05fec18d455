"""What every line of the Atari benchmarks says about where and when it was measured, and how lines are kept."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


def circumstances() -> dict:
    """Date, versions, processor model and cores; nothing that names a computer or a person."""
    return {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "python": platform.python_version(),
            "versions": {name: version(name) for name in ("torch", "numpy", "gymnasium", "ale-py")},
            "machine": {"processor": _processor(), "cores": os.cpu_count()}}


def lines(name: str) -> list[dict]:
    """The lines measured so far; a last line that a kill cut in half is left out."""
    path = RESULTS / f"{name}.jsonl"
    if not path.exists():
        return []
    whole = path.read_text().split("\n")[:-1]
    return [json.loads(line) for line in whole if line]


def append(name: str, line: dict) -> None:
    """Add one line, whole and on the disk, behind the whole lines that are there."""
    RESULTS.mkdir(exist_ok=True)
    kept = lines(name)
    text = "".join(json.dumps(entry) + "\n" for entry in [*kept, line])
    temporary = RESULTS / f".{name}.{os.getpid()}.part"
    temporary.write_text(text)
    os.replace(temporary, RESULTS / f"{name}.jsonl")


def _processor() -> str:
    try:
        facts = Path("/proc/cpuinfo").read_text()
        return next(line.split(":", 1)[1].strip() for line in facts.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
