"""Ways to learn from the same 3,000 comparisons, from the same SFT model: the jobs "text-..." of beyond_ppo.py.

The comparisons are those of lesson 10: two texts, one rater of each. DPO, IPO and KTO learn from the texts themselves.
All others learn from completions of the model's own and from the proxy, the reward model that was fitted to these
comparisons. "text-dpo-own" is DPO on pairs that the SFT model wrote and the proxy labelled. An evaluation is one
completion of each of 256 prompts from validation texts; KL is the exact one of each choice on them. A win is a
completion that gold, the better reward model of other labels, scores higher than the SFT model's of the same prompt.
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache

import torch
from torch import Tensor

from course_lib.lm.best_of_n import best_of_n_kl, expected_best
from course_lib.lm.blind_evaluation import wilson
from course_lib.lm.data import Prompts, short_texts
from course_lib.lm.dpo import DPO, DPOConfig, PreferencePairs, ipo_loss
from course_lib.lm.evaluation import PolicyEvaluation, evaluate_policy
from course_lib.lm.generate import TextReward, sample_completions
from course_lib.lm.gpt import GPT
from course_lib.lm.grpo import GRPO, GRPOConfig
from course_lib.lm.kto import KTO, Judgements, KTOConfig
from course_lib.lm.metrics import distinct_n
from course_lib.lm.ppo import TokenPPO, TokenPPOConfig, value_network
from course_lib.lm.recipes import PROXY_RECIPE
from course_lib.lm.rejection_sampling import RejectionSampling, RejectionSamplingConfig
from course_lib.lm.reward_model import RewardModel, ScaledReward
from course_lib.lm.rewards import PROXY_LABELS, load_gold, load_proxy, proxy_comparisons
from course_lib.lm.rloo import RLOO, RLOOConfig
from course_lib.lm.sentiment import sentiment
from course_lib.lm.sft import load_sft
from course_lib.lm.shipped import ShippedGPT

UNSEEN = 256                                # prompts of an evaluation
LONGEST = 32                                # tokens of a compared text that DPO, IPO and KTO read
OWN_PAIRS = 3_000                           # pairs that the SFT model writes and the proxy labels
BEST_OF = 16

WRITING = {"updates": 60, "batch_size": 128, "minibatch_size": 64, "learning_rate": 4e-4, "bfloat16": None}
READING = {"updates": 94, "batch_size": 32, "learning_rate": 3e-4, "bfloat16": None}         # one pass
Config = TokenPPOConfig | RLOOConfig | GRPOConfig | RejectionSamplingConfig | DPOConfig
JOBS: dict[str, Config] = {
    "text-ppo": replace(PROXY_RECIPE, bfloat16=None),
    "text-rloo": RLOOConfig(**{**WRITING, "updates": 40}, samples_per_prompt=4, beta=0.12),
    "text-grpo": GRPOConfig(**WRITING, samples_per_prompt=4, beta=0.12),
    "text-rejection": RejectionSamplingConfig(updates=6, batch_size=1024, samples_per_prompt=BEST_OF, epochs=2,
                                              minibatch_size=16, learning_rate=3e-4, bfloat16=None),
    "text-dpo": DPOConfig(**READING, beta=0.1),
    "text-dpo-own": DPOConfig(**READING, beta=0.1),
    "text-ipo": DPOConfig(**READING, beta=0.1),
    "text-kto": KTOConfig(**{**READING, "batch_size": 64}, beta=0.1),
}
Run = TokenPPO | RLOO | GRPO | RejectionSampling | DPO | KTO


@dataclass(frozen=True)
class Bench:
    """What all ways start from."""

    sft: ShippedGPT
    prompts: Tensor                         # (N, P) to train on
    unseen: Tensor                          # (UNSEEN, P) to evaluate on
    reward_model: RewardModel
    proxy: ScaledReward                     # 0 is the mean of the SFT model's texts, 1 their standard deviation
    gold: TextReward
    baseline: list[str]                     # the SFT model's completions of the unseen prompts
    baseline_gold: Tensor                   # (UNSEEN,)


@cache
def bench() -> Bench:
    """Models, prompts, rewards; the SFT model's own completions, read by gold once."""
    sft, (reward_model, _) = load_sft(), load_proxy()
    train, unseen = (Prompts.of(short_texts(part), sft.tokenizer) for part in ("train", "validation"))
    generator = torch.Generator().manual_seed(4)
    drawn = train.tokens[torch.randperm(len(train), generator=generator)[:UNSEEN]]
    texts = sample_completions(sft.model, sft.model, drawn, sentiment, sft.tokenizer, 24, generator).texts
    proxy = ScaledReward.on(lambda some: reward_model.rewards(some, sft.tokenizer), texts)
    some, gold = unseen.evenly_spaced(UNSEEN), load_gold().rewards
    baseline = sample_completions(sft.model, sft.model, some, sentiment, sft.tokenizer, 24,
                                  torch.Generator().manual_seed(5)).texts
    return Bench(sft, train.tokens, some, reward_model, proxy, gold, baseline, gold(baseline))


