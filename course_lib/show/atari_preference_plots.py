"""The figures of lesson 07, and the reader of the measured runs that some of them show. Each plot returns a figure."""

import json
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.paths import root
from course_lib.show.palette import BLUE, COLOURS, GREEN, GREY, ORANGE, VERMILION

FRESH = 1000                            # seeds from here on chose no setting
CLIPPED_AXIS = dict(left=False, bottom=False, labelleft=False, labelbottom=False)


# ---- measured runs --------------------------------------------------------------------------------------------------


def benchmark_runs() -> dict[str, list[dict]]:
    """The runs of Pong from preferences that benchmarks/pong.py has measured: job -> its lines, one a seed.

    Read when called, so that the lesson shows what was last measured; a line cut in half by a kill is left out.
    """
    runs = {}
    for path in sorted((root() / "benchmarks" / "results").glob("pong_*.jsonl")):
        whole = [json.loads(line) for line in path.read_text().split("\n")[:-1] if line]
        lines = [line for line in whole if line.get("labels") and "true_return" in line]
        if lines:
            runs[path.stem.removeprefix("pong_")] = lines
    return runs


def labels_end(settings: Mapping) -> int:
    """Agent steps at which a run had given its last labels. settings: those of its line, a `LoopConfig`."""
    return sum(settings["updates"][:-1]) * 2048


def run_table(runs: Mapping[str, Sequence[Mapping]]) -> str:
    """One line a job: how many labels, how many ties, what was reached in how much time, over its seeds."""
    head = f"{'job':22s}{'labels':>7s}{'ties':>6s}{'seeds':>6s}{'true return, 20 fresh games':>32s}{'CPU-seconds':>13s}"
    rows = [head]
    for job, lines in runs.items():
        returns, seconds = ([line[key] for line in lines] for key in ("true_return", "cpu_s"))
        ties = sum(line["ties"] for line in lines) / sum(line["labels"] for line in lines)
        reached = f"{np.mean(returns):+.1f} (from {min(returns):+.1f} to {max(returns):+.1f})"
        rows.append(f"{job:22s}{lines[0]['labels']:7d}{ties:6.0%}{len(lines):6d}{reached:>32s}{np.mean(seconds):13.0f}")
    return "\n".join(rows)


def return_curves(runs: Mapping[str, Sequence[Mapping]], title: str) -> Figure:
    """True return during training, one line a seed, a panel a job; dashed where the last label had been given.

    Seeds from `FRESH` on, which chose no setting, are thin and black; one that ends where it began is named.
    """
    figure, panels = plt.subplots(1, len(runs), figsize=(max(4.4, 3.1 * len(runs)), 2.9), sharey=True, squeeze=False)
    for ax, (job, lines) in zip(panels[0], runs.items(), strict=True):
        for line, colour in zip(lines, COLOURS * len(lines), strict=False):
            steps, _, returns = zip(*line["curve"], strict=True)
            style = {"color": "black", "linewidth": 0.9} if line["seed"] >= FRESH else {"color": colour}
            ax.plot([step / 1000 for step in steps], returns, label=f"seed {line['seed']}", **style)
            if returns[-1] <= returns[0]:
                ax.annotate(f"seed {line['seed']}", (steps[-1] / 1000, returns[-1]), xytext=(0, 4), fontsize=8,
                            textcoords="offset points", ha="right")
        end = labels_end(lines[0]["settings"]) / 1000
        ax.axvline(end, color=GREY, linestyle="--", linewidth=1)
        ax.annotate("last labels", (end, 21), color=GREY, fontsize=8, ha="right", va="top", rotation=90)
        ax.axhline(0, color=GREY, linewidth=0.8)
        ax.set(title=job, xlabel="agent steps (thousands)", ylim=(-22, 22))
    panels[0, 0].set_ylabel("true return (points)")
    panels[0, 0].legend(fontsize=8, loc="lower right")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


# ---- what a reward model believes -----------------------------------------------------------------------------------


