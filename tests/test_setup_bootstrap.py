"""tools/bootstrap.py: what it says to an old Python, and whole set-ups of a small course from a small package index."""

import ast
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from course_lib.paths import root

SOURCE = root() / "tools" / "bootstrap.py"
SOURCES = [SOURCE, *(SOURCE.with_name(name) for name in ("pip_progress.py", "setup_words.py"))]
WHEELS = {"ipykernel": "print('kernel registered')", "torch": "version = '2.13.0'"}
BACKEND = '''
import os, zipfile
def build_editable(folder, settings=None, metadata=None):
    name = "small_course-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("small_course.pth", os.getcwd())
        info = "small_course-1.0.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: small-course\\nVersion: 1.0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name
'''
ASSETS = '''
import os, time
print("the data is here", flush=True)
while os.path.exists("hang"):
    time.sleep(0.05)
'''


@pytest.fixture
def bootstrap(monkeypatch, tmp_path):
    """The module, working on an empty folder."""
    monkeypatch.setattr(sys, "path", list(sys.path))        # it adds its own folder
    spec = importlib.util.spec_from_file_location("bootstrap", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, place in {"ROOT": tmp_path, "VENV": tmp_path / ".venv"}.items():
        monkeypatch.setattr(module, name, str(place))
    monkeypatch.setattr(module, "STAMP", str(tmp_path / ".venv" / "stamp"))
    monkeypatch.setattr(module, "UNFINISHED", str(tmp_path / ".venv" / "unfinished"))
    monkeypatch.setattr(module, "LOG", str(tmp_path / ".venv" / "log"))
    monkeypatch.setattr(module, "LOCK", str(tmp_path / ".lock"))
    for name in ("requirements.lock", "requirements-test.lock", "requirements-scale.lock",
                 "requirements-classroom.lock"):
        shutil.copy(root() / name, tmp_path)
    return module


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_an_old_python_can_read_it_and_it_needs_nothing_installed(source):
    tree = ast.parse(source.read_text(encoding="utf-8"), feature_version=(3, 7))    # the oldest that `ast` still knows
    taken = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    taken |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert taken <= {*sys.stdlib_module_names, *(file.stem for file in SOURCES)}


def test_it_starts_from_anywhere_also_where_python_does_not_look_beside_a_script(tmp_path):
    said = subprocess.run([sys.executable, "-I", "-S", SOURCE, "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 0 and "--torch-index" in said.stdout, said.stderr


def test_an_old_python_alone_is_told_what_to_install(bootstrap, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "version_of", lambda command: (3, 9, 18))
    monkeypatch.setattr(bootstrap.platform, "python_version", lambda: "3.9.18")
    assert bootstrap.main([]) == 1
    said = capsys.readouterr().err
    assert "Python 3.11, 3.12 or 3.13 is needed; this is Python 3.9.18" in said
    assert "winget install" in said and "brew install" in said and "apt install" in said
    assert not Path(bootstrap.VENV).exists()


def test_a_fitting_python_on_path_is_taken_when_the_running_one_does_not_fit(bootstrap, monkeypatch):
    versions = {"python3.11": None, "python3.12": (3, 12, 4), "python3": (3, 9, 1)}
    monkeypatch.setattr(bootstrap, "version_of", lambda command: versions.get(command[0], (3, 14, 0)))
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda *_, **__: 0)
    assert bootstrap.find_python() == ["python3.12"]


def test_a_python_without_venv_is_told_the_package(bootstrap, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda *_, **__: 1)
    assert bootstrap.main([]) == 1
    assert f"apt install python3.{sys.version_info[1]}-venv" in capsys.readouterr().err


def test_an_intel_mac_is_told_that_there_is_no_torch(bootstrap, monkeypatch):
    monkeypatch.setattr(bootstrap.sys, "platform", "darwin")
    monkeypatch.setattr(bootstrap.platform, "machine", lambda: "x86_64")
    with pytest.raises(bootstrap.SetUpError, match="PyTorch has no packages"):
        bootstrap.find_python()


@pytest.mark.parametrize(("url", "free", "enough"), [("", 8e9, False), ("", 15e9, True), ("URL", 8e9, True),
                                                     ("URL", 1e9, False)])
def test_the_disk_is_checked_before_the_download(bootstrap, monkeypatch, url, free, enough):
    monkeypatch.setattr(bootstrap.sys, "platform", "linux")
    monkeypatch.setattr(bootstrap, "cpu_wheel_at_hand", lambda: False)
    monkeypatch.setattr(bootstrap.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, free))
    options = bootstrap.parse(["--torch-index", url])
    if enough:
        bootstrap.require_space(options)
    else:
        with pytest.raises(bootstrap.SetUpError, match=rf"and {free / 1e9:.1f} GB are free. Make room"):
            bootstrap.require_space(options)


@pytest.mark.parametrize(("platform", "url", "at_hand", "nvidia", "noted"), [
    ("linux", "", False, False, True), ("linux", "URL", False, False, False), ("linux", "", True, False, False),
    ("linux", "", False, True, False), ("darwin", "", False, False, False), ("win32", "", False, False, False)])
def test_the_note_on_gigabytes_is_for_linux_with_no_gpu(bootstrap, monkeypatch, platform, url, at_hand, nvidia, noted):
    monkeypatch.setattr(bootstrap.sys, "platform", platform)
    monkeypatch.setattr(bootstrap, "cpu_wheel_at_hand", lambda: at_hand)
    monkeypatch.setattr(bootstrap, "has_nvidia", lambda: nvidia)
    assert bootstrap.needs_note(bootstrap.parse(["--torch-index", url])) is noted


@pytest.mark.parametrize("code", [-2, 130, 0xC000013A])
def test_a_ctrl_c_that_only_the_child_heard_stops_the_set_up(bootstrap, monkeypatch, capsys, code):
    monkeypatch.setattr(bootstrap, "is_ready", lambda options: True)
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda *_, **__: code)
    assert bootstrap.main([]) == 130
    assert "Stopped. Run the same command again to go on." in capsys.readouterr().err


