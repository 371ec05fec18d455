"""`course lab`: what it starts, what it mends first, and a real JupyterLab that serves the learner's folder."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from browser import free_port, wait_for_notebook
from waiting import LONG_ENOUGH

from course_lib import assets, kernel, lab, workspace
from course_lib.errors import CourseError


@pytest.fixture
def course(mini):
    """The mini course, built."""
    assert mini("build") == 0
    return mini


@pytest.fixture
def started(course, monkeypatch):
    """What `course lab` would have become, without becoming it."""
    calls = []
    monkeypatch.setattr(lab, "become", lambda words, variables: calls.append((words, variables)) or 0)
    monkeypatch.setattr(assets, "ensure", lambda names=None: None)
    return calls


def test_copies_are_made_and_options_go_on(course, started, capsys):
    assert course("lab", "--no-browser", "--port", "8899", "--ServerApp.token=") == 0
    words, variables = started[0]
    assert words[:3] == [sys.executable, "-m", "jupyterlab"]
    assert words[-4:] == ["--no-browser", "--port", "8899", "--ServerApp.token="]
    assert f"--ServerApp.root_dir={course.work.resolve()}" in words and "--LabApp.default_url=/lab" in words
    assert variables["JUPYTER_CONFIG_PATH"].startswith(str(course.work.resolve()))
    said = capsys.readouterr().out
    assert "3 notebooks copied" in said and "press Ctrl+C here" in said and course.mine("notebooks").exists()


@pytest.mark.parametrize(("own", "given"), [(None, "1"), ("2", "2")])
def test_kernels_compute_on_one_thread_unless_told_otherwise(course, started, monkeypatch, own, given):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if own:
        monkeypatch.setenv("OMP_NUM_THREADS", own)
    course("lab")
    assert started[0][1]["OMP_NUM_THREADS"] == given


def test_a_home_that_cannot_be_written_is_not_needed(course, started, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.delenv(name, raising=False)
    assert course("lab") == 0
    given = started[0][1]
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        assert given[name].startswith(str(course.work.resolve())) and Path(given[name]).is_dir()
    assert Path(given["JUPYTER_RUNTIME_DIR"]).stat().st_mode & 0o077 == 0, "kernel keys lie there"


def test_it_opens_the_first_lesson_where_there_is_one(course, started):
    (course.root / "notebooks" / "00_start_here.ipynb").write_bytes(course.built("notebooks").read_bytes())
    course("lab")
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in started[0][0]


def test_a_newer_version_is_announced_and_nothing_is_touched(course, started, capsys):
    course("lab")
    course.edit(course.lesson, "x = 1", "x = 2")
    course("build")
    mine = course.mine("notebooks").read_bytes()
    capsys.readouterr()
    course("lab")
    assert "1 of your notebooks have a newer version: `course update`" in capsys.readouterr().out
    assert course.mine("notebooks").read_bytes() == mine and len(list(course.work.rglob("*.ipynb"))) == 3


def test_missing_data_is_no_reason_not_to_start(course, started, monkeypatch, capsys):
    def offline(names=None):
        raise assets.AssetError("human-ratings could not be fetched: no network")
    monkeypatch.setattr(assets, "ensure", offline)
    assert course("lab") == 0 and len(started) == 1
    assert "could not be fetched: no network" in capsys.readouterr().out


def test_a_wrong_kernel_is_registered_anew(course, started, monkeypatch, capsys):
    faults = ["no kernel named python3 is registered", None]
    registered = []
    monkeypatch.setattr(kernel, "fault", lambda: faults.pop(0))
    monkeypatch.setattr(kernel, "register", lambda: registered.append(True))
    assert course("lab") == 0 and registered == [True]
    assert "Mending the kernel: no kernel named" in capsys.readouterr().out


def test_a_kernel_that_cannot_be_mended_stops_with_a_sentence(course, started, monkeypatch, capsys):
    monkeypatch.setattr(kernel, "fault", lambda: "the kernel python3 is /other/python")
    monkeypatch.setattr(kernel, "register", lambda: None)
    assert course("lab") == 1 and not started
    assert "/other/python. `course doctor` says more" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "says"), [
    ("python", None), (sys.executable, None), ("/other/bin/python", "another Python"),
])
def test_the_kernel_must_be_this_python(tmp_path, monkeypatch, command, says):
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    spec = {"argv": [command, "-m", "x"], "display_name": "x", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    fault = kernel.fault()
    assert fault is None if says is None else says in fault


def test_a_failed_registration_says_why(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(CourseError, match="could not be registered"):
        kernel.register()


def test_help_without_starting_anything(course, started, capsys):
    assert course("lab", "--help") == 0 and not started
    assert "--no-browser" in capsys.readouterr().out


def get(address):
    with urllib.request.urlopen(address, timeout=LONG_ENOUGH) as answer:
        return answer.read().decode()


def wait_for(address, process, seconds=LONG_ENOUGH):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, process.stdout.read()
        try:
            return get(address)
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(f"{address} did not answer within {seconds} s")


@pytest.fixture
def running(course, tmp_path):
    """A JupyterLab that `course lab` became, and its address; afterwards what it said."""
    port = free_port()
    (tmp_path / "home").mkdir()
    script = "import course_lib.assets as a; a.ensure = lambda: None; import sys; " \
             "from course_lib.cli import main; sys.exit(main(['lab', *sys.argv[1:]]))"
    process = subprocess.Popen(
        [sys.executable, "-c", script, "--no-browser", "--port", str(port), "--ServerApp.token=",
         "--ServerApp.port_retries=0"], cwd=Path(lab.__file__).parents[1],
        env={**os.environ, "HOME": str(tmp_path / "home")}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    base = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{base}/api/status", process)
        yield base
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=LONG_ENOUGH)[0]
    assert "To stop it, press Ctrl+C" in said, said


def test_a_real_jupyterlab_on_the_copies(course, running):
    content = json.loads(get(f"{running}/api/contents/notebooks"))
    assert [item["name"] for item in content["content"]] == ["91_mini.ipynb"]
    page = get(f"{running}/lab")
    config = json.loads(page.split('id="jupyter-config-data" type="application/json">')[1].split("</script>")[0])
    assert config["news"] == {"disabled": True}
    settings = json.loads(get(f"{running}/lab/api/settings/@jupyterlab/apputils-extension:notification"))
    assert settings["schema"]["properties"]["fetchNews"]["default"] == "false"
    assert settings["schema"]["properties"]["checkForUpdates"]["default"] is False
    spec = json.loads(get(f"{running}/api/kernelspecs"))["kernelspecs"]["python3"]["spec"]
    assert spec["argv"][0] in ("python", sys.executable)
    assert {path.name for path in course.work.iterdir()} >= set(workspace.FOLDERS)


@pytest.mark.browser
def test_the_link_leads_to_the_learners_exercises_and_a_reset_can_be_reloaded(course, running, browser_page):
    notebook = json.loads(course.mine("exercises").read_text())
    cell = next(cell for cell in notebook["cells"] if "exercise:91.2" in cell["metadata"].get("tags", []))
    cell["source"] = "def double(x):\n    return x + x + x"
    course.mine("exercises").write_text(json.dumps(notebook))
    browser_page.goto(f"{running}/lab/tree/notebooks/91_mini.ipynb?reset")
    wait_for_notebook(browser_page)
    assert "Jupyter news" not in browser_page.inner_text("body")
    browser_page.get_by_role("link", name="here").click()
    browser_page.get_by_text("return x + x + x").wait_for()
    assert course("reset", "91.2") == 0
    browser_page.get_by_role("menuitem", name="File").click()
    browser_page.get_by_text("Reload Notebook from Disk").click()
    stub = browser_page.locator(".jp-Notebook", has_text="Twice as much").get_by_text("# your code").nth(1)
    sure = browser_page.locator(".jp-Dialog button.jp-mod-accept")      # asked where the kernel has signed the notebook
    stub.or_(sure).wait_for()
    if sure.is_visible():
        sure.click()
    stub.wait_for()
    assert browser_page.get_by_text("return x + x + x").count() == 0
