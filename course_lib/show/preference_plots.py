"""The figures of lesson 03: tables of wins, S-curves, learning curves, calibration. Each returns a figure to `show`."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, COLOURS, GREY, VERMILION


def win_table(shares: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """Heat map of (items, items) shares in [0, 1]: how often the row beat the column."""
    figure, axes = plt.subplots(figsize=(7.0, 4.6))
    image = axes.imshow(np.where(np.eye(len(names), dtype=bool), np.nan, shares), cmap="cividis", vmin=0, vmax=1)
    for i in range(len(names)):
        for j in range(len(names)):
            if i != j:
                ink = "black" if shares[i, j] > 0.46 else "white"      # whichever stands out more on cividis
                axes.text(j, i, f"{shares[i, j]:.2f}", ha="center", va="center", color=ink, fontsize=8)
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.grid(False)
    axes.set(xlabel="… was preferred to this", ylabel="This …", title=title)
    figure.colorbar(image, label="share of the choices")
    return figure


def fitted_against_observed(fitted: np.ndarray, observed: np.ndarray, title: str) -> Figure:
    """Scatter of fitted probabilities against observed shares, both (pairs,), with the diagonal."""
    figure, axes = plt.subplots(figsize=(4.6, 4.2))
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="perfect fit")
    axes.scatter(fitted, observed, color=BLUE, label="one pair of modes")
    axes.set(xlabel="P(first preferred), fitted", ylabel="share that preferred the first", title=title)
    axes.legend()
    return figure


def loss_curves(gap: np.ndarray, curves: Mapping[str, np.ndarray], title: str) -> Figure:
    """Loss in nats against r1 - r2, one line for each verdict; gap and each curve: (points,)."""
    figure, axes = plt.subplots()
    for (name, loss), style in zip(curves.items(), ("-", "--", "-.", ":"), strict=False):
        axes.plot(gap, loss, style, label=name)
    axes.set(xlabel="difference of the scores, r1 − r2", ylabel="surprise (nats)", title=title)
    axes.legend()
    return figure


def rating_histograms(texts: Mapping[str, Sequence[int]], title: str) -> Figure:
    """Histograms of the single ratings (-4 to 4) of a few texts, side by side."""
    figure, axes = plt.subplots(1, len(texts), figsize=(3.0 * len(texts), 2.6), sharey=True, squeeze=False)
    marks = np.arange(-4, 5)
    for ax, (name, ratings) in zip(axes[0], texts.items(), strict=True):
        shares = [list(ratings).count(mark) / len(ratings) for mark in marks]
        ax.bar(marks, shares, color=BLUE)
        ax.axvline(np.mean(ratings), color=VERMILION, linestyle="--")
        ax.set(title=name, xlabel="rating", xticks=marks)
    axes[0, 0].set_ylabel("share of raters")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def s_curve(centre: np.ndarray, share: np.ndarray, slope: float, title: str) -> Figure:
    """Observed share of verdicts against a gap between two items, with sigmoid(slope * gap) through it."""
    figure, axes = plt.subplots()
    gaps = np.linspace(centre.min(), centre.max(), 200)
    axes.plot(gaps, 1 / (1 + np.exp(-slope * gaps)), color=GREY, label=f"Bradley–Terry: sigmoid({slope:.2f} × gap)")
    axes.scatter(centre, share, color=VERMILION, zorder=3, label="what people did")
    axes.set(xlabel="gap between the mean ratings of everybody else (rating points)",
             ylabel="share that rated the first higher", title=title)
    axes.legend()
    return figure


def label_curve(sizes: Sequence[int], accuracy: Mapping[str, Sequence[Sequence[float]]], lines: Mapping[str, float],
                title: str) -> Figure:
    """Test accuracy against number of labels (log scale): mean and range over seeds, with horizontal lines.

    accuracy: name -> for each size the accuracies of its seeds. lines: name -> height of a horizontal line.
    """
    figure, axes = plt.subplots()
    for (name, seeds), colour in zip(accuracy.items(), COLOURS, strict=False):
        mean, low, high = (np.array([f(values) for values in seeds]) for f in (np.mean, np.min, np.max))
        axes.fill_between(sizes, low, high, color=colour, alpha=0.2)
        axes.plot(sizes, mean, "o-", color=colour, label=name)
    for (name, height), style in zip(lines.items(), ("--", ":", "-."), strict=False):
        axes.axhline(height, linestyle=style, color=GREY)
        axes.text(sizes[0], height + 0.004, name, color=GREY, va="bottom")
    axes.set_ylim(top=max(lines.values()) + 0.04)
    _label_axis(axes, sizes)
    axes.set(xlabel="number of human verdicts", ylabel="share of unseen verdicts predicted", title=title)
    axes.legend(loc="lower right")
    return figure


def label_curves_by_domain(sizes: Sequence[int], accuracy: Mapping[str, Sequence[float]],
                           lexicon: Mapping[str, float], ceiling: Mapping[str, float], title: str) -> Figure:
    """One small panel for each domain: accuracy against labels, with the dictionary and the human ceiling as lines."""
    figure, panels = plt.subplots(1, len(accuracy), figsize=(2.7 * len(accuracy), 2.9), sharey=True, squeeze=False)
    for ax, (domain, values) in zip(panels[0], accuracy.items(), strict=True):
        ax.plot(sizes, values, "o-", color=BLUE, label="learned words")
        ax.axhline(lexicon[domain], color=VERMILION, linestyle="--", label="expert dictionary")
        ax.axhline(ceiling[domain], color=GREY, linestyle=":", label="human ceiling")
        _label_axis(ax, sizes)
        ax.set(title=domain, xlabel="number of verdicts")
    panels[0, 0].set_ylabel("share predicted")
    panels[0, 0].legend(fontsize=7, loc="lower right")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def _label_axis(axes: Axes, sizes: Sequence[int]) -> None:
    """A logarithmic axis that names the numbers of labels that were tried: 300, 1k, 3k."""
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size // 1000}k" if size % 1000 == 0 else str(size) for size in sizes])
    axes.minorticks_off()


def reliability(promised: np.ndarray, happened: np.ndarray, count: np.ndarray, title: str) -> Figure:
    """Calibration: what happened against what was promised; the area of a dot grows with its number of pairs."""
    figure, axes = plt.subplots(figsize=(4.6, 4.2))
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="keeps its promises")
    axes.scatter(promised, happened, s=20 + 180 * count / count.max(), color=BLUE, label="this model")
    axes.set(xlabel="promised probability", ylabel="share of verdicts that went that way", title=title)
    axes.legend()
    return figure
