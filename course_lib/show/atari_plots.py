"""The figures of lesson 06: screens, what skipping does to the ball, grids, credit, games. Each returns a figure."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
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


def pictures(named: Mapping[str, np.ndarray], title: str, height: float = 2.7) -> Figure:
    """Pictures side by side, each (H, W) grey, (H, W) of 0 and 1, or (H, W, 3), under their names."""
    figure, panels = plt.subplots(1, len(named), figsize=(height * 0.92 * len(named), height), squeeze=False)
    for axes, (name, picture) in zip(panels[0], named.items(), strict=True):
        cells = picture.max() <= 1                          # cells stand for a square court, whatever their own shape
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1 if cells else 255, interpolation="nearest",
                    aspect=picture.shape[1] / picture.shape[0] if cells else "equal")
        axes.grid(False)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel(f"{picture.shape[0]} × {picture.shape[1]} {'cells' if cells else 'pixels'}", fontsize=8)
        axes.set(xticks=[], yticks=[])
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def _lines(axes: Axes, every: int, columns: tuple[int, int], rows: tuple[int, int]) -> None:
    """The borders of cells of `every` pixels, in place of the grid."""
    axes.grid(False)
    for x in range(columns[0] // every * every, columns[1] + 1, every):
        axes.axvline(x, color="black", alpha=0.18, linewidth=0.7)
    for y in range(rows[0] // every * every, rows[1] + 1, every):
        axes.axhline(y, color="black", alpha=0.18, linewidth=0.7)
    axes.set(xlim=columns, ylim=rows[::-1])
    axes.set_aspect("equal")


def ball_trail(across: np.ndarray, down: np.ndarray, every: int, title: str) -> Figure:
    """Where the ball is in each emulated frame (dots) and in those that the agent sees (rings), in pixels of the court.

    across, down: (T,), -1 where it is not seen. The lines stand four pixels apart: the cells of the 40 x 40.
    """
    seen = across >= 0
    looked = seen & (np.arange(len(across)) % every == every - 1)
    figure, axes = plt.subplots(figsize=(7.0, 4.4))
    _lines(axes, 4, (int(across[seen].min()) - 3, int(across[seen].max()) + 5),
           (int(down[seen].min()) - 3, int(down[seen].max()) + 5))
    axes.plot(across[seen], down[seen], ".", color=GREY, markersize=3, label="each emulated frame")
    axes.plot(across[looked], down[looked], "o", markerfacecolor="none", color=BLUE, markersize=8,
              label=f"every {every}th: what the agent sees")
    axes.set(xlabel="column of the court (pixels)", ylabel="row of the court (pixels)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
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
    end = (int(max(places.max() for places in flights.values())) // max(sizes) + 1) * max(sizes)
    for row, (name, places) in zip(panels, flights.items(), strict=True):
        for axes, size in zip(row, sizes, strict=True):
            cells = np.full((end // size, end // size), np.nan)
            for step, (x, y) in enumerate(places):
                cells[int(y) // size, int(x) // size] = 1 + step
            axes.imshow(cells, extent=(0, end, end, 0), cmap="cividis", vmin=0, vmax=len(places) + 1, alpha=0.75)
            axes.plot(places[:, 0] + 1, places[:, 1] + 2, "o-", color=VERMILION, markersize=4, linewidth=1)
            _lines(axes, size, (0, end), (0, end))
            axes.set_title(f"{name}, cells of {size}", fontsize=9)
        row[0].set_ylabel("row (pixels)")
    for axes in panels[-1]:
        axes.set_xlabel("column (pixels)")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def angles(where: np.ndarray, angle: np.ndarray, title: str) -> Figure:
    """How the ball leaves our paddle against where it landed, one entry a paddle hit; a bigger mark for several.

    where: rows of the ball below the paddle's upper end, pixels; angle: rows a frame downwards afterwards.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.0))
    places, counts = np.unique(np.stack([where, angle]), axis=1, return_counts=True)
    axes.scatter(places[0], places[1], s=20 * counts + 10, color=BLUE, alpha=0.6)
    axes.axvspan(0, 16, color="black", alpha=0.06, linewidth=0)
    axes.text(8, 0.03, "the paddle", color=GREY, fontsize=8, ha="center", transform=axes.get_xaxis_transform())
    axes.axhline(0, color="black", linewidth=0.6)
    axes.invert_yaxis()
    axes.set(xlabel="ball's upper edge below the paddle's upper end (pixels)", ylabel="flies off by (rows a frame)",
             title=title)
    return figure


def bars(values: Mapping[str, float], xlabel: str, title: str, line: tuple[float, str] | None = None) -> Figure:
    """One bar a name; `line`: (value, what it is), dashed."""
    figure, axes = plt.subplots(figsize=(7.0, 1.0 + 0.38 * len(values)))
    axes.barh(list(values), list(values.values()), color=BLUE, alpha=0.75)
    for row, value in enumerate(values.values()):
        axes.text(value, row, f" {value:,.3g}" if value < 1000 else f" {value:,.0f}", va="center", fontsize=9)
    if line:
        axes.axvline(line[0], color=VERMILION, linestyle="--", label=line[1])
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
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
    low = min(-1.2, *(float(values.min()) - 0.1 for values in lines.values()))
    axes.set(xlabel="agent step", ylabel="advantage (points)", ylim=(low, 1.3))
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
        words = f"our paddle hit: {middle:.0f} steps before\nthe point that it wins"
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
    axes.text(limit, 0.02, "limit ", ha="right", color=GREY, fontsize=8, transform=axes.get_xaxis_transform())
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set(xlabel="length of the game (agent steps)", ylabel="return (points)", title=title)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    return figure
