"""LoRA: train a large model by way of a few small matrices, and keep the model itself as it was. For lesson 12.

    lora = add_lora(model, ["q_proj", "v_proj"], rank=8)        # the model says what it said before, to the bit
    optimizer = torch.optim.Adam(lora.parameters(), lr=5e-4)    # a hundredth of the weights, or fewer
    with lora.disabled():
        reference = model(tokens)                               # the model from before: the same weights, no copy

A chosen linear layer x -> W x + b becomes x -> W x + b + (alpha / rank) B A x. W never changes. A and B together have
rank * (in + out) numbers, W has in * out.

Source: E. Hu et al. (2021), "LoRA: low-rank adaptation of large language models", their section 4.1: A is random, B is
zero, so that training starts from the model as it is. They say nothing of A's standard deviation: here it is
1 / sqrt(in), which keeps A x about as large as x. Departures: no dropout on x. Forward pass and gradients equal peft's
(tests/test_lm_lora.py).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint


class LoRALinear(nn.Module):
    """A linear layer and the two small matrices that are trained in its place."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float, generator: torch.Generator):
        super().__init__()
        self.base, self.scale, self.enabled = base, alpha / rank, True
        self.A = nn.Parameter(torch.randn(rank, base.in_features, generator=generator) / base.in_features ** 0.5)
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))
        self.unmerged: Tensor | None = None             # the weight as it was, while A and B are merged into it

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., in) -> (..., out), in x's precision; A and B are float32 and multiply in it."""
        if self.unmerged is not None:
            return self.base(x) if self.enabled else F.linear(x, self.unmerged, self.base.bias)
        y = self.base(x)                                                        # (..., out)
        if not self.enabled:
            return y
        update = F.linear(F.linear(x.to(self.A.dtype), self.A), self.B)         # (..., rank), then (..., out)
        return (y + self.scale * update).to(y.dtype)


