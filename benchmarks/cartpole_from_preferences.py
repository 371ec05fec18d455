"""CartPole from a synthetic labeler's preferences, seed by seed; see JOBS for what each job is.

    python benchmarks/cartpole_from_preferences.py 60-labels --seeds 1100-1119
    python benchmarks/cartpole_from_preferences.py --table

The labeler sees what a clip shows and nothing else: more upright is better, nearer the centre is better, a fall is
worst, and clips that differ by less than 0.5 marks are a tie (course_lib/preferences/cartpole.py). Every run has
a length fixed beforehand; the true return is looked at when it is over. Settings were chosen on seeds below 200; the
seeds from 1100 on were run once, when all was settled. The teacher- jobs have the imperfect teachers of
course_lib/preferences/teachers.py; the side on which a clip stands is drawn by the label store from the system's
randomness, so that `teacher-left-when-unsure` alone ends differently each time. One JSON line a seed goes to
benchmarks/results/cartpole_from_preferences_<job>.jsonl. Seeds that have a line are skipped, so that a stopped run
goes on where it was. CPU-seconds are those of the whole loop in one process, one thread: acting, cutting clips, the
store, fitting, learning, saving. Importing the libraries before and playing the 20 fresh episodes afterwards are not
among them, and the pictures are drawn small, for nobody looks at them: at the size in which people see them, the 120
clips of a run take some 10 CPU-seconds more.

How the settings were found, on seeds from 0 on (how many; goal reached; mean of the final mean distances; "U" is
`updates`; rows with few seeds were given up early, and the last one is too short to tell a rare miss):

| setting | seeds | goal | m |
|---|---|---|---|
| 16 environments x 128 steps, 8 epochs of 512, learning rate 1e-3, U 8, 16, 60, 200 fit steps | 10 | 10 | .12 |
| the same, minibatches of 1024 and 100 fit steps | 3 | 3 | .12 |
| that with U 8, 24, 28: too few updates after the last labels | 5 | 3 | .34 |
| that with 32 environments x 64 steps | 10 | 8 | .25 |
| that, and an end by the clock bootstraps from the critic; episodes begin staggered | 4 | 3 | .24 |
| the same without stagger, reward_scale 0.1 | 8 | 6 | .23 |
| the same without the entropy bonus | 3 | 1 | .21 |
| 16 environments, U 8, 24, 28, lambda 0.98 | 7 | 6 | .24 |
| 64 environments x 128 steps, 4 epochs of 2048, U 6, 12, 30 | 2 | 2 | .26 |
| that with minibatches of 512 | 1 | 1 | .33 |
| **that with minibatches of 1024 and learning rate 2e-3** | 7 | 7 | .10 |

The runs that stood aside had a reward model that was right: its peak was at the centre. One was looked at update by
update (32 environments x 64 steps, seed 8): after the last labels, all 32 carts stood on the same side, .85 m off, and
the reward fell from .13 to -.03 a step while the agent learned. A rollout holds few independent samples of something as
slow as the cart's place, and to move left the cart must first be pushed right, so that the pole leans. With many
environments and larger steps no such run was seen.
"""

import argparse
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from record import append, circumstances, lines

from course_lib.labels.store import PreferenceStore
from course_lib.preferences.cartpole import (
    CartPoleLabeler,
    CartPoleTask,
    cartpole_teachers,
    falls,
    fresh_episodes,
    mark,
)
from course_lib.preferences.loop import LoopConfig, PreferenceLoop
from course_lib.preferences.reward_model import RewardConfig
from course_lib.preferences.segments import PairSelection, contrast, disagreement, random_pairs

RETURN, DISTANCE = 490.0, 0.5                           # the goal: at least, below (m)
TASK = CartPoleTask(width=40)                           # pixels; people see 400


@dataclass(frozen=True)
class Job:
    """One row of the table."""

    says: str
    config: LoopConfig = field(default_factory=LoopConfig)
    select: PairSelection = random_pairs
    wrong: float = 0.0                                  # share of labels at random
    teacher: str = ""                                   # the name of an imperfect teacher that labels instead
    kernels: str = ""                                   # the kernels of PyTorch that it needs, as torch names them


def reached(line: dict) -> bool:
    """Whether a seed met the goal."""
    return line["true_return"] >= RETURN and line["mean_distance"] < DISTANCE


