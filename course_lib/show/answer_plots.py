"""The figures of lesson 12: blind win rates and what they cost, and what a reward model's rise is worth.

Each function returns a figure for `show`. Rows are those of benchmarks/own_preferences.py.
"""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from course_lib.show.palette import BLUE, COLOURS, GREY, VERMILION


def win_rates(jobs: Mapping[str, Sequence[Mapping]], goal: float = 0.75) -> Figure:
    """A row a job: the win rate of each seed with its interval, and beside it the KL divergence it took.

    jobs: name -> lines with win_rate, low, high, kl and best_of_4, one a seed. goal: a dashed line.
    """
    figure = Figure(figsize=(8.2, 1.1 + 0.42 * len(jobs)), dpi=90, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(2.2, 1))
    for place, rows in enumerate(jobs.values()):
        for number, row in enumerate(rows):
            height = place + 0.18 * (number - (len(rows) - 1) / 2)
            left.plot([row["low"], row["high"]], [height, height], color=BLUE, linewidth=1.6)
            left.plot(row["win_rate"], height, "o", color=BLUE, markersize=5,
                      label="trained, 95% interval" if place == number == 0 else None)
            left.plot(row["best_of_4"], height, "d", color=VERMILION, markersize=4,
                      label="best of 4, not trained" if place == number == 0 else None)
            right.plot(row["kl"], height, "o", color=BLUE, markersize=5)
    every = [row for rows in jobs.values() for row in rows]
    reached = sum(row["win_rate"] >= goal for row in every)
    left.set_title(f"{reached} of {len(every)} runs win {goal:.0%} of the comparisons", loc="left", fontsize=10, pad=20)
    right.set_title("how far they went for it", loc="left", fontsize=10, pad=20)
    left.axvline(0.5, color=GREY, linewidth=1)
    left.axvline(goal, color=GREY, linestyle="--", linewidth=1)
    left.set(xlim=(0.25, 1), xlabel="blind win rate against the model from before", yticks=range(len(jobs)))
    left.set_yticklabels(list(jobs))
    left.set_ylim(len(jobs) - 0.4, -0.6)
    left.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    right.set(xlabel="KL divergence, nats an answer")
    right.set_xlim(0, 1.15 * max((row["kl"] for row in every), default=1))
    for panel in (left, right):
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="x", alpha=0.25)
    return figure


def over_optimisation(rounds: Sequence[Mapping]) -> Figure:
    """The reward model's reward and the labeler's win rate along a run, against the KL divergence.

    rounds: mappings with kl, reward and win_rate, in order.
    """
    figure = Figure(figsize=(7.4, 2.7), dpi=90, layout="constrained")
    panels = figure.subplots(1, 2)
    distance = [one["kl"] for one in rounds]
    drawn = {"reward": "the reward model's reward, std", "win_rate": "win rate by the labeler"}
    for panel, (key, label), colour in zip(panels, drawn.items(), COLOURS, strict=False):
        panel.plot(distance, [one[key] for one in rounds], "o-", color=colour)
        panel.set(xlabel="KL divergence, nats an answer", ylabel=label)
        panel.set_xlim(left=0)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25)
    first, last = rounds[0], rounds[-1]
    panels[0].set_title(f"the reward model sees {last['reward'] - first['reward']:+.1f} std", loc="left", fontsize=10)
    panels[1].set_title(f"the labeler prefers it in {first['win_rate']:.0%}, then {last['win_rate']:.0%}", loc="left",
                        fontsize=10)
    panels[1].axhline(0.5, color=GREY, linewidth=1)
    panels[1].set_ylim(0, 1)
    return figure
