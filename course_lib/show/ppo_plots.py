"""The figures of lesson 02: values and advantages of an episode, the clipped objective, noise, ablations.

Each returns a figure for `show` or `explore`.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, COLOURS, GREEN, GREY, ORANGE, VERMILION


def guess_and_return(guesses: np.ndarray, returns: np.ndarray, title: str) -> Figure:
    """What the critic guessed before each step of an episode, and what then came; both (T,)."""
    figure, axes = plt.subplots(figsize=(7.0, 3.0))
    axes.plot(returns, color=GREY, linestyle="--", label="return from there on, as it came")
    axes.plot(guesses, color=BLUE, label="the critic's guess")
    axes.set(xlabel="step of the episode", ylabel="discounted return", title=title, ylim=(0, None))
    axes.legend()
    return figure


def advantages_of_an_episode(advantages: np.ndarray, ends: Mapping[str, np.ndarray], title: str) -> Figure:
    """Advantages (T,) step by step, over those for the two ends of the slider."""
    figure, axes = plt.subplots(figsize=(7.0, 3.0))
    for (name, values), style in zip(ends.items(), (":", "--"), strict=True):
        axes.plot(values, style, color=GREY, linewidth=1.2, label=name)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.plot(advantages, color=VERMILION, label="at the slider")
    axes.set(xlabel="step of the episode", ylabel="advantage", title=title)
    axes.legend(loc="lower left")
    return figure


def noise_bars(noise: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Size of a gradient's noise for each way to weigh actions: a bar for the mean, a dot for each agent."""
    figure, axes = plt.subplots(figsize=(7.0, 2.8))
    names = list(noise)
    axes.barh(names, [np.mean(values) for values in noise.values()], color=BLUE, alpha=0.55)
    for name, values in noise.items():
        axes.plot(values, [name] * len(values), "o", color="black", markersize=4)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="noise of the gradient (length of its spread over batches)", title=title)
    return figure


def lambda_trade(lams: Sequence[float], noise: np.ndarray, direction: np.ndarray, one: np.ndarray,
                 title: str) -> Figure:
    """Noise, direction of the mean, direction of one batch, each (agents, lambdas), against lambda."""
    figure, panels = plt.subplots(1, 3, figsize=(9.6, 3.2))
    x = range(len(lams))
    names = ("noise of the gradient", "cosine of the mean with the true gradient", "cosine of ONE batch with it")
    colours = (BLUE, VERMILION, GREEN)
    for panel, values, name, colour in zip(panels, (noise, direction, one), names, colours, strict=True):
        panel.plot(x, values.T, color=colour, alpha=0.35, linewidth=1)
        panel.plot(x, values.mean(axis=0), "o-", color=colour, linewidth=2.2)
        panel.set_xticks(x, [f"{lam:g}" for lam in lams])
        panel.set_xlabel("λ")
        panel.set_title(name, fontsize=9)
    panels[0].set_ylim(0, None)
    for panel in panels[1:]:
        panel.axhline(0, color="black", linewidth=0.6)
        panel.set_ylim(-1.05, 1.05)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def clipped_objective(clip: float) -> Figure:
    """PPO's objective of one action against the ratio, for a good action and for a bad one."""
    ratio = np.linspace(0.0, 2.0, 401)
    figure, panels = plt.subplots(1, 2, figsize=(7.6, 3.0), sharex=True)
    for panel, advantage, colour in zip(panels, (1.0, -1.0), (BLUE, VERMILION), strict=True):
        gain = ratio * advantage
        clipped = np.clip(ratio, 1 - clip, 1 + clip) * advantage
        panel.axvspan(1 - clip, 1 + clip, color="black", alpha=0.06, linewidth=0)
        panel.plot(ratio, gain, "--", color=GREY, linewidth=1.2, label="ratio × advantage")
        panel.plot(ratio, np.minimum(gain, clipped), color=colour, linewidth=2.4, label="PPO's objective")
        panel.plot(1, advantage, "o", color="black")
        panel.set(xlabel="ratio, new probability / old", ylim=(-2.1, 2.1))
        panel.legend(loc="lower right" if advantage > 0 else "upper right", fontsize=8)
    panels[0].set(ylabel="objective (to be raised)", title=f"Good action (+1): flat above {1 + clip:.2f}")
    panels[1].set_title(f"Bad action (−1): flat below {1 - clip:.2f}")
    return figure


def by_epoch(curves: Mapping[str, np.ndarray], ylabel: str, title: str) -> Figure:
    """A quantity after each epoch on one rollout: name -> (runs, epochs)."""
    figure, axes = plt.subplots(figsize=(7.0, 3.0))
    for (name, values), colour in zip(curves.items(), COLOURS, strict=False):
        epochs = np.arange(1, values.shape[1] + 1)
        axes.plot(epochs, values.T, color=colour, alpha=0.35, linewidth=1)
        axes.plot(epochs, values.mean(axis=0), color=colour, linewidth=2.2, label=name)
    axes.set(xlabel="epochs on the same rollout", ylabel=ylabel, title=title, ylim=(0, None))
    axes.legend()
    return figure


def learning_curves(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str,
                    goal: float | None = None) -> Figure:
    """Return of an episode against agent steps: name -> (steps (points,), returns (seeds, points)).

    The line is the mean over the seeds, the band reaches from the lowest to the highest.
    """
    figure, axes = plt.subplots(figsize=(7.2, 3.6))
    styles = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), "-")
    for (name, (steps, returns)), colour, style in zip(curves.items(), COLOURS, styles, strict=False):
        axes.fill_between(steps, returns.min(axis=0), returns.max(axis=0), color=colour, alpha=0.13, linewidth=0)
        axes.plot(steps, returns.mean(axis=0), linestyle=style, color=colour, label=name)
    if goal is not None:
        axes.axhline(goal, color=GREY, linestyle="--", linewidth=1)
    axes.xaxis.set_major_formatter(lambda steps, _: f"{steps:,.0f}")
    axes.set(xlabel="agent steps", ylabel="return of an episode", title=title)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def final_returns(returns: Mapping[str, Sequence[float]], title: str, goal: float | None = None) -> Figure:
    """Return of fresh episodes after training, a dot for each seed and a bar at the mean of each variant."""
    figure, axes = plt.subplots(figsize=(7.0, 0.9 + 0.36 * len(returns)))
    names = list(returns)
    for row, values in enumerate(returns.values()):
        axes.plot(values, [row] * len(values), "o", color=BLUE, alpha=0.7, markersize=6)
        axes.plot([np.mean(values)] * 2, [row - 0.32, row + 0.32], color=ORANGE, linewidth=3)
    if goal is not None:
        axes.axvline(goal, color=GREY, linestyle="--", linewidth=1)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="mean return of 20 fresh episodes; a dot is a seed, the bar their mean", title=title)
    return figure
