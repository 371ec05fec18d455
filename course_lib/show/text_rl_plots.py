"""The figures of lessons 10 and 11. Each function returns a figure for `show` or `explore`.

Lesson 10: what labels buy, what raters are worth, what a reward finds. Lesson 11: credit for tokens, estimators, values
along a text, the trade-off, over-optimisation.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, COLOURS, GREEN, GREY, ORANGE, PURPLE, VERMILION


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
    axes.set(xlabel="number of human comparisons", ylabel="accuracy on unseen comparisons", title=title,
             ylim=(None, max(lines.values()) + 0.04))
    axes.legend(loc="lower right", fontsize=8)
    return figure


def majorities(raters: Sequence[int], real: Sequence[float], independent: Sequence[float], title: str) -> Figure:
    """Agreement of a majority with everybody else against its size, beside what independent raters would reach."""
    figure, axes = plt.subplots(figsize=(6.0, 3.4))
    axes.plot(raters, independent, "s--", color=GREY, label="if raters erred independently")
    axes.plot(raters, real, "o-", color=BLUE, label="real people")
    axes.set(xlabel="raters who vote (number)", ylabel="share agreeing with everybody else", xticks=list(raters),
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


MARKS = "osD^vPX"


def token_bars(tokens: Sequence[str], rows: Mapping[str, Sequence[float]], title: str, unit: str) -> Figure:
    """Numbers of each token of one text, one panel a row of `rows`, bars above the tokens; below zero in vermilion."""
    figure, panels = plt.subplots(len(rows), 1, figsize=(8.2, 1.5 * len(rows) + 0.9), sharex=True, squeeze=False)
    for panel, (name, values) in zip(panels[:, 0], rows.items(), strict=True):
        panel.bar(range(len(tokens)), values, color=[BLUE if value >= 0 else VERMILION for value in values])
        panel.axhline(0, color=GREY, linewidth=0.8)
        panel.set_title(name, fontsize=9)
        panel.set_ylabel(unit, fontsize=8)
        panel.grid(axis="x", visible=False)
    last = panels[-1, 0]
    last.set_xticks(range(len(tokens)), [token.replace(" ", "␣") for token in tokens], rotation=60, ha="right",
                    fontsize=8, family="monospace")
    last.set_xlabel("token that was chosen")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def estimator_std(estimates: Mapping[str, np.ndarray], exact: float, title: str) -> Figure:
    """Histograms of several estimates of one KL, each from one completion, and the exact number as a line."""
    figure, panels = plt.subplots(1, len(estimates), figsize=(8.4, 2.7), sharey=True)
    everything = np.concatenate(list(estimates.values()))
    edges = np.linspace(np.quantile(everything, 0.005), np.quantile(everything, 0.98), 30)
    for panel, (name, values) in zip(panels, estimates.items(), strict=True):
        panel.hist(np.clip(values, edges[0], edges[-1]), bins=edges, color=BLUE)
        panel.axvline(exact, color=VERMILION, linestyle="--", label=f"exact {exact:.2f}")
        panel.axvline(values.mean(), color=ORANGE, label=f"mean {values.mean():.2f}")
        panel.set(xlabel="nats a completion", title=f"{name}: std {values.std():.2f}")
        panel.legend(fontsize=8)
    panels[0].set_ylabel("completions")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def foresight(explained: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Share of the final reward's variance that each network knows after so many tokens."""
    figure, axes = plt.subplots(figsize=(7.0, 3.2))
    for (name, values), colour, mark in zip(explained.items(), COLOURS, MARKS, strict=False):
        axes.plot(range(1, len(values) + 1), values, mark + "-", color=colour, markersize=4, label=name)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="tokens of the completion that are written", ylabel="correlation with the\nfinal reward",
             title=title)
    axes.legend()
    return figure


