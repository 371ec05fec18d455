"""The Jupyter kernel of this environment: is `python3` this very Python, and how to make it so."""

import shutil
import subprocess
import sys
from pathlib import Path

from course_lib.errors import CourseError

NAME = "python3"


def fault() -> str | None:
    """Why notebooks would not run on this Python, in one sentence; None when they would."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        command = KernelSpecManager().get_kernel_spec(NAME).argv[0]
    except NoSuchKernel:
        return f"no kernel named {NAME} is registered"
    if command in ("python", "python3") or _same(command):        # jupyter runs a bare name as this Python
        return None
    return f"the kernel {NAME} is {command}, another Python than {sys.executable}"


def register() -> None:
    """Register this Python as `python3` inside its own environment. Raises `CourseError` when that fails."""
    done = subprocess.run(
        [sys.executable, "-m", "ipykernel", "install", "--sys-prefix", "--name", NAME, "--display-name",
         "Python 3 (ipykernel)"], capture_output=True, text=True)
    if done.returncode:
        raise CourseError(f"the kernel could not be registered: {done.stderr.strip() or done.stdout.strip()}")


def _same(command: str) -> bool:
    """Whether the command is this Python, under this name or another in the same folder (`python`, `python3`)."""
    found, here = Path(shutil.which(command) or "").absolute(), Path(sys.executable).absolute()
    return found.parent == here.parent and found.resolve() == here.resolve()
