"""Stopping politely: an interrupt (Jupyter's stop button, Ctrl+C) is heard at once and obeyed at the next safe point.

A run cut in the middle of an update leaves half an update behind; a program cut while it starts another leaves that one
running alone. So the first interrupt only raises a flag, which the loop reads at its safe points; a second one stops on
the spot, for whoever cannot wait. A flag cannot be lost, as a KeyboardInterrupt can that is raised while Python clears
an object away. Needs no thread and no widget: it works on every kernel, in VS Code and in a terminal. Used by the
training view and by downloads.
"""

import signal
import threading
from types import FrameType


class PatientInterrupt:
    """`with PatientInterrupt() as interrupt:` then look at `interrupt.asked` at each safe point.

    patience: so many interrupts raise the flag only; the next one stops on the spot.
    """

    def __init__(self, patience: float = 1) -> None:
        self._left = patience
        self.asked = False

    def __enter__(self) -> "PatientInterrupt":
        # signals reach the main thread only; and whoever starts a program deaf to Ctrl+C (`nohup`, `&`) wants it so
        self._before = signal.getsignal(signal.SIGINT)
        self._catches = threading.current_thread() is threading.main_thread() and callable(self._before)
        if self._catches:
            signal.signal(signal.SIGINT, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        if self._catches:
            signal.signal(signal.SIGINT, self._before)

    def _heard(self, _signal: int, _frame: FrameType | None) -> None:
        if self._left <= 0:
            raise KeyboardInterrupt
        self._left -= 1
        self.asked = True
