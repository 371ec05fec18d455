"""A backflip from a synthetic labeler's preferences, seed by seed; see JOBS for what each job is.

    python benchmarks/backflip.py 200-labels --seeds 1000-1009
    python benchmarks/backflip.py --table
    python benchmarks/backflip.py 100-labels --seeds 0 --ship           # writes what lesson 05 opens with

The labeler sees clips of 1.5 seconds and nothing else: more turns backwards are better; among clips that turn alike, a
torso that is higher and less on the floor (course_lib/hopper/labelers.py). Every run has a length fixed beforehand; how
often the hopper turns is looked at when it is over, on 16 fresh hoppers that act greedily for 6 seconds. The goal: 3
turns backwards on average, and the torso on average above 0.5 m. Settings were chosen on seeds below 200; the seeds
from 1000 on were run once, when all was settled. One JSON line a seed goes to benchmarks/results/backflip_<job>.jsonl;
seeds that have a line are skipped. CPU-seconds are those of the whole loop in one process, one thread: physics,
cutting and drawing clips, the store, fitting, learning, saving; not importing, and not the 6 seconds at the end.
"""

import argparse
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from record import append, circumstances, lines
from torch import Tensor, nn

from course_lib.hopper.environment import OBSERVATION_SIZE, PITCH_RATE, VectorHopper
from course_lib.hopper.labelers import BEHAVIOURS, hopper_labeler
from course_lib.hopper.shipped import FROM_LABELS, save_shipped, stored_film
from course_lib.hopper.shipped import PITCH_RATE as SHIPPED_PITCH_RATE
from course_lib.hopper.task import HopperTask, Performance, hopper_config, perform
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.environment_task import LoopConfig
from course_lib.preferences.loop import PreferenceLoop
from course_lib.rl.ppo import PPO
from course_lib.rl.rollout import Rollout
from course_lib.show.video import encode

TURNS, HEIGHT = 3.0, 0.5                                # the goal: at least, above (m)


@dataclass(frozen=True)
class Job:
    """One row of the table."""

    says: str
    config: LoopConfig = field(default_factory=hopper_config)
    behaviour: str = "backflip"
    task: HopperTask = field(default_factory=HopperTask)
    imperfections: dict[str, float] = field(default_factory=dict)       # the labeler's
    kernels: str = ""                                   # the kernels of PyTorch that it needs, as torch names them


TWO_HUNDRED = hopper_config(labels=(40,) * 5)
JOBS = {
    "200-labels": Job("200 labels in five rounds", TWO_HUNDRED),
    "100-labels": Job("100 labels in five rounds"),
    "200-labels-wrong": Job("200 labels, 10% turned round", TWO_HUNDRED, imperfections={"epsilon": 0.1}),
    "50-labels": Job("50 labels in five rounds", hopper_config(labels=(10,) * 5)),
    "no-exploration": Job("100 labels, no exploration before", hopper_config(exploration_updates=0)),
    "all-columns": Job("100 labels, the reward model reads joints too", task=HopperTask(
        reads=tuple(range(OBSERVATION_SIZE)))),
    "at-once": Job("100 labels before any training", hopper_config(labels=(100,), updates=(80,))),
    "penalty": Job("100 labels, less the members' disagreement", replace(hopper_config(), reward=replace(
        hopper_config().reward, uncertainty_penalty=1.0))),
    "default-kernels": Job("100 labels, no vector instructions", kernels="DEFAULT"),
    "front-flip": Job("100 labels: turns forwards", behaviour="front flip"),
    "hop": Job("100 labels: hops on the spot", behaviour="hop"),
    "bend": Job("100 labels: stands still, bent", behaviour="bend"),
    "pitch-rate": Job("a written reward: the pitch rate backwards", behaviour=""),
}


def reached(line: dict) -> bool:
    """Whether a seed met the goal of the backflip."""
    return line["turns"] >= TURNS and line["height"] > HEIGHT


def pitch_rate(rollout: Rollout) -> Tensor:
    """The written reward: how fast the torso turns backwards after each step, (T, N); 1 for 30 radians a second."""
    return -rollout.next_obs()[..., PITCH_RATE] / 6


