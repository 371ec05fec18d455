"""Pretraining: a language model learns to predict the next token, everywhere at once. Lesson 08, section 8.7.

    trainer = Pretraining(GPT(GPTConfig()), TokenStream.of(short_texts("train"), tokenizer), held_out, PretrainConfig())
    watch(trainer.train(), curves=("loss", "held_out_loss"), past=trainer.history, total=trainer.config.steps)

The recipe is that of GPT-2's successors: AdamW, a short warm-up, a cosine down to nearly nothing, gradients clipped.
From scratch the matrices of the blocks learn faster with Muon (K. Jordan et al. 2024), which gives every direction of a
step the same length; the recipes in `recipes.py` switch it on.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from course_lib.lm.data import TokenStream
from course_lib.lm.gpt import GPT
from course_lib.lm.muon import Muon
from course_lib.training.precision import products
from course_lib.training.run import TrainingRun, gradient_step
from course_lib.training.schedules import warmup_then_cosine

LossFunction = Callable[[Tensor, Tensor], Tensor]      # called as `next_token_loss` is, returns ()


@dataclass(frozen=True)
class PretrainConfig:
    """Settings of one run. The defaults were measured by `benchmarks/text.py char`."""

    steps: int = 1_000                      # gradient steps
    cpu_seconds: float = math.inf           # stop, and come down with the learning rate, by this time if it is earlier
    batch_size: int = 32                    # rows in a batch (B)
    length: int = 192                       # tokens of a row (T)
    learning_rate: float = 2e-3             # at the top
    muon: bool = False                      # Muon in place of AdamW for the matrices of the blocks
    warmup_share: float = 0.05              # share of the run in which it rises to the top
    final_learning_rate: float = 0.05       # its share left at the end of the cosine
    betas: tuple[float, float] = (0.9, 0.95)        # AdamW's memories of gradients and of their squares
    weight_decay: float = 0.1               # pull toward zero, on matrices only
    dropout: float = 0.0                    # share of each block's contribution that is left out at random
    max_grad_norm: float = 1.0              # longer gradients are scaled down to this
    bfloat16: bool | None = None            # products in 16-bit numbers; None: where the processor is quick with them
    report_every: int = 20                  # steps between two points of the curve
    held_out_rows: int = 64                 # rows on which the held-out loss is measured at each of these points
    checkpoint_every: int = 200             # steps between two checkpoints, where a path is given
    seed: int = 0                           # of the batches (the model brings its own)


@dataclass(frozen=True)
class PretrainProgress:
    """One point of the curve."""

    steps: int                              # gradient steps so far
    loss: float                             # nats a token, mean of the steps since the last point
    held_out_loss: float                    # nats a token, on the same few held-out rows each time
    learning_rate: float
    gradient_norm: float                    # before it was clipped, at the last step
    tokens: int                             # read so far, each as often as it was read
    cpu_seconds: float                      # spent in training so far; measuring held-out loss is not counted


def next_token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy at the tokens that came next, in nats. logits: (B, T, V), targets: (B, T) -> ()."""
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())     # (B * T, V) against (B * T,)


class Pretraining(TrainingRun[PretrainProgress]):
    """Trains `model` on `stream`. `for progress in run.train(): ...` goes on point by point; see TrainingRun.

    held_out: a stream of texts that are not trained on. loss: takes the place of `next_token_loss`. A run that was
    stopped goes on to the identical curve, if no limit in CPU-seconds bends the schedule.
    """

    progress = PretrainProgress
    remedy = "Lower the learning rate or lengthen the warm-up."

    def __init__(self, model: GPT, stream: TokenStream, held_out: TokenStream, config: PretrainConfig,
                 checkpoint: Path | None = None, loss: LossFunction = next_token_loss):
        super().__init__(config, checkpoint)
        self.model, self.stream, self.loss = model, stream, loss
        self.held_out = held_out.evenly_spaced(config.held_out_rows, config.length)
        self.steps = 0
        self.optimizers = optimizers(model, config)
        self.schedulers = [LambdaLR(optimizer, lambda _: warmup_then_cosine(
            self.done, config.warmup_share, config.final_learning_rate)) for optimizer in self.optimizers]
        self.parts = {"model": model, **{f"optimizer_{i}": one for i, one in enumerate(self.optimizers)},
                      **{f"scheduler_{i}": one for i, one in enumerate(self.schedulers)}}
        self.resume()

    @property
    def done(self) -> float:
        """Share of the run that is over, by steps or by time, whichever is further."""
        return min(1.0, max(self.steps / self.config.steps, self.cpu_seconds / self.config.cpu_seconds))

    def update(self) -> PretrainProgress:
        """Gradient steps up to the next multiple of `report_every`, and one point of the curve."""
        config, losses = self.config, []
        self.model.train()
        self.model.dropout.p = config.dropout
        while not losses or (self.steps % config.report_every and not self.reached()):
            inputs, targets = self.stream.batch(config.batch_size, config.length, self.generator)       # 2 x (B, T)
            with products(config.bfloat16), torch.random.fork_rng(devices=[]):
                torch.manual_seed(1_000_003 * config.seed + self.steps)     # dropout's luck: the same after a pause
                logits = self.model(inputs)                                                             # (B, T, V)
            loss = self.loss(logits, targets)                                                           # ()
            norm = gradient_step(loss, self.model, *self.optimizers, max_grad_norm=config.max_grad_norm)
            losses.append(loss.item())
            learning_rate = self.schedulers[0].get_last_lr()[0]
            self.steps += 1
            for scheduler in self.schedulers:
                scheduler.step()
        self.model.dropout.p = 0.0
        with self.stopwatch.paused():
            held_out_loss = self._held_out_loss()
        return PretrainProgress(
            steps=self.steps, loss=sum(losses) / len(losses), held_out_loss=held_out_loss,
            learning_rate=learning_rate, gradient_norm=norm.item(),
            tokens=self.steps * config.batch_size * config.length, cpu_seconds=self.cpu_seconds)

    @torch.no_grad()
    def _held_out_loss(self) -> float:
        self.model.eval()
        inputs, targets = self.held_out                                                         # 2 x (rows, T)
        chunks = zip(inputs.split(32), targets.split(32), strict=True)
        total = sum(next_token_loss(self.model(x), y).item() * len(x) for x, y in chunks)
        return total / len(inputs)

    def reached(self) -> bool:
        """Whether the run is over, or has made as many gradient steps as `train` was asked for."""
        return self.done >= 1 or (self.until is not None and self.steps >= self.until)

    @property
    def checkpoint_due(self) -> bool:
        """Whether a checkpoint is written after this point of the curve."""
        return self.steps % self.config.checkpoint_every == 0

    @property
    def place(self) -> str:
        """Where an error happened, for its message."""
        return f"in step {self.steps + 1}"

    @staticmethod
    def kept_at(state: dict) -> str:
        """Which place in the run a checkpoint's state is from, for an error's message."""
        return f"step {state['steps']}"

    def extra_state(self) -> dict:
        """The number of gradient steps."""
        return {"steps": self.steps}

    def load_extra_state(self, state: dict) -> None:
        """Take up what `extra_state` gave."""
        self.steps = state["steps"]


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
        muon = Muon(matrices, config.learning_rate, config.weight_decay, bfloat16=config.bfloat16)
        return [muon, torch.optim.AdamW(tables + vectors, weight_decay=0.0, **settings)]
    groups = [{"params": matrices + tables, "weight_decay": config.weight_decay},
              {"params": vectors, "weight_decay": 0.0}]
    return [torch.optim.AdamW(groups, **settings)]
