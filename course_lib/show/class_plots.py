"""The figures of the class's notebook: agreement of each two, reliability of each, accuracy by number of students."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, GREY, ORANGE, VERMILION


def agreement(same: np.ndarray, shared: np.ndarray, names: Sequence[str], order: Sequence[int], title: str) -> Figure:
    """Share of shared pairs with the same label, a square for each two; white where they share none.

    same, shared: (students, students). order: the students from top to bottom.
    """
    size = max(4.0, 0.24 * len(names) + 1.6)
    figure, axes = plt.subplots(figsize=(size + 1.2, size))
    shown = np.where(shared > 0, same, np.nan)[np.ix_(order, order)]
    np.fill_diagonal(shown, np.nan)
    image = axes.imshow(shown, cmap="cividis", vmin=0, vmax=1)
    ticks = range(len(names))
    axes.set_xticks(ticks, [names[k] for k in order], rotation=90, fontsize=7)
    axes.set_yticks(ticks, [names[k] for k in order], fontsize=7)
    axes.grid(False)
    axes.set(xlabel="student", ylabel="student, the most reliable on top", title=title)
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of shared pairs with the same label")
    return figure


def reliabilities(names: Sequence[str], values: Sequence[float], errors: Sequence[float], odd: Sequence[str],
                  order: Sequence[int], title: str) -> Figure:
    """Each student's reliability with its 95% interval; triangles for those that are worth a look."""
    figure, axes = plt.subplots(figsize=(7.0, max(2.4, 0.22 * len(names) + 1.2)))
    for flagged, colour, marker, label in ((False, BLUE, "o", "nothing unusual"), (True, VERMILION, "^", "look at it")):
        rows = [row for row, k in enumerate(order) if (names[k] in odd) == flagged]
        chosen = [order[row] for row in rows]
        reach = [1.96 * errors[k] for k in chosen]
        axes.errorbar([values[k] for k in chosen], rows, xerr=reach, fmt=marker, color=colour, label=label,
                      markersize=5)
    axes.axvline(0.5, color=GREY, linestyle="--")
    axes.text(0.49, 0, "at random", color=GREY, ha="right", va="center", fontsize=8)
    axes.set_yticks(range(len(names)), [names[k] for k in order], fontsize=7)
    axes.invert_yaxis()
    axes.set(xlabel="reliability, with its 95% interval (0 upside down, 1 careful)", ylabel="student", title=title,
             xlim=(-0.1, 1.1))
    axes.legend(loc="upper left", fontsize=8)
    return figure


def accuracy_by_students(sizes: Sequence[int], curves: Mapping[str, Sequence[Sequence[float]]], title: str) -> Figure:
    """Accuracy on held-out pairs against number of students: the mean over draws, and where most draws lie."""
    figure, axes = plt.subplots(figsize=(7.0, 3.8))
    for (name, draws), colour, marker in zip(curves.items(), (BLUE, ORANGE, VERMILION), "os^", strict=False):
        low, high = (np.array([np.percentile(each, share) for each in draws]) for share in (10, 90))
        axes.fill_between(sizes, low, high, color=colour, alpha=0.15)
        axes.plot(sizes, [np.mean(each) for each in draws], marker=marker, color=colour, label=name)
    axes.set(xlabel="students whose labels are used (number)", ylabel="accuracy on held-out pairs", title=title,
             xticks=list(sizes))
    axes.legend(loc="lower right", fontsize=8)
    return figure
