"""LunarLander trained on its own reward and on two slips of it: what each agent does, and earns under all three.

    python benchmarks/rl_slip.py

Three seeds each. The agent whose legs are paid at every step is seed 0's good lander, trained on. Seed 0 of each
becomes a checkpoint in assets/checkpoints. Twenty fresh episodes, actions drawn as in training.
Results: benchmarks/results/rl_slip.json (delete it to train everything again).
"""

import numpy as np
import torch
from rl_record import Results, circumstances

from course_lib.rl.evaluate import evaluate, sampled
from course_lib.rl.settings import LEGS_EVERY_STEP, LUNAR_LANDER, SCORE_EVERY_STEP, Setting
from course_lib.rl.shipped import LANDER, LANDER_LEGS, LANDER_SCORE, load_agent, save_agent

SHIPPED = {LUNAR_LANDER: LANDER, LEGS_EVERY_STEP: LANDER_LEGS, SCORE_EVERY_STEP: LANDER_SCORE}
SEEDS = 3


def measure(setting: Setting, seed: int) -> dict:
    """Train; then the same 20 episodes under the true reward and under both slips."""
    begin_with = load_agent(LANDER)[0].train() if setting is LEGS_EVERY_STEP else None
    ppo = setting.start(seed=seed, network=begin_with)
    for _ in ppo.train():
        pass
    true, legs, score = (evaluate(judge.make_envs(20), sampled(ppo.network)) for judge in SHIPPED)
    facts = {
        "seed": seed, "agent_steps": ppo.steps, "cpu_seconds": round(ppo.cpu_seconds, 1),
        "true_return": round(true.mean, 1), "episode_steps": round(float(true.lengths.mean())),
        "reached_the_time_limit": int((true.lengths == 1000).sum()),
        "with_legs_paid_every_step": round(legs.mean, 1), "with_score_paid_every_step": round(score.mean, 1),
        "true_returns": np.round(true.returns).astype(int).tolist(), "lengths": true.lengths.tolist()}
    if seed == 0:
        save_agent(SHIPPED[setting], ppo.network, {"trained_on": setting.task, **facts, **circumstances()})
    return facts


if __name__ == "__main__":
    torch.set_num_threads(1)
    results = Results("rl_slip", "LunarLander trained on its own reward and on two slips; judged under all three")
    for setting in SHIPPED:
        for seed in range(SEEDS):
            results.once(f"{setting.task}, seed {seed}", lambda a=setting, s=seed: measure(a, s))
