"""The figures of lesson 13: a Figure each, every axis labelled, the title given."""

import pytest
from matplotlib.figure import Figure

from course_lib.show import summary_plots as plots

pytestmark = pytest.mark.usefixtures("course_style")


def test_every_figure_has_its_title_and_labelled_axes():
    bars = plots.accuracies({"reward": ([0.6, 0.7], [0.5, 0.6]), "length": ([0.6], [0.5])}, "What was found")
    assert isinstance(bars, Figure) and bars.axes[0].get_title(loc="left") == "What was found"
    assert bars.axes[0].get_xlabel()
    curves = plots.best_of((1, 2), (0.0, 0.2), {"reward": {"news": [0.0, 1.0]}, "tokens": {"news": [30.0, 40.0]}},
                           {"lead": {"reward": 0.3}}, "What was found")
    assert curves._suptitle.get_text() == "What was found" and len(curves.axes) == 2
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in curves.axes)
    assert "What" not in plots.pipeline()._suptitle.get_text()
