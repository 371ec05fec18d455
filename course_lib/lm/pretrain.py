"""Pretraining: a language model learns to predict the next token, everywhere at once. Lesson 07, section 7.7.

    trainer = Pretraining(GPT(GPTConfig()), TokenStream.of(short_texts("train"), tokenizer), held_out, PretrainConfig())
    watch(trainer.train(), curves=("loss", "held_out_loss"), past=trainer.history, total=trainer.config.steps)

The recipe is that of GPT-2's successors: AdamW, a short warm-up, a cosine down to nearly nothing, gradients clipped.
From scratch the matrices of the blocks learn faster with Muon (K. Jordan et al. 2024), which gives every direction of a
step the same length; the recipes in `recipes.py` switch it on. `bfloat16_is_quick` measures whether 16-bit numbers make
training quicker here: some processors are made for them, others emulate.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.lm.data import TokenStream
from course_lib.lm.gpt import GPT
from course_lib.training.checkpoint import save_checkpoint
from course_lib.training.resume import TrainingDiverged, handed_over, last_good, load_matching, shapes_must_fit


@lru_cache(maxsize=1)
def bfloat16_is_quick() -> bool:
    """True where this processor multiplies 16-bit matrices clearly faster than 32-bit ones; takes some milliseconds."""
    return _best_seconds(torch.bfloat16) < 0.75 * _best_seconds(torch.float32)


def _best_seconds(dtype: torch.dtype, repeats: int = 8) -> float:
    a, b = torch.ones(2048, 128, dtype=dtype), torch.ones(128, 512, dtype=dtype)
    best = float("inf")
    for _ in range(repeats):
        started = time.process_time()
        a @ b
        best = min(best, time.process_time() - started)
    return best


LossFunction = Callable[[Tensor, Tensor], Tensor]      # called as `next_token_loss` is, returns ()


@dataclass(frozen=True)
class PretrainConfig:
    """Settings of one run. The defaults were measured by `benchmarks/text.py char`."""

    steps: int = 1_000                      # gradient steps
    cpu_seconds: float = math.inf           # stop, and come down with the learning rate, by this time if it is earlier
    rows: int = 32                          # rows in a batch
    length: int = 192                       # tokens of a row (T)
    learning_rate: float = 2e-3             # at the top
    muon: bool = False                      # Muon in place of AdamW for the matrices of the blocks
    warm_up: float = 0.05                   # share of the run in which it rises to the top
    final_learning_rate: float = 0.05       # its share left at the end of the cosine
    betas: tuple[float, float] = (0.9, 0.95)        # AdamW's memories of gradients and of their squares
    weight_decay: float = 0.1               # pull toward zero, on matrices only
    dropout: float = 0.0                    # share of each block's contribution that is left out at random
    max_grad_norm: float = 1.0              # longer gradients are shortened to this
    bfloat16: bool = True                   # products in 16-bit numbers; the weights themselves stay in 32
    report_every: int = 20                  # steps between two points of the curve
    held_out_rows: int = 64                 # rows that are held out loss's measure at each of these points
    checkpoint_every: int = 200             # steps between two checkpoints, where a path is given
    seed: int = 0                           # of the batches (the model brings its own)


@dataclass(frozen=True)
class PretrainProgress:
    """One point of the curve."""

    steps: int                              # gradient steps so far
    loss: float                             # nats a token, mean of the steps since the last point
    held_out_loss: float                    # nats a token, on the same few held-out rows each time
    learning_rate: float
    gradient_norm: float                    # before it was shortened, at the last step
    tokens: int                             # read so far, each as often as it was read
    cpu_seconds: float                      # spent in training so far; measuring held-out loss is not counted


def next_token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean surprise at the tokens that came next, in nats. logits: (B, T, V), targets: (B, T) -> ()."""
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())     # (B * T, V) against (B * T,)


