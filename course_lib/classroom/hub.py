"""`course classroom hub DIR`: a JupyterHub for one class on this machine.

    DIR/hub/homes/      what students keep on the hub, a home for each
    DIR/hub/exchange/   nbgrader's exchange: what is released, handed in, given back
    DIR/private/hub_users.csv   users, passwords
"""

import importlib.util
import json
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

from course_lib import atomic, paths
from course_lib.classroom import gradebooks, hub_users, nbgrader_course
from course_lib.errors import CourseError

TOOLS = {"bwrap": "sudo apt install bubblewrap", "setpriv": "sudo apt install util-linux",
         "prlimit": "sudo apt install util-linux", "taskset": "sudo apt install util-linux",
         "node": "sudo apt install nodejs npm, then make classroom"}
LAB_OFF = ("formgrader", "course-list", "create-assignment")     # panels of nbgrader that are not for students
FRAMES = {"Content-Security-Policy": "frame-ancestors 'self'"}      # formgrader is a page in a frame of JupyterLab


def missing() -> list[str]:
    """What a hub needs and this machine has not, each with how to get it."""
    found = []
    if sys.platform != "linux":
        found.append("Linux: the students' sandboxes are made of its namespaces")
    elif os.geteuid() != 0:
        found.append("administrator's rights, to give each student a user number: start it with sudo")
    found += [f"{name}, the Python package: make classroom" for name in ("jupyterhub", "nbgrader")
              if importlib.util.find_spec(name) is None]
    found += [f"{name}: {how}" for name, how in TOOLS.items() if shutil.which(name) is None]
    if not proxy().exists():
        found.append("JupyterHub's proxy: make classroom (it needs npm: sudo apt install nodejs npm)")
    return found


def proxy() -> Path:
    """The program of JupyterHub's proxy, as tools/hub_proxy.py installs it."""
    return Path(sys.prefix) / "hub-proxy" / "node_modules" / ".bin" / "configurable-http-proxy"


def prepare(folder: Path, teacher: str = "teacher") -> dict[str, hub_users.User]:
    """Make the users, their homes and the exchange of a class; what is there stays. Returns the users.

    Raises:
        CourseError: the folder is no class of nbgrader, or its roster cannot be used.
    """
    if not (folder / nbgrader_course.CONFIG).is_file():
        raise CourseError(f"{folder} is no class with nbgrader. Make it: course classroom init {folder} --roster CSV "
                          "--nbgrader")
    users = hub_users.make(folder, gradebooks.read_roster(folder / "private" / "roster.csv"), teacher)
    here, owner = folder / "hub", folder.stat().st_uid
    with atomic.in_a_sentence(here):
        for name, mode in (("", 0o755), ("homes", 0o711), ("exchange", 0o777)):
            (here / name).mkdir(exist_ok=True)
            (here / name).chmod(mode)
            os.chown(here / name, owner, -1)
        for user in users.values():
            home = here / "homes" / user.name
            home.mkdir(exist_ok=True)
            home.chmod(0o700)
            os.chown(home, user.number or owner, user.number or -1)
        for name, text in zip(("passwd", "group"), hub_users.passwd(users), strict=True):
            atomic.write_text(here / name, text)
        off = {f"nbgrader.server_extensions.{name}": False for name in ("formgrader", "course_list")}
        _settings(folder / "for_students", {"jpserver_extensions": off},
                  {"disabledExtensions": {f"@jupyter/nbgrader:{name}": True for name in LAB_OFF}})
        _settings(here / "for_teacher", {"tornado_settings": {"headers": FRAMES}}, {})
    return users


def _settings(folder: Path, server: dict[str, Any], page: dict[str, Any]) -> None:
    """Write settings of Jupyter servers; JupyterLab asks no server of the internet for news."""
    quiet = {"@jupyterlab/apputils-extension:notification": {"checkForUpdates": False, "fetchNews": "false"}}
    for name, content in (("jupyter_server_config.json", {"ServerApp": server}), ("labconfig/page_config.json", page),
                          ("labconfig/default_setting_overrides.json", quiet)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(folder / name, json.dumps(content, indent=1) + "\n")


def command(folder: Path, port: int, teacher: str, memory: float, cpus: float) -> tuple[list[str], dict[str, str]]:
    """JupyterHub's command line and environment."""
    ports = ",".join(map(str, (port, _free_port(), _free_port())))
    root = paths.root().resolve()
    environment = {**os.environ, "COURSE_ROOT": str(root), "COURSE_CLASS": str(folder.resolve()),
                   "COURSE_HUB_PORTS": ports, "COURSE_HUB_TEACHER": teacher, "COURSE_HUB_PROXY": str(proxy()),
                   "COURSE_HUB_MEMORY": f"{memory * 1024:.0f}M", "COURSE_HUB_CPUS": str(cpus),
                   "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))}
    config = root / "classroom" / "hub" / "jupyterhub_config.py"
    return [sys.executable, "-m", "jupyterhub", "-f", str(config)], environment


def run(folder: Path, port: int, teacher: str, memory: float, cpus: float) -> None:
    """Become a class's hub.

    Args:
        memory: of each student's processes together, GB.
        cpus: processor cores for each student.

    Raises:
        CourseError: something that it needs is missing.
    """
    if lacking := missing():
        raise CourseError("The hub needs what is not here:\n  " + "\n  ".join(lacking))
    users = prepare(folder, teacher)
    words, environment = command(folder, port, teacher, memory, cpus)
    print(f"{len(users) - 1} students and {teacher}; their passwords: {folder / hub_users.FILE}\n"
          f"Each student: {memory:g} GB of memory, {cpus:g} processor cores, a home in {folder / 'hub' / 'homes'}\n"
          f"Open http://127.0.0.1:{port} (this machine only). To stop it, press Ctrl+C here.", flush=True)
    os.execve(words[0], words, environment)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
