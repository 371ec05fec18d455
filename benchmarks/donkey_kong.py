"""Donkey Kong from its score and from synthetic preferences for climbing, reported as it is.

    python benchmarks/donkey_kong.py score
    python benchmarks/donkey_kong.py preferences        the synthetic labeler that likes an agent further right
    python benchmarks/donkey_kong.py ladders            the synthetic labeler that likes it nearer to the next ladder

One JSON line goes to benchmarks/results/donkey_kong.jsonl: the true score of 10 fresh games, and how high Jumpman got
in them, in pixels above the ground (the next girder is 20 to 28 up, Pauline's 158). `--clip FILE` keeps the end of a
fresh game as a looping picture: where the agent gets stuck. `--ship` makes the agent the one that lesson 07 looks at.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from record import append, circumstances

from course_lib.atari.donkey_kong import KongClimbLabeler, KongLadderLabeler, jumpman
from course_lib.atari.envs import AtariEnvs
from course_lib.atari.games import DONKEY_KONG
from course_lib.atari.shipped import save_kong
from course_lib.atari.tasks import TASKS
from course_lib.preferences.algorithm import run_preference_loop
from course_lib.preferences.synthetic_labeler import SyntheticLabeler
from course_lib.rl.evaluate import sampled
from course_lib.rl.ppo import PPO, PPOConfig

TASK = TASKS["donkey kong objects"]
SCORE_UNIT = 0.01                       # a barrel jumped over brings 100 points
GROUND = 157                            # rows of the court above Jumpman's feet on the ground
GAMES, STEP_LIMIT = 10, 2_000
LABELERS = {"preferences": KongClimbLabeler, "ladders": KongLadderLabeler}


@dataclass(frozen=True)
class Fresh:
    """Fresh games: score and greatest height of each, and the last frames of the first."""

    scores: list[float]
    heights: list[int]
    frames: np.ndarray                  # (L, 160, 160) uint8


def from_score(cpu_seconds: float, seed: int) -> tuple[torch.nn.Module, dict]:
    """PPO on the true score."""
    envs = AtariEnvs(TASK.game, 16, TASK.encoder())
    config = PPOConfig(total_steps=3_000_000, learning_rate=1e-3, reward_scale=SCORE_UNIT, seed=seed)
    ppo = PPO(envs, TASK.network(seed), config)
    for progress in ppo.train():
        if progress.cpu_seconds > cpu_seconds:
            break
    return ppo.network, {"agent_steps": ppo.steps, "labels": 0}


def from_preferences(labeler: SyntheticLabeler, cpu_seconds: float, seed: int) -> tuple[torch.nn.Module, dict]:
    """PPO on a reward learned from synthetic preferences for climbing."""
    started = time.process_time()
    config = TASK.config(labels=300, labels_a_round=20, updates_a_round=8, total_steps=3_000_000, seed=seed,
                         ppo=PPOConfig(learning_rate=1e-3))
    for learned in run_preference_loop(TASK, labeler, config):
        facts = {"agent_steps": learned.progress.steps, "labels": len(learned.preferences), "ties": labeler.ties}
        if time.process_time() - started > cpu_seconds:
            break
    return learned.network, {**facts, "label_source": labeler.source}


def play(network: torch.nn.Module | None, seed: int) -> Fresh:
    """Ten fresh games of an agent, or of random play (None)."""
    envs, rng = AtariEnvs(DONKEY_KONG, GAMES, TASK.encoder(), keep_frames=True), np.random.default_rng(seed)
    policy = sampled(network, seed) if network else lambda obs: rng.integers(0, len(DONKEY_KONG.actions), len(obs))
    obs, _ = envs.reset(seed=1_000_000 + seed)
    scores, heights, playing, kept = np.zeros(GAMES), np.zeros(GAMES, dtype=int), np.ones(GAMES, dtype=bool), []
    for _ in range(STEP_LIMIT):
        with torch.no_grad():
            obs, rewards, terminated, truncated, _ = envs.step(policy(obs))
        court = envs.take_frames()[0]
        seen, _, feet = jumpman(court)
        scores += rewards * playing
        heights = np.maximum(heights, np.where(seen & playing, GROUND - feet, 0))
        if playing[0]:
            kept = [*kept[-120:], court[0]]
        playing &= ~(terminated | truncated)
        if not playing.any():
            break
    return Fresh(scores.tolist(), heights.tolist(), np.stack(kept))


def main() -> None:
    """Train, play, write one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=("random", "score", *LABELERS))
    parser.add_argument("--cpu-seconds", type=float, default=150.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clip", type=Path, help="write the end of a fresh game here, as a looping PNG")
    parser.add_argument("--ship", action="store_true", help="make the agent the one in assets/checkpoints")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    started, network, facts = time.process_time(), None, {}
    if arguments.job == "score":
        network, facts = from_score(arguments.cpu_seconds, arguments.seed)
    elif arguments.job in LABELERS:
        network, facts = from_preferences(LABELERS[arguments.job](), arguments.cpu_seconds, arguments.seed)
    cpu = time.process_time() - started
    fresh = play(network, arguments.seed)
    line = {"job": arguments.job, "seed": arguments.seed, "cpu_s": round(cpu, 1), **facts, "scores": fresh.scores,
            "mean_score": float(np.mean(fresh.scores)), "heights": fresh.heights,
            "mean_height": float(np.mean(fresh.heights)), "step_limit": STEP_LIMIT, **circumstances()}
    append("donkey_kong", line)
    if arguments.ship and network:
        told = ("job", "seed", "cpu_s", "agent_steps", "labels", "mean_score", "mean_height", "date")
        save_kong(arguments.job, network, {key: line[key] for key in told})
    print({key: line[key] for key in ("job", "cpu_s", "mean_score", "heights")})
    if arguments.clip:
        first, *rest = (Image.fromarray(frame) for frame in fresh.frames)
        first.save(arguments.clip, "PNG", save_all=True, append_images=rest, duration=67, loop=0)


if __name__ == "__main__":
    main()
