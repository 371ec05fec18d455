"""The figures of lesson 05: screens, what skipping does to the ball, grids, credit, games. Each returns a figure."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, COLOURS, GREEN, GREY, ORANGE, VERMILION


def named_screen(screen: np.ndarray, marks: Mapping[str, tuple[float, float, float, float]], rows: tuple[int, int],
                 title: str) -> Figure:
    """A screen (H, W) or (H, W, 3) with arrows to its parts and dashed lines above and below `rows`.

    marks: name -> (column, row) of the thing, (column, row) of its name, in pixels.
    """
    figure, axes = plt.subplots(figsize=(6.4, 4.2))
    axes.imshow(screen, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    for name, (x, y, text_x, text_y) in marks.items():
        axes.annotate(name, (x, y), (text_x, text_y), va="center", fontsize=9, annotation_clip=False,
                      ha="left" if text_x > x else "right", arrowprops={"arrowstyle": "->", "color": VERMILION})
    for row in rows:
        axes.axhline(row - 0.5, color=ORANGE, linestyle="--", linewidth=1.5)
    axes.grid(False)
    axes.set(xlabel="column (pixels)", ylabel="row (pixels)", title=title)
    return figure


def pictures(named: Mapping[str, np.ndarray], title: str, unit: str = "pixels", height: float = 2.7) -> Figure:
    """Pictures side by side, each (H, W) grey, (H, W) of 0 and 1, or (H, W, 3), under their names."""
    figure, panels = plt.subplots(1, len(named), figsize=(height * 0.92 * len(named), height), squeeze=False)
    for axes, (name, picture) in zip(panels[0], named.items(), strict=True):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1 if picture.max() <= 1 else 255, interpolation="nearest")
        axes.grid(False)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel(f"{picture.shape[1]} × {picture.shape[0]} {unit}", fontsize=8)
        axes.set(xticks=[], yticks=[])
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def ball_trail(across: np.ndarray, down: np.ndarray, every: int, title: str) -> Figure:
    """Where the ball is in each emulated frame (dots) and in those that the agent sees (rings), in pixels of the court.

    across, down: (T,), -1 where it is not seen. The grid's lines stand four pixels apart: the cells of the 40 x 40.
    """
    seen = across >= 0
    looked = seen & (np.arange(len(across)) % every == every - 1)
    figure, axes = plt.subplots(figsize=(7.0, 3.4))
    axes.plot(across[seen], down[seen], ".", color=GREY, markersize=3, label="each emulated frame")
    axes.plot(across[looked], down[looked], "o", markerfacecolor="none", color=BLUE, markersize=8,
              label=f"every {every}th: what the agent sees")
    low_x, low_y = across[seen].min() // 4 * 4, down[seen].min() // 4 * 4
    axes.set_xticks(np.arange(low_x, across[seen].max() + 8, 4), minor=True)
    axes.set_yticks(np.arange(low_y, down[seen].max() + 8, 4), minor=True)
    axes.grid(which="minor", alpha=0.35)
    axes.grid(which="major", visible=False)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.set(xlabel="column of the court (pixels)", ylabel="row of the court (pixels)", title=title)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    return figure


def bars_of_counts(counts: Mapping[str, Mapping[int, float]], xlabel: str, title: str) -> Figure:
    """Shares (0 to 1) of whole numbers, a panel for each name."""
    figure, panels = plt.subplots(1, len(counts), figsize=(3.7 * len(counts), 2.6), sharey=True, squeeze=False)
    for axes, (name, shares), colour in zip(panels[0], counts.items(), COLOURS, strict=False):
        axes.bar(list(shares), [100 * share for share in shares.values()], width=0.8, color=colour)
        axes.set(xlabel=xlabel)
        axes.set_title(name, fontsize=10)
    panels[0, 0].set_ylabel("share of steps (%)")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def flights_on_grids(flights: Mapping[str, np.ndarray], sizes: Sequence[int], title: str) -> Figure:
    """Flights of the ball, each (steps, 2) of (column, row) in pixels, and the cells of each size that they touch.

    A row for each flight, a column for each size of cell; a cell is lighter the later the ball was in it.
    """
    figure, panels = plt.subplots(len(flights), len(sizes), figsize=(2.4 * len(sizes), 2.3 * len(flights)),
                                  squeeze=False, sharex=True, sharey=True)
    end = int(np.ceil(max(places.max() for places in flights.values()) / max(sizes)) + 1) * max(sizes)
    for row, (name, places) in zip(panels, flights.items(), strict=True):
        for axes, size in zip(row, sizes, strict=True):
            cells = np.full((end // size, end // size), np.nan)
            for step, (x, y) in enumerate(places):
                cells[int(y) // size, int(x) // size] = 1 + step
            axes.imshow(cells, extent=(0, end, end, 0), cmap="cividis", vmin=0, vmax=len(places) + 1, alpha=0.75)
            axes.plot(places[:, 0] + 1, places[:, 1] + 2, "o-", color=VERMILION, markersize=4, linewidth=1)
            axes.set_xticks(np.arange(0, end + 1, size), minor=True)
            axes.set_yticks(np.arange(0, end + 1, size), minor=True)
            axes.grid(which="minor", alpha=0.5)
            axes.grid(which="major", visible=False)
            axes.set_title(f"{name}, cells of {size}", fontsize=9)
        row[0].set_ylabel("row (pixels)")
    for axes in panels[-1]:
        axes.set_xlabel("column (pixels)")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def bars(values: Mapping[str, float], xlabel: str, title: str, line: tuple[float, str] | None = None) -> Figure:
    """One bar a name; `line`: (value, what it is), dashed."""
    figure, axes = plt.subplots(figsize=(7.0, 1.0 + 0.38 * len(values)))
    axes.barh(list(values), list(values.values()), color=BLUE, alpha=0.75)
    for row, value in enumerate(values.values()):
        axes.text(value, row, f" {value:,.3g}" if value < 1000 else f" {value:,.0f}", va="center", fontsize=9)
    if line:
        axes.axvline(line[0], color=VERMILION, linestyle="--", label=line[1])
        axes.legend(loc="lower right", fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.12)
    axes.set(xlabel=xlabel, title=title)
    return figure


def rally(rewards: np.ndarray, lines: Mapping[str, np.ndarray], title: str) -> Figure:
    """Advantages (T,) along a stretch of play, with a mark at each point won or lost. rewards: (T,)."""
    figure, axes = plt.subplots(figsize=(7.4, 3.2))
    for t in np.flatnonzero(rewards):
        won = rewards[t] > 0
        axes.axvline(t, color=GREEN if won else VERMILION, alpha=0.6, linestyle="-" if won else ":")
        axes.text(t, 1.12, "won" if won else "lost", color=GREEN if won else VERMILION, ha="center", fontsize=8)
    for (name, values), colour, style in zip(lines.items(), (GREY, BLUE), ("--", "-"), strict=False):
        axes.plot(values, style, color=colour, label=name)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set(xlabel="agent step", ylabel="advantage with a critic that says 0 (points)", ylim=(-1.3, 1.3))
    axes.set_title(title, pad=16)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    return figure


def fading(lam: float, gamma: float, ends: Sequence[float], waits: Sequence[int], title: str) -> Figure:
    """What is left of a reward k steps before it, (gamma * lam)^k, for `lam` and for `ends`; `waits`: as measured."""
    steps = np.arange(0, 81)
    figure, axes = plt.subplots(figsize=(7.0, 3.0))
    for other, style in zip(ends, (":", "--", "-."), strict=False):
        axes.plot(steps, (gamma * other) ** steps, style, color=GREY, linewidth=1.2, label=f"λ = {other:g}")
    axes.plot(steps, (gamma * lam) ** steps, color=VERMILION, linewidth=2.2, label="at the slider")
    if len(waits):
        middle = float(np.median(waits))
        axes.axvline(middle, color=BLUE, linewidth=1)
        words = f"our stroke: {middle:.0f} steps before\nthe point that it wins"
        axes.text(middle + 1, 0.93, words, color=BLUE, fontsize=8, va="top")
    axes.set(xlabel="steps before the point", ylabel="share of the point that arrives", ylim=(0, 1.02), title=title)
    axes.legend(loc="upper right", fontsize=8)
    return figure


def curves(runs: Mapping[str, Sequence[Sequence[Sequence[float]]]], title: str, goal: float | None = None) -> Figure:
    """Return of a game against agent steps; name -> one curve a seed, each a list of [steps, CPU-seconds, return]."""
    figure, axes = plt.subplots(figsize=(7.4, 3.4))
    styles = ("-", "--", "-.", ":", "-", "--", "-.")
    for (name, seeds), colour, style in zip(runs.items(), COLOURS, styles, strict=False):
        for number, seed in enumerate(seeds):
            points = np.array(seed, dtype=float)
            axes.plot(points[:, 0], points[:, 2], style, color=colour, alpha=0.8, linewidth=1.6,
                      label=name if number == 0 else None)
    if goal is not None:
        axes.axhline(goal, color=GREY, linestyle="--", linewidth=1, label=f"goal {goal:g}")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.xaxis.set_major_formatter(lambda steps, _: f"{steps:,.0f}")
    axes.set(xlabel="agent steps", ylabel="return of a game (last 20)", ylim=(-21.5, 21.5), title=title)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    return figure


def games_played(games: Mapping[str, tuple[np.ndarray, np.ndarray]], limit: int, title: str) -> Figure:
    """Return against length of single games: name -> (returns, lengths), both (games,); a bigger mark for several."""
    figure, axes = plt.subplots(figsize=(7.4, 3.2))
    for (name, (returns, lengths)), colour, mark in zip(games.items(), (BLUE, VERMILION), ("o", "D"), strict=False):
        places, counts = np.unique(np.stack([lengths, returns]), axis=1, return_counts=True)
        axes.scatter(places[0], places[1], s=30 * counts, marker=mark, alpha=0.6, color=colour, label=name)
    axes.axvline(limit, color=GREY, linestyle="--", linewidth=1)
    axes.text(limit, -0.4, "limit ", ha="right", va="bottom", color=GREY, fontsize=8)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set(xlabel="length of the game (agent steps)", ylabel="return (points)", title=title)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    return figure
