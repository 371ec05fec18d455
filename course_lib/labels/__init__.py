"""Labels as data (store, queue, exchange, statistics), and the labeler in a notebook cell. Taught in lesson 04.

`from course_lib.labels import Labeler` is all that a notebook needs.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course_lib.labels.labeler import Labeler

__all__ = ["Labeler"]


def __getattr__(name: str) -> object:
    """Load the labeller when it is asked for: the label store, which needs only the encoding, then starts fast."""
    if name == "Labeler":
        from course_lib.labels.labeler import Labeler

        return Labeler
    raise AttributeError(name)
