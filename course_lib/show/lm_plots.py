"""The figures of lesson 07: attention weights, guesses at the next character, losses, sampling, the cache.

Each returns a figure for `show` or `explore`.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, COLOURS, GREEN, GREY, ORANGE, VERMILION


def attention_maps(weights: np.ndarray, tokens: Sequence[str], names: Sequence[str], title: str) -> Figure:
    """Who looks at whom: one panel for each of `weights` (panels, T, T), rows the ones that look."""
    figure, panels = plt.subplots(1, len(weights), figsize=(3.5 * len(weights), 3.9), sharey=True, squeeze=False)
    for panel, table, name in zip(panels[0], weights, names, strict=True):
        image = panel.imshow(table, cmap="Blues", vmin=0, vmax=1)
        panel.set_xticks(range(len(tokens)), tokens, fontsize=8, family="monospace")
        panel.set_yticks(range(len(tokens)), tokens, fontsize=8, family="monospace")
        panel.set(xlabel="key: what is looked at", title=name)
        panel.grid(False)
    panels[0, 0].set_ylabel("query: who looks")
    figure.colorbar(image, ax=panels, label="weight", shrink=0.75)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def next_token_bars(probs: Mapping[str, float], title: str) -> Figure:
    """Probabilities of some next tokens, in the order given."""
    figure, axes = plt.subplots(figsize=(7.0, 2.6))
    names = [name if name.strip() else "␣" for name in probs]
    axes.bar(range(len(names)), list(probs.values()), color=BLUE)
    axes.set_xticks(range(len(names)), names, family="monospace")
    axes.set(xlabel="next token", ylabel="probability", ylim=(0, 1), title=title)
    return figure


def surprise_along(tokens: Sequence[str], nats: Sequence[float], title: str) -> Figure:
    """The surprise at each token of a text, as bars above it."""
    figure, axes = plt.subplots(figsize=(8.0, 2.6))
    axes.bar(range(len(tokens)), nats, color=[VERMILION if value > 2.5 else BLUE for value in nats])
    axes.set_xticks(range(len(tokens)), [token if token.strip() else "␣" for token in tokens], family="monospace",
                    fontsize=8)
    axes.set(xlabel="character that came", ylabel="surprise (nats)", title=title)
    return figure


def loss_curves(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], lines: Mapping[str, float], title: str,
                xlabel: str = "CPU-seconds of training") -> Figure:
    """Losses against time, name -> (times, losses), over horizontal lines to compare with."""
    figure, axes = plt.subplots(figsize=(7.0, 3.6))
    for (name, (times, losses)), colour in zip(curves.items(), COLOURS, strict=False):
        axes.plot(times, losses, color=colour, label=name)
    for (name, level), style in zip(lines.items(), ("--", ":", "-."), strict=False):
        axes.axhline(level, color=GREY, linestyle=style, label=f"{name}: {level:.2f}")
    axes.set(xlabel=xlabel, ylabel="loss (nats per token)", title=title)
    axes.legend()
    return figure


def temperature_trade(temperatures: Sequence[float], distinct: Sequence[float], words: Sequence[float],
                      title: str) -> Figure:
    """Variety of texts, and the share of their words that real texts hold too, against temperature."""
    figure, axes = plt.subplots(figsize=(7.0, 3.0))
    axes.plot(temperatures, distinct, "o-", color=BLUE, label="different pairs of words (distinct-2)")
    axes.plot(temperatures, words, "s-", color=ORANGE, label="words that the training texts hold")
    axes.set(xlabel="temperature", ylabel="share", ylim=(0, 1.03), title=title)
    axes.legend(loc="lower center")
    return figure


def bits_bars(bits: Mapping[str, float], title: str) -> Figure:
    """Bits per character of several models, one bar each, the number at its end."""
    figure, axes = plt.subplots(figsize=(7.0, 0.42 * len(bits) + 1.1))
    bars = axes.barh(list(bits), list(bits.values()), color=[GREY] * (len(bits) - 2) + [BLUE, GREEN])
    axes.bar_label(bars, fmt="%.2f", padding=4)
    axes.invert_yaxis()
    axes.set(xlabel="bits per character of unseen texts", xlim=(0, 1.12 * max(bits.values())), title=title)
    axes.grid(axis="y", visible=False)
    return figure


def cache_cost(lengths: Sequence[int], seconds: Mapping[str, Sequence[float]], title: str) -> Figure:
    """CPU-seconds to write texts of several lengths, for each way."""
    figure, axes = plt.subplots(figsize=(7.0, 3.0))
    for (name, values), colour, mark in zip(seconds.items(), (VERMILION, BLUE), ("s-", "o-"), strict=False):
        axes.plot(lengths, values, mark, color=colour, label=name)
    axes.set(xlabel="characters written per text", ylabel="CPU-seconds", title=title)
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure
