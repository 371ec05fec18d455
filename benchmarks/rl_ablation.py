"""What each part of PPO buys, for lesson 02: CartPole over 5 seeds, LunarLander over 3.

    python benchmarks/rl_ablation.py cartpole lunarlander

Results: benchmarks/results/rl_ablation_<task>.json, read by course_lib.rl.settings.stored_ablation.
"""

import sys
from dataclasses import asdict
from functools import partial

import torch
from record import Results

from course_lib.rl.settings import CARTPOLE, LUNAR_LANDER, VARIANTS, run_variant

TASKS = {"cartpole": (CARTPOLE, 5), "lunarlander": (LUNAR_LANDER, 3)}

if __name__ == "__main__":
    torch.set_num_threads(1)
    for task in sys.argv[1:] or TASKS:
        setting, seeds = TASKS[task]
        results = Results(f"rl_ablation_{task}", f"{setting.task} with one part of PPO changed")
        for seed in range(seeds):
            for variant in VARIANTS:
                run = partial(run_variant, setting, variant, seed)
                results.once(f"{variant}, seed {seed}", lambda run=run: asdict(run()))
