"""Stopping a long run politely: Jupyter's stop button is heard at once and obeyed at the next safe point.

A run cut in the middle of an update leaves half an update behind. So the first interrupt only raises a flag, which the
loop reads between two updates; a second interrupt stops on the spot, for whoever cannot wait. Needs no thread and no
widget: it works on every kernel, in VS Code and in a terminal (Ctrl-C). Used by the training view from lesson 01 on.
"""

import signal
import threading
from types import FrameType


class PatientInterrupt:
    """`with PatientInterrupt() as interrupt:` then look at `interrupt.asked` at each safe point."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "PatientInterrupt":
        # signals reach the main thread only; elsewhere there is nothing to catch
        self._catches = threading.current_thread() is threading.main_thread()
        if self._catches:
            self._before = signal.signal(signal.SIGINT, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        if self._catches:
            signal.signal(signal.SIGINT, self._before)

    def _heard(self, _signal: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
