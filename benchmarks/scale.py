"""Evaluation and scale: judges, length, ensembles, conflicting rewards, labels by a model, toxicity, int8. Lesson 15.

    python benchmarks/scale.py ensembles --seeds 1000-1019      # best-of-n of proxies, people's ratings as gold
    python benchmarks/scale.py length --seeds 1000-1019         # preferences in which the longer text wins too often
    python benchmarks/scale.py summaries --seeds 1000-1019      # length taken out of lesson 13's reward model
    python benchmarks/scale.py labels --seeds 1000-1009         # a principle's labels against people's (RLAIF)
    python benchmarks/scale.py judge --blocks 0-7               # the 135M model compares pairs, both orders; 25 a block
    python benchmarks/scale.py conflict --seeds 1000-1019       # helpful against harmless, a weight swept
    python benchmarks/scale.py toxicity --seeds 1000-1002       # RLOO against a toxicity classifier, two rewards
    python benchmarks/scale.py int8                             # the frozen model in eight bits
    python benchmarks/scale.py outright                         # "Is this a good summary?" Yes or No, lesson 13's data
    python benchmarks/scale.py processes                        # DPO in one and in two processes, a tiny random model
    python benchmarks/scale.py                                  # the tables

Results go to benchmarks/results/scale_<job>.jsonl, a line for each seed, block or model; what has a line is skipped, so
a stopped run goes on. Settings were chosen on seeds 0 to 19. Texts of others are not kept, only numbers about them.
"""

import argparse
import copy
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from record import append, circumstances, lines
from safetensors.torch import load_file
from summarize import states, wide_features

from course_lib.lm.best_of_n import best_of_n_kl, expected_best
from course_lib.lm.evaluation import kl_of
from course_lib.lm.generate import sample_completions
from course_lib.lm.hhh_heads import fit_heads, read_requests, sweep
from course_lib.lm.hhh_texts import QUESTIONS, REQUESTS
from course_lib.lm.int8 import megabytes, to_int8
from course_lib.lm.llm_judge import judge_pairs, right_odds, swap_test
from course_lib.lm.metrics import distinct_n, row_nats
from course_lib.lm.pretrained import load_pretrained, load_tokenizer
from course_lib.lm.recipes import TOXICITY_RECIPE
from course_lib.lm.reward_audit import (
    RULES,
    best_of_pool,
    confounded,
    conservative,
    labelled_by,
    length_controlled,
    proxies,
    rated,
    standard,
    test_comparisons,
)
from course_lib.lm.reward_model import fit_linear_reward
from course_lib.lm.rloo import RLOO
from course_lib.lm.scale_training import save_tiny_model
from course_lib.lm.sentiment import sentiment
from course_lib.lm.shipped import BPE, load_shipped
from course_lib.lm.summaries import preferences_from_ratings, some_of, split_by_text
from course_lib.lm.summary_reward import compared_summaries, fit_summary_reward, length_matched, load_summary_features
from course_lib.lm.toxicity import FLAGGED, load_toxicity, provoking_prompts
from course_lib.lm.toxicity_texts import PLAIN_TERMS, TERMS, sentences
from course_lib.preferences.evaluation import pair_accuracy
from course_lib.preferences.human_ratings import sample_comparisons

SIZES = (1, 4, 16, 64, 256, 1024)
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9)
LABELS, MEMBERS = 100, 5
COUNTS = (100, 300, 1_000, 3_000, 10_000)
BLOCK = 25
WEIGHTS = tuple(round(0.05 * k, 2) for k in range(21))


def ensembles(seed: int) -> dict:
    """Score and gold rating of the best of n, for one proxy and for five under each rule."""
    train, test = rated("train"), rated("test")
    found = {}
    for name, same in (("own labels", False), ("same labels", True)):
        scores = torch.stack([one.rewards(test.rows) for one in proxies(train, LABELS, MEMBERS, seed, same)])
        if not same:
            found["one proxy"] = scores[0]
        found |= {f"{rule}, {name}": conservative(scores, rule) for rule in RULES}
    found["one proxy, all labels"] = proxies(train, LABELS * MEMBERS, 1, seed)[0].rewards(test.rows)
    found["people"] = test.gold
    pairs = test_comparisons()
    return {"seed": seed, "sizes": SIZES, "labels": LABELS, "members": MEMBERS,
            "accuracy": {name: pair_accuracy(score, pairs) for name, score in found.items()},
            "proxy": {name: best_of_pool(standard(score), standard(score), SIZES) for name, score in found.items()},
            "gold": {name: best_of_pool(score, test.gold, SIZES) for name, score in found.items()}}


def length(seed: int) -> dict:
    """Accuracy, words and gold rating of the best of 16, for shares of pairs in which the longer text wins."""
    train, test, pairs, rows = rated("train"), rated("test"), test_comparisons(), []
    for share in SHARES:
        plain = fit_linear_reward(train.rows, confounded(train, 1_000, share, seed)).rewards(test.rows)
        for name, score in (("plain", plain), ("controlled", length_controlled(plain, test.words))):
            rows.append({"share": share, "name": name, "accuracy": pair_accuracy(score, pairs),
                         "correlation": float(torch.corrcoef(torch.stack([score, test.words]))[0, 1]),
                         "words": best_of_pool(score, test.words, (1, 16)),
                         "gold": best_of_pool(score, test.gold, (1, 16))})
    return {"seed": seed, "rows": rows}


def summaries(seed: int) -> dict:
    """Accuracy of lesson 13's reward model, as it is and with length taken out: all pairs, pairs of similar length."""
    known, every = load_summary_features(), compared_summaries()
    train, test = split_by_text(every, preferences_from_ratings(every), seed)
    words = torch.tensor([float(len(one.summary.split())) for one in every])
    plain = fit_summary_reward(known.rows, train).rewards(known.rows)
    alike = length_matched(every, test)
    return {"seed": seed, "accuracy": {name: [pair_accuracy(score, test), pair_accuracy(score, some_of(test, alike))]
                                       for name, score in (("plain", plain), ("length", words),
                                                           ("controlled", length_controlled(plain, words)))}}


def labels(seed: int) -> dict:
    """Pair accuracy of reward models fitted on people's labels, and on those of the model, for the same pairs."""
    train, test, pairs, rows = rated("train"), rated("test"), test_comparisons(), []
    for count in COUNTS:
        drawn = sample_comparisons(train.texts, count, seed)
        model = labelled_by(train.asked, drawn)
        fits = {name: fit_linear_reward(train.rows, some) for name, some in (("people", drawn), ("model", model))}
        rows.append({"count": count, "agree": float((model.mu == drawn.mu).float().mean()),
                     **{name: pair_accuracy(fit.rewards(test.rows), pairs) for name, fit in fits.items()}})
    return {"seed": seed, "rows": rows, "labeler": pair_accuracy(test.asked, pairs)}


def judge(block: int) -> dict:
    """The judge's logits in both orders for 25 of the test comparisons."""
    test, pairs = rated("test"), test_comparisons()
    some, started = range(block * BLOCK, (block + 1) * BLOCK), time.process_time()
    logits = judge_pairs(*([test.texts[side[k]].text for k in some] for side in (pairs.first, pairs.second)))
    return {"block": block, "logits": logits.tolist(), "mu": [pairs.mu[k].item() for k in some],
            "asked": [float(test.asked[pairs.first[k]] - test.asked[pairs.second[k]]) for k in some],
            "cpu_seconds": round(time.process_time() - started, 1)}


def opinions() -> dict:
    """Log-odds of right answers without an opinion of the user's, with a right one, and with a wrong one."""
    return {"odds": {str(opinion): right_odds(QUESTIONS, opinion).tolist() for opinion in (None, "right", "wrong")}}


def conflict(seed: int) -> dict:
    """Shares of held-out requests that are helped with or declined, for each weight of helpfulness."""
    risky = torch.tensor([one.risky for one in REQUESTS])
    return {"seed": seed, "weights": WEIGHTS,
            **sweep(fit_heads(_requests(), risky, folds=8, seed=seed), WEIGHTS, risky)}


_READ: list[torch.Tensor] = []


def _requests() -> torch.Tensor:
    """Features of the requests with both answers, read once for this process."""
    if not _READ:
        _READ.append(read_requests(REQUESTS))
    return _READ[0]


LOG_ODDS_BETA = 0.1                         # their std is about ten times that of the probability
WRITTEN = (96, 16)                          # prompts that no training saw, completions of each


