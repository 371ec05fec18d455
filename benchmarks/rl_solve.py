"""Train a setting over seeds and say how good the agents are on fresh episodes, and what that cost."""

import torch
from record import Results

from course_lib.rl.evaluate import evaluate, greedy, sampled
from course_lib.rl.settings import Setting

POINTS = 40                                     # of the learning curve that is kept


def solve(results: Results, setting: Setting, seeds: range, cpu_seconds: float) -> list[dict]:
    """One run a seed; prints how many seeds reached the goal within `cpu_seconds` of training."""
    torch.set_num_threads(1)
    runs = [results.once(f"{setting.task}, seed {seed}", lambda seed=seed: train(setting, seed)) for seed in seeds]
    for way in ("greedy", "sampled"):
        good = sum(run[way] >= setting.goal and run["cpu_seconds"] <= cpu_seconds for run in runs)
        print(f"{setting.task}, {way} actions: {good} of {len(runs)} seeds reach {setting.goal:.0f} "
              f"in {cpu_seconds:.0f} CPU-seconds; means {[run[way] for run in runs]}; "
              f"CPU-seconds {[run['cpu_seconds'] for run in runs]}")
    return runs


def train(setting: Setting, seed: int) -> dict:
    """One run: its curve, when its last 20 episodes first reached the goal, and 20 fresh episodes afterwards."""
    ppo = setting.start(seed=seed)
    reached = None
    for progress in ppo.train():
        if reached is None and len(ppo.episodes) >= 20 and progress.episode_return >= setting.goal:
            reached = progress
    history = ppo.history[::max(1, len(ppo.history) // POINTS)]
    envs = setting.make_envs(20)
    return {
        "seed": seed, "agent_steps": ppo.steps, "cpu_seconds": round(ppo.cpu_seconds, 2),
        "steps_a_cpu_second": round(ppo.steps / ppo.cpu_seconds),
        "training_reached_goal_at": reached and {"steps": reached.steps, "cpu_seconds": round(reached.cpu_seconds, 2)},
        "greedy": round(evaluate(envs, greedy(ppo.network)).mean, 1),
        "sampled": round(evaluate(envs, sampled(ppo.network, seed)).mean, 1),
        "steps": [p.steps for p in history], "returns": [round(p.episode_return, 1) for p in history]}