def test_torch_comes_from_its_own_index_when_one_is_named(bootstrap, monkeypatch):
    calls = []
    monkeypatch.setattr(bootstrap, "pip", lambda *words, packages=0: calls.append(words))
    bootstrap.install_packages(bootstrap.parse(["--torch-index", "URL", "--test"]))
    torch, rest = calls
    assert torch[:4] == ("install", "--no-deps", "--index-url", "URL") and torch[4].startswith("torch==")
    assert [Path(word).name for word in rest] == ["install", "--requirement", "requirements.lock",
                                                  "--requirement", "requirements-test.lock"]


def test_the_packages_of_lesson_15_are_asked_for_by_name(bootstrap):
    plain, scale = (bootstrap.parse(words) for words in ([], ["--scale"]))
    assert list(bootstrap.locks_of(scale).values()) == ["requirements.lock", "requirements-scale.lock"]
    assert any(pin.startswith("trl==") for pin in bootstrap.pinned(scale) - bootstrap.pinned(plain))
    shutil.copy(root() / "pyproject.toml", bootstrap.ROOT)
    assert bootstrap.fingerprint(scale).items() > bootstrap.fingerprint(plain).items()      # `make lab` is ready then


def test_nbgrader_and_jupyterhub_are_asked_for_by_name(bootstrap):
    plain, teacher, both = (bootstrap.parse(words) for words in ([], ["--classroom"], ["--test", "--classroom"]))
    assert list(bootstrap.locks_of(teacher).values()) == ["requirements.lock", "requirements-classroom.lock"]
    names = {pin.split("==")[0] for pin in bootstrap.pinned(teacher) - bootstrap.pinned(plain)}
    assert {"nbgrader", "jupyterhub"} <= names
    shutil.copy(root() / "pyproject.toml", bootstrap.ROOT)
    assert bootstrap.fingerprint(both).items() > bootstrap.fingerprint(teacher).items()


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
@pytest.mark.parametrize("index", ["https://example.org/whl/cpu", 'a"; touch broken; "', "it's", "$(touch broken)",
                                   "`x`", "a b", "--test", "$HOME & rm -rf x"])
