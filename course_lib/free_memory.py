"""How much memory a process can still take, of the machine or of the container that it runs in."""

from pathlib import Path

import psutil

CONTAINERS = Path("/sys/fs/cgroup")         # where Linux tells a container's limit; on other systems there is none


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
