"""What each part of PPO buys: train without it, over several seeds, and compare. Lesson 02."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from course_lib.paths import root
from course_lib.rl.evaluate import evaluate, greedy, sampled
from course_lib.rl.settings import Setting

VARIANTS: dict[str, dict[str, float]] = {
    "PPO": {},
    "no clipping": {"clip": float("inf")},
    "lambda 1": {"lam": 1.0},               # advantages from the rewards seen alone; the critic is only a baseline
    "lambda 0": {"lam": 0.0},               # advantages of one step; the critic is trusted with all the rest
    "no normalisation": {"normalise_advantages": False},
    "no entropy bonus": {"entropy_coefficient": 0.0},
    "one epoch": {"epochs": 1},             # each rollout is learned from once
}


@dataclass(frozen=True)
class AblationRun:
    """One training run with one part changed."""

    variant: str                            # a key of VARIANTS
    seed: int
    steps: list[int]                        # agent steps at each point of the curve
    returns: list[float]                    # mean return of the last 20 training episodes there
    sampled: float                          # mean return of 20 fresh episodes afterwards, actions drawn
    greedy: float                           # the same with the likeliest action
    cpu_seconds: float                      # training alone


def run_variant(setting: Setting, variant: str, seed: int, points: int = 40, **changes) -> AblationRun:
    """Train `setting` with one part changed. points: about how many the curve keeps; `changes`: to the config."""
    ppo = setting.start(seed=seed, **{**changes, **VARIANTS[variant]})
    updates = ppo.config.total_steps / (ppo.config.num_steps * setting.num_envs)
    every = max(1, round(updates / points))
    history = [progress for progress in ppo.train() if progress.update % every == 0]
    envs = setting.make_envs(20)
    return AblationRun(
        variant, seed, [p.steps for p in history], [round(p.episode_return, 1) for p in history],
        sampled=round(evaluate(envs, sampled(ppo.network, seed)).mean, 1),
        greedy=round(evaluate(envs, greedy(ppo.network)).mean, 1), cpu_seconds=round(ppo.cpu_seconds, 2))


def ablate(setting: Setting, variants: Iterable[str] = tuple(VARIANTS), seeds: Iterable[int] = range(3),
           **changes) -> Iterator[AblationRun]:
    """Each variant with each seed, one finished run at a time."""
    for variant in variants:
        for seed in seeds:
            yield run_variant(setting, variant, seed, **changes)


def stored_ablation(task: str) -> list[AblationRun]:
    """The runs that `benchmarks/rl_ablation.py` measured: task "cartpole" or "lunarlander"."""
    stored = json.loads((root() / "benchmarks" / "results" / f"rl_ablation_{task}.json").read_text())
    fields = AblationRun.__dataclass_fields__
    return [AblationRun(**{name: run[name] for name in fields}) for run in stored["runs"]]