def trade_off(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], target: tuple[float, float], title: str,
              ylabel: str = "VADER of fresh completions") -> Figure:
    """Reward against distance: a line for each way to train, and the target as a corner."""
    figure, axes = plt.subplots(figsize=(7.4, 4.0))
    for (name, (kl, reward)), colour, mark in zip(curves.items(), COLOURS, MARKS, strict=False):
        axes.plot(kl, reward, mark + "-", color=colour, markersize=4, label=name)
    kl, reward = target
    axes.plot([0, kl, kl], [reward, reward, 1.0], color="black", linestyle=":", label="the course's target")
    axes.set(xlabel="KL from the SFT model (nats a completion)", ylabel=ylabel, title=title)
    axes.set_xlim(left=0)
    axes.legend(fontsize=8)
    return figure


def over_optimisation(runs: Mapping[str, Mapping[str, Sequence[tuple[Sequence[float], Sequence[float]]]]],
                      title: str) -> Figure:
    """A panel for each way to train, two in a row: rewards against the square root of the KL, a line for each seed.

    runs: way to train -> name of the reward -> for each seed (KL in nats, reward in standard deviations from where it
    began). The root is the axis of Gao et al. (2023).
    """
    rows = -(-len(runs) // 2)
    figure, panels = plt.subplots(rows, 2, figsize=(8.8, 2.9 * rows + 0.4), sharex=True, sharey=True,
                                  squeeze=False)
    for panel in panels.flat[len(runs):]:
        panel.remove()
    for panel, (name, rewards) in zip(panels.flat, runs.items(), strict=False):
        for (which, seeds), colour, mark in zip(rewards.items(), (VERMILION, BLUE, GREEN, PURPLE), MARKS, strict=False):
            for number, (kl, values) in enumerate(seeds):
                panel.plot(np.sqrt(kl), values, mark + "-", color=colour, markersize=3, linewidth=1.2, alpha=0.8,
                           label="" if number else which)
        panel.axhline(0, color=GREY, linewidth=0.8)
        panel.set_title(name, fontsize=10)
        panel.set(xlabel="KL from the SFT model (nats, root scale)", ylabel="gain, in std of\nthe SFT model's texts")
    farthest = max(max(kl) for rewards in runs.values() for seeds in rewards.values() for kl, _ in seeds)
    roots = np.arange(0, np.sqrt(farthest) + 0.5)
    roots = roots[::max(1, len(roots) // 6)]
    panels[0, 0].set_xticks(roots, [f"{root * root:.0f}" for root in roots])
    panels[0, 0].legend(fontsize=8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def climbing(soft: Sequence[float], hard: Sequence[float], real: Sequence[float], title: str) -> Figure:
    """The reward of mixtures and of the text that can be read from them, while the gradient is followed."""
    figure, axes = plt.subplots(figsize=(7.0, 3.4))
    axes.plot(range(1, len(soft) + 1), soft, color=VERMILION, label="the mixture of tokens")
    axes.plot(range(1, len(hard) + 1), hard, color=BLUE, label="its heaviest tokens, as a text")
    axes.axhspan(min(real), max(real), color=GREY, alpha=0.2, label="all the SFT model's texts")
    axes.set(xlabel="gradient steps", ylabel="reward (std)", title=title)
    axes.legend()
    return figure


def parts(figures: Mapping[str, Mapping[str, Sequence[float]]], title: str) -> Figure:
    """A panel for each measure, a row for each way to train, a dot for each seed, their mean as a bar."""
    measures = list(next(iter(figures.values())))
    size = 2.9 * len(measures), 0.4 * len(figures) + 1.3
    figure, panels = plt.subplots(1, len(measures), figsize=size, sharey=True)
    for panel, measure in zip(panels, measures, strict=True):
        _dots(panel, {name: values[measure] for name, values in figures.items()})
        panel.set_xlabel(measure)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def _dots(axes: Axes, rows: Mapping[str, Sequence[float]]) -> None:
    names = list(rows)
    axes.barh(names, [float(np.mean(rows[name])) for name in names], color=BLUE, alpha=0.35)
    for place, name in enumerate(names):
        axes.plot(rows[name], [place] * len(rows[name]), "o", color=BLUE, markersize=4)
    if axes.get_ylim()[0] < axes.get_ylim()[1]:
        axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