def test_make_hands_the_index_on_as_it_is(tmp_path, index):
    shutil.copy(root() / "Makefile", tmp_path)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "bootstrap.py").write_text("import sys; print(repr(sys.argv[1:]))")
    given = f"TORCH_INDEX={index.replace('$', '$$')}"
    said = subprocess.run(["make", "-s", "setup", given, f"PYTHON={sys.executable}"],
                          cwd=tmp_path, capture_output=True, text=True, check=True, env=outside())
    assert ast.literal_eval(said.stdout) == [f"--torch-index={index}"]
    assert not (tmp_path / "broken").exists()


def write_wheel(index: Path, name: str, main: str) -> None:
    """A package whose `python -m NAME` runs `main`."""
    info = f"{name}-1.0.dist-info"
    files = {f"{name}/__init__.py": "", f"{name}/__main__.py": main, f"{info}/RECORD": "",
             f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    with zipfile.ZipFile(index / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)


def outside() -> dict[str, str]:
    """The environment without what leads a Python to another checkout than its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COURSE_"))}


class SmallCourse:
    """A checkout with the real bootstrap.py, a lock of two tiny packages, and a folder for a package index."""

    def __init__(self, place: Path) -> None:
        self.place, self.index = place / "small course", place / "index"
        for folder in (self.index, self.place / "tools", self.place / "course_lib", self.place / "backend"):
            folder.mkdir(parents=True)
        for source in SOURCES:
            shutil.copy(source, self.place / "tools")
        (self.place / "requirements.lock").write_text("ipykernel==1.0\ntorch==1.0\n")
        (self.place / "pyproject.toml").write_text('[build-system]\nrequires = []\nbuild-backend = "backend"\n'
                                                   'backend-path = ["backend"]\n')
        (self.place / "backend" / "backend.py").write_text(BACKEND)
        (self.place / "course_lib" / "cli.py").write_text(ASSETS)
        for name, main in WHEELS.items():
            write_wheel(self.index, name, main)

    def start(self, index: Path | None = None) -> subprocess.Popen:
        environment = {**outside(), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index or self.index),
                       "PIP_CONFIG_FILE": os.devnull}
        return subprocess.Popen([sys.executable, self.place / "tools" / "bootstrap.py"], env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)

    def set_up(self, index: Path | None = None) -> tuple[int, str]:
        """Run it to its end: exit code, and all that it said."""
        process = self.start(index)
        said = process.communicate()[0]
        return process.returncode, said

    def installed(self) -> list[tuple[Path, int]]:
        """Every file of the venv with its time of change, what Python compiles on the way left out."""
        files = (file for file in (self.place / ".venv").rglob("*") if "__pycache__" not in file.parts)
        return sorted((file, file.stat().st_mtime_ns) for file in files)


@pytest.fixture
def small_course(tmp_path):
    return SmallCourse(tmp_path)


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """One whole set-up, and a second one that came while it was at work: what both said, and what was there."""
    course = SmallCourse(tmp_path_factory.mktemp("once"))
    (course.place / "hang").touch()
    first, said = course.start(), ""
    for line in first.stdout:
        said += line
        if "the data is here" in line:
            break
    before = course.installed()
    second = course.set_up()
    untouched = course.installed() == before
    (course.place / "hang").unlink()
    said += first.communicate()[0]
    return SimpleNamespace(course=course, code=first.returncode, said=said, second=second, untouched=untouched)


def test_two_set_ups_at_once(once):
    """The second is told to wait, and what the first has made stays."""
    code, said = once.second
    assert code == 1 and "Another set-up is working in" in said and "Wait until it has ended" in said
    assert once.untouched and once.code == 0, once.said


def test_a_second_run_installs_nothing(once, tmp_path):
    small_course, code, said = once.course, once.code, once.said
    assert code == 0, said
    assert [said.count(f"[{step}/6]") for step in range(1, 7)] == [1] * 6 and "Ready." in said
    python = small_course.place / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    where = subprocess.check_output([python, "-c", "import course_lib; print(*course_lib.__path__)"], text=True,
                                    cwd=tmp_path, env=outside())
    assert where.strip() == str(small_course.place / "course_lib")

    before = small_course.installed()
    code, said = small_course.set_up(tmp_path / "nothing")      # without an index, pip could install nothing
    assert (code, said.count("Set up already"), "[1/6]" in said) == (0, 1, False)
    assert small_course.installed() == before and len(before) > 20


@pytest.mark.slow
def test_no_network_then_a_network_then_a_changed_lock(small_course, tmp_path):
    code, said = small_course.set_up(tmp_path / "nothing")
    assert code == 1 and "Installing stopped" in said and "run the same command again" in said
    log = small_course.place / ".venv" / "course-setup.log"
    assert str(log) in said and "No matching distribution" in said and "No matching distribution" in log.read_text()
    code, said = small_course.set_up()
    assert code == 0 and "made anew, since the last set-up was stopped halfway" in said
    write_wheel(small_course.index, "extra", "")
    with (small_course.place / "requirements.lock").open("a") as lock:
        lock.write("extra==1.0\n")
    code, said = small_course.set_up()
    assert code == 0 and "kept; bringing it up to date" in said and "Successfully" not in said
    assert "Successfully installed extra-1.0" in (small_course.place / ".venv" / "course-setup.log").read_text()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills a group of processes")
def test_a_killed_set_up_and_a_moved_folder_are_made_anew(small_course):
    (small_course.place / "hang").touch()
    process = small_course.start()
    for line in process.stdout:
        if "the data is here" in line:
            break
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    (small_course.place / "hang").unlink()
    code, said = small_course.set_up()
    assert code == 0 and "made anew, since the last set-up was stopped halfway" in said

    small_course.place = small_course.place.rename(small_course.place.with_name("elsewhere"))
    code, said = small_course.set_up()
    assert code == 0 and "made anew, since the folder was moved" in said

    (small_course.place / ".venv" / "bin" / "python").unlink()
    code, said = small_course.set_up()
    assert code == 0 and "made anew, since it does not start" in said


# ---- what is not the set-up's own, and a system that refuses -------------------------------------------------------

@pytest.mark.parametrize(("make", "words"), [
    (lambda venv: venv.write_text("mine"), "is a file"),
    (lambda venv: venv.symlink_to(venv.parent), "is a link"),
    (lambda venv: venv.symlink_to(venv.parent / "nowhere"), "is a link"),
    (lambda venv: (venv.mkdir(), (venv / "pyvenv.cfg").write_text("home = /usr/bin")), "was not made by this course")])
def test_what_no_set_up_made_is_never_deleted(bootstrap, capsys, make, words):
    venv = Path(bootstrap.VENV)
    make(venv)
    before = sorted(venv.parent.rglob("*"))
    assert bootstrap.main([]) == 1
    said = capsys.readouterr().err
    assert words in said and "left as it is" in said and "move yours away or delete it" in said
    assert [one for one in sorted(venv.parent.rglob("*")) if one.name != ".lock"] == before


@pytest.mark.parametrize(("number", "words"), [
    ("ENOSPC", ["The disk is full", "what was downloaded is kept"]),
    ("EROFS", ["cannot be written", "copy or clone it to one in which you may write"]),
    ("EACCES", ["cannot be written", "copy or clone it"]), ("EIO", ["The set-up stopped", "Mend that"])])
@pytest.mark.parametrize("where", ["mark_unfinished", "one_at_a_time", "make_venv"])
def test_a_system_that_refuses_is_a_sentence(bootstrap, monkeypatch, capsys, number, words, where):
    import errno

    def refuse(*_):
        raise OSError(getattr(errno, number), os.strerror(getattr(errno, number)), "/some/file")

    monkeypatch.setattr(bootstrap, "find_python", lambda: [sys.executable])
    monkeypatch.setattr(bootstrap, where, refuse)
    assert bootstrap.main([]) == 1
    said = capsys.readouterr().err
    assert all(word in said for word in ["/some/file", *words]) and "Traceback" not in said


def test_the_progress_says_packages_sizes_and_time(bootstrap, monkeypatch, capsys):
    clock = iter(range(1000, 9000, 30))
    monkeypatch.setattr(sys.modules["pip_progress"].time, "time", lambda: next(clock))
    progress = bootstrap.Progress(20)
    for number in range(10):
        progress.hear(f"Collecting package-{number}==1.0 (from -r lock (line 1))\n")
        progress.hear("  Downloading package-1.0-py3-none-any.whl (12.5 MB)\n")
    progress.hear("Installing collected packages: a, b\n")
    said = capsys.readouterr().out
    assert "10 of 20 packages, 125 MB, 10 min so far, about 10 min left" in said
    assert "20 packages are here (125 MB downloaded); installing them now" in said
