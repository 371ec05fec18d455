"""A student's Jupyter server on the class's hub: in a sandbox of bubblewrap, with limits of memory, cores, processes.

The sandbox sees Python and the course (read-only), the student's own home, and nbgrader's exchange; not the teacher's
files, not other students'. Its processes have a user number of their own. What it does not shield: the network (a
notebook may talk to whatever this machine can reach) and the Linux kernel, which all share. The teacher's server runs
outside of any sandbox, as the user whom the class's folder belongs to.

Only JupyterHub imports this file; it needs the extra that `make classroom` installs.
"""

import os
import pwd
import shlex
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from jupyterhub.auth import Authenticator
from jupyterhub.spawner import LocalProcessSpawner, set_user_setuid
from traitlets import Unicode

from course_lib import paths
from course_lib.classroom import hub_users, mounts

EXCHANGE, CONFIG = "/srv/exchange", "/srv/for_students"        # where a student's sandbox has them
SERVER = "jupyterhub-singleuser"
PROCESSES = 512                                                # processes and threads of one student


class Passwords(Authenticator):
    """Users with the passwords of the class's `private/hub_users.csv`."""

    classroom = Unicode(help="The class's folder.").tag(config=True)

    async def authenticate(self, handler: Any, data: Any = None, **_: Any) -> str | None:
        """The user's name where name and password belong together."""
        users = hub_users.read(Path(self.classroom))
        return hub_users.checked(users, str(data["username"]).strip(), str(data["password"]))