def measure(name: str, seed: int, ship: bool = False) -> dict:
    """Run one seed to its end, then let fresh hoppers perform; returns its line."""
    job = JOBS[name]
    config = replace(job.config, seed=seed)
    cpu, wall = time.process_time(), time.perf_counter()
    if not job.behaviour:
        network, model, labels = written(config), None, {}
    else:
        with tempfile.TemporaryDirectory() as folder:
            store = PreferenceStore(Path(folder) / "labels.sqlite")
            loop = PreferenceLoop(job.task, store, Path(folder) / "run", name, config)
            synthetic = hopper_labeler(job.behaviour, seed, **job.imperfections)
            while loop.stage != "finished":
                loop.collect()
                labeler = loop.labeler(synthetic)
                labeler.answer_synthetic()
                loop.label(labeler.require())
                loop.fit()
                for _ in loop.train():
                    pass
        network, model = loop.network, loop.ensemble
        labels = {"labels": len(loop.asked), "ties": int((loop.preferences.mu == 0.5).sum()),
                  "label_source": loop.source}
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    shown = perform(network)
    rounds = [perform(loop.agent(after)) for after in range(len(loop.agents))] if labels else [shown]
    line = {"job": name, "seed": seed, **described(shown, job), **labels,
            "after_each_round": [[round(p.mean_turns, 2), round(p.mean_height, 2)] for p in rounds],
            "cpu_s": round(cpu, 1), "wall_s": round(wall, 1), "kernels": torch.backends.cpu.get_cpu_capability(),
            "settings": asdict(config), **circumstances()}
    if ship:
        shipped = FROM_LABELS.get(job.behaviour, SHIPPED_PITCH_RATE)
        facts = {key: line[key] for key in ("job", "seed", "turns", "height", "cpu_s")} | {
            "labels": line.get("labels", 0), "command": f"benchmarks/backflip.py {name} --seeds {seed} --ship"}
        save_shipped(shipped, network, model, config.reward if model else None, facts)
        stored_film(shipped).write_bytes(encode(shown.film(width=200)[:100], fps=25, width=200, max_bytes=50_000))
    return line


def described(shown: Performance, job: Job) -> dict:
    """What the fresh hoppers did, rounded; and how well the labeler of the job likes it, mean over the hoppers."""
    marks = [BEHAVIOURS[job.behaviour](states) for states in shown.states.swapaxes(0, 1)] if job.behaviour else []
    return {"turns": round(shown.mean_turns, 2), "fewest_turns": round(float(shown.turns.min()), 2),
            "height": round(shown.mean_height, 3), "on_the_floor": round(shown.floor_share, 3),
            "marks": round(sum(marks) / len(marks), 3) if marks else None}


def written(config: LoopConfig) -> nn.Module:
    """An agent trained on the written reward, as long as those that learn from labels."""
    task = HopperTask()
    network, envs = task.network(config.seed), VectorHopper(task.num_envs)
    steps = sum(config.updates) * config.ppo.num_steps * task.num_envs
    for _ in PPO(envs, network, replace(config.ppo, total_steps=steps, seed=config.seed),
                 reward_function=pitch_rate).train():
        pass
    return network


def table() -> None:
    """Print what has been measured, one line for each job."""
    for name, job in JOBS.items():
        rows = lines(f"backflip_{name}")
        if rows:
            cpu = sorted(row["cpu_s"] for row in rows)
            result = f"{sum(map(reached, rows))} of {len(rows)} seeds" if job.behaviour == "backflip" else \
                "marks " + ", ".join(f"{row['marks']}" for row in rows)
            print(f"{name:17} {job.says:44} {result}; turns and height "
                  + ", ".join(f"{row['turns']:.1f}/{row['height']:.2f}" for row in rows)
                  + f"; CPU-s median {cpu[len(cpu) // 2]}, most {cpu[-1]}")


def main() -> None:
    """Measure the seeds that have no line yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=JOBS, nargs="?")
    parser.add_argument("--seeds", default="1000-1009", help="one number or a range: 3 or 0-19")
    parser.add_argument("--ship", action="store_true", help="write the agent and its film, and no line")
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
        name = f"backflip_{arguments.job}"
        for seed in range(int(first), int(last or first) + 1):
            if not arguments.ship and any(line["seed"] == seed for line in lines(name)):
                print(f"{arguments.job} seed {seed}: measured before, skipped")
                continue
            line = measure(arguments.job, seed, arguments.ship)
            if not arguments.ship:
                append(name, line)
            print({key: line[key] for key in ("seed", "turns", "height", "on_the_floor", "marks", "cpu_s")}
                  | {"reached": reached(line)}, flush=True)
    table()


if __name__ == "__main__":
    main()
