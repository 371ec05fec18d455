"""After the set-up everything works with the network off: notebooks run where there is nothing but loopback."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from browser import write_notebook
from conftest import skip_unless_ci

from course_lib.authoring import execute
from course_lib.paths import root

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
LESSONS = sorted(file.stem for file in (root() / "notebooks").glob("[0-9][0-9]_*.ipynb"))
HERE = "00_start_here"         # runs in every `make test`; the others with the slow proofs
RUN = '''
import fcntl, socket, struct, sys
with socket.socket() as any_socket:      # a fresh namespace has its loopback down
    SIOCSIFFLAGS, UP_AND_RUNNING = 0x8914, 0x41
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", UP_AND_RUNNING))
try:
    socket.create_connection(("192.0.2.1", 80), timeout=2)
    sys.exit("there is a network here")
except OSError as error:
    print("no network:", error)
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
print("cells:", sum(cell.cell_type == "code" for cell in notebook.cells))
'''


def alone() -> list[str]:
    """The command that runs another one in a network namespace of its own. Skips where that is refused."""
    tool = shutil.which("unshare")
    if tool is None:
        skip_unless_ci("network namespaces need Linux's unshare, which is not here")
    command = [tool, "-n"] if os.geteuid() == 0 else [tool, "-rn"]
    if subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        skip_unless_ci(f"this system refuses network namespaces ({' '.join(command)})")
    return command


def run_alone(notebook: Path, work: Path) -> str:
    """Execute the notebook without a network, strictly and in the CI budget; what the run said."""
    environment = {**execute.environment(work), "COURSE_BUDGET": "ci", "PYTHONPATH": str(root())}
    process = subprocess.run([*alone(), sys.executable, "-c", RUN, str(notebook)], env=environment, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.returncode == 0, process.stdout[-3000:]
    assert process.stdout.startswith("no network: ")
    return process.stdout


def test_data_and_a_kernel_without_a_network(tmp_path):
    write_notebook(tmp_path / "tiny.ipynb",
                   "from course_lib import assets\nwords = assets.path('vader-lexicon') / 'vader_lexicon.txt'",
                   "import torch\nassert words.stat().st_size > 400_000 and torch.ones(2).sum() == 2")
    assert "cells: 2" in run_alone(tmp_path / "tiny.ipynb", tmp_path)


@pytest.mark.parametrize("lesson", [pytest.param(name, marks=() if name == HERE else pytest.mark.slow)
                                    for name in LESSONS])
def test_a_lesson_runs_without_a_network(lesson, tmp_path):
    run_alone(root() / "notebooks" / f"{lesson}.ipynb", tmp_path)