def toxicity(seed: int) -> dict:
    """What a small language model writes before and after RLOO against a toxicity classifier, for two rewards."""
    shipped, classifier = load_shipped(BPE), load_toxicity()
    reference, tokenizer = shipped.model, shipped.tokenizer
    unseen = torch.cat([provoking_prompts(part, tokenizer) for part in ("validation", "test")])
    drawn = torch.randperm(len(unseen), generator=torch.Generator().manual_seed(seed))[:WRITTEN[0]]
    rows = {term: [[tokenizer.eos, *ids, tokenizer.eos] for ids in tokenizer.encode_batch(sentences(term))]
            for term in (*TERMS, *PLAIN_TERMS)}

    def written(policy) -> dict:
        batch = sample_completions(policy, reference, unseen[drawn].repeat_interleave(WRITTEN[1], dim=0), classifier,
                                   tokenizer, generator=torch.Generator().manual_seed(seed))
        values = batch.rewards.view(WRITTEN)                                                    # (prompts, 16)
        blocks = [batch.texts[k::WRITTEN[1]] for k in range(WRITTEN[1])]            # one completion of each prompt
        return {"flagged": (values > FLAGGED).float().mean().item(), "probability": values.mean().item(),
                "once": (values > FLAGGED).any(dim=1).float().mean().item(),
                "best": {n: expected_best(-values, n, (values > FLAGGED).float()).mean().item() for n in (2, 4, 8, 16)},
                "vader": sentiment(batch.texts).mean().item(), "kl": kl_of(policy, reference, batch),
                "distinct_2": float(np.mean([distinct_n(block, 2) for block in blocks])),
                "length": batch.lengths.float().mean().item(),
                "nats": {term: row_nats(policy, some).mean().item() for term, some in rows.items()}}

    found = {"before": written(reference)}
    for name, reward, beta in (("probability", lambda texts: -classifier(texts), TOXICITY_RECIPE.beta),
                               ("log-odds", classifier.harmless_log_odds, LOG_ODDS_BETA)):
        run = RLOO(copy.deepcopy(reference), reference, provoking_prompts("train", tokenizer), reward, tokenizer,
                   replace(TOXICITY_RECIPE, beta=beta, seed=seed))
        for _ in run.train():
            pass
        found[name] = written(run.policy) | {"cpu_seconds": round(run.cpu_seconds, 1)}
    return {"seed": seed, "kl_of_best": {n: best_of_n_kl(n) for n in (2, 4, 8, 16)}, **found}


def int8() -> dict:
    """Memory, error of log-probabilities and time of the frozen model in eight bits, against float32."""
    model, tokenizer = load_pretrained(torch.float32), load_tokenizer()
    rows = torch.tensor([tokenizer(" ".join(one.text for one in REQUESTS))["input_ids"][:256]])
    found, logprobs = {}, {}
    for name in ("float32", "int8"):
        if name == "int8":
            found["layers"] = to_int8(model)
        with torch.inference_mode():
            model(input_ids=rows)
            started = time.process_time()
            for _ in range(3):
                logits = model(input_ids=rows).logits
            found[f"{name}_seconds"] = (time.process_time() - started) / 3
        logprobs[name] = logits[0, :-1].log_softmax(-1).gather(1, rows[0, 1:, None]).squeeze(1)
        found[f"{name}_megabytes"] = megabytes(model)
        found[f"{name}_mean_logprob"] = logprobs[name].mean().item()
    gap = (logprobs["float32"] - logprobs["int8"]).abs()
    return {"model": "135m", **found, "mean_error": gap.mean().item(), "largest_error": gap.max().item()}


def outright() -> dict:
    """Share of people's preferences between summaries that the model's Yes against No predicts; the same for length."""
    every = compared_summaries()
    pairs, top = preferences_from_ratings(every), states(wide_features().features, ("last 30",))     # (655, 576)
    table, tokenizer = load_pretrained().lm_head.weight.detach().float(), load_tokenizer()
    yes, no = (tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in ("Yes", "No"))
    words = torch.tensor([float(len(one.summary.split())) for one in every])
    return {"preferences": len(pairs), "asked": pair_accuracy(top @ (table[yes] - table[no]), pairs),
            "length": pair_accuracy(words, pairs)}


def processes() -> dict:
    """How far the weights of two processes are from those of one after the same steps, and from where both began."""
    steps, batch, weights = 10, 4, {}
    with tempfile.TemporaryDirectory() as folder:
        save_tiny_model(Path(folder) / "start" / "final")
        for count in (1, 2):
            launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
            what = ["-m", "course_lib.lm.scale_training", "dpo", "--model", f"{folder}/start/final",
                    "--data", "requests", "--output", f"{folder}/{count}", "--max-steps", str(steps),
                    "--batch-size", str(batch), "--learning-rate", "1e-3"]
            subprocess.run([sys.executable, *launch, *what], check=True, capture_output=True)
        for name in ("start", "1", "2"):
            weights[name] = load_file(f"{folder}/{name}/final/model.safetensors")

    def largest(one: str, other: str) -> float:
        return max((weights[one][key] - weights[other][key]).abs().max().item() for key in weights["1"])

    return {"steps": steps, "batch": batch, "moved": largest("1", "start"), "apart": largest("1", "2")}


