"""A stated preference taught to the 135M chat model, seed by seed; see JOBS for what each job is.

    python benchmarks/own_preferences.py dpo-short --seeds 1000-1002
    python benchmarks/own_preferences.py --table

A synthetic labeler that looks at the text alone (course_lib/lm/answer_labelers.py) compares the model's own answers to
the course's training prompts, in the preference loop; then the trained model and the model from before answer the 40
held-out prompts, and the same labeler compares blind. Every run has a length fixed beforehand, and its result is looked
at when it is over. Beside the win rate stand the KL, the length and distinct-2, and how well the linear reward model
agrees with labels that it was not fitted to. What a person prefers is not measured here.

One JSON line a seed goes to benchmarks/results/own_preferences_<job>.jsonl; seeds that have a line are skipped.
CPU-seconds are those of the whole loop in one process, one thread: writing answers, reading features, fitting,
learning, saving; not importing, and not the evaluation. "dev" is for seeing that everything runs; its figures say
nothing.
"""

import argparse
import math
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from record import append, circumstances, lines

from course_lib.errors import CourseError
from course_lib.labels.store import PreferenceStore
from course_lib.lm.answer_labelers import PREFERENCES, answer_labeler
from course_lib.lm.answer_task import AnswerConfig, AnswerTask, answer_config
from course_lib.lm.blind_evaluation import blind_report, written
from course_lib.lm.prompts import HELD_OUT_PROMPTS
from course_lib.preferences.loop import PreferenceLoop

OLD_SEED, NEW_SEED = 20_001, 20_002                     # of the answers that are compared; added to the run's seed
SHOWN = 3                                               # prompts whose answers are kept with the figures


@dataclass(frozen=True)
class Job:
    """One row of the table."""

    says: str
    preference: str                                     # one of answer_labelers.PREFERENCES
    config: AnswerConfig
    imperfections: dict[str, float] = field(default_factory=dict)       # the labeler's


SHORT_NAMES = {"concrete": "concrete", "first person": "first", "short and plain": "short"}
JOBS = {
    **{f"{method}-{SHORT_NAMES[preference]}": Job(f"{method}: {preference}, 96 labels in three rounds", preference,
                                                  answer_config(method))
       for method in ("dpo", "rloo", "rejection") for preference in PREFERENCES},
    "dpo-short-wrong": Job("dpo: short and plain, 96 labels, 10% turned round", "short and plain",
                           answer_config("dpo"), {"epsilon": 0.1}),
    "dpo-short-32": Job("dpo: short and plain, 32 labels in one round", "short and plain",
                        answer_config("dpo", labels=(32,), updates=(16,))),
    "dev": Job("dpo: short and plain, 24 labels in one round", "short and plain",
               answer_config("dpo", labels=(24,), updates=(12,))),
}


def measure(name: str, seed: int) -> dict:
    """Run one seed to its end, then compare blind with the model from before; returns its line."""
    job = JOBS[name]
    config = replace(job.config, seed=seed)
    cpu, wall = time.process_time(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        store = PreferenceStore(Path(folder) / "labels.sqlite")
        loop = PreferenceLoop(AnswerTask(), store, Path(folder) / "run", name, config)
        labeler = answer_labeler(job.preference, seed, **job.imperfections)
        while loop.stage != "finished":
            loop.collect()
            asked = loop.labeler(labeler)
            asked.answer_synthetic()
            loop.label(asked.require())
            loop.fit()
            for progress in loop.train():
                told = {key: value for key, value in asdict(progress).items()
                        if key in ("update", "loss", "margin", "reward", "kl_from_reference", "cpu_seconds")}
                print("  " + ", ".join(f"{key} {value:.3g}" for key, value in told.items()), flush=True)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    try:
        held_out = round(loop.ensemble.held_out_accuracy(), 3)
    except CourseError:                                 # too few strict preferences for five folds
        held_out = None
    old = written(loop.network.reference, HELD_OUT_PROMPTS, config.max_new_tokens, OLD_SEED + seed)
    new = written(loop.network, HELD_OUT_PROMPTS, config.max_new_tokens, NEW_SEED + seed)
    report = blind_report(old, new, answer_labeler(job.preference), seed)
    low, high = report.win_rate.interval
    return {"job": name, "seed": seed, "win_rate": round(report.win_rate.rate, 3), "low": round(low, 3),
            "high": round(high, 3), "wins": report.win_rate.wins, "ties": report.win_rate.ties,
            "losses": report.win_rate.losses, "kl": round(report.kl, 2),
            "length_before": round(report.lengths[0], 1), "length": round(report.lengths[1], 1),
            "distinct_2_before": round(report.distinct_2[0], 3), "distinct_2": round(report.distinct_2[1], 3),
            "labels": len(loop.asked), "label_ties": int((loop.preferences.mu == 0.5).sum()),
            "label_source": loop.source, "reward_held_out": held_out,
            "reward_fit": [None if math.isnan(fit.accuracy) else round(fit.accuracy, 3) for fit in loop.fits],
            "cpu_s": round(cpu, 1), "wall_s": round(wall, 1),
            "examples": [{"prompt": old.prompts[k], "before": old.answers[k], "after": new.answers[k]}
                         for k in range(SHOWN)],
            "settings": asdict(config), "imperfections": job.imperfections, **circumstances()}


def table() -> None:
    """Print what has been measured, one line for each job."""
    for name, job in JOBS.items():
        rows = lines(f"own_preferences_{name}")
        if rows:
            each = ", ".join(f"{row['win_rate']:.2f} ({row['low']:.2f}-{row['high']:.2f})" for row in rows)
            print(f"{name:18} {job.says:52} win rate {each}; KL " + ", ".join(f"{row['kl']:.1f}" for row in rows)
                  + "; tokens " + ", ".join(f"{row['length_before']:.0f} -> {row['length']:.0f}" for row in rows)
                  + "; reward on held-out labels " + ", ".join(f"{row['reward_held_out']}" for row in rows)
                  + "; CPU-s " + ", ".join(f"{row['cpu_s']:.0f}" for row in rows))


def main() -> None:
    """Measure the seeds that have no line yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=JOBS, nargs="?")
    parser.add_argument("--seeds", default="1000-1002", help="one number or a range: 3 or 0-19")
    parser.add_argument("--table", action="store_true", help="print what has been measured")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.job and not arguments.table:
        first, _, last = arguments.seeds.partition("-")
        name = f"own_preferences_{arguments.job}"
        for seed in range(int(first), int(last or first) + 1):
            if any(line["seed"] == seed for line in lines(name)):
                print(f"{arguments.job} seed {seed}: measured before, skipped")
                continue
            line = measure(arguments.job, seed)
            append(name, line)
            print({key: line[key] for key in ("seed", "win_rate", "low", "high", "kl", "length_before", "length",
                                              "reward_held_out", "cpu_s")}, flush=True)
    table()


if __name__ == "__main__":
    main()
