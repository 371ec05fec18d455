"""A class's JupyterHub, for real: a teacher and two students, from fetching an assignment to reading its feedback.

Ada works in Chromium: she fetches, answers, labels, hands in and reads; Bob's server is asked by its own interface.
"""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from browser import FLAGS, VIEWPORT, free_port, run_cell, wait_for_notebook
from conftest import skip_unless_ci
from handed_in import code, place, solution
from waiting import LONG_ENOUGH

from course_lib import paths
from course_lib.classroom import hub, hub_users, setup
from course_lib.errors import CourseError
from course_lib.exercises import registry

NAME = "00_start_here"
ROSTER = "student,name,email\nada,Ada,\nbob,Bob,\n"
LABEL = """from course_lib.labels import Labeler
from course_lib.labels.store import PreferenceStore
store = PreferenceStore()
for number in range(3):
    store.add_pair(store.add_text(f"text {number} a"), store.add_text(f"text {number} b"), run="hub", prompt="")
Labeler(store, run="hub", target=3, repeats=0)"""
EXPORT = "!{__import__('sys').executable} -m course_lib.cli labels export hub labels_hub.jsonl"
HUNGRY = """import subprocess, sys
eat = "x = bytearray(800_000_000); x[::4096] = b'1' * len(x[::4096]); input()"
eaters = [subprocess.Popen([sys.executable, "-c", eat], stdin=subprocess.PIPE) for _ in range(3)]
while all(eater.poll() is None for eater in eaters):
    pass
print("ended by", [eater.poll() for eater in eaters if eater.poll() is not None][0])
[eater.kill() for eater in eaters]"""
LOOK = """import os, resource
hidden = [one for one in {hidden!r} if os.path.exists(one)]
print(os.getuid(), resource.getrlimit(resource.RLIMIT_DATA)[1], resource.getrlimit(resource.RLIMIT_NPROC)[1],
      len(os.sched_getaffinity(0)), *os.listdir("/home"), *hidden)"""
FETCH = """async ([user, path, method, body]) => {
    const token = document.cookie.split("; ").find(one => one.startsWith("_xsrf=")).slice(6);
    const said = await fetch(`/user/${user}/${path}`, {method, headers: {"X-XSRFToken": token}, body});
    return [said.status, await said.text()];
}"""


def test_a_user_keeps_number_and_password_and_numbers_of_this_machine_are_left_out(tmp_path, monkeypatch):
    class Taken:
        pw_uid = hub_users.FIRST

    monkeypatch.setattr(hub_users.pwd, "getpwall", lambda: [Taken])
    first = hub_users.make(tmp_path, {"ada": {}}, "teacher")
    again = hub_users.make(tmp_path, {"bob": {}, "ada": {}}, "teacher")
    assert again["ada"] == first["ada"] and first["teacher"].number == 0
    assert [again[name].number for name in ("ada", "bob")] == [hub_users.FIRST + 1, hub_users.FIRST + 2]
    assert (tmp_path / hub_users.FILE).stat().st_mode & 0o077 == 0
    assert hub_users.checked(again, "ada", again["ada"].password) == "ada"
    assert [hub_users.checked(again, *who) for who in (("ada", ""), ("ada", again["bob"].password), ("eve", ""))] == [
        None] * 3
    assert [hub_users.owner(tmp_path, number) for number in (hub_users.FIRST + 1, 4_000_000)] == [
        "ada", "unknown-4000000"]
    assert f"bob:x:{hub_users.FIRST + 2}:" in hub_users.passwd(again)[0] and "teacher" not in hub_users.passwd(again)[0]


