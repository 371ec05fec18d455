"""The figures of lesson 13. Each function returns a figure for `show`."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, COLOURS, GREEN, GREY, ORANGE, VERMILION

MARKS = "osD^vPX*"


def pipeline() -> Figure:
    """The schematic of the lesson: from ratings to a reward, from samples to the best one, and the test by people."""
    figure, axes = plt.subplots(figsize=(8.6, 3.4))
    axes.set(xlim=(0, 11), ylim=(0, 4.6))
    axes.axis("off")
    figure.suptitle("Learning to summarize, and where a short cut may be taken", x=0.01, ha="left", fontsize=11)
    boxes = ((1.4, 3.6, "ratings by\nannotators", ORANGE), (4.6, 3.6, "preferences: one person,\none article", GREY),
             (8.6, 3.6, "reward model on\nhidden states", GREEN), (1.4, 1.0, "an article", GREY),
             (4.6, 1.0, "n samples of\n24 to 48 tokens", BLUE), (8.6, 1.0, "the best one,\ncompared blind", VERMILION))
    for x, y, words, colour in boxes:
        axes.text(x, y, words, ha="center", va="center", fontsize=9.5,
                  bbox={"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": colour, "linewidth": 2})
    arrows = (((2.3, 3.6), (3.2, 3.6)), ((6.1, 3.6), (7.4, 3.6)), ((2.2, 1.0), (3.6, 1.0)), ((5.6, 1.0), (7.5, 1.0)),
              ((8.6, 2.9), (8.6, 1.65)))
    for start, end in arrows:
        axes.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "->", "color": "black", "linewidth": 1.2})
    axes.text(8.75, 2.25, "chooses. Does it\ncount words?", fontsize=9, va="center", color=GREY)
    return figure


def accuracies(scores: Mapping[str, tuple[Sequence[float], Sequence[float]]], title: str) -> Figure:
    """Pair accuracy of each score over splits: (all pairs, length-matched pairs), a point each and their mean."""
    figure, axes = plt.subplots(figsize=(7.6, 0.45 * len(scores) + 1.6))
    for place, columns in enumerate(scores.values()):
        for values, shift, colour in zip(columns, (0.14, -0.14), (BLUE, VERMILION), strict=True):
            label = None if place else ("all pairs" if colour == BLUE else "pairs of similar length")
            axes.plot(values, np.full(len(values), -place + shift), "|", color=colour, alpha=0.45, markersize=8)
            axes.plot(np.mean(values), -place + shift, "o", color=colour, label=label, markersize=6)
    axes.axvline(0.5, color=GREY, linewidth=0.8)
    axes.set_yticks(-np.arange(len(scores)), list(scores))
    axes.set(xlabel="share of preferences that are predicted (a stroke a split; point: mean)", title=title)
    axes.legend(loc="lower right", fontsize=8)
    return figure


def best_of(sizes: Sequence[int], nats: Sequence[float], columns: Mapping[str, Mapping[str, Sequence[float]]],
            lines: Mapping[str, Mapping[str, float]], title: str) -> Figure:
    """A panel for each column (reward, tokens, ...): curves against n (log scale), dashed lines for baselines."""
    figure, panels = plt.subplots(1, len(columns), figsize=(3.3 * len(columns), 3.5), squeeze=False)
    for axes, (column, curves) in zip(panels[0], columns.items(), strict=True):
        for (name, values), colour, mark in zip(curves.items(), COLOURS, MARKS, strict=False):
            axes.plot(sizes, values, mark + "-", color=colour, markersize=5, label=name)
        for (name, values), colour in zip(lines.items(), (GREY, GREEN, ORANGE), strict=False):
            if column in values:
                axes.axhline(values[column], color=colour, linestyle="--", label=name)
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [f"{n}\n{kl:.1f}" for n, kl in zip(sizes, nats, strict=True)])
        axes.set(xlabel="n samples (below: bound\non the KL, nats)", ylabel=column)
        if column.startswith(("copied", "ROUGE")):
            axes.set_ylim(0, max(0.3, axes.get_ylim()[1]))
    panels[0, 0].legend(fontsize=7)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure
