"""Language models on two cores, seed by seed, as issue E's table asks; see JOBS for what each job is.

    python benchmarks/text.py char --seeds 0-2

One JSON line a seed goes to benchmarks/results/text_<job>.jsonl. Seeds that have a line are skipped, so that a stopped
run goes on where it was. CPU-seconds are those of the training process on one thread; reading and encoding the texts
and measuring the held-out loss are not among them. A score is over all 4,732 test texts, each read whole and from its
beginning, every character counted once, a text's end as one more.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict

import torch
import torch.nn.functional as F
from record import append, circumstances, lines
from torch import Tensor, nn

from course_lib.lm.data import TokenStream, short_texts
from course_lib.lm.generate import generate
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.hf_format import save_hf
from course_lib.lm.metrics import score
from course_lib.lm.pretrain import next_token_loss, optimizers
from course_lib.lm.recipes import BPE_RECIPE, CHAR_RECIPE, Recipe
from course_lib.lm.shipped import BPE, CHAR, folder, save_gpt


def pretrain(recipe: Recipe, target: dict, ship_as: str, seed: int, ship: bool) -> dict:
    """Train one model by its recipe and score it on the test texts."""
    run = recipe.start(seed)
    for point in run.train():
        print(f"step {point.steps}: loss {point.loss:.3f}, held out {point.held_out_loss:.3f}, "
              f"{point.cpu_seconds:.0f} CPU-seconds", flush=True)
    tokenizer = recipe.tokenizer()
    test = score(run.model.eval(), tokenizer, short_texts("test"))
    figures = {"nats_per_char": test.nats_per_char, "bits_per_char": test.bits_per_char, "cpu_s": run.cpu_seconds}
    line = {
        "seed": seed, **{name: round(value, 4) for name, value in figures.items()},
        "nats_per_token": round(test.nats_per_token, 4), "target": target,
        "reached": all(figures[name] <= bound for name, bound in target.items()),
        "parameters": run.model.parameter_count, "steps": run.steps, "tokens_read": run.history[-1].tokens,
        "tokens_per_cpu_s": round(run.history[-1].tokens / run.cpu_seconds), "model": asdict(run.model.config),
        "settings": asdict(run.config),
        "curve": [[p.steps, round(p.loss, 3), round(p.held_out_loss, 3), round(p.cpu_seconds, 1)] for p in run.history]}
    if ship:
        told = {key: line[key] for key in ("seed", "nats_per_char", "bits_per_char", "cpu_s", "steps", "curve")}
        command = f"python benchmarks/text.py {'char' if ship_as == CHAR else 'bpe'} --seeds {seed} --ship"
        save_gpt(folder() / ship_as, run.model, tokenizer, {**told, "command": command})
    return line


def train_speed(seed: int) -> dict:
    """Tokens a CPU-second of our training step and of the same step on transformers' GPT-2, in turns, five times.

    The peer is what nanoGPT does with its own model, on `GPT2LMHeadModel`: the same batches, AdamW, clipping, no
    dropout, with and without 16-bit autocast. The ratio is ours, as the recipe trains, to the faster of the two.
    """
    config, training = CHAR_RECIPE.model, CHAR_RECIPE.training
    rows, length = training.batch_size, training.length
    generator = torch.Generator().manual_seed(seed)
    stream = TokenStream.of(short_texts("train"), CHAR_RECIPE.tokenizer())
    ours, plain, fused, theirs = GPT(config), GPT(config), GPT(config, _fused_attention), peer(GPT(config))
    theirs.config.use_cache = False
    steps = {"ours, 16 bit": train_step(ours, optimizers(ours, training), True),
             "ours, 32 bit": train_step(ours, optimizers(ours, training), False),
             "ours with AdamW alone, 16 bit": train_step(plain, [nanogpt_adamw(plain)], True),
             "ours with AdamW and torch's fused attention, 16 bit": train_step(fused, [nanogpt_adamw(fused)], True),
             "transformers, 16 bit": train_step(theirs, [nanogpt_adamw(theirs)], True),
             "transformers, 32 bit": train_step(theirs, [nanogpt_adamw(theirs)], False)}
    seconds = {name: [] for name in steps}
    for repeat in range(6):
        for name, step in steps.items():
            started = time.process_time()
            for _ in range(4):
                step(*stream.batch(rows, length, generator))
            if repeat:                                              # the first round warms up
                seconds[name].append((time.process_time() - started) / 4)
    speeds = {name: rows * length / statistics.median(values) for name, values in seconds.items()}
    ratio = speeds["ours, 16 bit"] / max(speeds["transformers, 16 bit"], speeds["transformers, 32 bit"])
    return {"seed": seed, "ratio": round(ratio, 2), "target": {"ratio": 1.3}, "reached": ratio >= 1.3, "rows": rows,
            "length": length, "tokens_per_cpu_s": {name: round(speed) for name, speed in speeds.items()}}


def _fused_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def nanogpt_adamw(model: nn.Module) -> torch.optim.Optimizer:
    """AdamW as nanoGPT sets it: matrices are pulled toward zero, biases and norms are not."""
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    vectors = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), fused=True)


def train_step(model: nn.Module, optimizers: list[torch.optim.Optimizer],
               half: bool) -> Callable[[Tensor, Tensor], None]:
    """One step of training, for a model of either kind."""

    def step(inputs: Tensor, targets: Tensor) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = model(inputs)
            logits = getattr(logits, "logits", logits)
        loss = next_token_loss(logits, targets)
        model.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()

    return step


def peer(model: GPT) -> nn.Module:
    """transformers' GPT-2 with the same weights, without dropout."""
    from transformers import GPT2LMHeadModel

    with tempfile.TemporaryDirectory() as folder:
        save_hf(model, folder)
        return GPT2LMHeadModel.from_pretrained(folder, attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0)


