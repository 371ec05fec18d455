"""Who may use a class's hub: the teacher and the students of the roster, each with a password and a user number.

The numbers are the students' own on this machine's file systems, without accounts: nobody can log in to the machine
with them, and files of two students have different owners. They stay the same from one start of the hub to the next.
"""

import csv
import hmac
import io
import os
import pwd
import secrets
from dataclasses import dataclass
from pathlib import Path

from course_lib import atomic
from course_lib.classroom.gradebooks import Roster
from course_lib.errors import CourseError

FILE = "private/hub_users.csv"
FIRST = 50_000          # the lowest user number of a student; what this machine has given to somebody is left out
COLUMNS = ("user", "number", "password")


@dataclass(frozen=True)
class User:
    """A user of the hub; `number` is their user number, 0 for the teacher, whose processes are the teacher's own."""

    name: str
    number: int
    password: str


def read(folder: Path) -> dict[str, User]:
    """name -> user; empty where no hub was started yet.

    Raises:
        CourseError: a line is no user.
    """
    path = folder / FILE
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        return {}
    try:
        return {row["user"]: User(row["user"], int(row["number"]), row["password"]) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise CourseError(f"{path} cannot be used ({error}). Each line has a user, a number and a password; without "
                          "the file, new passwords are made.") from None


def make(folder: Path, roster: Roster, teacher: str) -> dict[str, User]:
    """The users of a class's hub; new ones get a password and a number, the others keep theirs.

    Raises:
        CourseError: a student has the teacher's name, or one that cannot be a user's.
    """
    found = read(folder)
    if teacher in roster:
        raise CourseError(f"{teacher!r} is a student of the roster. Choose another name for yourself: --teacher NAME")
    for name in (teacher, *roster):
        if not name.isascii() or not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or (
                name != name.lower() or name[0] in ".-"):
            raise CourseError(f"{name!r} cannot be a user of the hub: small letters a to z, digits, and - _ . between.")
        if name not in found:
            taken = {user.number for user in found.values()} | {one.pw_uid for one in pwd.getpwall()}
            number = 0 if name == teacher else next(i for i in range(FIRST, FIRST + 100_000) if i not in taken)
            found[name] = User(name, number, secrets.token_urlsafe(9))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *((user.name, user.number, user.password) for user in found.values())])
    path = folder / FILE
    with atomic.in_a_sentence(path):
        if not path.exists():
            atomic.create(path, b"")
            os.chmod(path, 0o600)
        atomic.write_text(path, text.getvalue())
        if os.geteuid() == 0:                               # `sudo`: the file is the teacher's all the same
            os.chown(path, folder.stat().st_uid, -1)
    return {name: user for name, user in found.items() if name == teacher or name in roster}


def checked(users: dict[str, User], name: str, password: str) -> str | None:
    """The name of the user whose password this is; None where it is not theirs."""
    user = users.get(name)
    right = hmac.compare_digest((user.password if user else secrets.token_hex()).encode(), password.encode())
    return name if user and right else None


def owner(folder: Path, number: int) -> str:
    """The name that a user number stands for: a student of the class's hub, or a user of this machine."""
    for user in read(folder).values():
        if user.number == number and number:
            return user.name
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"unknown-{number}"


def passwd(users: dict[str, User]) -> tuple[str, str]:
    """What the sandboxes have as /etc/passwd and /etc/group: the students, so that nbgrader can name an owner."""
    students = [user for user in users.values() if user.number]
    lines = ["root:x:0:0::/root:/bin/sh", "nobody:x:65534:65534::/nonexistent:/bin/false"]
    lines += [f"{user.name}:x:{user.number}:{user.number}::/home/{user.name}:/bin/bash" for user in students]
    groups = ["root:x:0:", "nogroup:x:65534:", *(f"{user.name}:x:{user.number}:" for user in students)]
    return "\n".join(lines) + "\n", "\n".join(groups) + "\n"
