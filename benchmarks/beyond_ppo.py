"""Lesson 14's ways to train, on texts and on sums that a checker rewards; what the 135M chat model costs as a policy.

    python benchmarks/beyond_ppo.py sums-grpo sums-dr-grpo sums-rloo sums-rejection sums-sft --seeds 1000-1002
    python benchmarks/beyond_ppo.py sums-prefix sums-lax --seeds 1000  # hurried checks, and what a model makes of them
    python benchmarks/beyond_ppo.py text-dpo text-grpo --seeds 1000    # see beyond_ppo_text.py; there are nine of them
    python benchmarks/beyond_ppo.py chat --seeds 0                     # CPU-seconds and memory of each step
    python benchmarks/beyond_ppo.py --table

One JSON line a seed goes to benchmarks/results/beyond_ppo_<job>.jsonl; a seed that has a line is skipped. The model of
the sums is fine-tuned on 500 of them with answers, then trained by the checker on 7,100 without; figures are of 1,000
sums of which it saw neither. "sums-sft" is the comparison: the same 500 answers, read for about as long as the others
train. Settings were chosen on seed 0. CPU-seconds are those of training on one thread.
"""

import argparse
import copy
import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from beyond_ppo_text import TEXT_JOBS
from record import RESULTS, append, circumstances, lines
from torch import Tensor

from course_lib.lm.answer_reward import answer_features
from course_lib.lm.chat_policy import answer_logprobs, load_chat_policy, sample_answers
from course_lib.lm.data import Prompts
from course_lib.lm.dpo import DPO, DPOConfig
from course_lib.lm.generate import TextReward, sample_completions
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.grpo import GRPO, GRPOConfig
from course_lib.lm.pretrain import PretrainConfig, Pretraining
from course_lib.lm.rejection_sampling import RejectionSampling, RejectionSamplingConfig
from course_lib.lm.rloo import RLOO, RLOOConfig
from course_lib.lm.sft import Examples
from course_lib.lm.shipped import SUMS_GRPO, SUMS_SFT, folder, save_gpt
from course_lib.lm.tokenizers import CharTokenizer
from course_lib.lm.verifiable import MAX_NEW_TOKENS, PROMPT, exact_reward, lax_reward, pass_at_k, prefix_reward, sums

CHARACTERS = CharTokenizer()
SHAPE = GPTConfig(CHARACTERS.vocab_size, context=24, layers=2, heads=4, width=64)
WITH_ANSWERS = 500                          # sums of the training part whose answers the model is shown
SFT_CONFIG = PretrainConfig(steps=500, batch_size=64, length=10, learning_rate=3e-3, report_every=100)
LONGER_SFT = replace(SFT_CONFIG, steps=3_000, report_every=500)
SAMPLES = 16                                # completions of each test sum, for pass@k
SHARED = {"batch_size": 1024, "samples_per_prompt": 8, "max_new_tokens": MAX_NEW_TOKENS, "minibatch_size": 256,
          "epochs": 1, "learning_rate": 1e-3, "updates": 120}


@dataclass(frozen=True)
class Job:
    """One way to train after the fine-tuning."""

    trainer: type
    config: GRPOConfig | RLOOConfig | RejectionSamplingConfig       # the seed is set when it runs
    reward: TextReward = exact_reward
    every: int = 60                         # updates between two evaluations
    ships: str | None = None                # the file in assets/checkpoints that the first seed can become


JOBS = {
    "sums-grpo": Job(GRPO, GRPOConfig(**SHARED, beta=0.0), ships=SUMS_GRPO),
    "sums-dr-grpo": Job(GRPO, GRPOConfig(**SHARED, beta=0.0, divide_by_std=False, aggregation="constant")),
    "sums-rloo": Job(RLOO, RLOOConfig(**SHARED, beta=0.0)),
    "sums-rejection": Job(RejectionSampling, RejectionSamplingConfig(**{**SHARED, "minibatch_size": 64}, at_least=1.0)),
    "sums-prefix": Job(GRPO, GRPOConfig(**SHARED, beta=0.0), prefix_reward),
    "sums-lax": Job(GRPO, GRPOConfig(**{**SHARED, "max_new_tokens": 12}, beta=0.0), lax_reward),
}


def texts_of(part: str) -> list[str]:
    """The sums of a part, with their answers."""
    return [one.text for one in sums(part)]


