"""The figures of lesson 14. Each function returns a figure for `show`."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, COLOURS, GREEN, GREY, ORANGE, VERMILION

MARKS = "osD^vPX*"
MEAN_OF = 7             # updates of few pairs each: what one of them says is mostly chance


def routes() -> Figure:
    """The schematic of the lesson: where labels come from, and by which ways a policy learns from them."""
    figure, axes = plt.subplots(figsize=(8.4, 3.7))
    axes.set(xlim=(0, 10), ylim=(0, 5.2))
    axes.axis("off")
    figure.suptitle("From preferences, or from a checker, to a better model", x=0.01, ha="left", fontsize=11)
    boxes = ((1.1, 3.6, "preferences\n(pairs)", GREY), (4.0, 4.5, "reward model", GREY),
             (1.1, 0.7, "a program\nthat checks", GREY),
             (8.0, 4.5, "choose: best-of-n,\nrejection sampling (14.2, 14.3)", GREEN),
             (8.0, 2.9, "learn from the pairs:\nDPO, IPO, KTO (14.4)", VERMILION),
             (8.0, 0.9, "reinforce: PPO (lesson 11),\nRLOO, GRPO (14.5 to 14.7)", BLUE))
    for x, y, words, colour in boxes:
        axes.text(x, y, words, ha="center", va="center", fontsize=9.5,
                  bbox={"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": colour, "linewidth": 2})
    for start, end in (((1.85, 3.8), (3.15, 4.4)), ((1.85, 3.5), (6.75, 2.95)), ((4.85, 4.5), (6.3, 4.5)),
                       ((4.7, 4.15), (7.2, 1.45)), ((1.85, 0.7), (6.45, 0.9))):
        axes.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "->", "color": "black", "linewidth": 1.2})
    return figure


def best_of(curves: Mapping[str, Sequence[float]], sizes: Sequence[int], nats: Sequence[float], title: str) -> Figure:
    """Rewards of what is kept against n (log scale); the bound on the KL stands under each n."""
    figure, axes = plt.subplots(figsize=(6.6, 3.6))
    for (name, values), colour, mark in zip(curves.items(), COLOURS, MARKS, strict=False):
        axes.plot(sizes, values, mark + "-", color=colour, markersize=5, label=name)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [f"{n}\n{kl:.2f}" for n, kl in zip(sizes, nats, strict=True)])
    axes.set(xlabel="n completions written (and, below, the bound on the KL in nats)", ylabel="mean reward of the best",
             title=title)
    axes.legend()
    return figure


def pair_training(before: Mapping[str, float], after: Mapping[str, float], margins: Sequence[float],
                  title: str) -> Figure:
    """Left: log-probabilities of held-out completions, before and after. Right: the margin of each update's pairs."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4))
    for (name, value), colour in zip(before.items(), (BLUE, VERMILION), strict=True):
        left.plot([0, 1], [value, after[name]], "o-", color=colour, label=name)
        left.annotate(f"{after[name] - value:+.1f}", (1, after[name]), xytext=(6, 0), textcoords="offset points",
                      va="center", color=colour)
    left.set_xticks([0, 1], ["before", "after DPO"])
    left.set(xlim=(-0.2, 1.45), xlabel="held-out pairs", ylabel="log-probability of a completion\n(nats, mean)")
    left.legend(fontsize=8)
    right.plot(range(1, len(margins) + 1), margins, color=GREEN, linewidth=0.9, alpha=0.5)
    if len(margins) >= MEAN_OF:
        mean = np.convolve(margins, np.ones(MEAN_OF) / MEAN_OF, mode="valid")
        right.plot(np.arange(len(mean)) + (MEAN_OF + 1) / 2, mean, color=GREEN, linewidth=2,
                   label=f"mean of {MEAN_OF} updates")
        right.legend(fontsize=8)
    right.axhline(0, color=GREY, linewidth=0.8)
    right.set(xlabel="updates", ylabel="margin: implicit reward of the\nchosen minus the rejected one")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def pair_losses(margin: np.ndarray, losses: Mapping[str, np.ndarray], goal: float, title: str) -> Figure:
    """Losses against the margin of log-ratios; a line where IPO has its lowest point."""
    figure, axes = plt.subplots(figsize=(6.6, 3.3))
    for (name, values), colour in zip(losses.items(), (BLUE, VERMILION), strict=True):
        axes.plot(margin, values, color=colour, label=name)
    axes.axvline(goal, color=GREY, linestyle="--")
    axes.text(goal, axes.get_ylim()[1], " 1 / (2 beta)", color=GREY, va="top")
    axes.set(xlabel="margin h of the log-ratios (nats)", ylabel="loss of a pair", title=title)
    axes.legend()
    return figure


