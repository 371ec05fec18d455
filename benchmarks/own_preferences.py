"""A stated preference taught to the 135M chat model, seed by seed; see JOBS for what each job is.

    python benchmarks/own_preferences.py dpo-short --seeds 1000-1002
    python benchmarks/own_preferences.py --table

A synthetic labeler that looks at the text alone (course_lib/lm/answer_labelers.py) compares the model's own answers to
the course's training prompts, in the preference loop; then the trained model and the model from before answer the 40
held-out prompts five times each, and the same labeler compares blind. Every run has a length fixed beforehand, and its
result is looked at when it is over. Beside the win rate and its interval (by prompt) stand the KL, the length and
distinct-2, how well the linear reward model agrees with labels that it was not fitted to, what length alone gets right
of them, and how the best of four answers of the untrained model does against its fifth, chosen by that reward model.
What a person prefers is not measured here.

One JSON line a seed goes to benchmarks/results/own_preferences_<job>.jsonl; seeds that have a line are skipped.
CPU-seconds are those of the whole loop in one process, one thread: writing answers, reading features, fitting,
learning, saving; not importing, and not the evaluation. "dev" is for seeing that everything runs; its figures say
nothing.
"""

import argparse
import math
import resource
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import torch
from record import append, circumstances, lines

from course_lib.errors import CourseError
from course_lib.labels.store import PreferenceStore
from course_lib.lm.answer_labelers import PREFERENCES, answer_labeler
from course_lib.lm.answer_reward import answer_features
from course_lib.lm.answer_task import AnswerConfig, AnswerTask, answer_config
from course_lib.lm.blind_evaluation import Written, blind_report, compare_blind, interval_by_prompt, win_rate, written
from course_lib.lm.chat_policy import load_chat_policy
from course_lib.lm.prompts import HELD_OUT_PROMPTS
from course_lib.preferences.loop import PreferenceLoop

OLD_SEED, NEW_SEED = 20_001, 20_002                     # of the answers that are compared; the second + the run's seed
EACH = 5                                                # answers to each held-out prompt
SHOWN = 8                                               # prompts whose answers are kept with the figures


@dataclass(frozen=True)
class Job:
    """One row of the table."""

    says: str
    preference: str                                     # one of answer_labelers.PREFERENCES
    config: AnswerConfig
    imperfections: dict[str, float] = field(default_factory=dict)       # the labeler's
    every_round: bool = False                           # look at the policy after each round, not only at the end


SHORT_NAMES = {"short and plain": "short", "simple words": "simple", "cheerful": "cheerful", "first person": "first"}
JOBS = {
    **{f"{method}-{SHORT_NAMES[preference]}": Job(f"{method}: {preference}, 96 labels in three rounds", preference,
                                                  answer_config(method))
       for method in ("dpo", "rloo", "rejection") for preference in PREFERENCES},
    "rloo-simple-free": Job("rloo: simple words, no KL penalty, 88 labels at first", "simple words", answer_config(
        "rloo", labels=(88, 4, 4), updates=(4, 4, 4), beta=0.0, learning_rate=6e-3), every_round=True),
    "dpo-short-48": Job("dpo: short and plain, 48 labels in three rounds", "short and plain",
                        answer_config("dpo", labels=(16, 16, 16))),
    "dpo-short-wrong": Job("dpo: short and plain, 96 labels, 10% turned round", "short and plain",
                           answer_config("dpo"), {"epsilon": 0.1}),
    "dev": Job("dpo: short and plain, 24 labels in one round", "short and plain",
               answer_config("dpo", labels=(24,), updates=(12,))),
}


@lru_cache(maxsize=1)
def before(max_new_tokens: int) -> Written:
    """What the model from before answers: the same for all seeds."""
    return written(load_chat_policy().reference, HELD_OUT_PROMPTS * EACH, max_new_tokens, OLD_SEED)


@lru_cache(maxsize=1)
def features_before(max_new_tokens: int) -> torch.Tensor:
    """What the reward model reads in these answers: the same for all seeds, too."""
    old = before(max_new_tokens)
    return answer_features(load_chat_policy(), old.prompts, old.answers)


