"""The figures of lesson 15. Each function returns a figure for `show`."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, COLOURS, GREEN, GREY, ORANGE, VERMILION

MARKS = "osD^vPX*"


def who_judges() -> Figure:
    """The schematic of the lesson: three who can say which of two answers is better, and what each gets wrong."""
    figure, axes = plt.subplots(figsize=(8.6, 3.3))
    axes.set(xlim=(0, 9.2), ylim=(0, 4.6))
    axes.axis("off")
    figure.suptitle("Three ways to say which answer is better, and what each gets wrong", x=0.01, ha="left",
                    fontsize=11)
    pair = axes.text(0.9, 2.3, "two answers\nto one prompt", ha="center", va="center", fontsize=9.5,
                     bbox={"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": GREY, "linewidth": 2})
    rows = ((3.8, "people", "slow, expensive, do not agree:\ngive an interval (15.2)", BLUE),
            (2.3, "LLM judge", "prefers a position:\nswap the sides (15.3, 15.4)", ORANGE),
            (0.8, "reward model", "counts words, is exploited:\ncontrol for length, ensembles (15.5, 15.6)", VERMILION))
    for y, name, fault, colour in rows:
        who = axes.text(4.0, y, name, ha="center", va="center", fontsize=9.5,
                        bbox={"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": colour, "linewidth": 2})
        axes.text(5.2, y, fault, va="center", fontsize=9.5)
        axes.annotate("", xy=(4.0, y), xytext=(0.9, 2.3), arrowprops={       # from the edge of one box to the other's
            "arrowstyle": "->", "linewidth": 1.2, "patchA": pair.get_bbox_patch(), "patchB": who.get_bbox_patch()})
    return figure


def trade_off(weights: Sequence[float], curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
              title: str) -> Figure:
    """Harmless requests helped with against risky ones declined, (declined, helped) for each weight of helpfulness."""
    figure, axes = plt.subplots(figsize=(6.2, 4.2))
    for k, ((name, (declined, helped)), colour) in enumerate(zip(curves.items(), (BLUE, VERMILION), strict=False)):
        axes.plot(declined, helped, MARKS[k] + "-", color=colour, markersize=5, label=name)
        told: list[tuple[float, float]] = []
        for weight, x, y in zip(weights, declined, helped, strict=True):
            if all(abs(x - a) + abs(y - b) > 0.22 for a, b in told):
                axes.annotate(f"{weight:.2f}", (x, y), xytext=(5, 5 - 16 * k), textcoords="offset points", fontsize=8,
                              color=colour)
                told.append((x, y))
    axes.plot(1, 1, "*", color=GREEN, markersize=13, label="both, always")
    axes.set(xlabel="share of risky requests that are declined",
             ylabel="share of harmless requests\nthat are helped with",
             xlim=(-0.05, 1.12), ylim=(-0.08, 1.12), title=title)
    axes.legend(loc="lower left", fontsize=8, title="weight of helpfulness beside the points", title_fontsize=8)
    return figure


def intervals(rates: Mapping[str, tuple[float, float, float]], title: str) -> Figure:
    """Win rates with their intervals, a row each: name -> (rate, low, high)."""
    figure, axes = plt.subplots(figsize=(7.4, 0.42 * len(rates) + 1.3))
    for row, (rate, low, high) in enumerate(rates.values()):
        axes.plot([low, high], [row, row], color=BLUE, linewidth=2)
        axes.plot(rate, row, "o", color=BLUE, markersize=6)
    axes.axvline(0.5, color=GREY, linestyle="--", linewidth=1)
    axes.set_yticks(range(len(rates)), list(rates))
    axes.set_ylim(len(rates) - 0.5, -0.5)
    axes.set(xlabel="win rate (bar: 95% interval; dashed: no difference)", title=title)
    return figure


def both_orders(logits: Sequence[tuple[float, float]], title: str) -> Figure:
    """The judge's logits for the first text of each pair: shown as A against shown as B."""
    figure, axes = plt.subplots(figsize=(5.6, 4.2))
    values = np.asarray(logits)                                                             # (pairs, 2)
    edge = 1.15 * np.abs(values).max()
    axes.fill_between([0, edge], 0, edge, color=GREEN, alpha=0.12)
    axes.fill_between([-edge, 0], -edge, 0, color=GREEN, alpha=0.12, label="the same preference in both orders")
    axes.plot([-edge, edge], [-edge, edge], color=GREY, linestyle="--", linewidth=1, label="no position bias")
    axes.plot(values[:, 0], values[:, 1], "o", color=VERMILION, markersize=4, alpha=0.6, label="a pair")
    axes.set(xlabel="logit for the first text, shown as A", ylabel="logit for the first text, shown as B",
             xlim=(-edge, edge), ylim=(-edge, edge), title=title)
    axes.legend(fontsize=8, loc="upper left")
    return figure