def peoples_pairs() -> PreferencePairs:
    """The 3,000 comparisons as pairs of completions of nothing: a whole text behind the end token that begins it."""
    texts, comparisons = proxy_comparisons()
    tokenizer = bench().sft.tokenizer
    ids = [[*tokens, tokenizer.eos][:LONGEST] for tokens in tokenizer.encode_batch([text.text for text in texts])]
    return PreferencePairs([[tokenizer.eos]] * len(comparisons), [ids[i] for i in comparisons.first.tolist()],
                           [ids[i] for i in comparisons.second.tolist()], comparisons.mu)


def own_pairs(seed: int) -> PreferencePairs:
    """Two completions of each of some prompts by the SFT model; the proxy prefers one."""
    b, generator = bench(), torch.Generator().manual_seed(seed)
    drawn = b.prompts[torch.randint(len(b.prompts), (OWN_PAIRS,), generator=generator)].repeat_interleave(2, dim=0)
    prompts, completions, rewards = [], [], []
    for some in drawn.split(256):
        batch = sample_completions(b.sft.model, b.sft.model, some, b.proxy, b.sft.tokenizer, 24, generator)
        prompts += [row.tolist() for row in some]
        completions += [row[1:][mask].tolist() for row, mask in zip(batch.tokens, batch.mask, strict=True)]
        rewards.append(batch.rewards)
    first, second = torch.cat(rewards).view(-1, 2).T
    return PreferencePairs(prompts[::2], completions[::2], completions[1::2],
                           torch.where(first == second, 0.5, (first > second).float()))


def start(name: str, seed: int) -> Run:
    """A run, ready to go."""
    b, config = bench(), replace(JOBS[name], seed=seed)
    policy, reference, eos = copy.deepcopy(b.sft.model), b.sft.model, b.sft.tokenizer.eos
    if isinstance(config, KTOConfig):
        return KTO(policy, reference, Judgements.of_pairs(peoples_pairs()), eos, config)
    if isinstance(config, DPOConfig):
        pairs = own_pairs(seed) if name == "text-dpo-own" else peoples_pairs()
        return DPO(policy, reference, pairs, eos, config, **({"loss": ipo_loss} if name == "text-ipo" else {}))
    arguments = (b.prompts, b.proxy, b.sft.tokenizer, config)
    if isinstance(config, TokenPPOConfig):
        return TokenPPO(policy, reference, value_network(b.reward_model, b.proxy.mean, b.proxy.std), *arguments)
    trainer = {RLOOConfig: RLOO, GRPOConfig: GRPO, RejectionSamplingConfig: RejectionSampling}[type(config)]
    return trainer(policy, reference, *arguments)


