"""`course lab`: JupyterLab on the learner's own copies, quiet and offline, in one command."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from course_lib import atomic, kernel, paths, workspace
from course_lib.errors import CourseError

FIRST = "notebooks/00_start_here.ipynb"

QUIET = {"@jupyterlab/apputils-extension:notification": {"checkForUpdates": False, "fetchNews": "false"}}

USAGE = """\
usage: course lab [options for JupyterLab]

Opens JupyterLab on your own copies of the lessons, in my_work/. Every option goes on to JupyterLab, for example
  --no-browser      print the address and open nothing
  --port 8899       use this port
  --ip 0.0.0.0      for a container or another machine"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `course lab` to the command line. Words with dashes are JupyterLab's, so none is an option here."""
    parser = subparsers.add_parser(
        "lab", help="open JupyterLab on your own copies of the lessons", prefix_chars="\0", add_help=False)
    parser.add_argument("options", nargs="*")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look after kernel, data and copies, then become JupyterLab; the exit code."""
    if {"-h", "--help"} & set(arguments.options):
        print(USAGE)
        return 0
    mend_kernel()
    fetch_missing()
    brought = workspace.prepare()
    if brought.new:
        print(f"{len(brought.new)} notebooks copied into {paths.my_work()}.")
    if brought.changed:
        print(f"{len(brought.changed)} of your notebooks have a newer version: `course update` puts it beside yours.")
    print("Opening JupyterLab. To stop it, press Ctrl+C here and answer y; your work is saved in my_work.", flush=True)
    return become(command(arguments.options), environment())


def mend_kernel() -> None:
    """Register this Python as the notebooks' kernel when it is not. Raises `CourseError` when that does not help."""
    wrong = kernel.fault()
    if wrong:
        print(f"Mending the kernel: {wrong}.")
        kernel.register()
        still = kernel.fault()
        if still:
            raise CourseError(f"{still}. `course doctor` says more.")


def fetch_missing() -> None:
    """Fetch data that is missing or damaged; without network say what does not work and go on."""
    from course_lib.assets import AssetError, ensure

    try:
        ensure()
    except AssetError as error:
        print(f"Some data is missing; the lessons that do without it work.\n{error}")


def command(options: list[str]) -> list[str]:
    """JupyterLab's command line: rooted in `my_work/`, opening lesson 00, asking no server anything."""
    start = f"/lab/tree/{FIRST}" if (paths.my_work() / FIRST).exists() else "/lab"
    return [
        sys.executable, "-m", "jupyterlab",
        f"--ServerApp.root_dir={paths.my_work().resolve()}",
        f"--LabApp.default_url={start}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
        "--LabApp.extension_manager=readonly",
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),      # root, as in most containers
        *options,
    ]


def environment() -> dict[str, str]:
    """The variables for JupyterLab: settings of the course first, and this environment's kernel before the user's.

    Kernels compute on one thread unless the user said otherwise: the course's small networks ran 4 to 40 times slower
    on two, because the threads spend their time waiting for each other.
    """
    folder = paths.my_work().resolve() / ".course" / "jupyter"
    settings = folder / "labconfig" / "default_setting_overrides.json"
    with atomic.in_a_sentence(settings):
        settings.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(settings, json.dumps(QUIET, indent=1) + "\n")
    search = os.pathsep.join(filter(None, (str(folder), os.environ.get("JUPYTER_CONFIG_PATH"))))
    return {"OMP_NUM_THREADS": "1", **instead_of_home(folder), **os.environ, "JUPYTER_CONFIG_PATH": search,
            "JUPYTER_PREFER_ENV_PATH": "1"}


def instead_of_home(folder: Path) -> dict[str, str]:
    """Where Jupyter and IPython keep their files when the home folder cannot be written; nothing when it can."""
    if not paths.home_fault():
        return {}
    places = {"JUPYTER_RUNTIME_DIR": "runtime", "JUPYTER_DATA_DIR": "data", "JUPYTER_CONFIG_DIR": "config",
              "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "IPYTHONDIR": "ipython",
              "MPLCONFIGDIR": "matplotlib", "XDG_CACHE_HOME": "cache"}
    for name in places.values():
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "runtime").chmod(0o700)              # it holds the keys of the running kernels
    return {variable: str(folder / name) for variable, name in places.items()}


def become(words: list[str], variables: dict[str, str]) -> int:
    """Replace this process by `words`; where the system cannot (Windows), run them and wait."""
    if os.name == "posix":
        os.execve(words[0], words, variables)
    process = subprocess.Popen(words, env=variables)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:              # JupyterLab got it too, and asks whether to stop
            continue
