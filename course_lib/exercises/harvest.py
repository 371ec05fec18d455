"""Collect a function's source together with everything of its notebook that it needs to stand alone."""

import inspect
import textwrap
from collections.abc import Callable
from typing import Any


class CannotCollect(Exception):
    """The function cannot stand alone; the text is one sentence that says why."""


def collect(fn: Callable[..., Any], name: str) -> str:
    """The text of a file that defines `name`, equal to `fn`."""
    try:
        return "import torch\n\n\n" + textwrap.dedent(inspect.getsource(fn))
    except (OSError, TypeError) as error:
        raise CannotCollect("its source cannot be found; define it with `def` in a cell.") from error