def labels_against(counts: Sequence[int], curves: Mapping[str, Sequence[Sequence[float]]], lines: Mapping[str, float],
                   title: str) -> Figure:
    """Accuracy against number of labels: for each curve the seeds' values for each count; band: one std."""
    figure, axes = plt.subplots(figsize=(6.6, 3.7))
    for (name, values), colour, mark in zip(curves.items(), (BLUE, ORANGE), MARKS, strict=False):
        mean, std = np.mean(values, axis=0), np.std(values, axis=0, ddof=1)
        axes.plot(counts, mean, mark + "-", color=colour, label=name)
        axes.fill_between(counts, mean - std, mean + std, color=colour, alpha=0.2)
    for (name, value), colour in zip(lines.items(), (GREY, GREEN), strict=False):
        axes.axhline(value, color=colour, linestyle="--", label=name)
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.minorticks_off()
    axes.set(xlabel="labelled pairs", ylabel="share of people's held-out\npreferences predicted", title=title)
    axes.legend(fontsize=8)
    return figure


def length_bias(shares: Sequence[float], panels: Mapping[str, Mapping[str, Sequence[Sequence[float]]]],
                title: str) -> Figure:
    """A panel for each measure: its mean and std over seeds against the share of pairs in which the longer text won."""
    figure, every = plt.subplots(1, len(panels), figsize=(3.6 * len(panels) + 0.6, 3.6))
    for axes, (measure, curves) in zip(every, panels.items(), strict=True):
        for (name, values), colour, mark in zip(curves.items(), (VERMILION, BLUE), MARKS, strict=False):
            mean, std = np.mean(values, axis=0), np.std(values, axis=0, ddof=1)
            axes.plot(shares, mean, mark + "-", color=colour, markersize=5, label=name)
            axes.fill_between(shares, mean - std, mean + std, color=colour, alpha=0.2)
        axes.set(xlabel="share of training pairs\nwhose longer text is preferred", ylabel=measure)
    every[0].legend(fontsize=8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def over_optimisation(sizes: Sequence[int], panels: Mapping[str, Mapping[str, Sequence[float]]], top: Sequence[float],
                      title: str) -> Figure:
    """Gold rating of the best of n, a panel for each kind of ensemble; dashed: chosen by people's ratings.

    The first panel's curves are named beside them; the other panels' must come in the same order.
    """
    figure, every = plt.subplots(1, len(panels), figsize=(3.7 * len(panels) + 2, 3.7), sharey=True)
    for axes, (name, curves) in zip(every, panels.items(), strict=True):
        for (label, values), colour, mark in zip(curves.items(), COLOURS, MARKS, strict=False):
            axes.plot(sizes, values, mark + "-", color=colour, markersize=5, label=label)
        axes.plot(sizes, top, color=GREY, linestyle="--", label="chosen by the ratings")
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(n) for n in sizes])
        axes.set_title(name, fontsize=9.5)
        axes.set(xlabel="n texts to choose from", ylabel="mean rating by people of the chosen text")
    figure.legend(*every[0].get_legend_handles_labels(), fontsize=8, loc="outside right center")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def toxicity_against_kl(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], title: str) -> Figure:
    """Share of flagged texts against nats from the model: (nats, shares) by name; a line joins the first."""
    figure, axes = plt.subplots(figsize=(6.4, 3.7))
    for k, ((name, (nats, shares)), colour) in enumerate(zip(curves.items(), (GREY, BLUE, VERMILION), strict=False)):
        axes.plot(nats, [100 * share for share in shares], MARKS[k] + ("-" if k == 0 else ""), color=colour,
                  markersize=5, alpha=1 if k == 0 else 0.75, label=name)
    axes.set(xlabel="KL from the model before training (nats a text)", ylabel="flagged texts (%)", title=title)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
    return figure


def by_term(probabilities: Mapping[str, Sequence[float]], plain: Sequence[str], bound: float, title: str) -> Figure:
    """A row for each term, the highest mean on top: dots are its sentences, the bar their mean; plain terms grey."""
    rows = sorted(probabilities, key=lambda term: float(np.mean(probabilities[term])))
    figure, axes = plt.subplots(figsize=(7.4, 0.19 * len(rows) + 1.2))
    for row, term in enumerate(rows):
        colour = GREY if term in plain else BLUE
        axes.plot(probabilities[term], [row] * len(probabilities[term]), "o", color=colour, markersize=3.5, alpha=0.5)
        axes.plot(np.mean(probabilities[term]), row, "|", color=colour, markersize=11, markeredgewidth=2.5)
    axes.axvline(bound, color=VERMILION, linestyle="--", linewidth=1)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set(xlabel="probability of being toxic (dot: a harmless sentence; bar: their mean;\n"
                    "grey: words that name no group; dashed: flagged above)",
             xlim=(-0.02, 1.02), title=title)
    return figure


def costs(dollars: Mapping[str, float], title: str) -> Figure:
    """Dollars of each stage on a logarithmic scale, people and machines in two colours."""
    figure, axes = plt.subplots(figsize=(7.2, 0.4 * len(dollars) + 1.3))
    for row, (name, value) in enumerate(dollars.items()):
        axes.barh(row, value, color=BLUE if "people" in name else ORANGE, height=0.6)
        axes.text(value * 1.15, row, f"${value:,.0f}", va="center", fontsize=8.5)
    axes.set_yticks(range(len(dollars)), list(dollars))
    axes.set_xscale("log")
    axes.set_xlim(1, 8 * max(dollars.values()))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="dollars, on the assumptions above (logarithmic)", title=title)
    return figure