class Pretraining:
    """Trains `model` on `stream`. `for progress in run.train(): ...` goes on point by point; stop and go on at will.

    held_out: a stream of texts that are not trained on. loss: takes the place of `next_token_loss`.
    With `checkpoint` the state is saved now and then and whenever the loop is left; a new Pretraining with the same
    path goes on from there, to the identical curve (if no limit in CPU-seconds bends the schedule). Raises
    CheckpointError when that file belongs to other settings.
    """

    def __init__(self, model: GPT, stream: TokenStream, held_out: TokenStream, config: PretrainConfig,
                 checkpoint: Path | None = None, loss: LossFunction = next_token_loss):
        self.model, self.stream, self.config, self.checkpoint, self.loss = model, stream, config, checkpoint, loss
        self.held_out = held_out.evenly_spaced(config.held_out_rows, config.length)
        self.optimizers = optimizers(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.steps, self.cpu_seconds = 0, 0.0
        self.history: list[PretrainProgress] = []
        if checkpoint is not None and Path(checkpoint).exists():
            self.load(checkpoint)

    @property
    def done(self) -> float:
        """Share of the run that is over, by steps or by time, whichever is further."""
        return min(1.0, max(self.steps / self.config.steps, self.cpu_seconds / self.config.cpu_seconds))

    def train(self, until: int | None = None) -> Iterator[PretrainProgress]:
        """Go on to `until` gradient steps in all (default: to the end), yielding a point every `report_every` steps.

        Leaving the loop keeps everything; calling `train` again goes on. Raises TrainingDiverged.
        """
        while self.done < 1 and (until is None or self.steps < until):
            progress = self._some_steps(until)
            if self.checkpoint is not None and (self.done >= 1 or self.steps % self.config.checkpoint_every == 0):
                self.save()
            yield from handed_over(progress, self)

    def _some_steps(self, until: int | None) -> PretrainProgress:
        losses, norm, every = [], 0.0, self.config.report_every
        self.model.train()
        self.model.dropout.p = self.config.dropout
        while not losses or (self.steps % every and self.done < 1 and self.steps != until):
            started = time.process_time()
            loss, norm = self._step()
            losses.append(loss)
            self.steps += 1
            self.cpu_seconds += time.process_time() - started
        self.model.dropout.p = 0.0
        progress = PretrainProgress(
            steps=self.steps, loss=sum(losses) / len(losses), held_out_loss=self._held_out_loss(),
            learning_rate=self.optimizers[0].param_groups[0]["lr"], gradient_norm=norm,
            tokens=self.steps * self.config.rows * self.config.length, cpu_seconds=self.cpu_seconds)
        self.history.append(progress)
        return progress

    def _step(self) -> tuple[float, float]:
        """One gradient step: (loss, length of its gradient)."""
        config = self.config
        rate = config.learning_rate * schedule(self.done, config.warm_up, config.final_learning_rate)
        for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
            group["lr"] = rate
        inputs, targets = self.stream.batch(config.rows, config.length, self.generator)         # 2 x (B, T)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16), torch.random.fork_rng(devices=[]):
            torch.manual_seed(1_000_003 * config.seed + self.steps)         # dropout's luck: the same after a pause
            logits = self.model(inputs)                                                         # (B, T, V)
        loss = self.loss(logits, targets)                                                       # ()
        self.model.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), config.max_grad_norm)
        if not torch.isfinite(norm + loss.detach()):        # before the step: the weights are still the good ones
            raise self._diverged(loss.item(), norm.item())
        for optimizer in self.optimizers:
            optimizer.step()
        return loss.item(), norm.item()

    @torch.no_grad()
    def _held_out_loss(self) -> float:
        self.model.eval()
        inputs, targets = self.held_out                                                         # 2 x (rows, T)
        chunks = zip(inputs.split(32), targets.split(32), strict=True)
        total = sum(next_token_loss(self.model(x), y).item() * len(x) for x, y in chunks)
        return total / len(inputs)

    def _diverged(self, loss: float, norm: float) -> TrainingDiverged:
        kept = last_good(self.checkpoint, lambda state: f"step {state['steps']}")
        return TrainingDiverged(f"The loss of step {self.steps + 1} is {loss} and its gradient {norm} long. {kept} "
                                "Lower the learning rate or lengthen the warm-up.")

    def save(self, path: Path | None = None) -> None:
        """Write a checkpoint to `path` (default: the one given at the start)."""
        save_checkpoint(path or self.checkpoint, {
            "config": asdict(self.config), "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "generator": self.generator.get_state(), "steps": self.steps, "cpu_seconds": self.cpu_seconds,
            "history": [asdict(point) for point in self.history]})

    def load(self, path: Path) -> None:
        """Go on from a checkpoint. Raises CheckpointError when it is damaged or belongs to other settings."""
        state = load_matching(path, asdict(self.config))
        with shapes_must_fit(path):
            self.model.load_state_dict(state["model"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.generator.set_state(state["generator"])
        self.steps, self.cpu_seconds = state["steps"], state["cpu_seconds"]
        self.history = [PretrainProgress(**point) for point in state["history"]]


def schedule(done: float, warm_up: float, final: float) -> float:
    """Share of the top learning rate after the share `done` of a run: up in a line, down along a cosine to `final`."""
    if done < warm_up:
        return max(done, 0.01 * warm_up) / warm_up
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up)))


def optimizers(model: GPT, config: PretrainConfig) -> list[torch.optim.Optimizer]:
    """AdamW, which pulls matrices toward zero and leaves biases and norms alone; before it Muon, if the config says so.

    Muon's steps are scaled to the size of AdamW's, so that one learning rate serves both. It takes over the matrices of
    the blocks; the two tables have a row for each token or place, and rows are no directions: they stay with AdamW,
    without the pull.
    """
    matrices = [weight for weight in model.blocks.parameters() if weight.ndim > 1]
    tables = [weight for name, weight in model.named_parameters() if "embedding" in name]
    vectors = [weight for weight in model.parameters() if weight.ndim <= 1]
    settings = {"lr": config.learning_rate, "betas": config.betas, "fused": True}
    if config.muon:
        muon = torch.optim.Muon(matrices, lr=config.learning_rate, weight_decay=config.weight_decay,
                                adjust_lr_fn="match_rms_adamw")
        return [muon, torch.optim.AdamW(tables + vectors, weight_decay=0.0, **settings)]
    groups = [{"params": matrices + tables, "weight_decay": config.weight_decay},
              {"params": vectors, "weight_decay": 0.0}]
    return [torch.optim.AdamW(groups, **settings)]