def fine_tuned(seed: int, config: PretrainConfig = SFT_CONFIG) -> tuple[GPT, Pretraining]:
    """A model that was shown `WITH_ANSWERS` sums, and its training."""
    learned, held_out = (Examples.of(some, CHARACTERS, config.length, PROMPT)
                         for some in (texts_of("train")[:WITH_ANSWERS], texts_of("test")))
    model = GPT(SHAPE, seed=seed)
    run = Pretraining(model, learned, held_out, replace(config, seed=seed))
    list(run.train())
    return model.eval(), run


def evaluation(model: GPT, start: GPT, reward: TextReward = exact_reward, max_new_tokens: int = MAX_NEW_TOKENS) -> dict:
    """Accuracy, pass@k and KL of a model on the test sums; `reward` is what the check it learned from says of them."""
    prompts = Prompts.of(texts_of("test"), CHARACTERS, PROMPT).tokens
    generator = torch.Generator().manual_seed(999)
    batch = sample_completions(model, start, prompts.repeat_interleave(SAMPLES, dim=0), exact_reward, CHARACTERS,
                               max_new_tokens, generator)
    correct = batch.rewards.view(-1, SAMPLES).sum(dim=1)                        # (sums,)
    return {"accuracy": round(batch.rewards.mean().item(), 4), "reward": round(reward(batch.texts).mean().item(), 4),
            **{f"pass_at_{k}": round(pass_at_k(correct, SAMPLES, k).mean().item(), 4) for k in (1, 4, 16)},
            "kl": round(batch.kl.mean().item(), 3),
            "length": round(batch.lengths.float().mean().item(), 2),
            "distinct_answers": round(distinct_answers(batch.texts), 2), "samples": batch.texts[:SAMPLES * 4:SAMPLES]}


def distinct_answers(texts: list[str]) -> float:
    """How many different answers the samples of one sum hold, mean over the sums."""
    groups = [texts[first:first + SAMPLES] for first in range(0, len(texts), SAMPLES)]
    return sum(len(set(group)) for group in groups) / len(groups)


def train_sums(name: str, seed: int, ship: bool = False) -> dict:
    """Fine-tune, then train by the checker, with evaluations along the way."""
    job = JOBS[name]
    start, sft = fine_tuned(seed)
    policy, evaluations = copy.deepcopy(start), []
    run = job.trainer(policy, start, Prompts.of(texts_of("train"), CHARACTERS, PROMPT).tokens, job.reward, CHARACTERS,
                      replace(job.config, seed=seed))

    def look() -> None:
        evaluations.append({"updates": run.updates, "cpu_s": round(run.cpu_seconds, 1),
                            **evaluation(policy, start, job.reward, job.config.max_new_tokens)})
        print(f"{name} {seed}: " + ", ".join(f"{key} {value}" for key, value in evaluations[-1].items()), flush=True)

    look()
    for progress in run.train():
        if progress.update % job.every == 0:
            look()
    if ship and job.ships:
        told = {"seed": seed, "command": f"python benchmarks/beyond_ppo.py {name} --seeds {seed} --ship"}
        save_gpt(folder() / SUMS_SFT, start, CHARACTERS, {**told, **evaluations[0]})
        save_gpt(folder() / job.ships, policy, CHARACTERS, {**told, **evaluations[-1]})
    curve = [[p.update, round(p.reward, 4), round(p.kl_from_reference, 3), round(p.clip_fraction, 4),
              round(p.cpu_seconds, 1)] for p in run.history]
    return {"before": evaluations[0]["accuracy"], "after": evaluations[-1]["accuracy"],
            "sft_cpu_s": round(sft.cpu_seconds, 1), "cpu_s": round(run.cpu_seconds, 1), "settings": asdict(run.config),
            "sft": asdict(sft.config), "with_answers": WITH_ANSWERS, "evaluations": evaluations, "curve": curve}


def longer_sft(seed: int) -> dict:
    """The comparison: no checker, the same answers for longer."""
    start, _ = fine_tuned(seed)
    model, run = fine_tuned(seed, LONGER_SFT)
    before, after = evaluation(start, start), evaluation(model, start)
    print(f"sums-sft {seed}: {before['accuracy']} -> {after['accuracy']}, {run.cpu_seconds:.0f} CPU-s", flush=True)
    return {"before": before["accuracy"], "after": after["accuracy"], "cpu_s": round(run.cpu_seconds, 1),
            "sft": asdict(run.config), "with_answers": WITH_ANSWERS, "evaluations": [before, after],
            "curve": [[p.steps, round(p.loss, 4), round(p.held_out_loss, 4)] for p in run.history]}


SUBJECTS = ("rain", "dogs", "school", "coffee", "the sea", "my neighbour", "Mondays", "trains")


