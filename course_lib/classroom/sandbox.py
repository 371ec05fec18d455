"""Where a student's process runs, and what that protects against.

Three ways, the safest that is there first: `bubblewrap` (Linux namespaces, by the kept tool of that name), a container
(Docker or Podman, with an image that has the course installed), and a plain process, which shields nothing of the
teacher's and is used only when the teacher says that the notebooks are trusted.
"""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

import course_lib
from course_lib.classroom import mounts
from course_lib.classroom.running import Forked, Running, Single, Warm
from course_lib.classroom.worker import LIMITS
from course_lib.errors import CourseError

NOBODY = 65534                  # the user that student code gets where the grader runs as root
MB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What a student's process may take."""

    memory: int = 3 * 1024 * MB         # bytes, of all its processes together
    folder: int = 64 * MB               # bytes in its private temporary folder, and of one file
    processes: int = 64                 # processes and threads
    files: int = 256                    # open files
    cpu: int = 3600                     # seconds of computing for a whole notebook; cases have limits of their own


class Sandbox:
    """One way to run student code.

    Attributes:
        name: as `--backend` takes it.
        says: what it protects and what it does not, in a sentence or two, for the teacher.
        counts: whether the computing time of its processes can be read from here.
        renews: whether a process that has seen hidden inputs is replaced before another text of it is shown.
        computed: seconds of computing of its processes that ended, where the system counts them for nobody.
        user: number of the user that student code gets where the grader runs as root; 0: none of its own.
    """

    name = says = ""
    counts = renews = True
    computed = 0.0
    user = NOBODY

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def start(self) -> Running:
        """Start a worker.

        Raises:
            CourseError: it cannot be started.
        """
        folder = tempfile.TemporaryDirectory(prefix="course-grader-")
        path = Path(folder.name)
        return Single(self.command(path), self.environment(path), folder, self.limits.memory, self.counts, self.stop)

    def command(self, folder: Path) -> list[str]:
        """The command line of a worker."""
        raise NotImplementedError

    def environment(self, folder: Path) -> dict[str, str]:
        """Its environment: nothing of the teacher's."""
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", **worker_environment(self, str(folder))}

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """End all processes of a worker."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """No more workers are started."""


class Bubblewrap(Sandbox):
    """Linux namespaces."""

    name = "bubblewrap"
    says = ("Student code runs in Linux namespaces (bubblewrap): without a network, without your files (it sees Python "
            "and the course, read-only), without your environment, with limits of memory, computing time, processes "
            "and "
            "disk; before the next notebook all its processes are ended and its files removed. Not protected: it "
            "shares the kernel of this machine, so a hole in Linux itself would be a way out.")

    def __init__(self, limits: Limits, program: str, user_namespace: bool) -> None:
        super().__init__(limits)
        self._program, self._user_namespace = program, user_namespace
        self._warm: Warm | None = None

    def start(self) -> Running:
        """Start a worker: fork one from a process in the sandbox that has loaded torch already."""
        if self._warm is None or self._warm.process.poll() is not None:
            self.close()
            self._warm = Warm(self.command(Path("/")))
        return Forked(self._warm, self.limits.memory, self.close)

    def close(self) -> None:
        """End the process that workers are forked from."""
        if self._warm is not None:
            self.computed += self._warm.processes.taken().computed
            self._warm.stop()
            self._warm = None

    def running(self) -> psutil.Process | None:
        """The first process in the sandbox, while there is one."""
        return None if self._warm is None else psutil.Process(self._warm.process.pid)

    def command(self, folder: Path) -> list[str]:
        """bwrap with a root of its own."""
        return [*self.shell(), *worker_command()]

    def shell(self) -> list[str]:
        """Everything before the program that runs inside."""
        root = Path(course_lib.__file__).resolve().parent.parent
        line = [self._program, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
                "--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv", "--hostname", "student",
                "--proc", "/proc", "--dev", "/dev", "--size", str(self.limits.folder), "--tmpfs", "/dev/shm",
                "--size", str(self.limits.folder), "--perms", "1777", "--tmpfs", "/tmp", *mounts.system()]
        if self._user_namespace:
            line += ["--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY)]
        line += mounts.read_only([*mounts.python(), root / "course_lib", root / "assets"])
        for key, value in {"PATH": "/usr/bin:/bin", **worker_environment(self, "/tmp")}.items():
            line += ["--setenv", key, value]
        return [*line, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--"]


class Container(Sandbox):
    """Docker or Podman."""

    counts = False

    def __init__(self, limits: Limits, program: str, image: str) -> None:
        super().__init__(limits)
        self.name, self._image = program, image
        self._container = f"course-grader-{uuid.uuid4().hex[:12]}"
        self.says = (f"Student code runs in a container of {program}, image {image}: without a network, without your "
                     f"files "
                     "and environment, with limits of memory, processes and disk. Not protected: it shares the kernel "
                     "of "
                     f"this machine; and whoever may start {program} on this machine has its administrator's rights.")

    def command(self, folder: Path) -> list[str]:
        """A container without anything."""
        limits = self.limits
        line = [self.name, "run", "--rm", "--interactive", "--name", self._container, "--network", "none",
                "--read-only",
                "--tmpfs", f"/tmp:rw,size={limits.folder}", "--memory", str(limits.memory), "--memory-swap",
                str(limits.memory), "--pids-limit", str(limits.processes), "--cpus", "1", "--cap-drop", "ALL",
                "--security-opt", "no-new-privileges", "--user", f"{NOBODY}:{NOBODY}", "--workdir", "/tmp"]
        for key, value in worker_environment(self, "/tmp").items():
            line += ["--env", f"{key}={value}"]
        return [*line, self._image, "python", *worker_command()[1:]]

    def environment(self, folder: Path) -> dict[str, str]:
        """The client's own: it needs to find its server."""
        return dict(os.environ)

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """End the container, not only the client that shows it."""
        super().stop(process)
        subprocess.run([self.name, "rm", "--force", self._container], capture_output=True, timeout=60, check=False)
        self._container = f"course-grader-{uuid.uuid4().hex[:12]}"


