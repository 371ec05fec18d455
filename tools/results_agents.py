"""What comes out of lessons 01 to 07, agents: one line for the README and the sentences for docs/results.md."""

import re
import statistics

from tools.results_figures import (
    column,
    each,
    goal,
    keyed,
    load,
    mean_interval,
    number,
    of_seeds,
    percent,
    printed,
    seeds_of,
    span,
)

Row = tuple[str, str, str, list[str]]       # result; seeds and interval; where from; the longer sentences


def lesson_01() -> Row:
    """REINFORCE on CartPole, and LunarLander's reward with two slips."""
    steps = printed("01", r"balances in 20 fresh episodes \(measured (\d+) of 500 steps after ([\d,]+) steps")
    first, last = (printed("01", rf"{words}: +\[([^\]]+)\]")[0].split(", ")
                   for words in ("mean return of 400", "last five updates"))
    lost = sum(int(value) < 400 for value in last)
    rows = re.findall(r"(-?[\d,]+)", printed("01", r"the reward as written +(.+)")[0])
    diver = re.findall(r"(-?[\d,]+)", printed("01", r"score at every step +(.+)")[0])
    rocker = re.findall(r"(-?[\d,]+)", printed("01", r"\nonly progress counts +(.+)")[0])
    return (f"REINFORCE balances the pole for {steps[0]} of 500 steps",
            f"{of_seeds(len(last) - lost, len(last))} keep it", "the stored notebook", [
            f"REINFORCE balances the pole for {steps[0]} of 500 steps in 20 fresh episodes, after {steps[1]} steps "
            f"of training. {len(first)} seeds reach a mean return of 400 after {min(map(int, first))} to "
            f"{max(map(int, first))} updates; {lost} of them loses it again before the end.",
            f"LunarLander trained on its reward as written gets {rows[0]} by that reward. With the score itself "
            f"given at every step the agent dives into the ground: {diver[1]} by the reward it was given (the good "
            f"lander would have {rows[1]}), {diver[0]} by the one that was meant. With only progress counted it "
            f"rocks in the air: {rocker[2]} by its own reward (the good lander: {rows[2]}), {rocker[0]} by the one "
            "that was meant."])


def lesson_02() -> Row:
    """PPO on CartPole and LunarLander, and its speed."""
    pole, lander = keyed("rl_cartpole", "CartPole, seed"), keyed("rl_lunarlander", "LunarLander, seed")
    held, landed = (sum(run["greedy"] >= goal for run in runs) for runs, goal in ((pole, 500), (lander, 200)))
    speed = {run["key"]: run["ratio"] for run in load("rl_speed")}
    on_pole = [ratio for key, ratio in speed.items() if key.startswith("CartPole")]
    on_lander = [ratio for key, ratio in speed.items() if key.startswith("LunarLander")]
    return (f"PPO: CartPole {span(column(pole, 'greedy'))} of 500 steps, LunarLander {span(column(lander, 'greedy'))}",
            f"each {of_seeds(min(held, landed), len(pole))}", "`rl_cartpole.py`, `rl_lunarlander.py`", [
            f"CartPole: {span(column(pole, 'greedy'))} of 500 steps in 20 fresh episodes after "
            f"{span(column(pole, 'cpu_seconds'), 1)} CPU-seconds, {of_seeds(held, len(pole))} "
            "(`benchmarks/rl_cartpole.py`).",
            f"LunarLander: {span(column(lander, 'greedy'))} (200 counts as solved) after "
            f"{span(column(lander, 'cpu_seconds'))} CPU-seconds, {of_seeds(landed, len(lander))} "
            "(`benchmarks/rl_lunarlander.py`).",
            f"Agent steps per CPU-second against stable-baselines3: {span(on_pole, 1)} times on CartPole, depending "
            f"on settings and environments, {span(on_lander, 1)} times on LunarLander (`benchmarks/rl_speed.py`)."])


