"""From zero: a Debian with nothing on it, the packages that the README names, and its two commands to the letter.

The whole suite would take too long in there: `make test` runs its first two stages. As root and as a plain user.
"""

import re
import urllib.error
import urllib.request

import pytest
from bare_debian import AN_HOUR, HOMES, ROOT, bare_debian, what_is_missing
from browser import free_port
from conftest import skip_unless_ci
from waiting import until

from course_lib.lab import FIRST

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """The commands under "Two commands", without what is said behind #."""
    block = re.search(r"## Two commands\n+```\n(.*?)```", README, re.DOTALL)[1]
    return [line.split("#")[0].strip() for line in block.splitlines()]


def packages() -> str:
    """The command that the README gives for a bare Debian."""
    return re.search(r"`sudo (apt-get install [^`]+)`", README)[1]


@pytest.fixture(scope="module")
def debian(tmp_path_factory):
    """With the packages of the README."""
    if missing := what_is_missing():
        skip_unless_ci(missing)
    with bare_debian(tmp_path_factory.mktemp("debian")) as made:
        made.run(packages().replace("install", "install --yes"))
        yield made


def address_in(log) -> re.Match | None:
    """Where JupyterLab says that it serves, with its token."""
    return re.search(r"http://(?:localhost|127\.0\.0\.1):(\d+)/\S*\?token=(\w+)", log.read_text(errors="replace"))


@pytest.mark.parametrize("user", HOMES)
def test_the_two_commands_of_the_readme(debian, user, tmp_path):
    lab, test = commands()
    course, log = debian.check_out(user), tmp_path / "lab.log"
    with log.open("wb") as said:
        server = debian.start(f'{lab} ARGS="--no-browser --port {free_port()}"', user, course, stdout=said)
    try:
        until(lambda: server.poll() is not None or address_in(log), seconds=AN_HOUR)
        assert server.poll() is None, log.read_text(errors="replace")[-6000:]
        port, token = address_in(log).groups()
        until(lambda: served(f"http://127.0.0.1:{port}/api/contents/{FIRST}?content=0&token={token}"))
    finally:
        server.kill()                                           # and with it all that it started in there
        server.wait()
    told = debian.run(f'{test} ARGS="--only lint build --patience 60"', user, course)
    assert re.search(r"^lint +passed", told, re.MULTILINE) and re.search(r"^build +passed", told, re.MULTILINE)


def served(address: str) -> bool:
    """Whether the server gives it."""
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def test_nothing_of_it_stays_when_it_fails(tmp_path, monkeypatch):
    if missing := what_is_missing():
        skip_unless_ci(missing)
    monkeypatch.setattr("bare_debian.mirror", lambda: f"http://127.0.0.1:{free_port()}/nobody-answers")
    (folder := tmp_path / "debian").mkdir()
    with pytest.raises(AssertionError, match="nobody-answers"), bare_debian(folder):
        pass
    assert not folder.exists()
