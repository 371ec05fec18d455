"""The figures of lessons 01 and 02. Each function returns a figure for `show` or `explore`.

Lesson 01: lengths of episodes, returns of a stream, curves over seeds, a reward in terms. Lesson 02: values and
advantages of an episode, the clipped objective, noise, ablations.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from course_lib.show.palette import BLUE, COLOURS, GREEN, GREY, ORANGE, VERMILION

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
    for number, ((name, runs), colour) in enumerate(zip(curves.items(), COLOURS, strict=False)):
        table = np.array(runs)                                              # (seeds, updates)
        updates = np.arange(1, table.shape[1] + 1)
        band = "band: worst to best seed" if number == 0 else None
        axes.fill_between(updates, table.min(axis=0), table.max(axis=0), color=colour, alpha=0.12, label=band)
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


def value_and_return(values: np.ndarray, returns: np.ndarray, title: str) -> Figure:
    """The critic's value estimate before each step of an episode, and what then came; both (T,)."""
    figure, axes = plt.subplots(figsize=(7.0, 3.0))
    axes.plot(returns, color=GREY, linestyle="--", label="reward-to-go, as it came")
    axes.plot(values, color=BLUE, label="the critic's value estimate")
    axes.set(xlabel="step of the episode", ylabel="discounted return", title=title, ylim=(0, None))
    axes.legend()
    return figure


def advantages_of_an_episode(advantages: np.ndarray, ends: Mapping[str, np.ndarray], title: str) -> Figure:
    """Advantages (T,) step by step, over those for λ = 0 and λ = 1."""
    figure, axes = plt.subplots(figsize=(7.0, 3.0))
    for (name, values), style in zip(ends.items(), (":", "--"), strict=True):
        axes.plot(values, style, color=GREY, linewidth=1.2, label=name)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.plot(advantages, color=VERMILION, label="at the slider")
    axes.set(xlabel="step of the episode", ylabel="advantage", title=title)
    axes.legend(loc="lower left")
    return figure


def noise_bars(noise: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Size of a gradient's noise for each weight of the actions: a bar for the mean, a dot for each agent."""
    figure, axes = plt.subplots(figsize=(7.0, 2.8))
    names = list(noise)
    axes.barh(names, [np.mean(values) for values in noise.values()], color=BLUE, alpha=0.55)
    for name, values in noise.items():
        axes.plot(values, [name] * len(values), "o", color="black", markersize=4)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="noise of the gradient (length of its standard deviation over batches)", title=title)
    return figure


def lambda_trade(lams: Sequence[float], noise: np.ndarray, direction: np.ndarray, one: np.ndarray,
                 title: str, gamma: float = 0.99) -> Figure:
    """Noise, direction of the mean, direction of one batch, each (agents, lambdas), against lambda.

    Equal steps in lambda do unequal things, so the axis is that of the horizon 1 / (1 - gamma * lambda), on a log
    scale: how many steps ahead TD errors count.
    """
    figure, panels = plt.subplots(1, 3, figsize=(9.6, 3.4))
    horizons = 1 / (1 - gamma * np.asarray(lams))
    names = ("noise of the gradient", "cosine of the mean\nwith the reference",
             "cosine of ONE batch\nwith the reference")
    colours = (BLUE, VERMILION, GREEN)
    for panel, values, name, colour in zip(panels, (noise, direction, one), names, colours, strict=True):
        panel.plot(horizons, values.T, color=colour, alpha=0.35, linewidth=1)
        panel.plot(horizons, values.mean(axis=0), "o-", color=colour, linewidth=2.2)
        panel.set_xscale("log")
        panel.set_xticks(horizons, [f"{lam:g}" for lam in lams])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xlabel("λ (placed by 1 / (1 − γλ), log scale)", fontsize=8)
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
        panel.set(xlabel="ratio ρ, new probability / old", ylim=(-2.1, 2.1))
        panel.legend(loc="lower right" if advantage > 0 else "upper right", fontsize=8)
    panels[0].set(ylabel="objective (to be maximized)", title=f"Good action (+1): flat above {1 + clip:.2f}")
    panels[1].set_title(f"Bad action (−1): flat below {1 - clip:.2f}")
    return figure


def by_epoch(curves: Mapping[str, np.ndarray], ylabel: str, title: str) -> Figure:
    """A positive quantity after each epoch on one rollout, on a log scale: name -> (runs, epochs)."""
    figure, axes = plt.subplots(figsize=(7.0, 3.0))
    for (name, values), colour in zip(curves.items(), COLOURS, strict=False):
        epochs = np.arange(1, values.shape[1] + 1)
        axes.plot(epochs, values.T, color=colour, alpha=0.35, linewidth=1)
        axes.plot(epochs, values.mean(axis=0), color=colour, linewidth=2.2, label=name)
    axes.set(xlabel="epochs on the same rollout", ylabel=ylabel, title=title, yscale="log")
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
    axes.xaxis.set_major_locator(MaxNLocator(5))
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