def lesson_03() -> Row:
    """A reward model of words, from people's ratings."""
    by_labels = {count: printed("03", rf"{count} comparisons: ([\d.]+) +\(([\d.]+) to ([\d.]+)\)")
                 for count in ("300", "10,000")}
    (most, *ends), (few, *_) = ([float(value) for value in by_labels[count]] for count in ("10,000", "300"))
    people, words = (float(printed("03", pattern)[0]) for pattern in
                     (r"all others together: ([\d.]+) of", r"VADER, a dictionary of [\d,]+ rated words: ([\d.]+)"))
    behind = [printed("03", rf"{name} +dictionary ([\d.]+), people [\d.]+, learned ([\d.]+)")
              for name in ("tweets", "editorials")]
    tweets, editorials = (f"{percent(float(learned))} against {percent(float(theirs))}" for theirs, learned in behind)
    return (f"a reward model that one can read predicts {percent(most)} of unseen preferences, people "
            f"{percent(people)}",
            f"10,000 labels; range of draws {percent(ends[0], 1)[:-1]}–{percent(ends[1], 1)}", "the stored notebook", [
            f"Fitted to 10,000 preferences derived from people's ratings, a reward model that one can read predicts "
            f"{percent(most)} of unseen ones; 300 give {percent(few)}, the dictionary VADER {percent(words)}, all "
            f"other raters together {percent(people)}.",
            f"With 30,000 labels the dictionary is still ahead on tweets ({tweets}) and on editorials "
            f"({editorials})."])


def lesson_04() -> Row:
    """CartPole from labels alone."""
    steps, metres = goal("cartpole_from_preferences", "RETURN, DISTANCE")

    def reached(job: str) -> str:
        runs = load(f"cartpole_from_preferences_{job}")
        good = sum(row["true_return"] >= steps and row["mean_distance"] < metres for row in runs)
        return of_seeds(good, len(runs))

    rows = load("cartpole_from_preferences_60-labels")
    teachers = ("oracle", "mistakes", "stochastic", "equal", "skips", "myopic", "left-when-unsure")
    return ("CartPole from 60 labels and no reward: 500 of 500 steps, near the centre", reached("60-labels"),
            "`cartpole_from_preferences.py`", [
            f"CartPole from 60 labels of a synthetic labeler on clips and no reward: {reached('60-labels')} "
            f"that chose nothing balance for 500 of 500 steps, {span(column(rows, 'mean_distance'), 2)} m from the "
            f"centre on average, in {span(column(rows, 'cpu_s'))} CPU-seconds on a busy machine with clips drawn "
            "small (`benchmarks/cartpole_from_preferences.py`).",
            f"The goal ({steps:.0f} steps, less than {metres} m) is reached with 40 labels by {reached('40-labels')}, "
            f"and with 60 of which a tenth is random by {reached('60-labels-noise')} (the aim was 18 of 20 for both).",
            "With 60 labels by imperfect teachers (the aim was 16 of 20 for each): "
            + ", ".join(f"{name.replace('-', ' ')} {reached(f'teacher-{name}')}" for name in teachers) + "."])


def lesson_05() -> Row:
    """The backflip from labels alone."""
    turns, height = goal("backflip", "TURNS, HEIGHT")

    def reached(row: dict) -> bool:
        return row["turns"] >= turns and row["height"] > height

    jobs = {job: load(f"backflip_{job}") for job in ("100-labels", "200-labels", "200-labels-wrong", "no-exploration")}
    said = {job: of_seeds(sum(map(reached, rows)), len(rows)) for job, rows in jobs.items()}
    rows = jobs["100-labels"]
    return (f"a backflip from 100 labels: {span(column(rows, 'turns'), 1)} turns in 6 s", said["100-labels"],
            "`backflip.py`", [
            "A one-legged robot flips backwards after 100 labels of a synthetic labeler on clips, and no reward: at "
            f"least {turns:.0f} turns in 6 seconds and the torso above {height} m on average on "
            f"{said['100-labels']} that chose nothing ({span(column(rows, 'turns'), 1)} turns), in "
            f"{span(column(rows, 'cpu_s'))} CPU-seconds on a busy machine (`benchmarks/backflip.py`).",
            f"200 labels: {said['200-labels']}; 200 of which a tenth is wrong: {said['200-labels-wrong']}; 100 "
            f"without exploring first: {said['no-exploration']}."])


