"""A download is interrupted: whoever hears of it first, pip ends, nothing stays, the user is told `Stopped.`"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import LONG_ENOUGH, until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to processes of its own")

CHECKOUT = Path(__file__).resolve().parent.parent
COURSE = "\nimport sys\nfrom course_lib.cli import main\nsys.exit(main(['assets', 'ratings']))"
PIP = '''
import os, signal, sys, time
def ready():
    with open({new!r}, "w") as file:
        file.write(str(os.getpid()))
    os.replace({new!r}, {file!r})
'''
HANGS = "ready()\ntime.sleep(600)"


class Fetching:
    """`course assets ratings` in a group of its own, with a pip made of a few lines."""

    def __init__(self, shop: Path) -> None:
        self.shop, self.pid_file, self.process = shop, shop / "pip.pid", None

    def start(self, pip: str = HANGS, before: str = "") -> None:
        """Start it, with this code as its pip (`ready()` writes pip.pid) and after `before`."""
        package = self.shop / "slow" / "pip"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        paths = PIP.format(new=str(self.shop / "pip.new"), file=str(self.pid_file))
        (package / "__main__.py").write_text(paths + pip)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package.parent), str(CHECKOUT)])}
        self.process = subprocess.Popen([sys.executable, "-c", before + COURSE], env=environment, text=True,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)

    def pip(self) -> int:
        """The number of pip's process, once it says that it is ready."""
        until(lambda: self.pid_file.exists() or self.process.poll() is not None)
        return int(self.pid_file.read_text())

    def assert_stopped(self) -> None:
        """The user was told so in one word, pip has ended, and nothing is left of what it did."""
        said = self.process.communicate(timeout=LONG_ENOUGH)[1]
        assert (said.strip(), self.process.returncode) == ("Stopped.", 130)
        with pytest.raises(ProcessLookupError):
            os.kill(self.pip(), 0)
        assert not list((self.shop / "cache" / ".downloads").glob("half-*"))


@pytest.fixture
def fetching(shop):
    """A `Fetching` that is ended with the test, its pip too."""
    fetching = Fetching(shop)
    yield fetching
    if fetching.process.poll() is None:
        os.killpg(fetching.process.pid, signal.SIGKILL)
    fetching.process.communicate()


def test_only_the_course_is_interrupted(fetching):
    fetching.start()
    fetching.pip()
    fetching.process.send_signal(signal.SIGINT)
    fetching.assert_stopped()


def test_the_whole_group_is_interrupted_as_by_a_terminal_or_by_jupyter(fetching):
    fetching.start()
    fetching.pip()
    os.killpg(fetching.process.pid, signal.SIGINT)
    fetching.assert_stopped()


@pytest.mark.parametrize("pip", [
    "ready()\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(600)",
    "ready()\nprint('ERROR: Operation cancelled by user', file=sys.stderr)\nsys.exit(1)",
    "ready()\nsys.exit(130)",
], ids=["killed", "as pip says it", "as a shell says it"])
def test_pip_hears_of_it_and_the_course_does_not(fetching, pip):
    fetching.start(pip)
    fetching.assert_stopped()


def test_interrupted_twice_while_pip_is_being_started(fetching):
    fetching.start(before=f'''
import os, signal, subprocess
class Interrupted(subprocess.Popen):
    def __init__(self, *words, **options):
        super().__init__(*words, **options)
        with open({str(fetching.pid_file)!r}, "w") as file:
            file.write(str(self.pid))
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
subprocess.Popen = Interrupted''')
    fetching.assert_stopped()


def test_an_interrupt_while_python_clears_an_object_away_is_not_lost(fetching):
    fetching.start(before=f'''
import os, signal
from course_lib.assets import pip_download
class Interrupts:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
interrupts = [Interrupts()]
def folder_bytes(folder):
    if os.path.exists({str(fetching.pid_file)!r}):
        interrupts.clear()
    return 0
pip_download.folder_bytes = folder_bytes''')
    fetching.assert_stopped()


def test_a_pip_that_does_not_end_when_asked_is_killed(fetching):
    fetching.start("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + HANGS,
                   before="from course_lib.assets import pip_download; pip_download.PATIENCE = 0.1")
    fetching.pip()
    fetching.process.send_signal(signal.SIGINT)
    fetching.assert_stopped()


def test_all_this_holds_in_a_suite_that_a_shell_has_made_deaf_to_interrupts():
    """As `pytest &` does in a script: SIGINT is ignored there and in every process that the tests start."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
               f"{__file__}::{test_only_the_course_is_interrupted.__name__}"]
    done = subprocess.run(["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command], env=environment, cwd=CHECKOUT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
