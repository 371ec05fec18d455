"""A name for a running process, and whether the one of that name has ended: for leases and marks of checks."""

import hashlib
import os
import socket

import psutil


def session_name() -> str:
    """A name for this process on this machine; it tells nothing about the machine to those who get the file."""
    return f"{_machine()}:{os.getpid()}:{psutil.Process().create_time():.0f}"


def session_gone(name: str) -> bool:
    """Whether the process of that session has ended. On another machine nobody can say: then it counts as alive."""
    machine, process, started = name.split(":")
    if machine != _machine():
        return False
    try:
        there = psutil.Process(int(process))
        return there.status() == psutil.STATUS_ZOMBIE or f"{there.create_time():.0f}" != started    # given away again
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12]
