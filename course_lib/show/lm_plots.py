"""The figures of lessons 08 and 09. Each function returns a figure for `show` or `explore`.

Lesson 08: attention weights, predictions of the next character, losses, sampling, the cache. Lesson 09: happier texts,
a dictionary against people, noisy gradients, a reward that is hacked.
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


def loss_along(tokens: Sequence[str], nats: Sequence[float], title: str) -> Figure:
    """The negative log-likelihood of each token of a text, as bars above it."""
    figure, axes = plt.subplots(figsize=(8.0, 2.6))
    axes.bar(range(len(tokens)), nats, color=[VERMILION if value > 2.5 else BLUE for value in nats])
    axes.set_xticks(range(len(tokens)), [token if token.strip() else "␣" for token in tokens], family="monospace",
                    fontsize=8)
    axes.set(xlabel="character that came", ylabel="negative log-likelihood\n(nats)", title=title)
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


def sentiment_bars(scores: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Mean score of several collections of texts, name -> scores, with two standard errors to each side.

    Real texts, whose names begin with "real", are grey.
    """
    figure, axes = plt.subplots(figsize=(7.0, 0.5 * len(scores) + 1.1))
    means = [float(np.mean(values)) for values in scores.values()]
    errors = [2 * float(np.std(values)) / len(values) ** 0.5 for values in scores.values()]
    colours = [GREY if name.startswith("real") else BLUE for name in scores]
    axes.barh(list(scores), means, xerr=errors, color=colours, error_kw={"elinewidth": 1.5, "capsize": 3})
    for place, (mean, error) in enumerate(zip(means, errors, strict=True)):
        axes.text(max(mean + error, 0) + 0.015, place, f"{mean:.2f}", va="center")
    axes.invert_yaxis()
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set(xlabel="mean VADER score (-1 to 1), bars: ± 2 standard errors", title=title,
             xlim=(min(0, *means) - 0.05, max(means) + 0.15))
    axes.grid(axis="y", visible=False)
    return figure


def people_against_vader(people: Sequence[float], vader: Sequence[float], title: str) -> Figure:
    """One dot a text: the mean of its raters (-4 to 4) across, the dictionary's score up."""
    figure, axes = plt.subplots(figsize=(6.0, 4.4))
    people, vader = np.asarray(people), np.asarray(vader)
    opposed = (people * vader < 0) & (np.abs(people) > 1) & (np.abs(vader) > 0.2)
    axes.scatter(people[~opposed], vader[~opposed], s=6, alpha=0.35, color=BLUE, linewidths=0, label="texts")
    axes.scatter(people[opposed], vader[opposed], s=9, alpha=0.7, color=VERMILION, linewidths=0,
                 label="clearly rated, and VADER says the opposite")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set(xlabel="what people said, mean rating (-4 to 4)", ylabel="VADER score (-1 to 1)", title=title)
    axes.legend(loc="lower right", markerscale=2.5, fontsize=8)
    return figure


def noise_bars(noises: Mapping[str, float], title: str) -> Figure:
    """Standard deviation of the gradient for several ways to weight texts, relative to the first of them."""
    figure, axes = plt.subplots(figsize=(7.0, 0.5 * len(noises) + 1.1))
    values = np.array(list(noises.values()), dtype=float)
    shares = values / values[0]
    axes.barh(list(noises), shares, color=[GREY] + [BLUE] * (len(shares) - 1))
    for place, share in enumerate(shares):
        axes.text(share + 0.01, place, f"{share:.2f}", va="center")
    axes.invert_yaxis()
    axes.set(xlabel="standard deviation of one batch's gradient (first bar = 1)", title=title,
             xlim=(0, 1.12 * shares.max()))
    axes.grid(axis="y", visible=False)
    return figure


def along_the_run(updates: Sequence[float], reward: Sequence[float], kl: Sequence[float], distinct: Sequence[float],
                  evaluations: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Reward, distance and variety of a run, one panel each. evaluations: the same fields on unseen prompts.

    Variety is lower among 512 texts than among the 128 of a batch for the same model: the legend says so.
    """
    figure, panels = plt.subplots(1, 3, figsize=(10.0, 3.6))
    fields = (("reward", reward, "mean VADER score", BLUE), ("kl", kl, "KL to the SFT model (nats a text)", VERMILION),
              ("distinct_2", distinct, "different pairs of words (share)", GREEN))
    for panel, (field, values, name, colour) in zip(panels, fields, strict=True):
        panel.plot(updates, values, color=colour, linewidth=1, label="a batch of the run, 128 texts")
        panel.plot(evaluations["updates"], evaluations[field], "o", color="black", markersize=4,
                   label="512 unseen prompts")
        panel.set(xlabel="updates", ylabel=name)
        panel.set_ylim(bottom=0)
    figure.legend(*panels[2].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8,
                  title="more texts, more repetition", title_fontsize=8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def reward_against_kl(evaluations: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Reward and variety against the distance from the model it started as; the updates beside the points."""
    figure, axes = plt.subplots(figsize=(7.0, 3.6))
    kl, updates = np.asarray(evaluations["kl"]), evaluations["updates"]
    axes.plot(kl, evaluations["reward"], "o-", color=BLUE, label="mean VADER score")
    axes.plot(kl, evaluations["distinct_2"], "s-", color=ORANGE, label="different pairs of words (distinct-2)")
    for x, y, number in zip(kl, evaluations["reward"], updates, strict=True):
        if x < 0.02 * kl.max():
            continue                                # too close to each other to be read
        axes.annotate(f"{number}", (x, y), textcoords="offset points", xytext=(0, 6), ha="center", fontsize=8)
    axes.set(xlabel="KL to the SFT model (nats a text); numbers: updates", ylabel="score, share", title=title,
             ylim=(0, 1.08))
    axes.legend(loc="center right")
    return figure
