"""How much memory is free? Asked before a large model is loaded, and for each case of a check. Lesson 12."""

from pathlib import Path

import psutil

from course_lib.errors import CourseError

CONTAINERS = Path("/sys/fs/cgroup")         # where Linux tells a container's limit; on other systems there is none


def require_memory(gib: float, what: str) -> None:
    """Raise CourseError unless `gib` GiB are free; what: what needs them, the beginning of the sentence."""
    free = free_memory() / 2**30
    if free < gib:
        raise CourseError(f"{what} needs about {gib:.1f} GiB of memory, and {free:.1f} GiB are free. Close other "
                          "programs, shut down the kernels of other notebooks (in JupyterLab: the round symbol on the "
                          "left), then run this cell again.")


def free_memory() -> int:
    """Bytes that can be taken without swapping: of the machine, or of the container when that has less left."""
    return min(psutil.virtual_memory().available, *_left_in_containers(), key=float)


def _left_in_containers() -> list[float]:
    """What a limit of the container leaves: version 2 of Linux's control groups, then version 1."""
    left = [float("inf")]
    for limit, used, cached in (("memory.max", "memory.current", "inactive_file"),
                                ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes",
                                 "total_inactive_file")):
        try:
            most, taken = ((CONTAINERS / name).read_text().strip() for name in (limit, used))
            counts = (CONTAINERS / limit).with_name("memory.stat").read_text().split()
            if most != "max":
                left.append(max(0, int(most) - int(taken) + int(counts[counts.index(cached) + 1])))
        except (OSError, ValueError):
            continue                        # no limit is told here
    return left
