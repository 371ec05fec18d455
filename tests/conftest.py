"""Shared by all tests: a throw-away my_work, one thread per process, interrupts, a browser where there is one."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:       # a shell that runs the suite with `&` makes it deaf, and
    signal.signal(signal.SIGINT, signal.default_int_handler)        # with it every process that a test interrupts
if "COURSE_WORK" not in os.environ:
    throw_away = tempfile.TemporaryDirectory(prefix="course-work-")      # removed when the process ends
    os.environ["COURSE_WORK"] = throw_away.name


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--soak-minutes 30` lets the soak of the label store run longer than in `make test-all`."""
    parser.addoption("--soak-minutes", type=float, default=3.0, help="how long the label store is soaked")


def seed_torch(item: pytest.Item) -> None:
    """Give torch the seed that pytest-randomly gives Python's and numpy's generators, so that a seed repeats a run."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(item.config.getoption("randomly_seed", 0))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before the test's fixtures."""
    seed_torch(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Before the test itself, whether it is the first to need a fixture of its module or not."""
    seed_torch(item)


def skip_unless_ci(sentence: str) -> None:
    """Skip the running test with this sentence; where CI=true, where nothing may be missing, fail it instead."""
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """A test leaves the process as it found it, so that the next one, whichever it is, begins like the first.

    Figures are closed and matplotlib's settings put back; a test that leaves anything else changed fails, by name.
    """
    import matplotlib
    from process_state import left_behind, process_state

    before = process_state()
    with matplotlib.rc_context():
        yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    changed = left_behind(before, process_state())
    if changed:
        pytest.fail("the test leaves this behind for the next one: " + "; ".join(changed))


@pytest.fixture
def course_style(as_it_was: None) -> Iterator[None]:
    """Figures are drawn in the course's style, as in a lesson."""
    import matplotlib.pyplot as plt

    from course_lib.show import palette

    with plt.rc_context():
        palette.style()
        yield


@pytest.fixture(scope="session")
def shielded() -> Iterator[Any]:
    """A sandbox that keeps student code in. Without one the test is skipped; where CI=true it fails."""
    from course_lib.classroom import sandbox
    from course_lib.errors import CourseError

    try:
        box = sandbox.find("bubblewrap", limits=sandbox.Limits(memory=1200 * sandbox.MB))
    except CourseError as error:
        skip_unless_ci(f"hostile notebooks are only run in a sandbox. {error}")
    yield box
    box.close()


@pytest.fixture
def mini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A course of one small lesson in a temporary folder (see mini_course.py)."""
    import mini_course

    return mini_course.use(tmp_path, monkeypatch)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty my_work, and lesson 99 for the check engine (see engine_lesson.py)."""
    import engine_lesson

    return engine_lesson.use(tmp_path, monkeypatch)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with two small assets, an empty cache, and a pip that finds nothing else (see wheel_shop.py)."""
    import wheel_shop

    return wheel_shop.use(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium or Chrome. Without one the test is skipped; where CI=true it fails."""
    from browser import find_chromium

    found = find_chromium()
    if found is None:
        skip_unless_ci("no Chromium or Chrome found: install one, or set CHROMIUM to its path")
    return found


@pytest.fixture(scope="module")
def browser_context(chromium: str) -> Iterator[Any]:
    """A playwright context in headless Chromium, with a profile of its own that is thrown away."""
    from browser import FLAGS, VIEWPORT
    from playwright.sync_api import sync_playwright
    from waiting import LONG_ENOUGH

    profile = Path(tempfile.mkdtemp(prefix="chromium-"))
    try:
        with sync_playwright() as playwright:
            context = playwright.chromium.launch_persistent_context(
                profile, executable_path=chromium, headless=True, args=list(FLAGS), viewport=VIEWPORT)
            context.set_default_timeout(1000 * LONG_ENOUGH)
            yield context
            context.close()
    finally:
        shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture
def browser_page(browser_context: Any) -> Iterator[Any]:
    """A fresh page; the warnings and errors on its console are printed when the test fails."""
    page = browser_context.new_page()
    page.on("console", lambda message: message.type in ("warning", "error") and print(f"[console] {message.text}"))
    page.on("pageerror", lambda error: print(f"[page error] {error}"))
    yield page
    page.close()