def settled(rows: list[dict]) -> tuple[list[dict], list[dict]]:
    """Seeds 0 to 4, on which settings were chosen, and those that were run once when all was settled."""
    return [row for row in rows if row["seed"] < 5], [row for row in rows if row["seed"] >= 5]


def lesson_06() -> Row:
    """Pong from its score."""
    rows = load("pong_pixels-true")
    chosen, fresh = settled(rows)
    lead, seeds = mean_interval(column(rows, "true_return"))
    return (f"Pong from pixels and its score: ahead by {lead} of 21 points", seeds, "`pong.py`", [
            f"Pong from pixels and its score, on 20 fresh games: {each(column(chosen, 'true_return'))} for seeds 0 to "
            f"4, on which settings were chosen, in {span(column(chosen, 'cpu_s'))} CPU-seconds (the aim was "
            f"{rows[0]['target']:.0f} in {rows[0]['target_cpu_s']:.0f}); {each(column(fresh, 'true_return'))} for "
            f"seeds 5 to {rows[-1]['seed']}, which were run once, when all was settled "
            "(`benchmarks/pong.py pixels-true`)."])


def lesson_07() -> Row:
    """Pong and Donkey Kong from preferences."""
    jobs = {"pixels-400": "from pixels and 400 labels", "pixels-160": "from pixels and 160 labels",
            "features-200": "from object features and 200 labels"}
    every, sentences = {job: load(f"pong_{job}") for job in jobs}, []
    for job, words in jobs.items():
        chosen, fresh = settled(every[job])
        ties = span([100 * row["ties"] / row["labels"] for row in chosen], 0, "%")
        sentences.append(
            f"{words[0].upper()}{words[1:]} ({ties} ties): {each(column(chosen, 'true_return'))} in "
            f"{span(column(chosen, 'cpu_s'))} CPU-seconds (the aim was {chosen[0]['target']:.0f} in "
            f"{chosen[0]['target_cpu_s']:.0f}); {seeds_of(fresh)}, run once when all was settled, "
            f"{each(column(fresh, 'true_return'))}.")
    noise, kong = load("pong_pixels-160-noise"), load("donkey_kong")
    climbed, scored = ([height for row in kong if row["job"] == job for height in row["heights"]]
                       for job in ("ladders", "score"))
    up = sum(height >= 20 for height in climbed), sum(height >= 20 for height in scored)
    leads = column(every["pixels-160"], "true_return")
    return (f"Pong from 160 labels of clips and no score: ahead in {sum(lead > 0 for lead in leads)} of {len(leads)} "
            f"runs, by {number(statistics.median(leads), 1)} of 21 points (median)",
            f"{len(leads)} seeds ({span(leads, 1)})", "`pong.py`", [
            "Pong from synthetic labels of clips, no score, on 20 fresh games, seeds 0 to 4 (`benchmarks/pong.py`).",
            *sentences,
            f"With a tenth of 160 labels random: {each(column(noise, 'true_return'))}, {len(noise)} seeds.",
            f"In Donkey Kong a synthetic labeler that asks for the next ladder gets an agent that climbs the first "
            f"one in {up[0]} of {len(climbed)} games; trained on the score for as long, {up[1]} of {len(scored)} "
            "(`benchmarks/donkey_kong.py`)."])


AGENTS = {"01": lesson_01, "02": lesson_02, "03": lesson_03, "04": lesson_04, "05": lesson_05, "06": lesson_06,
          "07": lesson_07}
