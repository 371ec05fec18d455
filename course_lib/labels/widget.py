"""The labeller as a Jupyter widget: passes messages between the browser (labeler.js) and the session. Lesson 04.

Pictures travel as base64 text in custom messages, not as widget state, so they end up in no notebook file and no front
end needs binary buffers.
"""

import threading
from pathlib import Path

import anywidget

from course_lib.labels.session import LabelingSession, in_words

HERE = Path(__file__).parent


class LabelerWidget(anywidget.AnyWidget):
    """One widget, in any number of views; every answer that it acknowledges is on the disk."""

    _esm = HERE / "labeler.js"
    _css = HERE / "labeler.css"

    def __init__(self, session: LabelingSession) -> None:
        super().__init__()
        self.session = session
        self.fresh = False                         # whether its cell has just run; after a reload it has not
        self._one_at_a_time = threading.Lock()     # JupyterLab may deliver messages on several threads
        self.on_msg(self._receive)

    def _repr_mimebundle_(self, **options: object) -> object:
        self.fresh = True
        return super()._repr_mimebundle_(**options)

    def _receive(self, _: object, message: dict, buffers: list) -> None:
        """Answer one message. An error reaches the person as words; the answer then stays in the browser."""
        with self._one_at_a_time:
            try:
                reply = self.session.handle(message)
            except Exception as error:
                reply = {"type": "error", "words": in_words(error, self.session.store.path)}
            self.send(reply | {"view": message.get("view"), "fresh": self.fresh})
            self.fresh = False
