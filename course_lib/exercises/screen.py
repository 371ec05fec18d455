"""Put something in front of the learner: HTML with a plain text beside it in a notebook, plain text elsewhere."""

import sys
from typing import TextIO


def show(html: str, text: str) -> None:
    """Display `html` in a notebook; print `text` where there is no notebook. `text` always goes along."""
    if in_ipython():
        from IPython.display import display

        display({"text/html": html, "text/plain": text}, raw=True)
    else:
        say(text)


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line to `stream` (default: stdout), also where it cannot show ✓."""
    stream = stream or sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(text.encode(encoding, errors="replace").decode(encoding), file=stream, flush=True)


def in_ipython() -> bool:
    """Whether this code runs under IPython (a notebook or its terminal)."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return get_ipython() is not None
