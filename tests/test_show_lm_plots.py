"""The figures of lesson 08 carry labels and a title; texts in a table are text, never HTML."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.show import lm_plots
from course_lib.show.tables import sample_table

FIGURES = {
    "attention": lambda: lm_plots.attention_maps(np.tril(np.ones((2, 3, 3))), ["a", "b", "c"], ["one", "two"], "T"),
    "next token": lambda: lm_plots.next_token_bars({"a": 0.5, " ": 0.2, "end": 0.3}, "T"),
    "loss along": lambda: lm_plots.loss_along(["a", " ", "b"], [1.0, 3.0, 0.1], "T"),
    "losses": lambda: lm_plots.loss_curves({"held out": ([0, 1, 2], [4.0, 3.0, 2.0])}, {"a line": 1.6}, "T"),
    "temperature": lambda: lm_plots.temperature_trade([0.5, 1.0], [0.3, 0.9], [1.0, 0.7], "T"),
    "bits": lambda: lm_plots.bits_bars({"nothing": 6.6, "pairs": 3.5, "chars": 2.3, "pieces": 2.0}, "T"),
    "cache": lambda: lm_plots.cache_cost([1, 2], {"without": [1.0, 4.0], "with": [1.0, 2.0]}, "T"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_axes_are_labelled_and_there_is_a_title(name):
    figure = FIGURES[name]()
    axes = figure.axes[0]
    assert axes.get_xlabel() and axes.get_ylabel() or name == "bits" and axes.get_xlabel()
    assert "T" in {axes.get_title(loc="left"), axes.get_title(), getattr(figure.get_suptitle(), "strip", str)()}
    plt.close(figure)


def test_a_table_holds_all_texts_side_by_side():
    table = sample_table({"before": ["xq", "zz"], "after": ["The film", "good"]}, prompt="The ")
    assert table.count("<tr>") == 3 and table.count("<td>") == 4
    assert '<span class="prompt">The </span>film' in table and ">before</th>" in table


def test_texts_are_shown_as_text():
    assert "<b>" not in sample_table({"<b>": ["<b>bold</b> & more"]})


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="zip"):
        sample_table({"one": ["a"], "two": ["a", "b"]})
