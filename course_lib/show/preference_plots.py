"""The figures of lessons 03 and 04. Each function returns a figure for `show`.

Lesson 03: tables of wins, S-curves, learning curves, calibration. Lesson 04: what a reward model likes, where the cart
goes, curves and seeds.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, COLOURS, GREEN, GREY, ORANGE, VERMILION


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
    """Loss in nats against r1 - r2, one line for each label; gap and each curve: (points,)."""
    figure, axes = plt.subplots()
    for (name, loss), style in zip(curves.items(), ("-", "--", "-.", ":"), strict=False):
        axes.plot(gap, loss, style, label=name)
    axes.set(xlabel="difference of the scores, r1 − r2", ylabel="loss (nats)", title=title)
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
    """Observed share of preferences against a gap between two items, with sigmoid(slope * gap) through it."""
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
    axes.set(xlabel="number of human comparisons", ylabel="accuracy on unseen comparisons", title=title)
    axes.legend(loc="lower right")
    return figure


def label_curves_by_domain(sizes: Sequence[int], accuracy: Mapping[str, Sequence[float]],
                           lexicon: Mapping[str, float], ceiling: Mapping[str, float], title: str) -> Figure:
    """One small panel for each domain: accuracy against labels, with VADER and the human agreement as lines."""
    figure, panels = plt.subplots(1, len(accuracy), figsize=(2.7 * len(accuracy), 2.9), sharey=True, squeeze=False)
    for ax, (domain, values) in zip(panels[0], accuracy.items(), strict=True):
        ax.plot(sizes, values, "o-", color=BLUE, label="learned words")
        ax.axhline(lexicon[domain], color=VERMILION, linestyle="--", label="VADER")
        ax.axhline(ceiling[domain], color=GREY, linestyle=":", label="all other raters")
        _label_axis(ax, sizes)
        ax.set(title=domain, xlabel="number of comparisons")
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
    """Calibration: what happened against what was predicted; the area of a dot grows with its number of pairs."""
    figure, axes = plt.subplots(figsize=(4.6, 4.2))
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="perfect calibration")
    axes.scatter(promised, happened, s=20 + 180 * count / count.max(), color=BLUE, label="this model")
    axes.set(xlabel="predicted probability", ylabel="share of comparisons that went that way", title=title)
    axes.legend()
    return figure


StateReward = Callable[[torch.Tensor], torch.Tensor]            # states (..., 4) -> rewards (...)

DEGREES = np.degrees(1.0)
AXES = {"position": (0, 2.4, 1.0, "position (m)"), "angle": (2, 0.27, DEGREES, "pole angle (degrees)"),
        "turning": (3, 2.0, DEGREES, "turning (degrees a second)")}


def reward_maps(models: Mapping[str, StateReward], seen: Mapping[str, torch.Tensor], across: str, up: str,
                 title: str) -> Figure:
    """What each model predicts for states in a plane, the other two of their four numbers at 0; bright is liked.

    seen: name -> (S, 4) states of the clips that were labelled until then, drawn as dots. across, up: keys of `AXES`.
    Each panel has its own zero and scale, for comparisons fix neither: the colours run from its 2nd to its 98th
    percentile.
    """
    (i, x_end, x_unit, x_name), (j, y_end, y_unit, y_name) = AXES[across], AXES[up]
    x, y = np.linspace(-x_end, x_end, 61), np.linspace(-y_end, y_end, 61)
    states = torch.zeros(61, 61, 4)
    states[..., i], states[..., j] = torch.from_numpy(x).float()[None, :], torch.from_numpy(y).float()[:, None]
    figure, panels = plt.subplots(1, len(models), figsize=(3.0 * len(models), 2.9), sharey=True, squeeze=False)
    for ax, (name, model) in zip(panels[0], models.items(), strict=True):
        liked = model(states).numpy()
        low, high = np.percentile(liked, [2, 98])
        extent = (-x_end * x_unit, x_end * x_unit, -y_end * y_unit, y_end * y_unit)
        image = ax.imshow(liked, origin="lower", extent=extent, aspect="auto", cmap="cividis", vmin=low, vmax=high)
        dots = seen[name].numpy()
        ax.scatter(dots[:, i] * x_unit, dots[:, j] * y_unit, s=1, color="white", alpha=0.35, linewidths=0)
        ax.set(title=name, xlabel=x_name, xlim=extent[:2], ylim=extent[2:])
        ax.grid(False)
    panels[0, 0].set_ylabel(y_name)
    bar = figure.colorbar(image, ax=panels[0].tolist(), ticks=[low, high], shrink=0.9)
    bar.ax.set_yticklabels(["low", "high"])
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def positions_over_time(episodes: Mapping[str, Sequence[np.ndarray]], title: str) -> Figure:
    """Where the cart goes: one line for each episode, a panel for each agent, a cross where the episode fell.

    episodes: name -> arrays (T, 4) of states.
    """
    figure, panels = plt.subplots(1, len(episodes), figsize=(2.6 * len(episodes), 2.6), sharey=True, sharex=True,
                                  squeeze=False)
    for ax, (name, runs) in zip(panels[0], episodes.items(), strict=True):
        for states in runs:
            ax.plot(states[:, 0], color=BLUE, alpha=0.35, linewidth=1)
            if len(states) < 500:
                ax.plot(len(states) - 1, states[-1, 0], "x", color=VERMILION, markersize=5)
        for end in (-2.4, 2.4):
            ax.axhline(end, color=GREY, linestyle="--", linewidth=1)
        ax.set(title=name, xlabel="step", ylim=(-2.6, 2.6))
    panels[0, 0].set_ylabel("position (m)")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def return_curve(points: Mapping[int, float], rounds: Sequence[int], title: str) -> Figure:
    """True return as the evaluator saw it against PPO updates, with a line where each round of labels came."""
    figure, axes = plt.subplots()
    updates = sorted(points)
    axes.plot(updates, [points[update] for update in updates], "o-", color=BLUE, markersize=3)
    for number, update in enumerate(rounds, start=1):
        axes.axvline(update, color=ORANGE, linestyle="--")
        axes.text(update + 0.5, 512, f"labels {number}", color=GREY, va="bottom", fontsize=8)
    axes.axhline(500, color=GREY, linestyle=":")
    axes.set(xlabel="PPO updates", ylabel="true return (evaluator, 20 episodes)", ylim=(0, 560), title=title)
    return figure


def seeds_of_jobs(jobs: Mapping[str, Sequence[Mapping]], title: str) -> Figure:
    """Every seed of several ways to run: its distance from the centre against its true return, a panel for each.

    jobs: name -> lines of benchmarks/cartpole_from_preferences.py. At most four panels stand in a row.
    """
    columns = min(len(jobs), 4)
    lines = math.ceil(len(jobs) / columns)
    figure, panels = plt.subplots(lines, columns, figsize=(max(6.4, 2.6 * columns), 2.7 * lines),
                                  sharex=True, sharey=True, squeeze=False)
    for ax in panels.flat[len(jobs):]:
        ax.remove()
    farthest = max(row["mean_distance"] for rows in jobs.values() for row in rows)
    for ax, (name, rows) in zip(panels.flat, jobs.items(), strict=False):
        good = [row["true_return"] >= 490 and row["mean_distance"] < 0.5 for row in rows]
        for reached, colour, marker in ((True, GREEN, "o"), (False, VERMILION, "x")):
            points = [(row["mean_distance"], row["true_return"]) for row, is_good in zip(rows, good, strict=True)
                      if is_good == reached]
            if points:
                ax.scatter(*zip(*points, strict=True), color=colour, marker=marker, s=22, alpha=0.8)
        ax.axvline(0.5, color=GREY, linestyle="--", linewidth=1)
        ax.set(title=f"{name}: {sum(good)} of {len(rows)}", xlabel="mean distance (m)", ylim=(0, 530),
               xlim=(0, 1.08 * max(0.6, farthest)))
        ax.title.set_fontsize(9)
        ax.tick_params(labelbottom=True)
    for ax in panels[:, 0]:
        ax.set_ylabel("true return")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure
