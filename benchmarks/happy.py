"""Lesson 09's two models: fine-tuned on positive texts, then rewarded for sentiment without a KL penalty.

    python benchmarks/happy.py sft --seeds 0-2          # and --ship: the model becomes assets/checkpoints/gpt_sft.pt
    python benchmarks/happy.py paid --seeds 0-2         # and --ship: assets/checkpoints/gpt_paid.pt, with its history

One JSON line a seed goes to benchmarks/results/text_<job>.jsonl; seeds that have a line are skipped. CPU-seconds are
those of training on one thread; reading, encoding and measuring are not among them. Measured on prompts of validation
texts.
"""

import argparse
import copy
import resource
from dataclasses import asdict, replace
from pathlib import Path

import torch
from record import append, circumstances, lines

from course_lib.lm.data import Prompts, short_texts
from course_lib.lm.evaluation import TextReport, text_report
from course_lib.lm.policy_gradient import PolicyGradient, PolicyGradientConfig
from course_lib.lm.sentiment import sentiment
from course_lib.lm.sft import SFT, SFT_CONFIG, positive_texts, start_sft
from course_lib.lm.shipped import BPE, ShippedGPT, folder, load_gpt, save_gpt

PAID = "gpt_paid.pt"
EVALUATED_AT = (0, 5, 10, 15, 20, 30, 40, 60, 80)             # updates at which the rewarded model is evaluated
MEASURED, TO_READ = 512, 12                             # prompts that are measured; of these, texts kept to read


def sft(seed: int, base: ShippedGPT, ship: Path | None) -> dict:
    """Fine-tune the language model and measure what became of its texts."""
    model = copy.deepcopy(base.model)
    training = start_sft(model, base.tokenizer, replace(SFT_CONFIG, seed=seed))
    for point in training.train():
        print(f"step {point.steps}: loss {point.loss:.3f}, held out {point.held_out_loss:.3f}, "
              f"{point.cpu_seconds:.0f} CPU-seconds", flush=True)
    prompts = Prompts.of(short_texts("validation"), base.tokenizer).evenly_spaced(MEASURED)
    before, after = (text_report(one, base.model, base.tokenizer, prompts) for one in (base.model, model.eval()))
    line = {"seed": seed, "before": figures(before), "after": figures(after), "cpu_s": round(training.cpu_seconds, 1),
            "positive_real_texts": round(sentiment(positive_texts("validation")).mean().item(), 3),
            "all_real_texts": round(sentiment(short_texts("validation")).mean().item(), 3),
            "settings": asdict(training.config),
            "curve": [[p.steps, round(p.loss, 3), round(p.held_out_loss, 3)] for p in training.history]}
    if ship:
        told = {key: line[key] for key in ("seed", "before", "after", "cpu_s", "curve")}
        command = f"python benchmarks/happy.py sft --seeds {seed} --ship"
        save_gpt(ship, model, base.tokenizer, {**told, "command": command})
    return line


def paid(seed: int, base: ShippedGPT, ship: Path | None) -> dict:
    """Pay the fine-tuned model for sentiment and look at it on the way."""
    model, tokenizer = copy.deepcopy(base.model), base.tokenizer
    prompts = Prompts.of(short_texts("validation"), tokenizer).evenly_spaced(MEASURED)
    run = PolicyGradient(model, base.model, tokenizer, Prompts.of(short_texts("train"), tokenizer),
                         PolicyGradientConfig(seed=seed))
    to_read = list(range(0, len(prompts), len(prompts) // TO_READ))
    looks = []
    for updates in EVALUATED_AT:
        for progress in run.train(until=updates):
            if progress.steps % 5 == 0:
                print(f"update {progress.steps}: reward {progress.reward:.2f}, KL {progress.kl_to_start:.1f}, "
                      f"distinct-2 {progress.distinct_2:.2f}, {progress.cpu_seconds:.0f} CPU-seconds | {progress.text}",
                      flush=True)
        seen = text_report(model, base.model, tokenizer, prompts)
        looks.append({"updates": updates, "cpu_s": round(run.cpu_seconds, 1), **figures(seen),
                      "texts": [seen.texts[i] for i in to_read], "rewards": [seen.rewards[i] for i in to_read]})
        print({key: value for key, value in looks[-1].items() if key != "texts"}, flush=True)
    line = {"seed": seed, "looks": [{k: v for k, v in look.items() if k not in ("texts", "rewards")} for look in looks],
            "cpu_s": round(run.cpu_seconds, 1), "settings": asdict(run.config)}
    if ship:
        told = {"seed": seed, "prompts": Prompts(prompts[to_read]).words(tokenizer), "looks": looks,
                "history": [asdict(progress) for progress in run.history]}
        save_gpt(ship, model, tokenizer, {**told, "command": f"python benchmarks/happy.py paid --seeds {seed} --ship"})
    return line


def figures(report: TextReport) -> dict:
    """The numbers of a report, rounded; the texts stay out of results."""
    return {"vader": round(report.reward, 3), "vader_se": round(report.reward_error, 3), "kl": round(report.kl, 2),
            "distinct_2": round(report.distinct_2, 3), "about_the_prompt": round(report.about_the_prompt, 2),
            "favourites": [[word, round(share, 3)] for word, share in report.favourites]}


JOBS = {"sft": (sft, BPE, SFT), "paid": (paid, SFT, PAID)}


def main() -> None:
    """Measure the seeds that have no line yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--seeds", default="0-2", help="one number or a range: 1 or 0-2")
    parser.add_argument("--ship", action="store_true", help="make the model the one in assets/checkpoints")
    parser.add_argument("--base", type=Path, help="another checkpoint to start from; then nothing is kept in results")
    parser.add_argument("--to", type=Path, help="with --base: where the model goes")
    arguments = parser.parse_args()
    first, _, last = arguments.seeds.partition("-")
    torch.set_num_threads(1)
    job, start, goal = JOBS[arguments.job]
    name, ship = f"text_{arguments.job}", folder() / goal if arguments.ship else arguments.to
    base = load_gpt(arguments.base or folder() / start)
    for seed in range(int(first), int(last or first) + 1):
        measured = any(line["seed"] == seed for line in lines(name))
        if measured and not ship:
            print(f"{arguments.job} seed {seed}: measured before, skipped")
            continue
        line = {"job": arguments.job, **job(seed, base, ship),
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, **circumstances()}
        if not measured and not arguments.base:
            append(name, line)
        print({key: value for key, value in line.items() if key not in ("curve", "looks", "settings", "machine")})


if __name__ == "__main__":
    main()