def advantage_sizes(shares: np.ndarray, sizes: Mapping[str, np.ndarray], title: str) -> Figure:
    """How much a prompt moves the policy, against the share of its completions that are right."""
    figure, axes = plt.subplots(figsize=(6.6, 3.3))
    for (name, values), colour, mark in zip(sizes.items(), (BLUE, VERMILION), "os", strict=True):
        axes.plot(shares, values, mark + "-", color=colour, markersize=5, label=name)
    axes.set(xlabel="share of a prompt's 16 completions that are right", ylabel="mean size of the advantages",
             ylim=(0, None), title=title)
    axes.legend()
    return figure


def before_and_after(ways: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], title: str) -> Figure:
    """A panel for each measure, a row for each way; for each seed an arrow from before to after.

    ways: name -> measure -> (before, after) of each seed.
    """
    measures = list(next(iter(ways.values())))
    figure, panels = plt.subplots(1, len(measures), figsize=(8.4, 0.42 * len(ways) + 1.3), sharey=True)
    for panel, measure in zip(panels, measures, strict=True):
        for row, values in enumerate(ways.values()):
            for number, (start, end) in enumerate(values[measure]):
                height = row + 0.16 * (number - (len(values[measure]) - 1) / 2)
                panel.plot([start, end], [height, height], color=BLUE, linewidth=1.2)
                panel.plot(start, height, "o", color=GREY, markersize=4)
                panel.plot(end, height, "o", color=BLUE, markersize=5)
        panel.set(xlabel=f"{measure} (grey before, blue after)", xlim=(0, 1.02))
        panel.grid(axis="y", visible=False)
    panels[0].set_yticks(range(len(ways)), list(ways))
    panels[0].set_ylim(len(ways) - 0.4, -0.6)
    panels[0].set_ylabel("way to train")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def hack(rewards: Sequence[float], right: Sequence[float], lengths: Sequence[float], title: str) -> Figure:
    """Left: what the check says and what is right, update by update. Right: tokens of a completion."""
    figure, (left, other) = plt.subplots(1, 2, figsize=(8.4, 3.1))
    updates = range(1, len(rewards) + 1)
    left.plot(updates, rewards, color=VERMILION, label="reward of the hurried check")
    left.plot(updates, right, color=BLUE, label="right answers")
    left.set(xlabel="updates", ylabel="share of completions", ylim=(-0.03, 1.03))
    left.legend(fontsize=8)
    other.plot(updates, lengths, color=GREY)
    other.set(xlabel="updates", ylabel="tokens of a completion,\nthe end token among them", ylim=(0, None))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


class Way(NamedTuple):
    """One way to train, as the last figure shows it; an entry a seed."""

    paths: Sequence[Sequence[tuple[float, float]]]      # (KL, proxy) along the training
    wins: Sequence[float]                               # share of completions that gold prefers to the SFT model's


def everything(ways: Mapping[str, Way], title: str) -> Figure:
    """Left: proxy against KL along each training. Right: win rate by gold against KL at the end, mean and range."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.0))
    colours = (*COLOURS, "black", ORANGE)
    for (name, way), colour, mark in zip(ways.items(), colours, MARKS + "<>", strict=False):
        for number, path in enumerate(way.paths):
            kl, proxy = zip(*path, strict=True)
            left.plot(kl, proxy, "-", color=colour, linewidth=1.0, alpha=0.7)
            left.plot(kl[-1], proxy[-1], mark, color=colour, markersize=5, label=None if number else name)
        ends, wins = np.array([path[-1][0] for path in way.paths]), np.array(way.wins)
        right.errorbar(ends.mean(), wins.mean(), fmt=mark, color=colour, capsize=2,
                       yerr=[[wins.mean() - wins.min()], [wins.max() - wins.mean()]])
    _half(right)
    left.set(xlabel="KL from the SFT model (nats a completion)", ylabel="proxy reward (std of the SFT model's texts)")
    right.set(xlabel="KL from the SFT model (nats a completion)", ylabel="win rate against the SFT model, by gold")
    left.set_xlim(left=0)
    right.set_xlim(left=0)
    left.legend(fontsize=7.5)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def _half(axes: Axes) -> None:
    axes.axhline(0.5, color=GREY, linestyle="--", linewidth=1)