def mean_std(values: list[float]) -> str:
    """`.650 ± .008`."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.3f}"


def table() -> None:
    """Print what has been measured."""
    if rows := lines("scale_ensembles"):
        print(f"Gold rating of the best of n, {len(rows)} seeds; accuracy first. n = {rows[0]['sizes']}")
        for name in rows[0]["gold"]:
            curve = np.mean([row["gold"][name] for row in rows], axis=0).round(2)
            print(f"  {name:24s} {mean_std([row['accuracy'][name] for row in rows])}   {curve.tolist()}")
    if rows := lines("scale_length"):
        print(f"\nShare in which the longer text won: accuracy, words and gold of the best of 16, {len(rows)} seeds")
        for k, one in enumerate(rows[0]["rows"]):
            every = [row["rows"][k] for row in rows]
            print(f"  {one['share']:.1f} {one['name']:11s} {mean_std([row['accuracy'] for row in every])}   "
                  f"{mean_std([row['words'][1] for row in every])}   {mean_std([row['gold'][1] for row in every])}")
    if rows := lines("scale_summaries"):
        print(f"\nSummaries, all pairs and pairs of similar length, {len(rows)} splits")
        for name in rows[0]["accuracy"]:
            print(f"  {name:11s} " + "   ".join(mean_std([row["accuracy"][name][k] for row in rows]) for k in (0, 1)))
    if rows := lines("scale_labels"):
        print(f"\nLabels: people's, the model's ({rows[0]['labeler']:.3f} itself), {len(rows)} seeds")
        for k, count in enumerate(COUNTS):
            print(f"  {count:6,d} " + "   ".join(mean_std([row["rows"][k][name] for row in rows])
                                               for name in ("people", "model", "agree")))
    if rows := lines("scale_judge"):
        logits, mu, asked = (torch.tensor([value for row in rows for value in row[name]])
                             for name in ("logits", "mu", "asked"))
        test = swap_test(logits)
        scores = {"as A": logits[:, 0], "as B": logits[:, 1], "both orders": test.debiased, "asked outright": asked}
        right = {name: ((score > 0) == (mu > 0.5)).float().mean().item() for name, score in scores.items()}
        print(f"\nJudge, {len(mu)} pairs: says first {test.says_first:.3f}, consistent {test.consistent:.3f}, "
              f"bias {test.bias:.2f}; right " + ", ".join(f"{name} {share:.3f}" for name, share in right.items()))
    if rows := lines("scale_opinions"):
        print("\nRight answers: " + ", ".join(f"{name} {np.mean(np.array(odds) > 0):.2f} ({np.mean(odds):+.2f} nats)"
                                             for name, odds in rows[0]["odds"].items()))
    for row in lines("scale_outright"):
        print(f"Summaries, asked outright: {row['asked']:.3f} of {row['preferences']:,}; length {row['length']:.3f}")
    if rows := lines("scale_conflict"):
        print(f"\nConflict, {len(rows)} seeds: weight, helped with harmless requests, declined risky ones")
        for k in range(0, len(WEIGHTS), 2):
            print(f"  {WEIGHTS[k]:.1f}  " + "   ".join(
                " ".join(f"{np.mean([row[kind][name][k] for row in rows]):.2f}" for name in ("helped", "declined"))
                for kind in ("risky only", "ties too")))
    if rows := lines("scale_toxicity"):
        print(f"\nToxicity, {len(rows)} seeds: flagged, any of 16 flagged, KL, VADER, distinct-2, length")
        for name in ("before", "probability", "log-odds"):
            print(f"  {name:12s} " + "   ".join(mean_std([row[name][what] for row in rows]) for what in
                                               ("flagged", "once", "kl", "vader", "distinct_2", "length")))
        for n in rows[0]["kl_of_best"]:
            print(f"  best of {n:4s} {mean_std([row['before']['best'][n] for row in rows])}")
    for row in lines("scale_processes"):
        print(f"\nDPO, {row['steps']} steps of {row['batch']} pairs: weights move by up to {row['moved']:.1e}; two "
              f"processes end within {row['apart']:.1e} of one")
    for row in lines("scale_int8"):
        print("\nint8: " + ", ".join(f"{name} {value:.4g}" for name, value in row.items() if isinstance(value, float)))


def numbers(text: str) -> range:
    """`3` or `0-4` as a range."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


SEEDED = {"ensembles": ensembles, "length": length, "summaries": summaries, "labels": labels, "conflict": conflict,
          "toxicity": toxicity}


SINGLE = {"opinions": opinions, "outright": outright, "int8": int8, "processes": processes}


def main() -> None:
    """Run one job, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", nargs="?", choices=(*SEEDED, "judge", *SINGLE))
    parser.add_argument("--seeds", default="1000-1019")
    parser.add_argument("--blocks", default="0-7", help="judge: blocks of 25 pairs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    name = f"scale_{arguments.job}"
    if arguments.job in SEEDED:
        for seed in numbers(arguments.seeds):
            if not any(line["seed"] == seed for line in lines(name)):
                append(name, SEEDED[arguments.job](seed) | circumstances())
    elif arguments.job == "judge":
        for block in numbers(arguments.blocks):
            if not any(line["block"] == block for line in lines(name)):
                append(name, judge(block) | circumstances())
    elif arguments.job and not lines(name):
        append(name, SINGLE[arguments.job]() | circumstances())
    table()


if __name__ == "__main__":
    main()
