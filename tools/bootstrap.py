#!/usr/bin/env python3
"""Set the course up in `.venv`: `python3 tools/bootstrap.py`. Run again it takes a second and installs nothing.

Standard library only, in the syntax of Python 3.6, so that an old Python gets a sentence and not a syntax error.
`--test`, `--scale` and `--classroom` add what EXTRAS says; `--torch-index URL` takes torch from another index (the
small CPU build on Linux).
"""

import argparse
import contextlib
import errno
import glob
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tools"))     # also where Python was told not to look beside the script

import setup_words  # noqa: E402
from pip_progress import Progress, logged, say, step  # noqa: E402

VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, "course-setup.json")               # what a finished set-up was made from
UNFINISHED = os.path.join(VENV, "course-setup-unfinished")    # there while a set-up runs
LOG = os.path.join(VENV, "course-setup.log")                  # what pip said
LOCK = os.path.join(ROOT, ".venv-setup.lock")                 # held while a set-up runs
FITTING = ((3, 11), (3, 12), (3, 13))
GIGABYTE = 1000 ** 3
INTERRUPTED = (-2, 130, 0xC000013A)      # exit codes of a command that Ctrl+C ended: POSIX, shells, Windows
EXTRAS = {      # option, key in the stamp, part of the lock's name: what it installs
    "test": "what the tests need",
    "scale": "what the last part of lesson 15 needs",
    "classroom": "nbgrader and JupyterHub, for teachers",
}
SPACE = {"cpu": 4, "gpu": 12}      # gigabytes: packages and pip's copies of them while it unpacks


class SetUpError(Exception):
    """The set-up cannot go on; the text says why and what to do."""