def best_of_n(loop: PreferenceLoop) -> list[str]:
    """To each held-out prompt the best of EACH - 1 answers of the model from before, by the last reward model."""
    old, prompts = before(loop.config.max_new_tokens), len(HELD_OUT_PROMPTS)
    rows = features_before(loop.config.max_new_tokens)
    raw = torch.stack([member(rows) for member in loop.ensemble.members])
    rewards = loop.ensemble.standardized(raw).view(EACH, prompts)[:-1]                          # (EACH - 1, prompts)
    return [old.answers[int(best) * prompts + place] for place, best in enumerate(rewards.argmax(dim=0))]


def learn(loop: PreferenceLoop, job: Job, seed: int) -> None:
    """The whole loop, labelled by the job's labeler."""
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


def after_round(loop: PreferenceLoop, number: int, job: Job, seed: int) -> dict:
    """How one answer to each held-out prompt does after round `number`: to the reward model, and to the labeler."""
    prompts = list(HELD_OUT_PROMPTS)
    agent, model = loop.agent(number), loop.reward_model(number)
    new = written(agent, prompts, loop.config.max_new_tokens, NEW_SEED + seed)
    said = compare_blind(prompts, before(loop.config.max_new_tokens).answers[:len(prompts)], new.answers,
                         answer_labeler(job.preference), seed)
    return {"round": number, "kl": round(new.kl.mean().item(), 2), "win_rate": round(win_rate(said).rate, 3),
            "reward": round(model.rewards(prompts, new.answers).mean().item(), 3),
            "length": round(new.lengths.float().mean().item(), 1),
            "examples": [{"prompt": prompts[k], "answer": new.answers[k]} for k in range(SHOWN)]}


def measure(name: str, seed: int) -> dict:
    """Run one seed to its end, then compare blind with the model from before; returns its line."""
    job = JOBS[name]
    config = replace(job.config, seed=seed)
    cpu, wall = time.process_time(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        store = PreferenceStore(Path(folder) / "labels.sqlite")
        loop = PreferenceLoop(AnswerTask(), store, Path(folder) / "run", name, config)
        learn(loop, job, seed)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    try:
        held_out = round(loop.ensemble.held_out_accuracy(), 3)
    except CourseError:                                 # too few strict preferences for five folds
        held_out = None
    rounds = [after_round(loop, number, job, seed) for number in range(1, loop.rounds + 1)] if job.every_round else []
    exact = answer_labeler(job.preference)
    old = before(config.max_new_tokens)
    new = written(loop.network, old.prompts, config.max_new_tokens, NEW_SEED + seed)
    report = blind_report(old, new, exact, seed)
    low, high = interval_by_prompt(old.prompts, compare_blind(old.prompts, old.answers, new.answers, exact, seed))
    prompts = list(HELD_OUT_PROMPTS)
    best = win_rate(compare_blind(prompts, old.answers[-len(prompts):], best_of_n(loop), exact, seed))
    return {"job": name, "seed": seed, "win_rate": round(report.win_rate.rate, 3), "low": round(low, 3),
            "high": round(high, 3), "wins": report.win_rate.wins, "ties": report.win_rate.ties,
            "losses": report.win_rate.losses, "kl": round(report.kl, 2),
            "length_before": round(report.lengths[0], 1), "length": round(report.lengths[1], 1),
            "distinct_2_before": round(report.distinct_2[0], 3), "distinct_2": round(report.distinct_2[1], 3),
            "best_of_4": round(best.rate, 3), "best_of_4_interval": [round(end, 3) for end in best.interval],
            "labels": len(loop.asked), "label_ties": int((loop.preferences.mu == 0.5).sum()),
            "label_source": loop.source, "reward_held_out": held_out,
            "length_alone": [round(loop.ensemble.length_alone()[0], 3), loop.ensemble.length_alone()[1]],
            "reward_fit": [None if math.isnan(fit.accuracy) else round(fit.accuracy, 3) for fit in loop.fits],
            "cpu_s": round(cpu, 1), "wall_s": round(wall, 1),
            "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
            **({"rounds": rounds} if rounds else {}),
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
                  + "; best of 4 " + ", ".join(f"{row['best_of_4']:.2f}" for row in rows)
                  + "; reward on held-out labels " + ", ".join(f"{row['reward_held_out']}" for row in rows)
                  + ", length alone " + ", ".join(f"{row['length_alone'][0]:.2f}" for row in rows)
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
