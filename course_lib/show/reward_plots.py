"""The figures of lesson 09: what labels buy, what raters are worth, what a reward finds. Each returns a figure."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, COLOURS, GREY, ORANGE, VERMILION


def curves_by_labels(curves: Mapping[str, Mapping[int, Sequence[float]]], lines: Mapping[str, float],
                     title: str) -> Figure:
    """Accuracy against number of labels (log scale), one curve for each model: mean and range over its draws.

    curves: name -> labels -> accuracies of its draws. lines: name -> height of a horizontal line.
    """
    figure, axes = plt.subplots(figsize=(7.4, 4.4))
    sizes = sorted({size for curve in curves.values() for size in curve})
    for (name, curve), colour, marker in zip(curves.items(), COLOURS, "osD^vP", strict=False):
        own = sorted(curve)
        mean, low, high = (np.array([pick(curve[size]) for size in own]) for pick in (np.mean, np.min, np.max))
        axes.fill_between(own, low, high, color=colour, alpha=0.15)
        axes.plot(own, mean, marker=marker, markersize=5, color=colour, label=name)
    for (name, height), style in zip(lines.items(), ("--", ":", "-.", (0, (1, 4))), strict=False):
        axes.axhline(height, linestyle=style, color=GREY)
        axes.text(sizes[-1], height + 0.004, name, color=GREY, ha="right", va="bottom", fontsize=8)
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size // 1000}k" if size % 1000 == 0 else str(size) for size in sizes])
    axes.minorticks_off()
    axes.set(xlabel="number of human verdicts", ylabel="share of unseen verdicts predicted", title=title,
             ylim=(None, max(lines.values()) + 0.04))
    axes.legend(loc="lower right", fontsize=8)
    return figure


def majorities(judges: Sequence[int], real: Sequence[float], independent: Sequence[float], title: str) -> Figure:
    """Agreement of a majority with everybody else against its size, beside what independent judges would reach."""
    figure, axes = plt.subplots(figsize=(6.0, 3.4))
    axes.plot(judges, independent, "s--", color=GREY, label="if judges erred independently")
    axes.plot(judges, real, "o-", color=BLUE, label="real people")
    axes.set(xlabel="judges who vote (number)", ylabel="share agreeing with everybody else", xticks=list(judges),
             title=title)
    axes.legend(loc="lower right")
    return figure


def ways_to_spend(ways: Mapping[str, Sequence[float]], title: str, xlabel: str) -> Figure:
    """One row for each way: its draws as dots, their mean as a bar end."""
    figure, axes = plt.subplots(figsize=(7.0, 0.55 * len(ways) + 1.2))
    for row, values in enumerate(ways.values()):
        axes.plot([np.mean(values)] * 2, [row - 0.3, row + 0.3], color=VERMILION, linewidth=2)
        axes.scatter(values, [row] * len(values), color=BLUE, s=22, alpha=0.8, zorder=3)
    axes.set_yticks(range(len(ways)), list(ways))
    axes.invert_yaxis()
    axes.set(xlabel=xlabel, ylabel="way to spend them")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def found_among_the_first(curves: Mapping[str, Sequence[float]], base: float, title: str) -> Figure:
    """Share of truly negative texts among the `n` that each score puts first, against n."""
    figure, axes = plt.subplots(figsize=(6.4, 3.4))
    for (name, shares), colour in zip(curves.items(), (BLUE, ORANGE, VERMILION), strict=False):
        axes.plot(np.arange(1, len(shares) + 1), shares, color=colour, label=name)
    axes.axhline(base, color=GREY, linestyle="--", label="picked blindly")
    axes.set(xlabel="texts looked at, the most negative first (number)", ylabel="share that people call negative",
             ylim=(0, 1.03), title=title)
    axes.legend(loc="upper right", fontsize=8)
    return figure
