"""Install the proxy that JupyterHub needs: `.venv/bin/python tools/hub_proxy.py`. Run again it installs nothing.

It is a program of Node.js, pinned with its packages and their hashes in classroom/hub/package-lock.json, and goes into
.venv/hub-proxy. Without npm a sentence says what to install; nbgrader works without the proxy, and so does all else.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("package.json", "package-lock.json")
NO_NPM = """\
JupyterHub's proxy is not installed, since npm was not found. For a hub (course classroom hub) install Node.js 18
or later:
  Debian, Ubuntu   sudo apt install nodejs npm
  Fedora           sudo dnf install nodejs npm
then run `make classroom` again. nbgrader and `course grade` do without."""


def main() -> int:
    """Install what is not there; 1 when npm fails."""
    target, source = Path(sys.prefix) / "hub-proxy", ROOT / "classroom" / "hub"
    if installed(target, source):
        print("JupyterHub's proxy: installed already.")
        return 0
    npm = shutil.which("npm")
    if npm is None:
        print(NO_NPM)
        return 0
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(source / name, target / name)
    done = subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=target, check=False)
    if done.returncode:
        (target / FILES[1]).unlink()
        print("npm could not install JupyterHub's proxy (it says why above). Run the same command again.",
              file=sys.stderr)
        return 1
    print(f"JupyterHub's proxy: {target}")
    return 0


def installed(target: Path, source: Path) -> bool:
    """Whether the proxy of this very lock is there, whole."""
    lock = target / FILES[1]
    return (lock.is_file() and lock.read_bytes() == (source / FILES[1]).read_bytes()
            and (target / "node_modules" / ".bin" / "configurable-http-proxy").exists())


if __name__ == "__main__":
    sys.exit(main())