def shorter(questions: Sequence[str], answers: Sequence[str]) -> Tensor:
    """A reward that costs nothing."""
    return torch.tensor([-float(len(answer)) for answer in answers])


def chat(seed: int) -> dict:
    """What each step with the 135M model costs: 32 answers of up to 24 tokens, LoRA on the last 10 layers."""
    costs: dict[str, float] = {}

    def timed(name: str, work: Callable):
        started = time.process_time()
        result = work()
        costs[name] = round(time.process_time() - started, 2)
        print(f"chat: {name} {costs[name]} CPU-seconds, peak memory {peak_mb()} MB", flush=True)
        return result

    policy = timed("load", lambda: load_chat_policy(seed=seed))
    questions = [f"Write one short sentence about {subject}." for subject in SUBJECTS for _ in range(4)]
    prompts = policy.prompts(questions)
    generator = torch.Generator().manual_seed(seed)
    tokens, mask = timed("sample 32 answers", lambda: policy.sample(prompts, 24, generator=generator))
    _, answers = policy.questions_and_answers(tokens, mask)
    with torch.no_grad():
        timed("read them once", lambda: policy.logprobs(tokens, mask))
    timed("features of them", lambda: answer_features(policy, questions, answers))
    config = RLOOConfig(updates=1, batch_size=32, samples_per_prompt=4, minibatch_size=16, epochs=1, seed=seed)
    run = RLOO(policy, policy.reference, prompts[::4], shorter, policy.tokenizer, config, sample=sample_answers,
               logprobs=answer_logprobs)
    timed("one update of RLOO", run.update)
    kept = [i for i in range(0, 32, 2) if answers[i] and answers[i + 1]]
    pairs = policy.pairs([questions[i] for i in kept], [answers[i] for i in kept], [answers[i + 1] for i in kept],
                         torch.ones(len(kept)), max_new_tokens=40)
    dpo = DPO(policy, policy.reference, pairs, policy.eos, DPOConfig(seed=seed), logprobs=answer_logprobs)
    timed(f"the reference reads {len(kept)} pairs", lambda: dpo.reference_logprobs)
    timed("one update of DPO, 8 pairs", dpo.update)
    return {"what": "CPU-seconds of each step", "costs": costs, "dtype": str(policy.model.dtype),
            "trained": policy.lora.parameter_count, "weights": sum(w.numel() for w in policy.model.parameters()),
            "tokens_written": int(mask.sum()), "samples": answers[:4]}


def peak_mb() -> int:
    """Peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def table() -> None:
    """Print every result that is stored, a line a run: what it reached and what it cost."""
    for path in sorted(RESULTS.glob("beyond_ppo_*.jsonl")):
        for run in lines(path.stem):
            last = run["evaluations"][-1] if "evaluations" in run else {}
            told = {"labels": run.get("labels"), **{name: last.get(name) for name in ("pass_at_1", "pass_at_16", "kl")},
                    **{name: round(value, 2) for name, value in last.get("rewards", {}).items()},
                    "gold": run.get("gold"), "wins": run.get("wins"), "length": last.get("length"),
                    "distinct_2": last.get("distinct_2"), "CPU-s": run.get("cpu_s", run["process_cpu_s"])}
            shown = (f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
                     for name, value in told.items() if value is not None)
            print(f"{run['job']:16s} {run['seed']}  " + ", ".join(shown))


def main() -> None:
    """Measure the seeds that have no line yet."""
    work = {**{job: partial(train_sums, job) for job in JOBS}, "sums-sft": longer_sft, "chat": chat, **TEXT_JOBS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="*", choices=[*work, []], metavar="job", help=", ".join(work))
    parser.add_argument("--seeds", default="1000", help="one number or a range: 1000 or 1000-1002")
    parser.add_argument("--ship", action="store_true", help="make the trained model one of assets/checkpoints")
    parser.add_argument("--table", action="store_true", help="print what is stored")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    first, _, last = arguments.seeds.partition("-")
    for job in arguments.jobs:
        for seed in range(int(first), int(last or first) + 1):
            name = f"beyond_ppo_{job}"
            if any(line["seed"] == seed for line in lines(name)):
                print(f"{job} seed {seed}: measured before, skipped")
                continue
            started = time.process_time()
            result = work[job](seed, **({"ship": True} if arguments.ship and job in JOBS else {}))
            append(name, {"job": job, "seed": seed, **result, "process_cpu_s": round(time.process_time() - started, 1),
                          "peak_memory_mb": peak_mb(), **circumstances()})
    if arguments.table:
        table()


if __name__ == "__main__":
    main()
