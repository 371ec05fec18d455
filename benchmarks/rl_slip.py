"""LunarLander trained on its own reward and on three slips of it: what each agent does, and earns under all of them.

    python benchmarks/rl_slip.py            # three seeds each
    python benchmarks/rl_slip.py --ship     # seed 0 of each also becomes a checkpoint in assets/checkpoints

The agent whose legs are rewarded at every step is the shipped good lander, trained on; the others start from nothing.
Twenty fresh episodes twice: with the likeliest action each time, and ("drawn") with actions drawn as in training.
Results: benchmarks/results/rl_slip.json.
"""

import argparse
from collections.abc import Callable

import torch
from record import Results, circumstances

from course_lib.rl.evaluate import Policy, evaluate, greedy, sampled
from course_lib.rl.settings import (
    LANDER,
    LANDER_LEGS_EVERY_STEP,
    LANDER_ONLY_PROGRESS,
    LANDER_SCORE_EVERY_STEP,
    LEGS_EVERY_STEP,
    LUNAR_LANDER,
    ONLY_PROGRESS,
    SCORE_EVERY_STEP,
    Setting,
    load_agent,
    save_agent,
)

SHIPPED = {LUNAR_LANDER: LANDER, ONLY_PROGRESS: LANDER_ONLY_PROGRESS, SCORE_EVERY_STEP: LANDER_SCORE_EVERY_STEP,
           LEGS_EVERY_STEP: LANDER_LEGS_EVERY_STEP}
SEEDS = 3


def measure(setting: Setting, seed: int, ship: bool) -> dict:
    """Train, and evaluate."""
    ppo = setting.start(seed=seed, network=load_agent(LANDER)[0] if setting is LEGS_EVERY_STEP else None)
    for _ in ppo.train():
        pass
    facts = {"seed": seed, "agent_steps": ppo.steps, "cpu_seconds": round(ppo.cpu_seconds, 1),
             **evaluated(lambda: greedy(ppo.network)), "drawn": evaluated(lambda: sampled(ppo.network))}
    if ship:
        save_agent(SHIPPED[setting], ppo.network, {"trained_on": setting.task, **facts, **circumstances()})
    return facts


def evaluated(policy: Callable[[], Policy]) -> dict:
    """The same 20 episodes under the reward as written and under each slip; `policy()` makes the policy anew."""
    true = evaluate(LUNAR_LANDER.make_envs(20), policy())
    return {
        "true_return": round(true.mean, 1), "episode_steps": round(float(true.lengths.mean())),
        "reached_the_time_limit": int((true.lengths == 1000).sum()),
        "under_only_progress": round(evaluate(ONLY_PROGRESS.make_envs(20), policy()).mean, 1),
        "under_score_every_step": round(evaluate(SCORE_EVERY_STEP.make_envs(20), policy()).mean, 1),
        "under_legs_every_step": round(evaluate(LEGS_EVERY_STEP.make_envs(20), policy()).mean, 1)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ship", action="store_true", help="train seed 0 of each again and write its checkpoint")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = Results("rl_slip", "LunarLander trained on its own reward and on three slips; evaluated under all four")
    for setting in SHIPPED:
        if options.ship:
            print(setting.task, measure(setting, 0, ship=True))
            continue
        for seed in range(SEEDS):
            results.once(f"{setting.task}, seed {seed}", lambda a=setting, s=seed: measure(a, s, ship=False))
