"""Schematics that open a lesson: boxes and arrows, no data. Lessons 00 to 04.

Each function returns a figure for `course_lib.show.figures.show`, which asks for the words that say what it shows.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, GREEN, GREY, ORANGE, VERMILION, style

Point = tuple[float, float]


def feedback_loop() -> Figure:
    """The whole course: behaviour, comparisons, a reward model, reinforcement learning; with the lessons of each."""
    figure, axes = _canvas((8.4, 3.3), "Reinforcement learning from human feedback, and where each part is taught")
    _box(axes, (1.5, 3.9), "agent or language model\n(the policy)\nlessons 01, 08, 09", BLUE)
    _box(axes, (6.0, 3.9), "two clips, or two texts", GREY)
    _box(axes, (9.8, 2.4), "you: “the left one\nis better”\nlessons 00, 05, 12, 13", ORANGE)
    _box(axes, (6.0, 0.9), "reward model,\nfitted to the preferences\nlessons 03, 10, 13", GREEN)
    _box(axes, (1.5, 0.9), "reinforcement learning\n(PPO and others)\nlessons 02, 06, 11, 14", VERMILION)
    _arrow(axes, (3.05, 3.9), (4.75, 3.9), "behaves, writes")
    _arrow(axes, (7.3, 3.7), (8.55, 3.05), "")
    _arrow(axes, (8.55, 1.8), (7.35, 1.2), "")
    axes.text(8.15, 1.1, "preferences", fontsize=9, color=GREY)
    _arrow(axes, (4.6, 0.9), (3.1, 0.9), "rewards")
    _arrow(axes, (1.5, 1.75), (1.5, 3.05), "")
    axes.text(1.65, 2.4, "changes the policy", fontsize=9, color=GREY, va="center")
    axes.text(5.4, 2.4, "the whole loop: lessons 04, 05, 07, 11, 12\nhow good is the result? lesson 15", fontsize=9.5,
              ha="center", va="center")
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


def ppo_update() -> Figure:
    """One update of PPO: a rollout, advantages, and several epochs of minibatches on it."""
    title = "One update of PPO: act, compute advantages, learn from the same rollout for several epochs"
    figure, axes = _canvas((8.6, 3.3), title)
    _box(axes, (1.4, 3.7), "policy π, critic $V$\nin N environments", BLUE)
    _box(axes, (5.3, 3.7), "rollout, T × N steps:\n$o_t$, $a_t$, log π$_{old}$, $r_t$, $V_t$", GREY)
    _box(axes, (9.5, 3.7), "GAE:\nadvantages $A_t$,\nreturns $A_t + V_t$", GREEN)
    _box(axes, (9.5, 0.9), "one minibatch:\nratio ρ = π / π$_{old}$,\nclipped to 1 ± ε", ORANGE)
    _box(axes, (5.3, 0.9), "loss: clipped objective,\nerror of the critic,\nentropy bonus", VERMILION)
    _box(axes, (1.4, 0.9), "gradient step\nfor π and $V$", BLUE)
    _arrow(axes, (2.5, 3.7), (4.1, 3.7), "T steps")
    _arrow(axes, (6.5, 3.7), (8.6, 3.7), "")
    _arrow(axes, (9.5, 2.8), (9.5, 1.75), "")
    _arrow(axes, (8.5, 0.9), (6.6, 0.9), "")
    _arrow(axes, (4.0, 0.9), (2.3, 0.9), "")
    _arrow(axes, (2.2, 1.5), (8.2, 1.75), "", curve=-0.18)
    axes.text(5.2, 2.35, "next minibatch, same rollout, same π$_{old}$: 4 epochs", ha="center", fontsize=9, color=GREY)
    _arrow(axes, (1.0, 1.5), (1.0, 3.0), "")
    axes.text(1.1, 2.35, "next rollout", fontsize=9, color=GREY, va="center")
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


def preference_loop() -> Figure:
    """The loop of lesson 04: collect, label, fit, train; the true reward is sealed, for the evaluator alone."""
    title = "The loop: the agent learns from the reward model, the reward model from your labels"
    figure, axes = _canvas((8.6, 3.5), title)
    _box(axes, (1.5, 3.8), "agent in 64\nsealed environments", BLUE)
    _box(axes, (5.6, 3.8), "pairs of clips,\n25 states each", GREY)
    _box(axes, (9.6, 3.8), "you: which\nis better?", ORANGE)
    _box(axes, (9.6, 1.2), "labels:\nμ = 1, 0 or 0.5", ORANGE)
    _box(axes, (5.6, 1.2), "reward model:\na number for each state", GREEN)
    _box(axes, (1.5, 1.2), "PPO", VERMILION)
    _arrow(axes, (2.75, 3.8), (4.65, 3.8), "1. collect")
    _arrow(axes, (6.55, 3.8), (8.85, 3.8), "2. label")
    _arrow(axes, (9.6, 3.15), (9.6, 1.85), "")
    _arrow(axes, (8.6, 1.2), (6.95, 1.2), "3. fit")
    _arrow(axes, (4.05, 1.2), (1.9, 1.2), "4. train: rewards")
    _arrow(axes, (1.5, 1.6), (1.5, 3.1), "")
    axes.text(1.65, 2.4, "changes the policy", fontsize=9, color=GREY, va="center")
    axes.text(5.6, 2.4, "the true reward: seen by the evaluator alone", fontsize=9, ha="center", va="center",
              color=VERMILION)
    return figure


def _canvas(size: Point, title: str) -> tuple[Figure, Axes]:
    style()                         # the words are placed for it: with matplotlib's own margins they would overlap
    figure, axes = plt.subplots(figsize=size)
    axes.set(xlim=(0, 11.2), ylim=(0, 4.8))
    axes.axis("off")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure, axes


def _box(axes: Axes, middle: Point, words: str, colour: str) -> None:
    axes.text(*middle, words, ha="center", va="center", fontsize=9.5,
              bbox={"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": colour, "linewidth": 2})


def _arrow(axes: Axes, start: Point, end: Point, words: str, curve: float = 0.0) -> None:
    """An arrow with words above its middle; `curve` bends it (matplotlib's `rad`)."""
    axes.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "->", "color": "black", "linewidth": 1.4,
                                                        "connectionstyle": f"arc3,rad={curve}"})
    if words:
        axes.text(*np.mean([start, end], axis=0) + (0, 0.12), words, ha="center", va="bottom", fontsize=9, color=GREY)
