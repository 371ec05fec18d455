"""How many human comparisons buy how much, for text: words, small transformers, a frozen pretrained model. Lesson 10.

    python benchmarks/text_reward.py features --ship     # read all rated texts once; ship the reduced features and gold
    python benchmarks/text_reward.py reading lines frozen reduced words small-lm small-scratch
    python benchmarks/text_reward.py proxy --ship        # the small reward model that lesson 11 opens with

Lesson 03's fixed protocol (course_lib/preferences/human_ratings.py): three draws of the comparisons from the training
texts, accuracy on 6,000 comparisons on test texts that no setting was chosen on. Run by run; a stopped run goes on.
"""

import argparse
import os
import resource
import time
from collections.abc import Callable
from importlib.metadata import version

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from record import Results
from torch import Tensor

from course_lib.lm import features as pretrained_features
from course_lib.lm import shipped
from course_lib.lm.features import (
    FeatureSettings,
    asked_outright,
    cache_folder,
    cached_features,
    fit_reduction,
    load_reduced,
    places,
    save_reduced,
    shipped_path,
)
from course_lib.lm.gpt import GPT
from course_lib.lm.reward_model import L2, RewardModel, fit_linear_reward, fit_reward_model, save_reward_model
from course_lib.lm.rewards import (
    GOLD_LABELS,
    PROXY_LABELS,
    from_language_model,
    from_scratch,
    gold_texts,
    new_reward_model,
    proxy_comparisons,
    proxy_path,
    save_gold,
)
from course_lib.preferences.evaluation import fit_on_human_ratings, human_ceiling, pair_accuracy
from course_lib.preferences.human_ratings import (
    evaluation_comparisons,
    load_rated_texts,
    rated_texts,
    sample_comparisons,
)
from course_lib.preferences.word_reward import vader_scores

DIRECTIONS, STEP = 200, 2.0         # of the shipped features; chosen on validation among six
SIZES = {"frozen": (100, 300, 1_000, 3_000, 10_000, 30_000), "reduced": (30, 100, 300, 1_000, 3_000, 10_000, 30_000),
         "words": (300, 1_000, 3_000, 10_000, 30_000), "small-lm": (1_000, 3_000, 10_000),
         "small-scratch": (1_000, 3_000, 10_000)}
DRAWS = 3


def measured(work: Callable[[], dict]) -> dict:
    """What `work` returns, with CPU-seconds, the peak memory of this process, and the version of transformers."""
    start = time.process_time()
    result = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {**result, "cpu_s": round(time.process_time() - start, 1), "peak_gb": round(peak, 2),
            "transformers": version("transformers")}


def full_features() -> Tensor:
    """(23,703, 1,728): of all rated texts, from the cache where they are there."""
    return cached_features([text.text for text in load_rated_texts()])


def rows_of(features: Tensor, part: str) -> Tensor:
    """The rows of the texts of one part, in their order."""
    return features[places(rated_texts(part))]


def linear(features: Tensor, labels: int, draw: int, one_unit: bool) -> dict:
    """Accuracy of the linear reward on features of all rated texts; L2 is the fixed one. one_unit: principal places."""
    train, (_, pairs) = rated_texts("train"), evaluation_comparisons("test")
    reward = fit_linear_reward(rows_of(features, "train"), sample_comparisons(train, labels, seed=1000 + draw),
                               one_unit=one_unit)
    return {"labels": labels, "draw": draw, "l2": L2,
            "test_accuracy": pair_accuracy(reward.rewards(rows_of(features, "test")), pairs)}


def words(labels: int, draw: int) -> dict:
    """Lesson 03's word reward; its L2 is chosen on validation."""
    return {"labels": labels, "draw": draw, "test_accuracy": fit_on_human_ratings(labels, draw).test_accuracy}


def small(labels: int, draw: int, from_lm: bool) -> dict:
    """A small transformer, its trunk a trained language model or new."""
    train, (tests, pairs) = rated_texts("train"), evaluation_comparisons("test")
    model, tokenizer = new_reward_model(draw)
    if not from_lm:
        model = RewardModel(GPT(model.trunk.config, seed=draw), seed=draw)
    config = (from_language_model if from_lm else from_scratch)(labels, draw)
    fit_reward_model(model, tokenizer.encode_batch([text.text for text in train]), tokenizer.eos,
                     sample_comparisons(train, labels, seed=1000 + draw), config)
    rewards = model.rewards([text.text for text in tests], tokenizer)
    return {"labels": labels, "draw": draw, "from_lm": from_lm, "epochs": config.epochs, "lr": config.learning_rate,
            "test_accuracy": pair_accuracy(rewards, pairs)}


