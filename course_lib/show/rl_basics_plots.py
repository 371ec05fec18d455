"""The figures of lesson 01: lengths of episodes, returns of a stream, curves over seeds, a reward in terms."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, COLOURS, GREY, VERMILION

BIN = 10                        # steps summed into one bar of a reward's terms


def episode_lengths(lengths: Mapping[str, np.ndarray], title: str) -> Figure:
    """One row of dots for each policy, one dot an episode, a bar at the mean. Each value: (episodes,) in steps."""
    figure, axes = plt.subplots(figsize=(7.0, 0.55 * len(lengths) + 1.2))
    for row, steps in enumerate(lengths.values()):
        rise = np.linspace(-0.18, 0.18, len(steps))
        axes.scatter(steps, row + rise, s=14, color=BLUE, alpha=0.6, label="one episode" if row == 0 else None)
        axes.plot([np.mean(steps)] * 2, [row - 0.32, row + 0.32], color=VERMILION, linewidth=3,
                  label="mean" if row == 0 else None)
    axes.set_yticks(range(len(lengths)), lengths)
    axes.invert_yaxis()
    axes.set(xlabel="length of the episode (steps)", xlim=(0, 515), title=title)
    axes.legend(loc="upper right")
    return figure


def stream_of_returns(returns: np.ndarray, dones: np.ndarray, title: str) -> Figure:
    """The return of each step of a stream of episodes; returns, dones: (steps,), a dashed line after each end."""
    figure, axes = plt.subplots(figsize=(7.0, 2.8))
    axes.plot(returns, ".-", color=BLUE, markersize=4, label="return of the step")
    for position, end in enumerate(np.flatnonzero(dones)):
        axes.axvline(end + 0.5, color=VERMILION, linestyle="--", label="the pole fell" if position == 0 else None)
    axes.set(xlabel="step of the stream", ylabel="return", title=title)
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right")
    return figure


def curves_over_seeds(curves: Mapping[str, Sequence[Sequence[float]]], title: str, ylabel: str) -> Figure:
    """For each name a thin line per seed, their mean, and a band from the worst to the best seed; all of one length."""
    figure, axes = plt.subplots()
    for (name, runs), colour in zip(curves.items(), COLOURS, strict=False):
        table = np.array(runs)                                              # (seeds, updates)
        updates = np.arange(1, table.shape[1] + 1)
        axes.fill_between(updates, table.min(axis=0), table.max(axis=0), color=colour, alpha=0.12)
        axes.plot(updates, table.T, color=colour, linewidth=0.7, alpha=0.55)
        axes.plot(updates, table.mean(axis=0), color=colour, linewidth=2.6, label=f"{name}: mean of {len(table)} seeds")
    axes.set(xlabel="update (8 episodes each)", ylabel=ylabel, title=title)
    axes.legend(loc="upper left")
    return figure


def directions(cosines: Mapping[str, np.ndarray], title: str) -> Figure:
    """How well estimated gradients point along the true one: a histogram of cosines (-1 to 1) for each name."""
    figure, panels = plt.subplots(1, len(cosines), figsize=(2.6 * len(cosines), 2.5), sharex=True, squeeze=False)
    for panel, (name, values) in zip(panels[0], cosines.items(), strict=True):
        panel.hist(values, bins=np.linspace(-1, 1, 21), weights=np.full(len(values), 1 / len(values)), color=BLUE)
        panel.axvline(0, color=GREY, linestyle="--")
        panel.set(title=f"{name}\nmean {np.mean(values):.2f}", xlabel="cosine")
    panels[0, 0].set_ylabel("share of estimates")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def reward_in_terms(terms: Mapping[str, np.ndarray], title: str) -> Figure:
    """Stacked bars of a reward's terms over one episode, gains up and costs down. Each term: (steps,), in points."""
    figure, axes = plt.subplots(figsize=(7.6, 3.8))
    starts = np.arange(0, len(next(iter(terms.values()))), BIN)
    above, below = np.zeros(len(starts)), np.zeros(len(starts))
    for (name, points), colour in zip(terms.items(), COLOURS, strict=True):
        bars = np.add.reduceat(points, starts)                              # (bins,)
        axes.bar(starts, bars, BIN, np.where(bars >= 0, above, below), align="edge", color=colour, label=name)
        above, below = above + np.maximum(bars, 0), below + np.minimum(bars, 0)
    axes.plot(starts + BIN / 2, above + below, ".-", color="black", linewidth=1, markersize=4, label="sum: the reward")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel="step", ylabel=f"points in {BIN} steps", title=title)
    axes.legend(loc="upper left", ncols=2, fontsize=8)
    return figure


def heights(flights: Mapping[str, Sequence[np.ndarray]], top: float, title: str) -> Figure:
    """Height above the pad against steps, a line an episode; each flight: (steps,). `top`: the video's upper edge."""
    figure, axes = plt.subplots()
    for (name, lines), colour in zip(flights.items(), COLOURS, strict=False):
        for number, line in enumerate(lines):
            axes.plot(line, color=colour, linewidth=1, alpha=0.8, label=name if number == 0 else None)
    axes.axhline(top, color=GREY, linestyle="--", label="upper edge of the video")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel="step", ylabel="height above the pad (2 = one picture)", title=title)
    axes.legend(loc="upper left")
    return figure