def reward_along_clip(frames: np.ndarray, rewards: Mapping[str, np.ndarray], events: Sequence[tuple[int, str]],
                      title: str, shown: Sequence[int]) -> Figure:
    """A clip's frames above what reward models say about each of its steps.

    frames: (L, H, W, 3) uint8. rewards: name -> (members, L): each member thin, their mean thick; every model is
    divided by its own largest mean, for units mean nothing. events: (step, words), marked with a line. shown: the steps
    whose frames are drawn.
    """
    steps = len(frames)
    figure = plt.figure(figsize=(8.4, 4.0))
    grid = figure.add_gridspec(2, len(shown), height_ratios=(1.0, 1.5))
    for place, step in enumerate(shown):
        ax = figure.add_subplot(grid[0, place])
        ax.imshow(frames[step])
        ax.set_title(f"step {step}", fontsize=8)
        ax.tick_params(**CLIPPED_AXIS)
        ax.grid(False)
    ax = figure.add_subplot(grid[1, :])
    for colour, (name, each) in zip(COLOURS, rewards.items(), strict=False):
        scale = max(1e-6, np.abs(each.mean(axis=0)).max())
        for member in each:
            ax.plot(member / scale, color=colour, alpha=0.35, linewidth=0.8)
        ax.plot(each.mean(axis=0) / scale, color=colour, linewidth=2, label=name)
    top = ax.get_ylim()[1]
    for step, words in events:
        ax.axvline(step, color=GREY, linestyle="--", linewidth=1)
        ax.text(step + 0.4, top, words, color=GREY, fontsize=8, va="top")
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.set(xlabel="step of the clip", ylabel="learned reward\n(share of its largest)", xlim=(0, steps - 1))
    ax.legend(fontsize=8, loc="lower left")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def occlusion_maps(frames: Mapping[str, np.ndarray], rests: Mapping[str, np.ndarray], title: str) -> Figure:
    """What the reward of single steps rests on, as colour over the frame: blue for, vermilion against.

    frames: name -> (H, W, 3). rests: name -> (rows, columns), reward lost when that block is emptied; one scale.
    """
    largest = max(1e-6, *(np.abs(rest).max() for rest in rests.values()))
    figure, panels = plt.subplots(1, len(frames), figsize=(2.9 * len(frames) + 0.8, 3.0), squeeze=False)
    for ax, (name, frame) in zip(panels[0], frames.items(), strict=True):
        ax.imshow(frame, extent=(0, 1, 0, 1))
        strength = np.clip(np.abs(rests[name]) / largest, 0, 1) ** 0.5              # faint where it does not matter
        image = ax.imshow(rests[name], extent=(0, 1, 0, 1), cmap="RdBu", vmin=-largest, vmax=largest,
                          alpha=0.8 * strength)
        ax.set_title(name, fontsize=9)
        ax.tick_params(**CLIPPED_AXIS)
        ax.grid(False)
    colours = plt.cm.ScalarMappable(image.norm, image.cmap)
    bar = figure.colorbar(colours, ax=panels[0].tolist(), ticks=[-largest, 0, largest], shrink=0.85)
    bar.ax.set_yticklabels(["lowers the reward", "no effect", "raises the reward"])
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def cell_map(worth: np.ndarray, title: str) -> Figure:
    """The numbers of a linear reward model where they belong on the screen. worth: (rows, columns)."""
    limit = max(1e-6, np.percentile(np.abs(worth), 99.5))
    figure, ax = plt.subplots(figsize=(4.6, 3.7))
    image = ax.imshow(worth, cmap="RdBu", vmin=-limit, vmax=limit)
    ax.set(title=title, xlabel="cell, from the left", ylabel="cell, from the top")
    rows, columns = worth.shape
    ax.annotate("our paddle", (0.87 * columns, 0.3 * rows), (0.5 * columns, 0.12 * rows), fontsize=8,
                arrowprops={"arrowstyle": "->", "color": GREY})
    ax.grid(False)
    bar = figure.colorbar(image, ax=ax, ticks=[-limit, 0, limit])
    bar.ax.set_yticklabels(["lowers the reward", "no effect", "raises the reward"])
    return figure


# ---- learned and true -----------------------------------------------------------------------------------------------


def learned_and_true(windows: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str) -> Figure:
    """Learned against true reward of many windows of play, a panel each, with their correlation.

    windows: name -> (learned (W,), true (W,)); points are spread sideways a little so that they can be told apart.
    """
    rng = np.random.default_rng(0)
    figure, panels = plt.subplots(1, len(windows), figsize=(3.0 * len(windows), 2.8), squeeze=False)
    for ax, (name, (learned, true)) in zip(panels[0], windows.items(), strict=True):
        colours = np.where(true > 0, BLUE, np.where(true < 0, VERMILION, GREY))
        ax.scatter(true + rng.uniform(-0.15, 0.15, len(true)), learned, s=7, alpha=0.5, color=colours)
        r = np.corrcoef(learned, true)[0, 1] if true.std() > 0 else float("nan")
        ax.set(title=f"{name}\nr = {r:.2f}", xlabel="points in the window (true)", xticks=(-1, 0, 1))
        ax.title.set_fontsize(9)
    panels[0, 0].set_ylabel("learned reward of the window")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def selection_bars(ties: Mapping[str, Sequence[float]], correlations: Mapping[str, Sequence[float]],
                   title: str) -> Figure:
    """Ways to choose pairs: the share of pairs that tie, and how the reward they teach correlates with the true one.

    Bars are means, dots are the single draws.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.4), sharey=True)
    names = list(ties)
    for ax, values, factor, colour in ((left, ties, 100, ORANGE), (right, correlations, 1, BLUE)):
        ax.barh(names, [factor * np.mean(values[name]) for name in names], color=colour, alpha=0.6)
        for place, name in enumerate(names):
            ax.scatter(factor * np.array(values[name]), [place] * len(values[name]), color=colour, s=18, zorder=3)
    left.set(xlabel="pairs that tie (%)", xlim=(0, 100))
    lowest = min(0.0, *(value for draws in correlations.values() for value in draws))
    right.set(xlabel="correlation with the true reward", xlim=(lowest, 1))
    left.invert_yaxis()
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


# ---- behaviour ------------------------------------------------------------------------------------------------------


def paddle_heights(heights: Mapping[str, np.ndarray], title: str) -> Figure:
    """Where the paddle stood: a histogram for each agent, the mean dashed. heights: name -> (steps,)."""
    figure, ax = plt.subplots(figsize=(6.4, 2.9))
    for colour, (name, values) in zip((GREY, GREEN, BLUE), heights.items(), strict=False):
        seen = values[np.isfinite(values)]
        ax.hist(seen, bins=25, range=(0, 1), weights=np.full(len(seen), 100 / len(seen)), alpha=0.55, color=colour,
                label=name)
        ax.axvline(seen.mean(), color=colour, linestyle="--")
    ax.set(xlabel="height of our paddle (0 floor, 1 ceiling)", ylabel="share of the time (%)", title=title)
    ax.legend(fontsize=8)
    return figure
