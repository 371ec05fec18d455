"""PPO and its rivals on text: how positive at what distance, and what a proxy is worth. Lesson 11.

    python benchmarks/text_rl.py vader rloo --seeds 0-2      # issue E's target: VADER >= .80 at KL <= 5 nats
    python benchmarks/text_rl.py best-of-n --seeds 0
    python benchmarks/text_rl.py parts no-kl no-value-start no-whitening no-clip parts-rloo --seeds 0-2
    python benchmarks/text_rl.py proxy proxy-no-kl --seeds 0 --gold --ship     # lesson 11's models
    python benchmarks/text_rl.py few few-no-kl proxy proxy-no-kl --seeds 1000-1002 --gold      # section 11.9

One JSON line a seed goes to benchmarks/results/text_rl_<job>.jsonl; a seed that has a line is skipped, unless that run
started from another SFT model than the shipped one. All are charged for their distance from where they start. An
evaluation is 512 fresh completions of prompts from validation texts; KL is the exact one of each choice on them,
distinct-2 is over blocks of 256 texts. CPU-seconds are those of training on one thread; looking is not among them.
"""

import argparse
import copy
import hashlib
import math
import os
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from record import append, circumstances, lines
from torch import Tensor

from course_lib.lm.best_of_n import best_of_n, best_of_n_kl
from course_lib.lm.data import Prompts, short_texts
from course_lib.lm.evaluation import PolicyEvaluation, evaluations_during
from course_lib.lm.generate import TextReward, sample_completions
from course_lib.lm.gpt import GPT
from course_lib.lm.metrics import distinct_n
from course_lib.lm.ppo import TokenPPO, value_network_for
from course_lib.lm.recipes import (
    PARTS_RECIPE,
    PARTS_RLOO_RECIPE,
    PPO_POLICY,
    PPO_POLICY_WITHOUT_KL,
    PROXY_RECIPE,
    RLOO_RECIPE,
    VADER_RECIPE,
)
from course_lib.lm.reward_model import RewardModel, ScaledReward, fit_reward_model
from course_lib.lm.rewards import from_language_model, load_gold, load_proxy, new_reward_model, proxy_texts
from course_lib.lm.rloo import RLOO, RLOOConfig
from course_lib.lm.sentiment import sentiment
from course_lib.lm.sft import SFT, load_sft
from course_lib.lm.shipped import folder, save_gpt
from course_lib.lm.text_training import TextTrainingConfig
from course_lib.lm.tokenizers import Tokenizer
from course_lib.preferences.human_ratings import sample_comparisons

TARGET = {"vader": 0.80, "kl": 5.0, "distinct_2": 0.80, "cpu_s": 60}
GOLD_TEXTS = 256                    # of each evaluation are read by the 135M model
FEW_LABELS = 100                    # of the poorer proxy


@dataclass(frozen=True)
class Job:
    """One way to train: its settings, and what is changed beside them."""

    config: TextTrainingConfig      # seed and precision are set when it runs
    changes: dict = field(default_factory=dict)
    value_start: bool = True        # the value network begins as the reward model; else as the SFT model, head new
    proxy: bool = False             # rewarded by the proxy; else by VADER
    few: bool = False               # the proxy is one from FEW_LABELS comparisons of the seed's own, fitted now; else
                                    # the shipped one
    every: int = 5                  # updates between two evaluations
    ships: str | None = None        # the file in assets/checkpoints that seed 0 can become


FREE = {"beta": 0.0}
JOBS = {
    "vader": Job(VADER_RECIPE),
    "rloo": Job(RLOO_RECIPE),
    "parts": Job(PARTS_RECIPE, every=12),
    "no-kl": Job(PARTS_RECIPE, FREE, every=12),
    "no-value-start": Job(PARTS_RECIPE, value_start=False, every=12),
    "no-whitening": Job(PARTS_RECIPE, {"whiten": False}, every=12),
    "no-clip": Job(PARTS_RECIPE, {"clip": math.inf}, every=12),
    "parts-rloo": Job(PARTS_RLOO_RECIPE, every=12),
    "proxy": Job(PROXY_RECIPE, proxy=True, every=6, ships=PPO_POLICY),
    "proxy-no-kl": Job(PROXY_RECIPE, FREE, proxy=True, every=6, ships=PPO_POLICY_WITHOUT_KL),
    "few": Job(PROXY_RECIPE, proxy=True, few=True, every=6),
    "few-no-kl": Job(PROXY_RECIPE, FREE, proxy=True, few=True, every=6),
}


def start() -> tuple[GPT, GPT, Tokenizer, Tensor, Tensor]:
    """(policy, reference, tokenizer, prompts to train on, 512 prompts to evaluate on)."""
    shipped = load_sft()
    train, unseen = (Prompts.of(short_texts(part), shipped.tokenizer) for part in ("train", "validation"))
    return copy.deepcopy(shipped.model), shipped.model, shipped.tokenizer, train.tokens, unseen.evenly_spaced(512)