JOBS = {
    "60-labels": Job("60 labels, random pairs"),
    "40-labels": Job("40 labels, random pairs", LoopConfig(labels=(14, 13, 13))),
    "60-labels-noise": Job("60 labels, 10% at random", wrong=0.1),
    "no-penalty": Job("60 labels, the ensemble's mean alone", LoopConfig(reward=RewardConfig(uncertainty_penalty=0.0))),
    "disagreement": Job("60 labels, pairs that the models dispute", select=disagreement()),
    "contrast": Job("60 labels, a fall beside none", select=contrast(falls)),
    "all-at-once": Job("60 labels before any training", LoopConfig(labels=(60,), updates=(48,))),
    "default-kernels": Job("60 labels, no vector instructions", kernels="DEFAULT"),
} | {f"teacher-{name.replace(' ', '-')}": Job(f"60 labels, teacher: {name}", teacher=name)
     for name in cartpole_teachers()}


def measure(name: str, seed: int) -> dict:
    """Run one seed to its end, then look at the true return; returns its line."""
    job = JOBS[name]
    config = LoopConfig(**{**vars(job.config), "seed": seed})
    synthetic = cartpole_teachers(seed)[job.teacher] if job.teacher else CartPoleLabeler(job.wrong, seed)
    with tempfile.TemporaryDirectory() as folder:
        cpu, wall = time.process_time(), time.perf_counter()
        store = PreferenceStore(Path(folder) / "labels.sqlite")
        loop = PreferenceLoop(TASK, store, Path(folder) / "run", name, config, job.select)
        while loop.stage != "finished":
            loop.collect()
            labeler = loop.labeler(synthetic)
            labeler.answer_synthetic()
            loop.label(labeler.require())
            loop.fit()
            for _ in loop.train():
                pass
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    fresh = [fresh_episodes(loop.agent(after)) for after in range(len(loop.agents))]
    pairs = zip(loop.preferences.first, loop.preferences.second, loop.preferences.mu, strict=True)
    ties = int((loop.preferences.mu == 0.5).sum())
    turned = sum((mark(first) - mark(second)) * (float(mu) - 0.5) < 0 for first, second, mu in pairs)
    return {
        "job": name, "seed": seed, "true_return": round(fresh[-1].true_return, 1),
        "mean_distance": round(fresh[-1].mean_distance, 3),
        "after_each_round": [[round(f.true_return, 1), round(f.mean_distance, 3)] for f in fresh],
        "labels": len(loop.preferences.mu), "ties": ties, "tie_rate": round(ties / len(loop.preferences.mu), 3),
        "skips": loop.skipped, "against_marks": turned, "rounds": len(config.labels), "label_source": loop.source,
        "wrong": job.wrong, "teacher": job.teacher, "kernels": torch.backends.cpu.get_cpu_capability(),
        "cpu_s": round(cpu, 1), "wall_s": round(wall, 1),
        "settings": asdict(config), **circumstances()}


def table() -> None:
    """Print what has been measured, one line for each job."""
    for name, job in JOBS.items():
        rows = lines(f"cartpole_from_preferences_{name}")
        if rows:
            good = [row for row in rows if reached(row)]
            cpu = sorted(row["cpu_s"] for row in rows)
            labels, ties, skips, turned = (sum(row[key] for row in rows)
                                           for key in ("labels", "ties", "skips", "against_marks"))
            print(f"{name:25} {job.says:42} {len(good)} of {len(rows)} seeds; {ties} ties, {skips} skips and "
                  f"{turned} against the marks of {labels} labels; CPU-s median {cpu[len(cpu) // 2]}, most {cpu[-1]}; "
                  "missed: " + (", ".join(f"seed {r['seed']} ({r['true_return']:.0f}, {r['mean_distance']:.2f} m)"
                               for r in rows if not reached(r)) or "none"))


def main() -> None:
    """Measure the seeds that have no line yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=JOBS, nargs="?")
    parser.add_argument("--seeds", default="1100-1119", help="one number or a range: 3 or 0-19")
    parser.add_argument("--table", action="store_true", help="print what has been measured")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])         # torch imports a good deal at its first optimizer
    needs, has = JOBS[arguments.job].kernels if arguments.job else "", torch.backends.cpu.get_cpu_capability()
    if needs and needs != has:
        parser.error(f"{arguments.job} is for PyTorch's {needs} kernels, and this process has {has}: start it again "
                     f"with ATEN_CPU_CAPABILITY={needs.lower()} in its environment")
    if arguments.job and not arguments.table:
        first, _, last = arguments.seeds.partition("-")
        name = f"cartpole_from_preferences_{arguments.job}"
        for seed in range(int(first), int(last or first) + 1):
            if any(line["seed"] == seed for line in lines(name)):
                print(f"{arguments.job} seed {seed}: measured before, skipped")
                continue
            line = measure(arguments.job, seed)
            append(name, line)
            shown = ("seed", "labels", "ties", "rounds", "cpu_s", "true_return", "mean_distance")
            print({key: line[key] for key in shown} | {"reached": reached(line)}, flush=True)
    table()


if __name__ == "__main__":
    main()
