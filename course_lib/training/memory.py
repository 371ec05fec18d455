"""Is there enough memory? Asked before a large model is loaded: a machine that swaps does not answer. Lesson 12."""

from course_lib.errors import CourseError
from course_lib.free_memory import free_memory


def require_memory(gib: float, what: str) -> None:
    """Raise CourseError unless `gib` GiB are free; what: what needs them, the beginning of the sentence."""
    free = free_memory() / 2**30
    if free < gib:
        raise CourseError(f"{what} needs about {gib:.1f} GiB of memory, and {free:.1f} GiB are free. Close other "
                          "programs, shut down the kernels of other notebooks (in JupyterLab: the round symbol on the "
                          "left), then run this cell again.")