def train_text(name: str, seed: int, gold: bool = True) -> dict:
    """One run, with four evaluations along it; gold reads the last one."""
    bench()                                                 # loading is not training
    started = time.process_time()
    run = start(name, seed)
    written = time.process_time() - started                 # for DPO's own pairs: writing and labelling them
    points = {run.config.updates * quarter // 4 for quarter in range(1, 5)}
    evaluations = [look(run, seed)]
    for progress in run.train():
        if progress.update in points:
            evaluations.append(look(run, seed))
            last = evaluations[-1]
            print(f"{name} {seed}: update {last.updates}, {last.cpu_seconds:.0f} CPU-s, KL {last.kl:.2f}, proxy "
                  f"{last.rewards['proxy']:+.2f}, VADER {last.rewards['vader']:+.2f}", flush=True)
    texts = completions(run.policy, seed)
    return {"labels": PROXY_LABELS, "cpu_s": round(run.cpu_seconds + (written if name == "text-dpo-own" else 0), 1),
            **(against_the_start(texts) if gold else {}), "settings": asdict(run.config),
            "evaluations": [asdict(one) for one in evaluations], "curve": curve_of(run)}


def look(run: Run, seed: int) -> PolicyEvaluation:
    """The policy's completions now, scored by the proxy and by VADER."""
    b = bench()
    return evaluate_policy(run.policy, run.reference, b.unseen, {"proxy": b.proxy, "vader": sentiment},
                           b.sft.tokenizer, updates=run.updates, cpu_seconds=run.cpu_seconds, seed=seed)


def completions(policy: GPT, seed: int) -> list[str]:
    """One completion of each unseen prompt, the same ones that `look` saw."""
    b = bench()
    return sample_completions(policy, b.sft.model, b.unseen, sentiment, b.sft.tokenizer, 24,
                              torch.Generator().manual_seed(seed)).texts


def against_the_start(texts: Sequence[str]) -> dict:
    """How often gold prefers these completions to the SFT model's, and by how much, in std of the latter."""
    b = bench()
    scores = b.gold(texts)
    wins = int((scores > b.baseline_gold).sum())
    gain = ((scores.mean() - b.baseline_gold.mean()) / b.baseline_gold.std()).item()
    return {"gold": round(gain, 4), "wins": wins, "texts": len(texts), "win_interval": wilson(wins, len(texts))}


def curve_of(run: Run) -> dict[str, list[float]]:
    """Every fourth update, a list for each figure."""
    kept = run.history[::4]
    names = ("update", "reward", "kl_from_reference", "length", "loss", "margin", "accuracy", "chosen_logprob",
             "rejected_logprob", "good_logprob", "bad_logprob", "cpu_seconds")
    return {name: [round(getattr(one, name), 3) for one in kept] for name in names if hasattr(kept[0], name)}


def best_of(seed: int) -> dict:
    """Nothing is trained: completions of each unseen prompt, and what the proxy likes best of 1, 2, 4, 8, 16."""
    b, generator, started = bench(), torch.Generator().manual_seed(seed), time.process_time()
    batches = [sample_completions(b.sft.model, b.sft.model, some, b.proxy, b.sft.tokenizer, 24, generator)
               for some in b.unseen.repeat_interleave(BEST_OF, dim=0).split(256)]
    texts = [text for batch in batches for text in batch.texts]
    rewards = torch.cat([batch.rewards for batch in batches]).view(-1, BEST_OF)                 # (UNSEEN, 16)
    lengths = torch.cat([batch.lengths for batch in batches]).view(-1, BEST_OF).float()
    vader = sentiment(texts).view(-1, BEST_OF)
    cpu = time.process_time() - started
    evaluations = []
    for n in (1, 2, 4, 8, BEST_OF):
        rows = rewards[:, :n].argmax(dim=1)
        kept = [texts[BEST_OF * place + row] for place, row in enumerate(rows.tolist())]
        mean = {name: expected_best(rewards, n, values).mean().item()
                for name, values in {"proxy": rewards, "vader": vader, "length": lengths}.items()}
        evaluations.append({"updates": n, "cpu_seconds": round(cpu * n / BEST_OF, 2), "kl": best_of_n_kl(n),
                            "distinct_2": distinct_n(kept, 2), "length": mean.pop("length"), "rewards": mean,
                            "samples": kept[:8], **against_the_start(kept)})
        print(f"best of {n}: {mean}, wins {evaluations[-1]['wins']} of {len(kept)}", flush=True)
    last = {name: evaluations[-1][name] for name in ("gold", "wins", "texts", "win_interval")}
    return {"what": "updates is n; kl is the upper bound log n - (n - 1) / n; cpu_s is of the writing of n completions",
            "labels": PROXY_LABELS, "cpu_s": round(cpu, 1), **last, "evaluations": evaluations}


TEXT_JOBS: dict[str, Callable[[int], dict]] = {
    **{name: (lambda seed, name=name: train_text(name, seed)) for name in JOBS}, "text-best-of-16": best_of}
