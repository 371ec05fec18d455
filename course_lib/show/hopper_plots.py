"""The figures of lesson 05: a film with a curve under it, what the reward model likes, seeds of whole runs."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from course_lib.show.palette import BLUE, GREEN, GREY, VERMILION

CURVE = 60                      # pixels, height of the curve under a film


def with_curve(frames: Sequence[np.ndarray], values: np.ndarray, label: str) -> list[np.ndarray]:
    """A film (T pictures (H, W, 3) uint8) with `values`, (T,), drawn below up to the moment shown: (H + 60, W, 3).

    The grey line is 0. Raises ValueError when there is not one value for each picture.
    """
    if len(frames) != len(values):
        raise ValueError(f"{len(frames)} pictures and {len(values)} values: there must be one value for each picture")
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    span = (high - low) or 1.0
    wide = frames[0].shape[1]
    across = np.linspace(4, wide - 5, len(values))
    up = CURVE - 6 - (np.asarray(values, dtype=float) - low) / span * (CURVE - 26)
    zero = CURVE - 6 + low / span * (CURVE - 26)
    films = []
    for t, frame in enumerate(frames):
        strip = Image.new("RGB", (wide, CURVE), "white")
        pen = ImageDraw.Draw(strip)
        pen.text((4, 1), label, fill="black", font=ImageFont.load_default(13))
        pen.line([(0, zero), (wide, zero)], GREY)
        points = list(zip(across[:t + 1], up[:t + 1], strict=True))
        if len(points) > 1:
            pen.line(points, BLUE, 2)
        x, y = points[-1]
        pen.ellipse([x - 4, y - 4, x + 4, y + 4], VERMILION)
        films.append(np.concatenate([frame, np.asarray(strip)]))
    return films


def reward_against_turning(rewards: Mapping[str, Tensor], backwards: Tensor, height: Tensor) -> Figure:
    """What reward models give to states, against how fast the torso turns backwards there; a panel for each model.

    rewards: name -> (S,). backwards: (S,) radians a second. height: (S,) of the torso, m, the colour.
    """
    figure, panels = plt.subplots(1, len(rewards), figsize=(3.6 * len(rewards), 3.2), sharex=True, squeeze=False)
    for ax, (name, reward) in zip(panels[0], rewards.items(), strict=True):
        points = ax.scatter(backwards, reward, c=height, s=4, alpha=0.6, cmap="cividis", rasterized=True)
        correlation = float(np.corrcoef(backwards, reward)[0, 1])
        ax.set(title=f"{name}: correlation {correlation:+.2f}", xlabel="turning backwards (radians/s)")
    panels[0, 0].set_ylabel("learned reward of a state")
    figure.colorbar(points, ax=panels[0, -1], label="height of the torso (m)")
    return figure


def turns_and_heights(jobs: Mapping[str, Sequence[Mapping]], goal: tuple[float, float]) -> Figure:
    """Every seed of several jobs: turns backwards in 6 s against the torso's mean height, a panel for each job.

    jobs: name -> lines of benchmarks/backflip.py. goal: at least so many turns, higher than this (m): green.
    """
    figure, panels = plt.subplots(1, len(jobs), figsize=(2.5 * len(jobs), 2.8), sharex=True, sharey=True, squeeze=False)
    for ax, (name, rows) in zip(panels[0], jobs.items(), strict=True):
        good = [row["turns"] >= goal[0] and row["height"] > goal[1] for row in rows]
        for reached, colour, marker in ((True, GREEN, "o"), (False, VERMILION, "x")):
            points = [(row["height"], row["turns"]) for row, is_good in zip(rows, good, strict=True)
                      if is_good == reached]
            if points:
                ax.scatter(*zip(*points, strict=True), color=colour, marker=marker, s=22, alpha=0.8)
        ax.axhline(goal[0], color=GREY, linestyle="--", linewidth=1)
        ax.axvline(goal[1], color=GREY, linestyle="--", linewidth=1)
        ax.set(title=f"{name}: {sum(good)} of {len(rows)}", xlabel="torso's mean height (m)")
        ax.title.set_fontsize(9)
    panels[0, 0].set_ylabel("turns backwards in 6 s")
    return figure
