"""What each choice of lesson 06 buys: Pong from its score with one of them taken back, for a fixed number of steps.

    python benchmarks/pong_parts.py --seeds 0
    python benchmarks/pong_parts.py --only "no point boundaries" "40 rows" --seeds 0-2

With all parts together the curves are those of `python benchmarks/pong.py pixels-true`. One JSON line for each variant
and seed goes to benchmarks/results/pong_parts.jsonl; those that have a line with the same settings are skipped, so that
a stopped run goes on where it was. CPU-seconds are those of training. One thread.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict

import torch
from record import append, circumstances, lines

from course_lib.atari.encoders import BinaryFrames
from course_lib.atari.envs import AtariEnvs
from course_lib.atari.networks import CoarseAgent, FrameAgent
from course_lib.atari.pong import NUM_ENVS, at_points, pong_config, pong_from_score
from course_lib.rl.ppo import PPO

NAME = "pong_parts"
STEPS = 300_000                         # agent steps of each run
CURVE_EVERY = 5                         # updates between two points of the curve


def coarse_grid(seed: int) -> PPO:
    """A second convolution, which leaves 3 x 3 places of the 9 x 9."""
    envs = AtariEnvs("pong", NUM_ENVS, BinaryFrames())
    return PPO(envs, CoarseAgent(seed=seed), pong_config(seed), boundary_function=at_points)


def forty_rows(seed: int) -> PPO:
    """Cells of 4 x 4 pixels: two looks tell where the ball flies, but not where on the paddle it will land."""
    envs = AtariEnvs("pong", NUM_ENVS, BinaryFrames(rows=40))
    return PPO(envs, FrameAgent(rows=40, seed=seed), pong_config(seed), boundary_function=at_points)


VARIANTS: dict[str, Callable[[int], PPO]] = {
    "40 rows": forty_rows,
    "no point boundaries": lambda seed: pong_from_score(seed, point_boundaries=False),
    "rewards not centred": lambda seed: pong_from_score(seed, centre_rewards=False),
    "learning rate 0.001": lambda seed: pong_from_score(seed, learning_rate=1e-3),
    "lambda 0.95": lambda seed: pong_from_score(seed, lam=0.95),
    "3 x 3 grid": coarse_grid,
}


def measure(variant: str, ppo: PPO, seed: int, steps: int) -> dict:
    """Train `ppo` for `steps` agent steps; returns its line."""
    curve = []
    for progress in ppo.train(until=steps):
        if progress.update % CURVE_EVERY == 0:
            curve.append([progress.steps, round(progress.cpu_seconds, 1), round(progress.episode_return, 2)])
            print(f"{variant}, seed {seed}: {curve[-1]}", flush=True)
    return {"variant": variant, "seed": seed, "steps": steps, "cpu_s": round(ppo.cpu_seconds, 1),
            "training_return": round(progress.episode_return, 2), "settings": asdict(ppo.config), "curve": curve,
            **circumstances()}


def main() -> None:
    """Train the variants and seeds that have no line yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0", help="one number or a range: 3 or 0-4")
    parser.add_argument("--steps", type=int, default=STEPS, help="agent steps of each run")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS), help="these variants")
    arguments = parser.parse_args()
    first, _, last = arguments.seeds.partition("-")
    torch.set_num_threads(1)
    for seed in range(int(first), int(last or first) + 1):
        for variant in arguments.only:
            ppo = VARIANTS[variant](seed)
            if any((line["variant"], line["seed"], line["steps"]) == (variant, seed, arguments.steps)
                   and line["settings"] == asdict(ppo.config) for line in lines(NAME)):
                print(f"{variant}, seed {seed}: measured before, skipped")
                continue
            append(NAME, measure(variant, ppo, seed, arguments.steps))


if __name__ == "__main__":
    main()