def make(job: Job, seed: int) -> tuple[TokenPPO | RLOO, TextReward, Tensor]:
    """(the run, the scaled proxy, prompts to evaluate on)."""
    policy, reference, tokenizer, prompts, unseen = start()
    config = replace(job.config, seed=seed, bfloat16=None, **job.changes)
    generator = torch.Generator().manual_seed(1_000 + seed)
    texts = sample_completions(reference, reference, prompts[torch.randperm(len(prompts), generator=generator)[:256]],
                               sentiment, tokenizer, config.max_new_tokens, generator).texts
    reward_model = poor_proxy(tokenizer, seed) if job.few else load_proxy()[0]
    proxy = ScaledReward.on(lambda some: reward_model.rewards(some, tokenizer), texts)
    reward = proxy if job.proxy else sentiment
    if isinstance(config, RLOOConfig):
        return RLOO(policy, reference, prompts, reward, tokenizer, config), proxy, unseen
    values = value_network_for(reward, reward_model, texts, tokenizer) if job.value_start \
        else RewardModel(copy.deepcopy(reference), seed)
    return TokenPPO(policy, reference, values, prompts, reward, tokenizer, config), proxy, unseen


def poor_proxy(tokenizer: Tokenizer, seed: int) -> RewardModel:
    """A reward model from few comparisons, others for each seed, on the texts of which gold has seen none."""
    texts, (model, _) = proxy_texts(), new_reward_model()
    fit_reward_model(model, tokenizer.encode_batch([text.text for text in texts]), tokenizer.eos,
                     sample_comparisons(texts, FEW_LABELS, seed=7 + seed), from_language_model(FEW_LABELS))
    return model


def train(name: str, seed: int, gold: bool, ship: bool) -> dict:
    """One run, with evaluations along it."""
    job = JOBS[name]
    run, proxy, unseen = make(job, seed)
    rewards: dict[str, TextReward] = {"vader": sentiment, "proxy": proxy}
    if gold:
        rewards["gold"] = load_gold().rewards
    evaluations = []
    for one in evaluations_during(run, job.every, unseen, rewards, {"gold": GOLD_TEXTS}):
        evaluations.append(one)
        print(f"{name} {seed}: update {one.updates}, {one.cpu_seconds:.0f} CPU-seconds, KL {one.kl:.2f}, distinct-2 "
              f"{one.distinct_2:.3f}, " + ", ".join(f"{k} {v:.3f}" for k, v in one.rewards.items()), flush=True)
    if ship and job.ships:
        told = {key: value for key, value in asdict(evaluations[-1]).items() if key != "samples"}
        save_gpt(folder() / job.ships, run.policy, run.tokenizer,
                 {**told, "command": f"python benchmarks/text_rl.py {name} --seeds {seed} --gold --ship"})
    curve = [[p.update, round(p.reward, 4), round(p.kl_from_reference, 3), round(p.beta, 4), round(p.clip_fraction, 4),
              round(p.explained_variance, 3), round(p.cpu_seconds, 1)] for p in run.history]
    return {**against_target(evaluations[-1]), "settings": asdict(run.config),
            "evaluations": [asdict(one) for one in evaluations], "curve": curve}


def against_target(last: PolicyEvaluation) -> dict:
    """The last evaluation against the target."""
    reached = (last.rewards["vader"] >= TARGET["vader"] and last.kl <= TARGET["kl"]
               and last.distinct_2 >= TARGET["distinct_2"] and last.cpu_seconds <= TARGET["cpu_s"])
    return {"vader": round(last.rewards["vader"], 4), "kl": round(last.kl, 3), "distinct_2": round(last.distinct_2, 4),
            "cpu_s": round(last.cpu_seconds, 1), "target": TARGET, "reached": reached}


def best(seed: int, n: int = 16) -> dict:
    """Nothing is trained: `n` completions of each prompt, and the one that VADER likes best is kept."""
    _, reference, tokenizer, _, unseen = start()
    evaluations = []
    for count in (1, 2, 4, 8, n):
        started, generator = time.process_time(), torch.Generator().manual_seed(seed)
        texts, rewards = best_of_n(reference, unseen[::2], count, sentiment, tokenizer, 24, generator)
        bound = best_of_n_kl(count)
        evaluations.append(asdict(PolicyEvaluation(
            count, time.process_time() - started, bound, distinct_n(texts, 2), math.nan,
            {"vader": rewards.mean().item()}, {"vader": rewards.std().item()}, texts[:8])))
        print(f"best of {count}: VADER {rewards.mean():.3f}, KL at most {bound:.2f}", flush=True)
    return {"what": "updates is n; kl is the upper bound log n - (n - 1) / n", "evaluations": evaluations}


def measured(work: Callable[[], dict]) -> dict:
    """What `work` returns, with the process's CPU-seconds, its peak memory and the circumstances."""
    started = time.process_time()
    result = work()
    return {**result, "process_cpu_s": round(time.process_time() - started, 1),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, **circumstances()}


def main() -> None:
    """Measure the seeds that have no line yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="+", choices=[*JOBS, "best-of-n"])
    parser.add_argument("--seeds", default="0-2", help="one number or a range: 1 or 0-2")
    parser.add_argument("--gold", action="store_true", help="ask the 135M gold reward too, at every evaluation")
    parser.add_argument("--ship", action="store_true", help="make the trained model one of assets/checkpoints")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    first, _, last = arguments.seeds.partition("-")
    begin = hashlib.sha256((folder() / SFT).read_bytes()).hexdigest()[:12]
    for job in arguments.jobs:
        for seed in range(int(first), int(last or first) + 1):
            name = f"text_rl_{job}"
            known = any(line["seed"] == seed and line["start"] == begin for line in lines(name))
            if known and not arguments.ship:
                print(f"{job} seed {seed}: measured before, skipped")
                continue
            line = {"job": job, "seed": seed, "start": begin, **measured(
                lambda job=job, seed=seed: best(seed) if job == "best-of-n"
                else train(job, seed, arguments.gold, arguments.ship))}
            if not known:
                append(name, line)


if __name__ == "__main__":
    main()
