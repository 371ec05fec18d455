"""The rater as buttons in a notebook cell (ipywidgets): a text, its summary, seven buttons for each axis. Lesson 13.

Nothing is chosen beforehand: an axis that was passed over is named, and what was pressed stays. "Save and go on" writes
to the disk before the next item is shown. "Back" shows the item before, to be rated anew.
"""

from html import escape
from typing import TYPE_CHECKING

import ipywidgets as widgets

from course_lib.errors import CourseError

if TYPE_CHECKING:
    from course_lib.labels.ratings import Rater, RatingItem

WIDE = widgets.Layout(width="auto", max_width="60em")
NUMBERS = [("–", None), *((str(number), number) for number in range(1, 8))]


class RatingView(widgets.VBox):
    """One view of a rater. Texts are shown as text: nothing in them is read as HTML."""

    def __init__(self, rater: "Rater") -> None:
        super().__init__()
        self.rater, self.item, self.past = rater, None, []
        self.head, self.note, self.text = widgets.Label(), widgets.Label(), widgets.HTML(layout=WIDE)
        self.axes = {axis: widgets.ToggleButtons(options=NUMBERS, value=None, style={"button_width": "2.6em"},
                                                 tooltips=[question] * len(NUMBERS))
                     for axis, question in rater.axes.items()}
        narrow = widgets.Layout(width="24em")
        rows = [widgets.HBox([widgets.Label(f"{axis}: {rater.axes[axis]}", layout=narrow), buttons])
                for axis, buttons in self.axes.items()]
        self.save, self.back = (widgets.Button(description=text, layout=widgets.Layout(width="auto"))
                                for text in ("Save and go on", "Back"))
        self.save.on_click(lambda _: self.press())
        self.back.on_click(lambda _: self.return_to_last())
        self.panel = widgets.VBox([self.text, widgets.Label("1 is worst, 7 is best"), *rows])
        self.children = [self.head, self.panel, widgets.HBox([self.save, self.back]), self.note]
        self.show_next()

    def press(self) -> None:
        """Save what is chosen, then show the next item; where something is missing, say what, and keep the rest."""
        if self.item is None:
            return
        try:
            self.rater.rate(self.item.item_id, {axis: buttons.value for axis, buttons in self.axes.items()})
        except CourseError as error:
            self.note.value = str(error)
            return
        self.past.append(self.item)
        self.note.value = "Saved."
        self.show_next()

    def return_to_last(self) -> None:
        """Show the item that was rated last, with its ratings, to be changed."""
        if not self.past:
            self.note.value = "Nothing was rated since this cell was run."
            return
        item = self.past.pop()
        given = {rating.item_id: rating.scores for rating in self.rater.rated}.get(item.item_id, {})
        self._show(item, given)
        self.note.value = "The rating from before is kept in the file, too; the new one counts."

    def show_next(self) -> None:
        """The next item without a rating, or the end."""
        waiting = self.rater.waiting()
        done = len(self.rater.items) - len(waiting)
        self.head.value = f"{done} of {self.rater.target} rated"
        if waiting and done < self.rater.target:
            self._show(waiting[0], {})
        else:
            self.item, self.panel.layout.display, self.save.disabled = None, "none", True
            self.note.value = "Done, and saved. Run the next cell."

    def _show(self, item: "RatingItem", given: dict[str, int]) -> None:
        self.item, self.panel.layout.display, self.save.disabled = item, "", False
        self.text.value = (f'<div style="max-height:16em;overflow:auto;white-space:pre-wrap">{escape(item.text)}</div>'
                           f'<p><b>Summary.</b> {escape(item.summary)}</p>')
        for axis, buttons in self.axes.items():
            buttons.value = given.get(axis)
