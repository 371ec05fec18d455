"""A `my_work/` from before the lessons got other numbers is brought forward; nothing is deleted or written over.

Lessons 05 to 10 became 06 to 11. An old `answers/06.1.py` belongs to what is exercise 07.1 now, and would be taken for
an answer to the new 06.1. Saved answers and checkpoints are renamed; notebooks, which name the old numbers in their
text, are moved to `my_work/before_renumbering/`, whole. The progress file is brought forward where it is opened
(exercises/store.py). A call that was interrupted is finished by the next one; several processes take turns.
"""

import itertools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from course_lib import atomic, paths

SLUGS = ("05_atari_ppo", "06_atari_from_preferences", "07_tiny_gpt", "08_sft_and_sentiment", "09_reward_model",
         "10_ppo_for_language_models")
NUMBERS = tuple(slug[:2] for slug in SLUGS)         # each is one more now
CHECKPOINTS = {"05_pong.pt": "06-pong.pt", "06-pong": "07-pong", "06-mine": "07-mine", "06-kong": "07-kong",
               "07-char-*": "08-char-", "08-sft-*": "09-sft-", "08-paid-*": "09-paid-", "10-ppo-*": "11-ppo-"}
PATIENCE = 60.0                                     # seconds to wait for another process


def bring_forward() -> None:
    """Renumber a whole `my_work/`, once, and say so where there was something.

    Raises:
        CourseError: the folder cannot be written; what is done stays done, and the next call goes on.
    """
    work = paths.my_work()
    done = work / ".course" / "renumbered"
    if done.exists():
        return
    with atomic.in_a_sentence(work), _alone():
        if done.exists():                           # by another process, while this one waited
            return
        moved = [*_answers(), *_checkpoints(), *_notebooks()]
        old = work / "before_renumbering"
        if moved or old.exists():
            kept = f", and your notebooks of these lessons are in {old}, just as you left them" if old.exists() else ""
            print("Lessons 05 to 10 are now 06 to 11: your points, saved answers and checkpoints have the new numbers"
                  f"{kept}.")
        atomic.write_text(done, "Lessons 05 to 10 became 06 to 11.\n")


def answers() -> None:
    """Renumber the saved answers only; `mine` and `check` call it, because they may run before `bring_forward`.

    Raises:
        OSError: the folder cannot be written.
    """
    if _reached() != NUMBERS[0]:
        with _alone():
            _answers()


def pending() -> bool:
    """Whether there are answers that `answers` may have to rename."""
    return _reached() != NUMBERS[0] and any(any(_folder().glob(f"{number}.*.py")) for number in NUMBERS)


def _folder() -> Path:
    return paths.my_work() / "answers"


def _reached() -> str:
    """The lowest old number whose answers are all renamed; empty before the first."""
    try:
        return (_folder() / ".renumbered").read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""


@contextmanager
def _alone() -> Iterator[None]:
    lock = paths.my_work() / ".course" / "renumbering.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock, timeout=PATIENCE):
        yield


def _answers() -> list[Path]:
    """The highest number first: only when all of 10 have become 11 does a 09 become a 10. Returns what was renamed."""
    _folder().mkdir(parents=True, exist_ok=True)
    renamed = []
    for old in reversed(NUMBERS):
        if not _reached() or _reached() > old:
            for path in sorted(_folder().glob(f"{old}.*.py")):
                renamed.append(_move(path, _with_new_head(path)))
            atomic.write_text(_folder() / ".renumbered", old)
    return renamed


def _with_new_head(path: Path) -> Path:
    """Give an answer's text the new number, and return the name that it should have."""
    target = path.with_name(_one_more(path.name))
    old_head, new_head = f"# Exercise {path.stem},".encode(), f"# Exercise {target.stem},".encode()
    content = path.read_bytes()
    if content.startswith(old_head):                # else an interrupted call did it, or the learner changed the head
        rest = re.sub(rb"(?<=lesson_checks\.lesson_)(0[5-9]|10)\b", lambda found: _one_more(found[0].decode()).encode(),
                      content[len(old_head):])
        atomic.write_bytes(path, new_head + rest)
    return target


def _one_more(name: str) -> str:
    return f"{int(name[:2]) + 1:02d}{name[2:]}"


def _checkpoints() -> list[Path]:
    """Rename those whose new name is free."""
    folder, renamed = paths.my_work() / "checkpoints", []
    for old, new in CHECKPOINTS.items():
        for path in sorted(folder.glob(old)):
            target = folder / (new + path.name[len(old) - 1:] if old.endswith("*") else new)
            if not os.path.lexists(target):
                renamed.append(path.rename(target))
    return renamed


def _notebooks() -> list[Path]:
    """Move the old lessons' notebooks out of the way of the new ones, with the versions put beside them."""
    return [_move(path, paths.my_work() / "before_renumbering" / folder / path.name)
            for folder in ("notebooks", "exercises", "solutions") for slug in SLUGS
            for path in sorted((paths.my_work() / folder).glob(f"{slug}*.ipynb"))]


def _move(path: Path, target: Path) -> Path:
    """Rename, never over something: where the name is taken, into `before_renumbering/` under a name that is free."""
    aside = paths.my_work() / "before_renumbering" / path.parent.name
    others = (aside / f"{path.stem}{f'-{n}' if n > 1 else ''}{path.suffix}" for n in itertools.count(1))
    free = next(name for name in itertools.chain([target], others) if not os.path.lexists(name))
    free.parent.mkdir(parents=True, exist_ok=True)
    return path.rename(free)