class Plain(Sandbox):
    """No shield at all."""

    name, user, renews = "plain", 0, False       # it could leave them in a file
    says = ("Student code runs as an ordinary process of yours, with limits of memory and computing time. NOT "
            "protected: it "
            "can read and change your files, other students' work and these results, use the network, and leave "
            "processes "
            "behind. Points cannot be forged through the channel, but everything else is open. Use it for notebooks "
            "that "
            "you trust.")

    def command(self, folder: Path) -> list[str]:
        """Python itself."""
        return worker_command()


def worker_command() -> list[str]:
    """Python with the worker."""
    return [sys.executable, "-s", "-B", "-m", "course_lib.classroom.worker"]


def worker_environment(sandbox: Sandbox, folder: str) -> dict[str, str]:
    """All variables that a worker has beside its PATH."""
    limits = sandbox.limits
    handed = {"memory": limits.memory, "file": limits.folder, "processes": limits.processes, "files": limits.files,
              "cpu": limits.cpu, "user": sandbox.user, "many": int(isinstance(sandbox, Bubblewrap))}
    profile = {key: os.environ[key] for key in ("COURSE_BUDGET",) if key in os.environ}
    return {"HOME": folder, "TMPDIR": folder, "USER": "student", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "COURSE_WORK": f"{folder}/my_work",
            "PYTHONPATH": str(Path(course_lib.__file__).resolve().parent.parent), LIMITS: json.dumps(handed), **profile}


def find(name: str = "", *, image: str = "", trusted: bool = False, limits: Limits | None = None) -> Sandbox:
    """The sandbox of this name, or the safest that works here.

    Args:
        image: of a container.
        trusted: whether the teacher trusts the notebooks, so that a plain process will do.

    Raises:
        CourseError: there is none; the text says what to install.
    """
    limits = limits or Limits()
    if name not in ("", "bubblewrap", "docker", "podman", "plain"):
        raise CourseError(f"There is no backend {name!r}: bubblewrap, docker, podman or plain.")
    if name in ("", "bubblewrap"):
        found = _bubblewrap(limits)
        if found is not None:
            return found
    for program in ("podman", "docker"):
        if image and name in ("", program) and _works((program, "image", "inspect", image)):
            return Container(limits, program, image)
    if name == "plain" or (not name and trusted):
        if trusted:
            return Plain(limits)
        raise CourseError("A plain process does not keep student code from your files, your network or other "
                          "students' work. "
                          "If you trust these notebooks, say so: --backend plain --i-trust-these-notebooks.")
    raise CourseError(_advice(name, image))


def _bubblewrap(limits: Limits) -> Bubblewrap | None:
    program = os.environ.get("COURSE_BWRAP") or shutil.which("bwrap")
    if program is None:
        return None
    for user_namespace in (False, True) if os.geteuid() == 0 else (True,):
        made = Bubblewrap(limits, program, user_namespace)
        if _works((*made.shell(), sys.executable, "-I", "-c", "0")):
            return made
    return None


@functools.lru_cache(maxsize=32)
def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _advice(name: str, image: str) -> str:
    if name in ("docker", "podman"):
        return (f"{name} has no image {image!r}, or does not answer." if image else
                f"{name} wants an image that has the course installed: --image NAME.")
    return ("Nothing here can shield you from student code. Install bubblewrap (`sudo apt install bubblewrap`, `sudo "
            "dnf "
            "install bubblewrap`) and run the command again"
            + ("; it is there, but this system does not let it make namespaces (ask its administrator for "
               "unprivileged user "
               "namespaces)" if shutil.which("bwrap") else "")
            + ". Or use a container: --backend podman --image NAME. If you trust these notebooks: "
              "--i-trust-these-notebooks.")

