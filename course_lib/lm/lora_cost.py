"""What a LoRA adapter costs: numbers trained, memory, and the time of a gradient step. Lesson 12, section 12.2.

    for row in measure_steps(policy, tokens, mask, settings=((10, 8), (30, 8))):
        print(row.layers, row.rank, row.trained, row.cpu_seconds)

The step is that of any loss on log-probabilities: read the answers, go back, move with Adam. The model is shared with
the policy that is given, and its own adapter is put aside meanwhile.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.lm.chat_policy import LORA_PARTS, ChatPolicy
from course_lib.lm.lora import add_lora

BYTES = 12                          # a number that Adam trains: its gradient and two moments, four bytes each


@dataclass(frozen=True)
class StepCost:
    """One gradient step with one adapter."""

    layers: int                     # of the model's last ones that have an adapter
    rank: int
    trained: int                    # numbers of the adapter
    share: float                    # of the model's weights
    training_mb: float              # megabytes for gradients and Adam's two moments
    cpu_seconds: float              # of the quickest of two steps


def measure_steps(policy: ChatPolicy, tokens: Tensor, mask: Tensor,
                  settings: Sequence[tuple[int, int]]) -> list[StepCost]:
    """One row for each of `settings`, (layers, rank). tokens: (B, L); mask: (B, L - 1), as of `ChatPolicy.logprobs`.

    Raises ValueError for more layers than the model has. Afterwards the policy is what it was.
    """
    model, rows = policy.model, []
    total, whole = len(model.model.layers), sum(parameter.numel() for parameter in model.parameters())
    with _without_adapter(policy):
        for layers, rank in settings:
            if not 1 <= layers <= total:
                raise ValueError(f"the adapter sits on 1 to {total} layers, not {layers}")
            last = range(total - layers, total)
            names = [f"layers.{layer}.self_attn.{part}" for layer in last for part in LORA_PARTS]
            adapter = add_lora(model, names, rank)
            tried = ChatPolicy(model, policy.tokenizer, adapter, temperature=policy.temperature, system=policy.system)
            optimizer = torch.optim.Adam(adapter.parameters(), lr=1e-4)
            seconds = min(_step(tried, optimizer, tokens, mask) for _ in range(2))
            trained = adapter.parameter_count
            rows.append(StepCost(layers, rank, trained, trained / whole, trained * BYTES / 1e6, seconds))
            for name, layer in adapter.layers.items():
                _put(model, name, layer.base)
    return rows


def _step(policy: ChatPolicy, optimizer: torch.optim.Optimizer, tokens: Tensor, mask: Tensor) -> float:
    """CPU-seconds of one step that reads everything anew."""
    policy.frozen.kept.clear()
    begun = time.process_time()
    policy.zero_grad()
    (-policy.logprobs(tokens, mask).sum()).backward()
    optimizer.step()
    return time.process_time() - begun


@contextmanager
def _without_adapter(policy: ChatPolicy) -> Iterator[None]:
    """Inside the `with` block the model's layers are the plain ones."""
    for name, layer in policy.lora.layers.items():
        _put(policy.model, name, layer.base)
    try:
        yield
    finally:
        for name, layer in policy.lora.layers.items():
            _put(policy.model, name, layer)


def _put(model: torch.nn.Module, name: str, layer: torch.nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, layer)