def main(words=None):
    """Set up whatever is not set up yet; 0 when the course is ready."""
    options = parse(words)
    try:
        if is_ready(options):
            say(f"Set up already: .venv with Python {venv_version()}.")
            fetch_data(only_check=True)
        else:
            with one_at_a_time():
                set_up(options)
        return 0
    except SetUpError as error:
        print("\n" + str(error), file=sys.stderr)
        return 1
    except OSError as error:
        print("\n" + setup_words.refused(error, ROOT, SPACE["gpu"]), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to go on.", file=sys.stderr)
        return 130


@contextlib.contextmanager
def one_at_a_time():
    """Keep other set-ups of this folder out. Raises SetUpError while one is at work; the lock of a dead one is free."""
    with open(LOCK, "a") as lock:
        try:
            if os.name == "nt":
                import msvcrt
                msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                raise SetUpError(setup_words.AT_ONCE.format(root=ROOT)) from None
            # else: a file system without locks; nobody is kept out
        yield


def parse(words):
    """The command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, what in EXTRAS.items():
        parser.add_argument("--" + name, action="store_true", help="also install " + what)
    parser.add_argument("--torch-index", metavar="URL", default="", help="take torch from this package index")
    return parser.parse_args(words)


def set_up(options):
    """The six steps. Marks the venv as unfinished while it works on it, so that a killed run is noticed."""
    step(1, "Python")
    base = find_python()
    step(2, "the virtual environment .venv")
    make_venv(base)
    step(3, "packages, as pinned in requirements.lock")
    require_space(options)
    say("{} packages, about {} GB on the disk; the first time this takes some minutes.".format(
        len(pinned(options)), SPACE["gpu" if brings_gpu_libraries(options) else "cpu"]))
    if needs_note(options):
        say(setup_words.BIG_TORCH)
    install_packages(options)
    step(4, "the course itself")
    pip("install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", ROOT)
    step(5, "the kernel for the notebooks")
    run([venv_python(), "-m", "ipykernel", "install", "--sys-prefix", "--name", "python3"],
        "The kernel could not be registered.")
    step(6, "the data that the lessons use")
    fetch_data()
    with open(STAMP, "w") as stamp:
        json.dump(dict(fingerprint(options), python=venv_version()), stamp, indent=1)
    os.remove(UNFINISHED)
    say("Ready.")


def is_ready(options):
    """Whether a finished set-up is there, made here from the present locks."""
    done = read_stamp()
    if os.path.exists(UNFINISHED) or not done or not os.path.exists(venv_python()):
        return False
    wanted = dict(fingerprint(options), python=venv_version())
    return all(done.get(key) == wanted[key] for key in wanted)


def fingerprint(options):
    """What a set-up is made from: the hashes of the locks, and the place."""
    files = dict(locks_of(options), course="pyproject.toml")
    found = {key: sha256(os.path.join(ROOT, name)) for key, name in files.items()}
    found["place"] = VENV      # a venv does not survive a move
    return found


def read_stamp():
    """What the last finished set-up wrote; None without one."""
    try:
        with open(STAMP) as stamp:
            return json.load(stamp)
    except (OSError, ValueError):
        return None


def find_python():
    """The command of a Python that fits: the running one, or one on PATH. Raises SetUpError without one."""
    running = getattr(sys, "_base_executable", None) or sys.executable      # not the .venv that may be made anew
    candidates = [[running]] + [[f"python3.{minor}"] for _, minor in FITTING] + [["python3"], ["python"]]
    if os.name == "nt":
        candidates += [["py", f"-3.{minor}"] for _, minor in FITTING]
    for command in candidates:
        version = version_of(command)
        if version and version[:2] in FITTING:
            require_usable(command, version)
            say(f"Python {dotted(version)} ({' '.join(command)})")
            return command
    raise SetUpError(setup_words.NO_PYTHON.format(version=platform.python_version()))


def require_usable(command, version):
    """Raise SetUpError when this Python has no venv, or is one that PyTorch has no packages for."""
    if subprocess.call(command + ["-c", "import ensurepip, venv"], stderr=subprocess.DEVNULL) != 0:
        raise SetUpError(setup_words.NO_VENV.format(python=" ".join(command), minor=dotted(version[:2])))
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        raise SetUpError(setup_words.INTEL_MAC)


def version_of(command):
    """(major, minor, micro) of the Python that this command starts; None when it does not start."""
    try:
        said = subprocess.check_output(command + ["-c", "import sys; print(*sys.version_info[:3])"],
                                       stderr=subprocess.DEVNULL)
        return tuple(int(number) for number in said.split())
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None


def venv_version():
    """The version of the venv's Python as text; empty when it does not start."""
    return dotted(version_of([venv_python()]) or ())


def dotted(version):
    """`(3, 11, 7)` as `3.11.7`."""
    return ".".join(str(number) for number in version)


def require_space(options):
    """Raise SetUpError when the disk has too little room. A torch that is there already needs no more."""
    free = shutil.disk_usage(ROOT).free / GIGABYTE
    needed = SPACE["gpu" if brings_gpu_libraries(options) else "cpu"]
    if free < needed and not torch_is_there():
        raise SetUpError(f"The set-up needs about {needed} GB of disk in {ROOT} and {free:.1f} GB are free. "
                         "Make room, then run this command again.")


def make_venv(base):
    """Make `.venv`, or keep the one that is there when it is whole and fits; a broken one is made anew."""
    require_own_venv()
    if os.path.isdir(VENV) and os.listdir(VENV):
        version = version_of([venv_python()])
        reason = ("the last set-up was stopped halfway" if os.path.exists(UNFINISHED)
                  else "it does not start" if version is None
                  else f"it has Python {dotted(version)}" if version[:2] not in FITTING
                  else "the folder was moved" if (read_stamp() or {"place": VENV}).get("place") != VENV
                  else "")
        if not reason:
            say("kept; bringing it up to date")
            mark_unfinished()
            return
        say("made anew, since " + reason)
        shutil.rmtree(VENV)
    if not os.path.isdir(VENV):
        os.mkdir(VENV)
    mark_unfinished()
    run(base + ["-m", "venv", VENV], "The virtual environment could not be made.")


def require_own_venv():
    """Raise SetUpError where `.venv` is something that no set-up of this course has made: it is never deleted."""
    what = ("is a link" if os.path.islink(VENV)
            else "is a file" if os.path.exists(VENV) and not os.path.isdir(VENV)
            else "was not made by this course" if os.path.isdir(VENV) and os.listdir(VENV) and not (
                os.path.exists(STAMP) or os.path.exists(UNFINISHED))
            else "")
    if what:
        raise SetUpError(setup_words.NOT_OURS.format(venv=VENV, what=what))


def mark_unfinished():
    """Leave the mark that `is_ready` and `make_venv` look for."""
    with open(UNFINISHED, "w") as mark:
        mark.write("A set-up began here and has not ended. tools/bootstrap.py makes this folder anew.\n")


def install_packages(options):
    """Install the locks; torch first and alone when it has an index of its own."""
    if options.torch_index:
        say("torch from the index that was named")
        pip("install", "--no-deps", "--index-url", options.torch_index, torch_pin())
    locks = [word for name in locks_of(options).values() for word in ("--requirement", os.path.join(ROOT, name))]
    pip("install", *locks, packages=len(pinned(options)))


def locks_of(options):
    """The lock files that are installed, by their keys in the stamp."""
    return dict([("core", "requirements.lock")]
                + [(name, f"requirements-{name}.lock") for name in EXTRAS if getattr(options, name)])


def pinned(options):
    """The packages that the locks pin: `name==version`."""
    found = set()
    for name in locks_of(options).values():
        with open(os.path.join(ROOT, name)) as lock:
            found.update(line.split()[0] for line in lock if "==" in line and not line.startswith("#"))
    return found


def torch_pin():
    """The lock's line for torch: `torch==2.13.0`."""
    with open(os.path.join(ROOT, "requirements.lock")) as lock:
        return next(line.strip() for line in lock if line.startswith("torch=="))


def needs_note(options):
    """Whether a download of GPU libraries is ahead that this machine may have no use for."""
    return brings_gpu_libraries(options) and not torch_is_there() and not has_nvidia()


def brings_gpu_libraries(options):
    """Whether pip would take the plain Linux torch: no index was named, and no CPU wheel lies in pip's find-links."""
    return sys.platform.startswith("linux") and not options.torch_index and not cpu_wheel_at_hand()


def has_nvidia():
    """Whether an NVIDIA driver is here."""
    return bool(shutil.which("nvidia-smi")) or os.path.exists("/proc/driver/nvidia/version")


def torch_is_there():
    """Whether the venv has torch already."""
    return bool(glob.glob(os.path.join(VENV, "lib*", "python3*", "site-packages", "torch", "version.py")))


def cpu_wheel_at_hand():
    """Whether one of the folders that pip is configured to look in (find-links) holds a CPU build of torch."""
    try:
        said = subprocess.check_output([venv_python(), "-m", "pip", "config", "list"], stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return False
    lines = [line.partition("=") for line in said.decode("utf-8", "replace").splitlines()]
    folders = [word for key, _, value in lines if key.endswith("find-links") for word in value.strip("'\"").split()]
    return any(glob.glob(os.path.join(folder, "torch-*cpu*.whl")) for folder in folders)


def fetch_data(only_check=False):
    """Fetch what is missing of the data. A failure is told and does not stop the set-up: most lessons work without."""
    course = [venv_python(), "-m", "course_lib.cli", "assets"]
    with open(os.devnull, "w") as nowhere:
        if only_check and call(course + ["--offline"], stdout=nowhere, stderr=nowhere) == 0:
            return
    if call(course) != 0:
        say("The data is not complete (see above); the set-up goes on without it. Later: course assets")


def pip(*words, **options):
    """Run the venv's pip; its lines go to the log. `packages`: how many are ahead, for the progress that is shown.

    Raises SetUpError, with pip's last lines, when it fails.
    """
    command = [venv_python(), "-m", "pip", words[0], "--disable-pip-version-check", "--progress-bar", "off"]
    code, last = logged(command + list(words[1:]), ROOT, LOG, Progress(options.get("packages", 0)))
    if code in INTERRUPTED:
        raise KeyboardInterrupt
    if code != 0:
        say("\n".join(last))
        raise SetUpError(setup_words.PIP_FAILED.format(log=LOG))


def run(command, failure):
    """Run a command in the course's folder. Raises SetUpError with the text `failure` when it fails."""
    if call(command) != 0:
        raise SetUpError(failure)


def call(command, **options):
    """Run a command in the course's folder; its exit code. Raises KeyboardInterrupt when it alone heard a Ctrl+C."""
    code = subprocess.call(command, cwd=ROOT, **options)
    if code in INTERRUPTED:
        raise KeyboardInterrupt
    return code


def venv_python():
    """The venv's Python."""
    return os.path.join(VENV, "Scripts", "python.exe") if os.name == "nt" else os.path.join(VENV, "bin", "python")


def sha256(file):
    """The file's sha256, line ends counted as one character so that a checkout on Windows is the same."""
    with open(file, "rb") as stream:
        return hashlib.sha256(stream.read().replace(b"\r\n", b"\n")).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
