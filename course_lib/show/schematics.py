"""Schematics that open a lesson: boxes and arrows, no data. Lessons 00, 01 and 03.

Each function returns a figure for `course_lib.show.figures.show`, which asks for the words that say what it shows.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, GREEN, GREY, ORANGE, VERMILION

Point = tuple[float, float]


def feedback_loop() -> Figure:
    """The whole course: behaviour, comparisons, a reward model, reinforcement learning; with the lessons of each."""
    figure, axes = _canvas((8.4, 3.3), "Reinforcement learning from human feedback, and where each part is taught")
    _box(axes, (1.5, 3.9), "agent or language model\n(the policy)\nlessons 01, 08, 09", BLUE)
    _box(axes, (6.0, 3.9), "two clips, or two texts", GREY)
    _box(axes, (9.8, 2.4), "you: “the left one\nis better”\nlessons 00, 05, 12", ORANGE)
    _box(axes, (6.0, 0.9), "reward model,\nfitted to the preferences\nlessons 03, 10", GREEN)
    _box(axes, (1.5, 0.9), "reinforcement learning\n(PPO)\nlessons 02, 06, 11", VERMILION)
    _arrow(axes, (3.05, 3.9), (4.75, 3.9), "behaves, writes")
    _arrow(axes, (7.3, 3.7), (8.75, 2.95), "")
    _arrow(axes, (8.75, 1.9), (7.35, 1.2), "")
    axes.text(8.15, 1.1, "preferences", fontsize=9, color=GREY)
    _arrow(axes, (4.6, 0.9), (3.1, 0.9), "rewards")
    _arrow(axes, (1.5, 1.75), (1.5, 3.05), "")
    axes.text(1.65, 2.4, "changes the policy", fontsize=9, color=GREY, va="center")
    axes.text(5.4, 2.4, "the whole loop: lessons 04, 05, 07, 11, 12", fontsize=9.5, ha="center", va="center")
    return figure


def agent_environment() -> Figure:
    """The loop of reinforcement learning: actions go to the environment, observations and rewards come back."""
    figure, axes = _canvas((7.0, 2.2), "One step: the agent acts, the environment answers")
    _box(axes, (2.3, 2.4), "agent\npolicy π", BLUE)
    _box(axes, (8.6, 2.4), "environment\nstate $s_t$", GREEN)
    _arrow(axes, (3.1, 3.1), (7.6, 3.1), "action $a_t$: push left or right")
    _arrow(axes, (7.6, 2.4), (3.1, 2.4), "reward $r_t$: 1 while the pole stands")
    _arrow(axes, (7.6, 1.6), (3.1, 1.6), "next observation $o_{t+1}$: four numbers")
    axes.set_ylim(1.0, 4.2)
    return figure


def from_comparisons() -> Figure:
    """From a tally of comparisons to a scale of scores, and back by the sigmoid of a difference."""
    figure, axes = _canvas((8.4, 2.5), "Comparisons in, scores out")
    _box(axes, (1.6, 2.6), "Stereo or Mono:\nwhich do you prefer?", ORANGE)
    _box(axes, (5.3, 2.6), "Stereo 737 times,\nMono 46 times", GREY)
    _arrow(axes, (3.05, 2.6), (4.1, 2.6), "783 ×")
    _arrow(axes, (6.5, 2.6), (8.0, 2.6), "fit")
    axes.plot([8.6, 8.6], [0.9, 4.2], color=GREEN, linewidth=2)
    for name, score in (("Mono", 1.3), ("Stereo", 3.9)):
        axes.plot(8.6, score, "o", color=GREEN, markersize=8)
        axes.text(8.85, score, f"{name}, score $r_{1 if name == 'Stereo' else 2}$", va="center", fontsize=10)
    axes.annotate("", xy=(8.3, 3.9), xytext=(8.3, 1.3), arrowprops={"arrowstyle": "<->", "color": VERMILION})
    axes.text(6.05, 0.75, "$P$(Stereo preferred) $= \\sigma(r_1 - r_2)$", ha="center", fontsize=10.5, color=VERMILION)
    axes.set(ylim=(0.3, 4.6), xlim=(0, 11.4))
    return figure


def _canvas(size: Point, title: str) -> tuple[Figure, Axes]:
    figure, axes = plt.subplots(figsize=size)
    axes.set(xlim=(0, 11.2), ylim=(0, 4.8))
    axes.axis("off")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure, axes


def _box(axes: Axes, middle: Point, words: str, colour: str) -> None:
    axes.text(*middle, words, ha="center", va="center", fontsize=9.5,
              bbox={"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": colour, "linewidth": 2})


def _arrow(axes: Axes, start: Point, end: Point, words: str) -> None:
    """An arrow with words above its middle."""
    axes.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "->", "color": "black", "linewidth": 1.4})
    if words:
        axes.text(*np.mean([start, end], axis=0) + (0, 0.12), words, ha="center", va="bottom", fontsize=9, color=GREY)
