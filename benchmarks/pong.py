"""Pong from its score and from preferences, seed by seed, as issue D's table asks; see JOBS for what each job is.

    python benchmarks/pong.py pixels-true --seeds 0-4

One JSON line a seed goes to benchmarks/results/pong_<job>.jsonl. Seeds that have a line are skipped, so that a stopped
run goes on where it was. CPU-seconds are those of the training process, from its first game to its last update: games,
clips, synthetic labels, fitting and learning; playing the 20 fresh games afterwards is not among them. One thread.
"""

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import torch
from record import append, circumstances, lines

from course_lib.atari.evaluate import STEP_LIMIT, fresh_games, training_return
from course_lib.atari.pong import pong_from_score
from course_lib.atari.reward_ensemble import AtariRewardEnsemble
from course_lib.atari.shipped import FROM_PREFERENCES, FROM_SCORE, save_shipped
from course_lib.atari.synthetic_labelers import PongPointsLabeler
from course_lib.atari.tasks import TASKS, AtariTask, learned_reward_ppo
from course_lib.preferences.algorithm import run_preference_loop
from course_lib.preferences.hidden_reward import TrueReturns

CURVE_EVERY = 25                        # updates between two points of the curve in the results
Report = Callable[[int, float, float], None]


@dataclass(frozen=True)
class Job:
    """One row of the table."""

    target: float                       # mean true return of 20 fresh sampled games
    cpu_minutes: float                  # within this many CPU-minutes
    task: str | None = None             # a key of TASKS; None: from the true score
    settings: dict = field(default_factory=dict)        # of `AtariTask.config`
    wrong: float = 0.0                  # share of synthetic labels drawn at random


FRAMES_160 = {"total_steps": 1_100_000, "labels": 160, "labels_a_round": 5}
OBJECTS_200 = {"total_steps": 900_000, "labels": 200, "labels_a_round": 5, "updates_a_round": 8}
JOBS = {
    "pixels-true": Job(18.0, 5.0),
    "features-200": Job(10.0, 5.0, "pong objects", OBJECTS_200),
    "pixels-400": Job(17.0, 8.0, "pong frames"),
    "pixels-160": Job(15.0, 10.0, "pong frames", FRAMES_160),
    "pixels-160-noise": Job(15.0, 10.0, "pong frames", FRAMES_160, wrong=0.1),
    # the schedule of lesson 07: as few labeling sessions as a person would like
    "pixels-160-sittings": Job(15.0, 10.0, "pong frames", {**FRAMES_160, "labels_a_round": 20, "updates_a_round": 48}),
    # half the learning rate
    "pixels-400-slower": Job(17.0, 8.0, "pong frames", {"ppo": learned_reward_ppo(learning_rate=1e-3)}),
}


@dataclass(frozen=True)
class Watched(AtariTask):
    """A task whose true returns the benchmark notes beneath the seal; nothing that learns sees them."""

    returns: list[float] = field(default_factory=list)

    def envs(self) -> TrueReturns:
        """The task's games."""
        return TrueReturns(super().envs(), self.returns)


def from_score(job: Job, seed: int, report: Report) -> tuple[torch.nn.Module, None, dict]:
    """Train on the true score to the end of the schedule, or until the time is up."""
    started = time.process_time()
    ppo = pong_from_score(seed)
    for progress in ppo.train():
        used = time.process_time() - started
        report(progress.steps, progress.episode_return, used)
        if used > 60 * job.cpu_minutes - 2:
            break
    return ppo.network, None, {"agent_steps": ppo.steps, "labels": 0, "ties": 0, "settings": asdict(ppo.config)}


def from_preferences(job: Job, seed: int, report: Report) -> tuple[torch.nn.Module, AtariRewardEnsemble, dict]:
    """Train on synthetic preferences for a number of steps fixed beforehand: the score cannot say when to stop."""
    started, task, labeler = time.process_time(), Watched(**vars(TASKS[job.task])), PongPointsLabeler(job.wrong, seed)
    config = task.config(**job.settings, seed=seed)
    for learned in run_preference_loop(task, labeler, config):
        report(learned.progress.steps, training_return(task.returns), time.process_time() - started)
    labels = len(learned.preferences)
    return learned.network, learned.reward_model, {
        "agent_steps": learned.progress.steps, "labels": labels, "ties": labeler.ties,
        "tie_rate": round(labeler.ties / labels, 3), "label_source": labeler.source, "last_fit": asdict(learned.fit),
        "settings": {"task": job.task, **asdict(config)}}


def measure(name: str, seed: int, ship: bool = False) -> dict:
    """Train and evaluate one seed; returns its line. With `ship` the agent becomes the one that the lessons load."""
    job = JOBS[name]
    curve: list[list[float]] = []
    cpu, wall = time.process_time(), time.perf_counter()

    def report(steps: int, true_return: float, cpu_seconds: float) -> None:
        if steps // 2048 % CURVE_EVERY == 0:
            curve.append([steps, round(cpu_seconds, 1), round(true_return, 2)])
            print(f"{name} {seed}: {steps:>9,} steps, {cpu_seconds:5.0f} CPU-s, return {true_return:6.1f}", flush=True)

    network, reward_model, facts = (from_preferences if job.task else from_score)(job, seed, report)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    task = TASKS[job.task or "pong frames"]
    fresh = fresh_games(network, task.game, task.encoder(), games=20, seed=seed)
    line = {
        "job": name, "seed": seed, "true_return": round(fresh.mean, 2), "returns": fresh.returns.tolist(),
        "games_at_step_limit": int((fresh.lengths >= STEP_LIMIT).sum()), "step_limit": STEP_LIMIT,
        "cpu_s": round(cpu, 1), "wall_s": round(wall, 1), **facts,
        "target": job.target, "target_cpu_s": 60 * job.cpu_minutes,
        "reached": bool(fresh.mean >= job.target and cpu <= 60 * job.cpu_minutes),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "wrong": job.wrong, "curve": curve, **circumstances()}
    if ship:
        told = ("job", "seed", "true_return", "agent_steps", "labels", "ties", "date")
        save_shipped(FROM_PREFERENCES if reward_model else FROM_SCORE, network, reward_model, {
            **{key: line[key] for key in told}, "label_source": facts.get("label_source", "none"),
            "command": f"python benchmarks/pong.py {name} --seeds {seed} --ship"})
    return line


def main() -> None:
    """Measure the seeds that have no line yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--seeds", default="0-4", help="one number or a range: 3 or 0-4")
    parser.add_argument("--ship", action="store_true", help="make the agent the one in assets/checkpoints")
    arguments = parser.parse_args()
    first, _, last = arguments.seeds.partition("-")
    torch.set_num_threads(1)
    name = f"pong_{arguments.job}"
    for seed in range(int(first), int(last or first) + 1):
        if any(line["seed"] == seed for line in lines(name)):
            print(f"{arguments.job} seed {seed}: measured before, skipped")
            continue
        line = measure(arguments.job, seed, arguments.ship)
        append(name, line)
        print({key: line[key] for key in ("seed", "true_return", "cpu_s", "agent_steps", "labels", "ties", "reached")})


if __name__ == "__main__":
    main()
