"""Where the course keeps things: the checkout, the learner's own folder, the cache of fetched data."""

import os
import tempfile
from pathlib import Path


def root() -> Path:
    """The folder of the checkout (holds `lessons/`, `notebooks/`, `assets/`). `COURSE_ROOT` overrides it."""
    return Path(os.environ.get("COURSE_ROOT") or Path(__file__).resolve().parent.parent)


def my_work() -> Path:
    """The learner's folder: copies of the notebooks, answers, labels, progress. `COURSE_WORK` overrides it."""
    return Path(os.environ.get("COURSE_WORK") or root() / "my_work")


def cache() -> Path:
    """Where fetched data is unpacked. `COURSE_CACHE` overrides it."""
    return Path(os.environ.get("COURSE_CACHE") or root() / "assets" / "cache")


def home_fault() -> str:
    """Why nothing can be kept in the home folder, where Jupyter and others keep their files; empty when it can."""
    home = Path.home()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            return ""
    except OSError as error:
        return f"{home} cannot be written ({error.strerror or error})"