class LoRA:
    """The adapter of a model: every A and B that `add_lora` put into it, by the name of their layer."""

    def __init__(self, layers: dict[str, LoRALinear], rank: int, alpha: float):
        self.layers, self.rank, self.alpha = layers, rank, alpha

    def parameters(self) -> Iterator[nn.Parameter]:
        """Every A and B: what an optimizer trains."""
        for layer in self.layers.values():
            yield from (layer.A, layer.B)

    @property
    def parameter_count(self) -> int:
        """Numbers that are trained."""
        return sum(parameter.numel() for parameter in self.parameters())

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Inside the `with` block the model is the one from before, to the bit: the reference, at no memory."""
        before = [layer.enabled for layer in self.layers.values()]
        for layer in self.layers.values():
            layer.enabled = False
        try:
            yield
        finally:
            for layer, enabled in zip(self.layers.values(), before, strict=True):
                layer.enabled = enabled

    @torch.no_grad()
    def merge(self) -> None:
        """Add every update into its weight: reading then costs no more than before. For use, not for training.

        The old weights of these layers are kept until `unmerge`. In a 16-bit model the sum is rounded.
        """
        for layer in self.layers.values():
            if layer.unmerged is None:
                weight = layer.base.weight
                layer.unmerged = weight.detach().clone()                        # (out, in)
                weight.copy_(weight.to(layer.A.dtype) + layer.scale * (layer.B @ layer.A))

    @torch.no_grad()
    def unmerge(self) -> None:
        """Undo `merge`, to the bit."""
        for layer in self.layers.values():
            if layer.unmerged is not None:
                layer.base.weight.copy_(layer.unmerged)
                layer.unmerged = None

    @torch.no_grad()
    def turn_down(self, factor: float) -> None:
        """Shrink every update to `factor` of itself: between 1, the trained model, and 0, the one from before.

        In between, a model is nearer to the one from before and has kept most of what it learned (Wortsman et al. 2022,
        for fine-tuned models). Raises CourseError for an adapter that is merged.
        """
        for layer in self.layers.values():
            if layer.unmerged is not None:
                raise CourseError("This adapter is merged into the model's weights: call unmerge() first.")
            layer.B.mul_(factor)

    def state_dict(self) -> dict[str, Tensor]:
        """A and B of each layer, and nothing of the model. The tensors are the adapter's own, as torch's are."""
        return {f"{name}.{part}": getattr(layer, part).detach() for name, layer in self.layers.items() for part in "AB"}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` gave. Raises ValueError when it is of other layers, another rank or another model.

        An adapter that is merged must be unmerged first (CourseError).
        """
        if any(layer.unmerged is not None for layer in self.layers.values()):
            raise CourseError("This adapter is merged into the model's weights: call unmerge() before loading another.")
        own = self.state_dict()
        for what, names in (("lacks", own.keys() - state.keys()), ("holds as well", state.keys() - own.keys())):
            if names:
                raise ValueError(f"it is of other layers: it {what} {len(names)} matrices, {min(names)} for one")
        for name, matrix in state.items():
            if matrix.shape != own[name].shape:
                raise ValueError(f"{name} is {tuple(matrix.shape)} there and {tuple(own[name].shape)} here")
        for name, matrix in state.items():
            own[name].copy_(matrix)

    def save(self, path: Path) -> None:
        """Write the adapter alone, whole or not at all. Raises CourseError when that fails."""
        save_checkpoint(path, {"kind": "LoRA", "rank": self.rank, "alpha": self.alpha, "weights": self.state_dict()})

    def load(self, path: Path) -> None:
        """Read what `save` wrote. Raises CheckpointError when it is no adapter, or one that does not fit this one."""
        state, name = load_checkpoint(path), Path(path).name
        if state.get("kind") != "LoRA":
            raise CheckpointError(f"{name} holds no LoRA adapter. Give a file that `LoRA.save` wrote.")
        differing = [f"{what} {state[what]} there, {getattr(self, what)} here"
                     for what in ("rank", "alpha") if state[what] != getattr(self, what)]
        try:
            if differing:
                raise ValueError(", ".join(differing))
            self.load_state_dict(state["weights"])
        except ValueError as error:
            raise CheckpointError(f"{name} holds an adapter that does not fit this one: {error}. Call add_lora with "
                                  "the same layers, rank and alpha on the same model, then load again.") from error


def add_lora(model: nn.Module, names: Sequence[str], rank: int = 8, alpha: float | None = None,
             seed: int = 0) -> LoRA:
    """Put A and B beside chosen linear layers of `model`, in place, freeze everything else, and return the adapter.

    names: the layers, by their names in `model.named_modules()` or by the last parts of these: "q_proj" is every layer
    of that name, "layers.29.self_attn.q_proj" one of them. rank: of each update. alpha: the update is multiplied by
    alpha / rank (None: alpha is twice the rank). seed: of the A's.

    Raises CourseError when a name fits no layer, or one that is not linear or has an adapter; ValueError for a rank
    below 1.
    """
    if rank < 1:
        raise ValueError(f"an update has rank 1 or more, not {rank}")
    alpha = 2 * rank if alpha is None else alpha
    modules = dict(model.named_modules())
    chosen: dict[str, nn.Linear] = {}
    for name in names:
        found = {full: module for full, module in modules.items() if f".{full}".endswith(f".{name}")}
        if not found:
            ends = sorted({full.rsplit(".", 1)[-1] for full, module in modules.items()
                           if isinstance(module, nn.Linear)})
            raise CourseError(f"No layer of this model is called {name!r}. Its linear layers end in {', '.join(ends)}.")
        for full, module in found.items():
            if isinstance(module, LoRALinear):
                raise CourseError(f"{full} has an adapter already: load the model again to give it another.")
            if not isinstance(module, nn.Linear):
                raise CourseError(f"{full} is a {type(module).__name__}, and LoRA here is for linear layers only. Give "
                                  "the names of linear layers.")
        chosen |= found
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    layers = {name: LoRALinear(linear, rank, alpha, generator) for name, linear in sorted(chosen.items())}
    for name, layer in layers.items():
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, layer)
    return LoRA(layers, rank, alpha)
