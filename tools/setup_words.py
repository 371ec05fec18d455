"""What the set-up says when something is missing or refused. Standard library and syntax as in bootstrap.py."""

import errno

NO_PYTHON = """\
Python 3.11, 3.12 or 3.13 is needed; this is Python {version}, and no fitting one was found on PATH.
How to get one:
  Windows          winget install Python.Python.3.12      (then open a new terminal)
  macOS            brew install python@3.12               (or the installer from python.org)
  Debian, Ubuntu   sudo apt install python3 python3-venv  (Debian 12 or Ubuntu 24.04 and later)
  anywhere         conda create -n py312 python=3.12, then conda activate py312
Then run this command again."""
NO_VENV = """\
{python} cannot make virtual environments: its module `ensurepip` is missing.
On Debian and Ubuntu: sudo apt install python{minor}-venv      Then run this command again."""
INTEL_MAC = """\
This is a Python for Intel Macs, and PyTorch has no packages for those any more.
On a Mac with an M-series processor install the arm64 Python (python.org or brew); on an Intel Mac use Linux in a
container or a virtual machine. Then run this command again."""
BIG_TORCH = """\
Note: no NVIDIA GPU was found here, and on Linux the plain torch package brings gigabytes of GPU libraries with it.
The CPU build does all that this course asks in about 200 MB. To have it, press Ctrl+C now, open "Get Started" on
pytorch.org, choose Linux, Pip, CPU, copy the address after --index-url, and run
    make lab TORCH_INDEX=<that address>        (or: python3 tools/bootstrap.py --torch-index <that address>)"""
PIP_FAILED = """\
Installing stopped; pip's last lines above say why, and all of them are in
    {log}
If the network failed, run the same command again: what was downloaded is kept. Behind a proxy or a mirror, configure
pip for it first (pip config)."""
NOT_OURS = """\
{venv} {what}, so it is left as it is. The set-up makes a folder of this name for the
course's packages: move yours away or delete it, then run this command again."""
AT_ONCE = """\
Another set-up is working in {root} at this moment.
Wait until it has ended, then run this command again; it goes on where the other one stopped."""
FULL = """\
The disk is full: {file} could not be written. Make room (the set-up needs up to {space} GB in
{root}), then run this command again: what was downloaded is kept."""
READ_ONLY = """\
{file} cannot be written ({why}). The course needs a folder of your own:
copy or clone it to one in which you may write, then run this command again there."""


def refused(error, root, space):
    """What the system refused (an OSError), and what to do about it; space: gigabytes that the set-up may need."""
    file = error.filename or root
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return FULL.format(file=file, space=space, root=root)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return READ_ONLY.format(file=file, why=error.strerror)
    return f"The set-up stopped: {error.strerror or error} ({file}). Mend that, then run this command again."
