"""`Labeler`: preferences from a person, in a notebook cell. One cell shows it, the next one asks for the answers.

    labeler = Labeler(store, run="cartpole", target=20, title="Which clip balances better?")
    labeler

    preferences = labeler.require(20)          # in the next cell; [(sigma1, sigma2, mu), ...]

A cell never waits for the person: while a cell runs, most notebooks deliver no clicks. Taught in lesson 04.
"""

import getpass
import os
from collections.abc import Callable
from html import escape

from course_lib.errors import CourseError
from course_lib.labels.records import Counts, Preference
from course_lib.labels.session import NO_ROUND, LabelingSession, SyntheticAnswer
from course_lib.labels.store import PreferenceStore


class NotYetLabelled(CourseError):
    """Fewer pairs are labelled than the cell needs. A notebook shows the sentence without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Labeler:
    """Asks one person about the pairs and rankings of a run, and keeps the answers in the store.

    store: the label file, as a store or a path; None for the learner's own (`my_work/labels/preferences.sqlite`).
    target: how many to label now; a skip counts. The person may go on beyond it.
    title: the question above each pair. labeler: whose answers these are; default: the name of the user.
    synthetic: a synthetic labeler, a function `(left, right) -> "left" | "right" | "equal" | "skip"` of two `Item`s,
        that can answer instead; its rows carry source="scripted". It answers only when the person presses its button,
        when `answer_synthetic()` is called, or where COURSE_LABELER=scripted is set, as in tests. It never answers
        unasked.
    scale: ask how sure one is, on nine points, as Stiennon et al. (2020) did; becomes the preference's weight.
    repeats: the share of pairs that are asked a second time with the sides swapped. plain: simple buttons (ipywidgets)
        for front ends in which the widget does not load.
    used_rounds: a function that says up to which round the answers are already used for training; these stay.
    """

    def __init__(self, store: PreferenceStore | str | os.PathLike | None = None, *, run: str, target: int = 20,
                 title: str = "Which one is better?", labeler: str | None = None,
                 synthetic: SyntheticAnswer | None = None, scale: bool = False, repeats: float = 0.1,
                 plain: bool = False, used_rounds: Callable[[], int] = lambda: NO_ROUND) -> None:
        store = store if isinstance(store, PreferenceStore) else PreferenceStore(store)
        self.session = LabelingSession(store, run, labeler or user_name(), target, title, repeats, scale, synthetic,
                                       used_rounds)
        self.target, self.plain = target, plain
        self._widget = None

    @property
    def counts(self) -> Counts:
        """How many pairs are answered, and how."""
        return self.session.counts

    def require(self, number: int | None = None) -> list[Preference]:
        """The preferences of this run, once `number` questions (default: the target) are answered; never waits.

        Skipped pairs count as answered and bring no preference. Raises `NotYetLabelled` when some are still open.
        """
        number = self.target if number is None else number
        if unattended():
            self.answer_synthetic(number)
        counts = self.counts
        if counts.done < number and counts.total < number:
            raise NotYetLabelled(f"The run “{self.session.run}” has {counts.total} pairs, fewer than the {number} "
                                 "asked for; add pairs to the store, then show the labeller again.")
        if counts.done < number:
            raise NotYetLabelled(f"{counts.done} of {number} pairs are labelled; go on above, "
                                 "then run this cell again.")
        return self.session.store.preferences(self.session.run, self.session.labelers)

    def answer_synthetic(self, number: int | None = None) -> int:
        """Let the synthetic labeler answer until `number` (default: the target) are answered; returns how many."""
        if self.session.synthetic is None:
            raise CourseError("This labeller has no synthetic labeler: give one, Labeler(..., synthetic=function).")
        return self.session.answer_synthetic(self.target if number is None else number)

    def keep_only(self, source: str) -> int:
        """Keep the labels of one source, "human" or "scripted", and open the other's pairs again; returns how many.

        Nothing is deleted: the label file keeps what is set aside, and why. Labels of rounds that are already used for
        training stay. Open pairs wait in the labeller above; `answer_synthetic()` lets the function answer them.
        """
        number = self.session.keep_only(source)
        self.refresh()
        return number

    def refresh(self) -> None:
        """Tell an open widget that the run has new pairs."""
        if self._widget is not None:
            self._widget.send(self.session.handle({"type": "hello"}) | {"view": None})

    def __repr__(self) -> str:
        counts, session = self.counts, self.session
        return f"Labeler(run={session.run!r}, {counts.done} of {min(session.target, counts.total)} pairs answered)"

    def _repr_mimebundle_(self, **options: object) -> tuple[dict, dict]:
        if unattended():
            return {"text/plain": self._stored_text(), "text/html": self._unattended_view()}, {}
        if self._widget is None:
            self._widget = self._build()
        bundle = self._widget._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})      # anywidget adds metadata for Colab
        return {**data, "text/plain": self._stored_text()}, metadata

    def _ipython_display_(self) -> None:
        """The widget, and below it the words that remain where it cannot be shown; labeler.css hides them beside it.

        JupyterLab shows "Error displaying widget: model not found" for a stored widget, and none of the text with it.
        """
        if unattended():
            raise NotImplementedError                       # IPython then asks _repr_mimebundle_
        from IPython.display import HTML, display

        data, metadata = self._repr_mimebundle_()
        display(data, metadata=metadata, raw=True)
        display(HTML(f'<p class="cl-stored">{escape(self._stored_text())}</p>'))

    def _stored_text(self) -> str:
        """What a notebook keeps in place of the widget: true whenever it is read, so it gives no number as today's."""
        done, session = self.counts.done, self.session
        then = f" Answered when this cell last ran: {done}; what came later is kept, too." if done else ""
        return (f"Here the run “{session.run}” is labelled. Every answer is kept in {session.store.path.name}: "
                f"run this cell, and it goes on where you stopped.{then}")

    def _build(self) -> object:
        if not self.plain:
            try:
                from course_lib.labels.widget import LabelerWidget

                return LabelerWidget(self.session)
            except ImportError:                    # anywidget is not installed: the plain buttons need only ipywidgets
                pass
        from course_lib.labels.plain import PlainLabeler

        return PlainLabeler(self.session)

    def _unattended_view(self) -> str:
        from course_lib.labels.media import side_by_side

        questions = self.session.next()
        picture = side_by_side(questions[0]) if questions else ""
        return (f"<p><b>{escape(self.session.title)}</b></p>{picture}<p>Here a person answers in the cell. In this "
                "stored run a function answers instead (<code>source = 'scripted'</code>).</p>")


def unattended() -> bool:
    """Whether nobody is there to label: COURSE_LABELER=scripted, as tests and the stored notebooks have it."""
    return os.environ.get("COURSE_LABELER") == "scripted"


def user_name() -> str:
    """The name under which a person's answers are kept: the JupyterHub user, the user of this machine, or "me"."""
    try:
        return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    except (KeyError, OSError):                    # no entry in the user database, as in some containers
        return "me"
