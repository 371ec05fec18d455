"""The figures of lesson 04: what a reward model likes, where the cart goes, curves and seeds. Each returns a figure."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, GREEN, GREY, ORANGE, VERMILION

Opinion = Callable[[torch.Tensor], torch.Tensor]            # states (..., 4) -> rewards (...)

DEGREES = np.degrees(1.0)
AXES = {"position": (0, 2.4, 1.0, "position (m)"), "angle": (2, 0.27, DEGREES, "pole angle (degrees)"),
        "turning": (3, 2.0, DEGREES, "turning (degrees a second)")}


def opinion_maps(models: Mapping[str, Opinion], seen: Mapping[str, torch.Tensor], across: str, up: str,
                 title: str) -> Figure:
    """What each model pays for states in a plane, the other two of their four numbers at 0; bright is liked.

    seen: name -> (S, 4) states of the clips that were judged until then, drawn as dots. across, up: keys of `AXES`.
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
    bar.ax.set_yticklabels(["disliked", "liked"])
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

    jobs: name -> lines of benchmarks/cartpole_from_preferences.py.
    """
    figure, panels = plt.subplots(1, len(jobs), figsize=(2.6 * len(jobs), 2.7), sharex=True, sharey=True, squeeze=False)
    farthest = max(row["mean_distance"] for rows in jobs.values() for row in rows)
    for ax, (name, rows) in zip(panels[0], jobs.items(), strict=True):
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
    panels[0, 0].set_ylabel("true return")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure
