"""LunarLander trained on its own reward and on two slips of it: what each agent earns under both, and what it does.

    python benchmarks/rl_slip.py            # three seeds each
    python benchmarks/rl_slip.py --ship     # seed 0 of each also becomes a checkpoint in assets/checkpoints

Results: benchmarks/results/rl_slip.json. Twenty fresh episodes, the likeliest action each time.
"""

import argparse

import numpy as np
import torch
from rl_record import Results, circumstances

from course_lib.rl.evaluate import evaluate, greedy
from course_lib.rl.settings import LUNAR_LANDER, ONLY_PROGRESS, SCORE_EVERY_STEP, Setting, lunar_landers
from course_lib.rl.shipped import LANDER, LANDER_ONLY_PROGRESS, LANDER_SCORE_EVERY_STEP, save_agent

SHIPPED = {LUNAR_LANDER: LANDER, ONLY_PROGRESS: LANDER_ONLY_PROGRESS, SCORE_EVERY_STEP: LANDER_SCORE_EVERY_STEP}
SEEDS = 3


def measure(setting: Setting, seed: int, ship: bool) -> dict:
    """Train; then the same 20 episodes under the true reward and under both slips."""
    ppo = setting.start(seed=seed)
    for _ in ppo.train():
        pass
    policy = greedy(ppo.network)
    true = evaluate(lunar_landers(20), policy)
    facts = {
        "seed": seed, "agent_steps": ppo.steps, "cpu_seconds": round(ppo.cpu_seconds, 1),
        "true_return": round(true.mean, 1), "episode_steps": round(float(true.lengths.mean())),
        "reached_the_time_limit": int((true.lengths == 1000).sum()),
        "under_only_progress": round(evaluate(ONLY_PROGRESS.make_envs(20), policy).mean, 1),
        "under_score_every_step": round(evaluate(SCORE_EVERY_STEP.make_envs(20), policy).mean, 1),
        "true_returns": np.round(true.returns).astype(int).tolist()}
    if ship:
        save_agent(SHIPPED[setting], ppo.network, {"trained_on": setting.task, **facts, **circumstances()})
    return facts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ship", action="store_true", help="train seed 0 of each again and write its checkpoint")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = Results("rl_slip", "LunarLander trained on its own reward and on two slips; judged under all three")
    for setting in SHIPPED:
        if options.ship:
            print(setting.task, measure(setting, 0, ship=True))
            continue
        for seed in range(SEEDS):
            results.once(f"{setting.task}, seed {seed}", lambda a=setting, s=seed: measure(a, s, ship=False))