def generate_speed(seed: int) -> dict:
    """CPU-seconds for 128 texts of 100 tokens: ours and transformers' `generate`, both with a cache, in turns."""
    ours = GPT(GPTConfig(), seed=seed).eval()
    theirs = peer(ours).eval()
    prompts = torch.zeros(128, 1, dtype=torch.long)
    settings = {"do_sample": True, "top_k": 0, "max_new_tokens": 100, "min_new_tokens": 100, "use_cache": True,
                "pad_token_id": 0, "attention_mask": torch.ones_like(prompts)}
    kinds = {"ours": lambda: generate(ours, prompts, 100).tokens,
             "transformers": lambda: theirs.generate(prompts, **settings)}
    seconds = {name: [] for name in kinds}
    for repeat in range(6):
        for name, write in kinds.items():
            started = time.process_time()
            assert write().shape == (128, 101)
            if repeat:                                              # the first round warms up
                seconds[name].append(time.process_time() - started)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = medians["transformers"] / medians["ours"]
    started = time.process_time()
    generate(ours, prompts, 100, use_cache=False)
    return {"seed": seed, "ratio": round(ratio, 2), "target": {"ratio": 3}, "reached": ratio >= 3,
            "cpu_s": {name: round(value, 3) for name, value in medians.items()},
            "cpu_s_without_cache": round(time.process_time() - started, 2)}


def char(seed: int, ship: bool) -> dict:
    """The character model."""
    return pretrain(CHAR_RECIPE, {"nats_per_char": 1.60, "cpu_s": 180}, CHAR, seed, ship)


def bpe(seed: int, ship: bool) -> dict:
    """The model on byte pairs."""
    return pretrain(BPE_RECIPE, {"bits_per_char": 2.00, "cpu_s": 300}, BPE, seed, ship)


JOBS = {"char": char, "bpe": bpe, "train-speed": lambda seed, ship: train_speed(seed),
        "generate-speed": lambda seed, ship: generate_speed(seed)}


def main() -> None:
    """Measure the seeds that have no line yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--seeds", default="0-2", help="one number or a range: 1 or 0-2")
    parser.add_argument("--ship", action="store_true", help="make the model the one in assets/checkpoints")
    arguments = parser.parse_args()
    first, _, last = arguments.seeds.partition("-")
    torch.set_num_threads(1)
    name = f"text_{arguments.job}"
    for seed in range(int(first), int(last or first) + 1):
        if any(line["seed"] == seed for line in lines(name)) and not arguments.ship:
            print(f"{arguments.job} seed {seed}: measured before, skipped")
            continue
        line = {"job": arguments.job, **JOBS[arguments.job](seed, arguments.ship),
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                **circumstances()}
        if not any(kept["seed"] == seed for kept in lines(name)):
            append(name, line)
        print({key: value for key, value in line.items() if key not in ("curve", "settings", "versions", "machine")})


if __name__ == "__main__":
    main()
