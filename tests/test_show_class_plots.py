"""The figures of the class's notebook: titles and labelled axes, no square where two share nothing, both marks."""

import numpy as np
import pytest

from course_lib.show import class_plots as plots

NAMES = ("ada", "bob", "cleo")
pytestmark = pytest.mark.usefixtures("course_style")


def test_agreement_is_in_the_order_asked_for_and_white_without_shared_pairs():
    same = np.array([[1, 0.2, 0.7], [0.2, 1, np.nan], [0.7, np.nan, 1]])
    shared = np.array([[5, 5, 5], [5, 5, 0], [5, 0, 5]])
    figure = plots.agreement(same, shared, NAMES, [2, 0, 1], "What was found")
    axes = figure.axes[0]
    shown = np.ma.filled(axes.images[0].get_array().astype(float), np.nan)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cleo", "ada", "bob"]
    assert shown[0, 1] == shown[1, 0] == 0.7 and shown[1, 2] == 0.2 and np.isnan(shown[0, 2]) and np.isnan(shown[0, 0])
    assert axes.get_title(loc="left") == "What was found" and axes.get_xlabel() and axes.get_ylabel()


def test_students_worth_a_look_have_another_mark_than_the_others():
    figure = plots.reliabilities(NAMES, [0.9, 0.2, 0.8], [0.05, 0.1, 0.1], ["bob"], [0, 2, 1], "What was found")
    axes = figure.axes[0]
    usual, odd = (container.lines[0] for container in axes.containers)
    assert usual.get_xdata().tolist() == [0.9, 0.8] and usual.get_ydata().tolist() == [0, 1]
    assert odd.get_xdata().tolist() == [0.2] and odd.get_ydata().tolist() == [2]
    assert usual.get_marker() != odd.get_marker() and axes.get_xlabel() and axes.get_ylabel()


def test_a_curve_has_its_mean_and_its_band():
    figure = plots.accuracy_by_students((1, 2), {"a": [[0.5, 0.6], [0.7, 0.7]], "b": [[0.4], [0.5]]}, "What was found")
    axes = figure.axes[0]
    assert axes.lines[0].get_ydata().tolist() == pytest.approx([0.55, 0.7]) and len(axes.collections) == 2
    assert axes.get_xlabel() and axes.get_ylabel() and axes.get_title(loc="left") == "What was found"