class Sandboxed(LocalProcessSpawner):
    """Starts servers, ends what takes too much memory."""

    classroom = Unicode(help="The class's folder.").tag(config=True)
    teacher = Unicode(help="The teacher's name on the hub.").tag(config=True)

    @property
    def folder(self) -> Path:
        """The class's folder."""
        return Path(self.classroom)

    @property
    def course(self) -> Path:
        """The course that students see: without its solutions where the class holds them back."""
        own = self.folder / "course"
        return own if own.is_dir() else paths.root().resolve()

    @property
    def is_teacher(self) -> bool:
        """Whether this server is the teacher's."""
        return self.user.name == self.teacher

    @property
    def home(self) -> Path:
        """The user's home on this machine."""
        return self.folder / "hub" / "homes" / self.user.name

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        """What is done in the new process: the teacher's becomes the owner of the class's folder."""
        owner = os.stat(self.folder).st_uid
        if self.is_teacher and owner != os.geteuid():
            return set_user_setuid(pwd.getpwuid(owner).pw_name)
        return lambda: None

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """The environment: nothing of the hub's own but what its server needs."""
        programs = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        env |= {"USER": self.user.name, "SHELL": "/bin/bash", "PATH": programs, "OMP_NUM_THREADS": "1",
                "COURSE_CACHE": str(paths.cache().resolve()), "JUPYTER_PREFER_ENV_PATH": "1"}
        if self.is_teacher:
            return env | {"HOME": str(self.home), "COURSE_ROOT": str(paths.root().resolve()),
                          "PYTHONPATH": str(paths.root().resolve()), "COURSE_WORK": str(self.home / "my_work"),
                          "COURSE_EXCHANGE": str(self.folder / "hub" / "exchange"),
                          "JUPYTER_CONFIG_PATH": f"{self.folder / 'hub' / 'for_teacher'}:{self.folder}"}
        home = f"/home/{self.user.name}"
        return env | {"HOME": home, "COURSE_ROOT": str(self.course), "PYTHONPATH": str(self.course),
                      "COURSE_WORK": f"{home}/my_work", "COURSE_EXCHANGE": EXCHANGE, "JUPYTER_CONFIG_PATH": CONFIG}

    def get_args(self) -> list[str]:
        """The server's arguments; its root is the user's home, and the teacher's is the class's folder."""
        more = [f"--ServerApp.root_dir={self.folder if self.is_teacher else f'/home/{self.user.name}'}",
                "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None",
                "--LabApp.extension_manager=readonly"]
        if self.is_teacher and os.stat(self.folder).st_uid == 0:
            more.append("--allow-root")
        return [*super().get_args(), *more]

    async def start(self) -> tuple[str, int]:
        """Start the server of this user."""
        if self.is_teacher:
            self.cmd, self.popen_kwargs = [str(Path(sys.executable).parent / SERVER)], {"cwd": self.folder}
        else:
            self.cmd = self.sandbox()
        return await super().start()

    def sandbox(self) -> list[str]:
        """The command line before the server's arguments."""
        user, here = hub_users.read(self.folder)[self.user.name], self.folder / "hub"
        line = ["bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
                "--die-with-parent", "--hostname", "hub", "--proc", "/proc", "--dev", "/dev",
                "--perms", "1777", "--tmpfs", "/dev/shm", "--perms", "1777", "--tmpfs", "/tmp"]
        for parent in ("/etc", "/home", "/srv"):
            line += ["--perms", "0755", "--dir", parent]
        line += mounts.system()
        for path in ("/etc/ssl", "/etc/fonts", "/etc/alternatives", "/etc/hosts", "/etc/nsswitch.conf",
                     "/etc/resolv.conf"):
            line += ["--ro-bind-try", path, path]
        seen = [*mounts.python(), self.course, paths.cache().resolve()]
        line += mounts.read_only(sorted(dict.fromkeys(seen), key=lambda path: len(path.parts)))
        for hidden in (self.course / "my_work", self.course / ".git"):
            if hidden.is_dir():
                line += ["--tmpfs", str(hidden)]
        for source, place in ((here / "passwd", "/etc/passwd"), (here / "group", "/etc/group"),
                              (self.folder / "for_students", CONFIG)):
            line += ["--ro-bind", str(source), place]
        home = f"/home/{self.user.name}"
        line += ["--bind", str(here / "exchange"), EXCHANGE, "--bind", str(self.home), home, "--chdir", home,
                 "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP", "--"]
        line += ["setpriv", f"--reuid={user.number}", f"--regid={user.number}", "--clear-groups", "--no-new-privs",
                 "--inh-caps=-all", "--bounding-set=-all"]
        line += ["prlimit", f"--nproc={PROCESSES}", "--core=0",
                 *([f"--data={self.mem_limit}"] if self.mem_limit else [])]
        line += ["taskset", "--cpu-list", ",".join(map(str, self.cores(user.number)))]
        python = shlex.quote(sys.executable)
        server = shlex.quote(str(Path(sys.executable).parent / SERVER))
        prepare = f'{python} -c "from course_lib import workspace; workspace.prepare()"'
        return [*line, "sh", "-c", f'{prepare}; exec {server} "$@"', SERVER]

    def cores(self, number: int) -> list[int]:
        """The processor cores that a student may use: as many as `cpu_limit` says, others for other students."""
        there = sorted(os.sched_getaffinity(0))
        many = min(len(there), max(1, round(self.cpu_limit or len(there))))
        return sorted(there[(number * many + i) % len(there)] for i in range(many))

    async def poll(self) -> int | None:
        """None while the server runs. Its largest process is ended where all together take more than `mem_limit`."""
        status = await super().poll()
        if status is None and self.mem_limit and not self.is_teacher:
            self.end_what_takes_too_much()
        return status

    def end_what_takes_too_much(self) -> None:
        """End the largest of the student's processes where together they hold more memory than `mem_limit`."""
        held: list[tuple[int, psutil.Process]] = []
        with suppress(psutil.Error):
            for process in psutil.Process(self.pid).children(recursive=True):
                with suppress(psutil.Error):
                    memory = process.memory_info()
                    held.append((memory.rss - memory.shared, process))
        if sum(size for size, _ in held) > self.mem_limit:
            size, largest = max(held, key=lambda one: one[0])
            self.log.warning("%s's processes hold more than %.1f GB: ended the largest, %s (%.1f GB)", self.user.name,
                             self.mem_limit / 1e9, largest.pid, size / 1e9)
            with suppress(psutil.Error):
                largest.kill()