def lines() -> dict:
    """What a person and the expert dictionary reach on the same 6,000 comparisons."""
    texts, pairs = evaluation_comparisons("test")
    return {"ceiling": human_ceiling(texts, pairs),
            "vader": pair_accuracy(vader_scores([text.text for text in texts]), pairs),
            "asked_outright": pair_accuracy(load_reduced().asked_of(texts), pairs)}


def reading() -> dict:
    """CPU-seconds a text that reading takes, in 16 and in 32 bits, and how far the two agree."""
    some = [text.text for text in rated_texts("validation")[:256]]
    pretrained_features.features(some[:16], progress=False)                 # load the model first
    seconds, rows = {}, {}
    for dtype in ("bfloat16", "float32"):
        pretrained_features.features(some[:16], FeatureSettings(bfloat16=dtype == "bfloat16"), progress=False)
        start = time.process_time()
        rows[dtype] = pretrained_features.features(some, FeatureSettings(bfloat16=dtype == "bfloat16"), progress=False)
        seconds[dtype] = round((time.process_time() - start) / len(some), 4)
    both = torch.stack([rows["bfloat16"], rows["float32"]])                 # (2, texts, D)
    both = (both - both.mean(dim=1, keepdim=True)) / both.std(dim=1, keepdim=True)
    return {"texts": len(some), "cpu_s_a_text": seconds, "mean_correlation": round(both.prod(dim=0).mean().item(), 4)}


def features(ship: bool) -> dict:
    """Read all texts; the time of this run is that of reading only where the cache was empty."""
    texts = [text.text for text in load_rated_texts()]
    fresh = not cache_folder(texts, FeatureSettings()).exists()
    rows = full_features()
    reduction = fit_reduction(rows, DIRECTIONS, STEP, FeatureSettings())
    if ship:
        save_reduced(shipped_path(), rows, asked_outright(rows), reduction)
        save_gold(rows)
    return {"texts": len(texts), "features": rows.shape[1], "from_an_empty_cache": fresh, "directions": DIRECTIONS,
            "step": STEP, "shipped_bytes": shipped_path().stat().st_size, "gold_labels": GOLD_LABELS,
            "gold_texts": len(gold_texts())}


def proxy(ship: bool) -> dict:
    """The small reward model on few labels, of other texts than gold's."""
    (texts, comparisons), (tests, pairs) = proxy_comparisons(), evaluation_comparisons("test")
    model, tokenizer = new_reward_model()
    fit_reward_model(model, tokenizer.encode_batch([text.text for text in texts]), tokenizer.eos,
                     comparisons, from_language_model(PROXY_LABELS))
    facts = {"labels": PROXY_LABELS, "texts": len(texts), "tokenizer": shipped.BPE,
             "test_accuracy": pair_accuracy(model.rewards([text.text for text in tests], tokenizer), pairs),
             "command": "python benchmarks/text_reward.py proxy --ship"}
    if ship:
        save_reward_model(proxy_path(), model, facts)
    return facts


def main() -> None:
    """Run the jobs named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jobs", nargs="+", choices=["features", "reading", "lines", "proxy", *SIZES])
    parser.add_argument("--ship", action="store_true", help="write the files that the course opens with")
    parser.add_argument("--sizes", type=int, nargs="+", help="only these numbers of labels")
    parser.add_argument("--draws", type=int, default=DRAWS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = Results("text_reward", __doc__.splitlines()[0])
    for job in arguments.jobs:
        if job in ("features", "proxy"):
            work = {"features": features, "proxy": proxy}[job]
            results.once(job, lambda work=work: measured(lambda: work(arguments.ship)))
        elif job in ("lines", "reading"):
            work = {"lines": lines, "reading": reading}[job]
            results.once(job, lambda work=work: measured(work))
        else:
            rows = {"frozen": full_features, "reduced": lambda: load_reduced().rows}.get(job, lambda: None)()
            work = {"frozen": lambda n, d, rows=rows: linear(rows, n, d, False), "words": words,
                    "reduced": lambda n, d, rows=rows: linear(rows, n, d, True),
                    "small-lm": lambda n, d: small(n, d, True), "small-scratch": lambda n, d: small(n, d, False)}[job]
            for labels in arguments.sizes or SIZES[job]:
                for draw in range(arguments.draws):
                    results.once(f"{job} {labels} {draw}",
                                 lambda n=labels, d=draw, work=work: measured(lambda: work(n, d)))


if __name__ == "__main__":
    main()