def test_passwords_are_the_teachers_to_read_also_where_the_hub_is_started_with_sudo(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(hub_users.os, "geteuid", lambda: 0)
    monkeypatch.setattr(hub_users.os, "chown", lambda *words: given.append(words))
    hub_users.make(tmp_path, {"ada": {}}, "teacher")
    assert given == [(tmp_path / hub_users.FILE, tmp_path.stat().st_uid, -1)]


@pytest.mark.parametrize("name", ["a/b", "..", "A", "ada:x", "x\ny", "-x", "teacher"])
def test_a_name_that_cannot_be_a_users_is_refused(name, tmp_path):
    with pytest.raises(CourseError, match="teacher|cannot be a user"):
        hub_users.make(tmp_path, {name: {}}, "teacher")


def test_what_is_missing_is_named_with_the_way_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(hub.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(hub.sys, "prefix", str(tmp_path))
    with pytest.raises(CourseError) as told:
        hub.run(tmp_path, 8000, "teacher", 3.0, 1.0)
    for words in ("jupyterhub, the Python package: make classroom", "bwrap: sudo apt install bubblewrap",
                  "node: sudo apt install nodejs npm", "JupyterHub's proxy: make classroom"):
        assert words in str(told.value)


class Hub:
    """A running hub of a class with Ada and Bob; `page(name)` is a browser page of a user who is logged in."""

    def __init__(self, folder: Path, browser) -> None:
        self.folder, self.browser, self.port = folder, browser, free_port()
        (folder.parent / "roster.csv").write_text(ROSTER)
        setup.init(folder, folder.parent / "roster.csv", nbgrader=True, private=True)
        self.environment = {**{key: value for key, value in os.environ.items() if not key.startswith("COURSE_")},
                            "PYTHONPATH": str(paths.root()), "COURSE_ROOT": str(paths.root()),
                            "COURSE_CACHE": str(paths.cache())}
        self.log = folder.parent / "hub.log"

    def __enter__(self) -> "Hub":
        words = [sys.executable, "-m", "course_lib.cli", "classroom", "hub", self.folder, "--port", str(self.port),
                 "--memory", "2"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(words, env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + LONG_ENOUGH
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/hub/login", timeout=5).close()
                self.users = hub_users.read(self.folder)
                return self
            except OSError:
                time.sleep(0.2)
        self.__exit__()
        raise RuntimeError(f"The hub did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def __exit__(self, *_: object) -> None:
        below = [self.process, *psutil.Process(self.process.pid).children(recursive=True)] if (
            self.process.poll() is None) else []
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        for process in below[1:]:
            if process.is_running():
                process.kill()

    def page(self, name):
        page = self.browser.new_context(viewport=VIEWPORT).new_page()
        page.set_default_timeout(1000 * LONG_ENOUGH)
        page.goto(f"http://127.0.0.1:{self.port}/hub/login")
        page.fill("#username_input", name)
        page.fill("#password_input", self.users[name].password)
        page.click("#login_submit")
        page.wait_for_selector("#jp-main-dock-panel")
        return page

    def teacher(self, *words) -> str:
        """Run a command as the teacher would in a terminal; what it said."""
        programs = Path(sys.executable).parent
        environment = {**self.environment, "PATH": f"{programs}:{os.environ['PATH']}",
                       "COURSE_EXCHANGE": str(self.folder / "hub" / "exchange")}
        done = subprocess.run(words, cwd=self.folder, env=environment, capture_output=True, text=True,
                              timeout=3 * LONG_ENOUGH)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def course(self, *words) -> str:
        """Run `course` as the teacher."""
        return self.teacher(sys.executable, "-m", "course_lib.cli", *words)


def assignments(page):
    """Open nbgrader's list of assignments, or bring it up to date."""
    if page.locator("#refresh_assignments_list").count():
        page.locator(".lm-TabBar-tab", has_text="Assignments").click()
        page.locator("#refresh_assignments_list").click()
    else:
        page.get_by_role("menuitem", name="Nbgrader").click()
        page.get_by_role("menuitem", name="Assignment List").click()
    page.locator("#released_assignments_list", has_text=NAME).or_(
        page.locator("#fetched_assignments_list", has_text=NAME)).first.wait_for()


def answered(wrong=()):
    """The fetched notebook with answers: the solutions, and what a student might write in place of some."""
    book = solution("00")
    for exercise in wrong:
        book["cells"][place(book, f"exercise:{exercise}")]["source"] = "# not done"
    return book


def contents(book):
    """A notebook as Jupyter's interface takes it."""
    return json.dumps({"type": "notebook", "format": "json", "content": book})


@pytest.fixture
def classroom(tmp_path_factory, chromium):
    """A running hub."""
    lacking = hub.missing()
    if lacking:
        skip_unless_ci("a hub needs what is not here: " + "; ".join(lacking))
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        with Hub(tmp_path_factory.mktemp("teacher") / "class", browser) as running:
            yield running
        browser.close()


@pytest.mark.slow
@pytest.mark.browser
def test_from_fetching_an_assignment_to_reading_its_feedback(classroom):
    classroom.teacher("nbgrader", "release_assignment", NAME)

    ada = classroom.page("ada")
    assignments(ada)
    ada.get_by_role("button", name="Fetch").click()
    ada.locator("#fetched_assignments_list", has_text=NAME).wait_for()
    home = classroom.folder / "hub" / "homes"
    book = answered(wrong=["00.3"])
    hidden = [str(one) for one in (classroom.folder / "private", classroom.folder / "hub", paths.root() / "solutions",
                                   classroom.folder / "course" / "solutions")]
    book["cells"] = [code(LABEL), code(EXPORT), code(HUNGRY), code(LOOK.format(hidden=hidden)), *book["cells"]]
    said = ada.evaluate(FETCH, ["ada", f"api/contents/{NAME}/{NAME}.ipynb", "PUT", contents(book)])
    assert said[0] == 200, said
    ada.goto(f"http://127.0.0.1:{classroom.port}/user/ada/lab/tree/{NAME}/{NAME}.ipynb?reset")
    wait_for_notebook(ada)

    run_cell(ada, 0)                                                    # label
    ada.locator('.cl-root[data-question]:not([data-question=""])').last.wait_for()
    for _ in range(3):
        ada.wait_for_timeout(400)
        ada.locator(".cl-root").last.focus()
        ada.keyboard.press("ArrowLeft")
    ada.wait_for_timeout(1000)
    run_cell(ada, 1)
    ada.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output").first.wait_for()
    assert len((home / "ada" / NAME / "labels_hub.jsonl").read_text().splitlines()) >= 3

    run_cell(ada, 2)                                                    # 2.4 GB together, where 2 are allowed
    ada.locator(".jp-CodeCell").nth(2).locator(".jp-OutputArea-output", has_text="ended by -9").wait_for()
    run_cell(ada, 3)                                                    # what a notebook can see and take
    said = ada.locator(".jp-CodeCell").nth(3).locator(".jp-OutputArea-output").first
    said.wait_for()
    assert said.inner_text().split() == [str(classroom.users["ada"].number), str(2 * 1024**3), "512", "1", "ada"]

    ada.keyboard.press("Control+s")
    assignments(ada)
    ada.get_by_role("button", name="Submit").click()
    ada.locator("#submitted_assignments_list", has_text=NAME).wait_for()

    bob = classroom.page("bob")
    nothing = answered(["00.1", "00.2", "00.3"])
    fetch = "course_id=rlhf&assignment_id=" + NAME
    for path, method, body in ((f"assignments/fetch?{fetch}", "POST", None),
                               (f"api/contents/{NAME}/{NAME}.ipynb", "PUT", contents(nothing)),
                               (f"assignments/submit?{fetch}", "POST", None)):
        status, text = bob.evaluate(FETCH, ["bob", path, method, body])
        assert status == 200 and '"success": false' not in text, text
    status, text = bob.evaluate(FETCH, ["bob", "formgrader", "GET", None])
    assert status == 404                                                # a teacher's panel
    status, _ = bob.evaluate(FETCH, ["ada", f"api/contents/{NAME}/{NAME}.ipynb", "GET", None])
    assert status == 403                                                # another student's server

    classroom.teacher("nbgrader", "collect", NAME)
    submitted = classroom.folder / "submitted"
    assert (submitted / "ada" / NAME / "labels_hub.jsonl").exists()
    out = classroom.folder / "results"
    said = classroom.course("grade", submitted, "--class", classroom.folder, "--out", out)
    assert "ada  2 of 3" in said and "bob  0 of 3" in said, said
    classroom.course("classroom", "export", classroom.folder, "--to", "nbgrader")
    classroom.teacher("nbgrader", "generate_feedback", NAME)
    classroom.teacher("nbgrader", "release_feedback", NAME)
    classroom.teacher("nbgrader", "export", "--to", "scores.csv")
    with (classroom.folder / "scores.csv").open(newline="") as file:
        scores = {row["student_id"]: row["score"] for row in csv.DictReader(file) if row["assignment"] == NAME}
    assert scores == {"ada": "2.0", "bob": "0.0"}

    teacher = classroom.page("teacher")                                 # formgrader, in the teacher's JupyterLab
    teacher.get_by_role("menuitem", name="Nbgrader").click()
    teacher.get_by_role("menuitem", name="Formgrader", exact=True).click()
    formgrader = teacher.frame_locator("iframe").first
    formgrader.get_by_role("link", name="Students").click()
    formgrader.locator("tr", has_text="Ada").get_by_text("2 / ").wait_for()
    teacher.screenshot(path=classroom.folder.parent / "formgrader.png")

    assignments(ada)
    ada.get_by_role("button", name="Fetch Feedback").first.click()
    ada.locator("#submitted_assignments_list", has_text="view feedback").wait_for()
    ada.screenshot(path=classroom.folder.parent / "assignments.png")
    [page] = (home / "ada" / NAME / "feedback").rglob(f"{NAME}.html")
    ada.goto(f"http://127.0.0.1:{classroom.port}/user/ada/files/{quote(str(page.relative_to(home / 'ada')))}")
    ada.get_by_text("Score: 2.0 / 3.0").first.wait_for()
    told = ada.inner_text("body")
    assert "not written yet" in told and f"has no function or class `{registry.load('00.3').function}`" in told
    ada.screenshot(path=classroom.folder.parent / "feedback.png")
