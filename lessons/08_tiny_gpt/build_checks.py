"""What the build of lesson 08 must do, exercise 08.7; the other exercises stand in checks.py."""

import math
import random
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from course_lib.exercises.lesson_checks.lesson_08 import OVER_QUERIES, SEES_ALL, normal
from torch import nn

from course_lib.exercises import Fail, apart, close, difference, exercise, shape_is
from course_lib.exercises.describe import describe

build = exercise(
    "08.7", title="Build: a GPT and its training loop", function="Pretraining", points=8, kind="build",
    difficulty=3, importance=1, minutes=90, reference="checks:Pretraining",
    hints=("Write all three __init__ first, then Block.forward, GPT.forward, loss, and the loop last: that is the order of the cases. After each "
           "one run the check; it goes on to the next part.",
           "Block.forward is two lines of one form, x = x + drop(branch(norm(x))). For the heads: qkv gives (B, T, 3C); view it as "
           "(B, T, 3, H, D), bring H before T, attend, bring H back behind T, and only then reshape to (B, T, C).",
           "One step, in this order: set the learning rate of the param group; loss of self.batch(); zero_grad; backward; "
           "nn.utils.clip_grad_norm_; optimizer.step. torch.manual_seed(seed) before the model is made, and a torch.Generator of the same seed for the rows, "
           "make two runs equal."))

TINY = {"vocab_size": 13, "context": 6, "layers": 2, "heads": 2, "width": 8, "dropout": 0.0, "rows": 4, "steps": 10, "warmup_steps": 4,
        "learning_rate": 0.01, "seed": 0}
NAMES, VERBS = ["anna", "bert", "cleo", "dora", "emil", "fred", "gina", "hugo"], ["gave", "sold", "showed", "lent"]
ADJECTIVES, THINGS = ["red", "old", "new", "big", "small", "green"], ["ball", "book", "boat", "lamp", "coat", "drum"]
WORDS = [".", *NAMES, *VERBS, *ADJECTIVES, *THINGS, "a", "and", "thanked"]
REACHED = 0.90          # nats a token; the reference ends at 0.83 to 0.84, one that cannot look back at 1.21


def tiny_texts(count: int, seed: int) -> torch.Tensor:
    """Texts of the tiny language, (count, 12): the exercise's own."""
    rng, rows = random.Random(seed), []
    for _ in range(count):
        a, b = rng.sample(NAMES, 2)
        verb, adjective, thing = rng.choice(VERBS), rng.choice(ADJECTIVES), rng.choice(THINGS)
        rows.append([".", a, verb, b, "a", adjective, thing, "and", b, "thanked", a, "."])
    return torch.tensor([[WORDS.index(word) for word in row] for row in rows])


def _attention(block: nn.Module, x: torch.Tensor, heads: int, *, mask="future", scale=None, axis=-1, merge=True,
               blocks=(0, 1, 2)) -> torch.Tensor:
    """The attention of a block on normalized x, (B, T, C), in the right way or in a wrong one."""
    B, T, C = x.shape
    parts = block.qkv(x).view(B, T, 3, heads, C // heads).permute(2, 0, 3, 1, 4)
    q, k, v = (parts[i] for i in blocks)
    scores = q @ k.transpose(-2, -1) * ((C // heads) ** -0.5 if scale is None else scale)
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    hidden = {"future": future, "past": future.T, "none": torch.zeros_like(future)}[mask]
    mixed = scores.masked_fill(hidden, float("-inf")).softmax(axis).nan_to_num() @ v
    return block.projection(mixed.transpose(1, 2).reshape(B, T, C) if merge else mixed.reshape(B, T, C))


def _through(block: nn.Module, x: torch.Tensor, heads: int, *, order="pre", stream=True, act=F.gelu, **attention) -> torch.Tensor:
    """A block's output for x, in the right way or in a wrong one."""
    def mlp(y):
        return block.narrow(act(block.widen(y)))

    if order == "post":
        x = block.norm_1(x + _attention(block, x, heads, **attention))
        return block.norm_2(x + mlp(x))
    if order == "none":
        x = x + _attention(block, x, heads, **attention)
        return x + mlp(x)
    if order == "parallel":
        return x + _attention(block, block.norm_1(x), heads, **attention) + mlp(block.norm_2(x))
    x = _attention(block, block.norm_1(x), heads, **attention) + (x if stream else 0)
    return mlp(block.norm_2(x)) + (x if stream else 0)


def _logits(model: nn.Module, tokens: torch.Tensor, heads: int, *, position=True, norm=True, blocks=None) -> torch.Tensor:
    x = model.token_embedding(tokens)
    x = x + model.position_embedding.weight[:tokens.shape[1]] if position else x
    for block in list(model.blocks) if blocks is None else blocks:
        x = _through(block, x, heads)
    return (model.norm(x) if norm else x) @ model.token_embedding.weight.T


class Block(nn.Module):
    """A GPT block, pre-norm: (B, T, C) -> (B, T, C)."""

    def __init__(self, settings: Any) -> None:
        super().__init__()
        C, self.heads, self.dropout = settings.width, settings.heads, nn.Dropout(settings.dropout)
        self.norm_1, self.norm_2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.qkv, self.projection = nn.Linear(C, 3 * C), nn.Linear(C, C)
        self.widen, self.narrow = nn.Linear(C, 4 * C), nn.Linear(4 * C, C)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Attention, then MLP; each adds to the stream."""
        x = x + self.dropout(_attention(self, self.norm_1(x), self.heads))
        return x + self.dropout(self.narrow(F.gelu(self.widen(self.norm_2(x)))))


class GPT(nn.Module):
    """Tokens (B, T) -> logits (B, T, V)."""

    def __init__(self, settings: Any) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(settings.vocab_size, settings.width)
        self.position_embedding = nn.Embedding(settings.context, settings.width)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(settings.width)
        for name, weight in self.named_parameters():
            if "norm" not in name:
                nn.init.normal_(weight, std=0.1) if weight.ndim == 2 else nn.init.zeros_(weight)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """The logits of what follows each token."""
        x = self.token_embedding(tokens) + self.position_embedding.weight[:tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.token_embedding.weight.T

    def loss(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The mean cross-entropy."""
        return F.cross_entropy(self(inputs).flatten(0, 1), targets.flatten())


class Pretraining:
    """Trains a fresh `GPT` on texts (N, L): the course's own answer to the build."""

    def __init__(self, texts: torch.Tensor, settings: Any) -> None:
        torch.manual_seed(settings.seed)
        self.texts, self.settings, self.taken, self.model = texts, settings, 0, GPT(settings)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=settings.learning_rate)
        self.generator = torch.Generator().manual_seed(settings.seed)

    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Random rows as (inputs, targets)."""
        rows = torch.randint(len(self.texts), (self.settings.rows,), generator=self.generator)
        return self.texts[rows, :-1], self.texts[rows, 1:]

    def step(self) -> float:
        """One gradient step; its loss."""
        self.taken += 1
        self.optimizer.param_groups[0]["lr"] = _learning_rate(self.taken, self.settings)
        loss = self.model.loss(*self.batch())
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()

    def fit(self) -> list[float]:
        """All steps; their losses."""
        return [self.step() for _ in range(self.settings.steps)]

    @torch.no_grad()
    def evaluate(self, texts: torch.Tensor) -> float:
        """The mean cross-entropy on other texts."""
        self.model.eval()
        loss = self.model.loss(texts[:, :-1], texts[:, 1:]).item()
        self.model.train()
        return loss


def _learning_rate(k: int, s: Any) -> float:
    return s.learning_rate * min(k / s.warmup_steps, (s.steps - k + 1) / (s.steps - s.warmup_steps))


def _some_texts(count=9, length=7, words=13, seed=5) -> torch.Tensor:
    return torch.randint(words, (count, length), generator=torch.Generator().manual_seed(seed))


def _built(fn, texts=None, **changed) -> tuple[Any, Any]:
    """(a Pretraining of the learner, its settings); weights far from the first ones, so that every part shows."""
    settings = SimpleNamespace(**{**TINY, **changed})
    return fn(_some_texts() if texts is None else texts, settings), settings


@torch.no_grad()
def _stirred(module: nn.Module, seed=6) -> nn.Module:
    """The module with other weights, norms and biases too: nothing is 0 or 1 by chance."""
    generator = torch.Generator().manual_seed(seed)
    for weight in module.parameters():
        weight.add_(0.3 * torch.randn(weight.shape, generator=generator))
    return module


def _names_wanted(settings: Any) -> dict[str, tuple[int, ...]]:
    model = GPT(settings)
    return {name: tuple(weight.shape) for name, weight in model.named_parameters()}


@build.case("the parts: their names and shapes, and nothing more")
def _(fn):
    for changed in ({}, {"layers": 1, "width": 12, "heads": 3, "vocab_size": 5, "context": 9}):
        made, settings = _built(fn, **changed)
        if not isinstance(getattr(made, "model", None), nn.Module):
            raise Fail("Pretraining(texts, settings).model", "a GPT, an nn.Module", describe(getattr(made, "model", None)),
                       "`Pretraining` keeps its model as `self.model`.")
        if not hasattr(made, "optimizer"):
            raise Fail("Pretraining(texts, settings).optimizer", "an attribute of this name", "none", "`Pretraining` keeps its optimizer as `self.optimizer`.")
        have = {name: tuple(weight.shape) for name, weight in made.model.named_parameters()}
        wanted = _names_wanted(settings)
        missing, more = [n for n in wanted if n not in have], [n for n in have if n not in wanted]
        call = "[name for name, _ in Pretraining(texts, settings).model.named_parameters()]"
        if missing:
            raise Fail(call, f"among them {missing[0]}", f"{len(have)} parameters without it",
                       f"{len(missing)} of the parameters that the specification names are missing, the first is {missing[0]}. Blocks in a plain Python list "
                       "are not seen by the optimizer: nn.ModuleList. A Linear without bias lacks its bias.")
        if more:
            raise Fail(call, "only those of the specification", f"also {', '.join(more[:3])}",
                       "There are parameters that the specification does not have. The output layer is the token embedding's matrix once more "
                       "(tied), not a new one.")
        wrong = [n for n in wanted if have[n] != wanted[n]]
        if wrong:
            raise Fail(f"{wrong[0]}.shape", str(wanted[wrong[0]]), str(have[wrong[0]]),
                       "nn.Linear(a, b) has a weight of shape (b, a); nn.Embedding(n, C) one of (n, C). The number of its rows is the number of tokens, "
                       "or of positions.")


@build.case("the first weights: std 0.1, biases 0; a loss near log V, the same for one seed")
def _(fn):
    changed = {"vocab_size": 40, "width": 32, "heads": 4}
    made, _ = _built(fn, _some_texts(words=40), **changed)
    for name, weight in made.model.named_parameters():
        if weight.ndim == 2 and weight.numel() > 500 and not 0.09 < weight.std().item() < 0.11:
            raise Fail(f"{name}.std()", "about 0.1", f"{weight.std().item():.3f}", "Every matrix, embeddings too, begins normal with mean 0 and std 0.1; torch's own "
                       "first weights are others. nn.init.normal_(weight, std=0.1) fills one in place.")
        if weight.ndim == 1 and not torch.equal(weight, torch.full_like(weight, float("norm" in name and name.endswith("weight")))):
            raise Fail(name, "biases of 0; norms with weight 1 and bias 0", describe(weight.detach()),
                       "Biases begin at 0, and the norms as torch makes them: weights 1, biases 0.")
    same, other = (_built(fn, _some_texts(words=40), seed=seed, **changed)[0].model.token_embedding.weight for seed in (0, 1))
    if not torch.equal(same, made.model.token_embedding.weight):
        raise Fail("two Pretraining of one seed", "equal first weights", "different ones", "torch.manual_seed(settings.seed) before the model is made.")
    if torch.equal(same, other):
        raise Fail("two Pretraining with seeds 0 and 1", "different first weights", "equal ones", "`settings.seed` does nothing: seed with it, not with a number.")


BLOCK_LIKELY = (
    ({"mask": "none"}, SEES_ALL), ({"mask": "past"}, "The mask is transposed: each position sees itself and the *later* ones. Query = row, key = column; cross out "
     "what is right of the diagonal (triu(1))."),
    ({"axis": -2}, OVER_QUERIES), ({"scale": 1.0}, "The scores are not divided by the square root of the head's width D."),
    ({"merge": False}, "The heads were put together in the wrong order: transpose (B, H, T, D) to (B, T, H, D) before you reshape to (B, T, C)."),
    ({"blocks": (1, 0, 2)}, "Queries and keys are swapped: the first C of the 3C numbers are the queries."),
    ({"order": "post"}, "This is post-norm: the norm came after the addition. Pre-norm leaves the stream alone and normalizes the *input* of each branch."),
    ({"order": "none"}, "The norms do nothing. Each branch reads a normalized copy of the stream: norm_1 before attention, norm_2 before the MLP."),
    ({"order": "parallel"}, "The MLP read the stream from before attention. It comes second: first add what attention gives, then normalize that for the MLP."),
    ({"stream": False}, "The residual is missing: each branch's result is *added* to the stream, x = x + ..."),
    ({"act": F.relu}, "The MLP's middle is GELU, not ReLU."), ({"act": lambda y: y}, "The MLP lacks its GELU: without it two Linear are one."))


@torch.no_grad()
def _block_case(fn, silent: str, **changed) -> None:
    """Compare a block of the learner's model with the formula; `silent` names a Linear whose weights are made 0."""
    made, settings = _built(fn, layers=1, **changed)
    block, H, C = _stirred(made.model.blocks[0]), settings.heads, settings.width
    for part in filter(None, (silent,)):
        getattr(block, part).weight.zero_()
        getattr(block, part).bias.zero_()
    x = 2 * normal(3, 5, C, seed=7)
    right, got = _through(block, x, H), fn.method(block, "forward", x)
    shape_is(got, (3, 5, C), mistake="A block gives back what it was given: (B, T, C).")
    if difference(got, right, atol=2e-3) is None:       # the wrong ways are worked out only where one is to be found
        return
    likely = [(_through(block, x, H, **wrong), words) for wrong, words in BLOCK_LIKELY]
    likely += [(_through(block, x, H, scale=1 / (C // H)), "Divide by the *root* of the head's width D."),
               (_through(block, x, H, scale=C ** -0.5), "You divided by the root of the whole width C. It is the head's width D = C / H that counts."),
               (_through(block, x, 1), "There is one head only: split queries, keys and values into H heads of width D.")]
    zeroed = f" with the weights of `{silent}` at 0" if silent else ""
    close(got, right, atol=2e-3, call=f"model.blocks[0](x){zeroed}", likely=apart(right, likely, atol=2e-3),
          otherwise=f"The block's output differs{zeroed}. Compare with the schematic, step by step; torch's F.scaled_dot_product_attention(q, k, v, is_causal=True) "
          "gives the same mixture.")


@build.case("a block without its MLP: attention, added to the stream")
def _(fn):
    _block_case(fn, "narrow")
    _block_case(fn, "narrow", width=12, heads=3)


@build.case("a block without attention: the MLP, added to the stream")
def _(fn):
    _block_case(fn, "projection")


@build.case("a whole block")
def _(fn):
    _block_case(fn, "")


@build.case("the logits of a whole model")
def _(fn):
    made, settings = _built(fn)
    model, H, tokens = _stirred(made.model), settings.heads, _some_texts()[:3, :6]
    with torch.no_grad():
        right = _logits(model, tokens, H)
        likely = apart(right, [
            (_logits(model, tokens, H, position=False), "The positions are missing: token embedding plus position embedding."),
            (_logits(model, tokens, H, norm=False), "The norm after the last block is missing."),
            (_logits(model, tokens, H, blocks=model.blocks[:1]), "Only the first block was used."),
            (_logits(model, tokens, H, blocks=list(model.blocks)[::-1]), "The blocks were used in reverse order."),
            (right.softmax(-1), "These are probabilities. The model gives logits; the loss takes their softmax."),
            (right.log_softmax(-1), "These are log-probabilities. The model gives logits.")], atol=5e-3)
        got = fn.method(model, "forward", tokens)
        shape_is(got, (3, 6, settings.vocab_size), mistake="For each token of each text one logit for every token of the vocabulary: (B, T, V).")
        close(got, right, atol=5e-3, call="model(tokens)", likely=likely, otherwise="Embeddings, blocks, norm, tied output: which one differs? The block is right by itself.")
        short = fn.method(model, "forward", tokens[:, :2])
        shape_is(short, (3, 2, settings.vocab_size), mistake="Texts shorter than the context go in as well: only the first T positions are added.")
        close(short, right[:, :2], atol=5e-3, call="model(tokens[:, :2])", otherwise="The first two positions must say the same without what follows them.")


@build.case("the loss: a mean over all tokens; untrained it is near log V")
def _(fn):
    made, settings = _built(fn)
    inputs, targets = _some_texts()[:, :-1], _some_texts()[:, 1:]
    fresh = fn.method(made.model, "loss", inputs, targets)
    shape_is(fresh, (), mistake="One number for the whole minibatch, as a tensor without dimensions.")
    if abs(fresh.item() - math.log(settings.vocab_size)) > 0.25:
        raise Fail("model.loss(inputs, targets) before training", f"about log {settings.vocab_size} = {math.log(settings.vocab_size):.2f}", fresh.detach(),
                   "A model with small first weights knows nothing: its cross-entropy is log V nats a token. Is this a mean in nats over all tokens?")
    model = _stirred(made.model)
    logits, V = _logits(model, inputs, settings.heads), settings.vocab_size
    right = F.cross_entropy(logits.reshape(-1, V), targets.reshape(-1))
    twice = F.cross_entropy(logits[:, :-1].reshape(-1, V), targets[:, 1:].reshape(-1))
    close(fn.method(model, "loss", inputs, targets), right, rtol=1e-3, call="model.loss(inputs, targets)", likely=apart(right, [
        (F.cross_entropy(logits.reshape(-1, V), inputs.reshape(-1)), "The targets are the inputs themselves: the model would learn to copy. `targets` is already one position further."),
        (twice, "Shifted twice: targets[:, t] follows inputs[:, t] already."),
        (F.cross_entropy(logits.softmax(-1).reshape(-1, V), targets.reshape(-1)), "Softmax was taken before the cross-entropy, which takes it itself: give it logits."),
        (F.cross_entropy(logits[:, -1], targets[:, -1]), "Only the last token of each text was counted. Every position is an exercise."),
        (right * targets.numel(), "This is the sum over all tokens; a mean is wanted."),
        (right * targets.shape[1], "This is the sum over a text's tokens; a mean over all tokens is wanted.")]))
    other, _ = _built(fn, seed=3)
    loss = fn.method(other.model, "loss", inputs, targets)
    if not loss.requires_grad:
        raise Fail("model.loss(inputs, targets).requires_grad", "True", "False", "The loss has lost its way back to the weights: no .item(), .detach() or torch.no_grad() on it.")
    loss.backward()
    without = [name for name, weight in other.model.named_parameters() if weight.grad is None or not weight.grad.any()]
    if without:
        raise Fail("model.loss(inputs, targets).backward()", "a gradient at every parameter", f"none at {', '.join(without[:3])}",
                   "The way back from the loss does not reach every parameter: is something detached, or not used?")


@build.case("dropout: on each branch in training, nowhere in evaluation")
def _(fn):
    x = normal(2, 4, 8, seed=8)
    for p, wanted in ((1.0, x), (0.5, None)):
        block = _stirred(_built(fn, dropout=p)[0].model.blocks[0])
        with torch.no_grad():
            quiet = _through(block, x, 2)
            got = fn.method(block.train(), "forward", x)
            if wanted is not None:
                close(got, wanted, call="model.blocks[0](x) in training, with dropout 1.0", likely=[
                    (quiet, "Dropout does nothing in training: `nn.Dropout(settings.dropout)` on each branch, just before it is added."),
                    (torch.zeros_like(x), "Dropout fell on the stream itself. It acts on the branch, before the addition.")],
                    otherwise="With everything left out of both branches the stream goes through unchanged. Dropout acts on *both* branches, just before "
                    "each is added.")
            elif (difference(got, quiet, atol=1e-3) is None) or (difference(got, fn.method(block, "forward", x), atol=1e-3) is None):
                raise Fail("model.blocks[0](x) twice, with dropout 0.5", "two different outputs", "the same", "Dropout draws anew at each call.")
            close(fn.method(block.eval(), "forward", x), quiet, atol=2e-3, call=f"model.blocks[0].eval()(x) with dropout {p}",
                  otherwise="In evaluation nothing is left out: use nn.Dropout as a submodule, or give F.dropout `training=self.training`.")


@build.case("batch: random rows, inputs and the tokens that follow them")
def _(fn):
    texts = torch.arange(5)[:, None] * 10 + torch.arange(7)                # token = 10 * row + place
    for rows in (4, 12):
        made, _ = _built(fn, texts, rows=rows, vocab_size=60)
        seen = []
        for _ in range(60 // rows):
            got = fn.method(made, "batch")
            if not isinstance(got, tuple | list) or len(got) != 2:
                raise Fail("", "(inputs, targets)", got, "Two tensors are wanted: what the model reads, and what it should say.")
            for what in got:
                shape_is(what, (rows, 6), mistake="`settings.rows` texts; of L tokens the first L - 1 are inputs and the last L - 1 are targets.")
            inputs, targets = got
            close(targets, inputs + 1, likely=[(inputs, "Targets are the inputs themselves. They are the same rows one position further."),
                                               (inputs - 1, "Shifted the wrong way: targets[:, t] is what comes *after* inputs[:, t].")],
                  call="targets of rows 0, 1, 2, ...", otherwise="targets[:, t] is the token that follows inputs[:, t] in the same text.")
            close(inputs[:, 0] % 10, torch.zeros(rows, dtype=torch.long), call="position of the first input in its text",
                  otherwise="The rows begin with the text: inputs are its first L - 1 tokens.")
            seen += (inputs[:, 0] // 10).tolist()
        if set(seen) != set(range(5)) or seen[:5] * 12 == seen:
            raise Fail(f"the rows of {60 // rows} batches of 5 texts", "all of them, in random order", str(seen[:12]),
                       "Draw the rows at random from all texts, anew for each batch.")
    same, other = (_built(fn, texts, vocab_size=60, rows=20, seed=seed)[0] for seed in (4, 4))
    if not torch.equal(same.batch()[0], other.batch()[0]):
        raise Fail("batch() of two Pretraining of one seed", "the same rows", "other ones", "Draw with a generator of your own that is seeded with settings.seed.")


@build.case("evaluate: the loss on other texts, without dropout, and back to training")
def _(fn):
    made, settings = _built(fn, dropout=0.5)
    _stirred(made.model)
    for texts in (_some_texts(8, seed=9), _some_texts(5, 4, seed=10)):
        before = [weight.detach().clone() for weight in made.model.parameters()]
        with torch.no_grad():
            logits = _logits(made.model, texts[:, :-1], settings.heads)
        right = F.cross_entropy(logits.flatten(0, 1), texts[:, 1:].flatten()).item()
        own = F.cross_entropy(logits.flatten(0, 1), texts[:, :-1].flatten()).item()
        first, second = fn.method(made, "evaluate", texts), fn.method(made, "evaluate", texts)
        if not isinstance(first, float):
            raise Fail("", "a float", first, "`.item()` makes a float of a tensor with one number.")
        if first != second:
            raise Fail("evaluate(texts) twice", "the same number", f"{first:.4f} and {second:.4f}", "Dropout is still on: `self.model.eval()` before, `self.model.train()` after.")
        close(first, right, rtol=2e-3, likely=[(own, "Targets are not shifted: this is the loss of saying the same token again."),
                                               (right * (texts.shape[1] - 1), "This is the sum over a text's tokens; a mean over all tokens is wanted.")],
              otherwise="The mean cross-entropy of texts[:, 1:] given texts[:, :-1], in evaluation mode.")
        if not made.model.training:
            raise Fail("model.training after evaluate", "True", "False", "The model stays in evaluation mode: dropout is off for the rest of the training. `self.model.train()` at the end.")
        if any(weight.grad is not None for weight in made.model.parameters()) or any(
                not torch.equal(a, b) for a, b in zip(before, made.model.parameters(), strict=True)):
            raise Fail("the model after evaluate", "as before", "changed, or with gradients", "`evaluate` only measures: no backward, no step.")


class _Watched:
    """What the optimizer of a Pretraining finds at each of its steps, and what it should find there."""

    def __init__(self, made: Any, settings: Any, texts: torch.Tensor) -> None:
        self.made, self.settings, self.rates, self.sent, self.faults = made, settings, [], 0, []
        generator = torch.Generator().manual_seed(11)
        made.batch = lambda: self._batch(texts[torch.randint(len(texts), (settings.rows,), generator=generator)])
        made.optimizer.register_step_pre_hook(lambda optimizer, *_: self._look(optimizer))

    def _batch(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        model = self.made.model
        training, self.sent = model.training, self.sent + 1
        self.loss = model.loss(rows[:, :-1], rows[:, 1:])
        grads = torch.autograd.grad(self.loss, list(model.parameters()))
        self.long = torch.cat([grad.flatten() for grad in grads])
        if not training:
            self.faults.append("eval")
        return rows[:, :-1], rows[:, 1:]

    def _look(self, optimizer: Any) -> None:
        self.rates.append(optimizer.param_groups[0]["lr"])
        self.found = torch.cat([torch.zeros_like(weight).flatten() if weight.grad is None else weight.grad.flatten()
                                for weight in self.made.model.parameters()]).clone()


@build.case("steps: the gradient of this minibatch alone, clipped")
def _(fn):
    made, settings = _built(fn, learning_rate=0.02)
    in_optimizer = {id(weight) for group in made.optimizer.param_groups for weight in group["params"]}
    if in_optimizer != {id(weight) for weight in made.model.parameters()}:
        raise Fail("the parameters of made.optimizer", "those of made.model", "others", "Nothing, or not everything, would be learned. Does the optimizer have the parameters of this model?")
    watched, last = _Watched(_loud(made), settings, _some_texts()), None
    before = [weight.detach().clone() for weight in made.model.parameters()]
    for k in range(1, 4):
        steps = len(watched.rates)
        got = fn.method(made, "step")
        if watched.sent != k:
            raise Fail(f"step() number {k}", "one minibatch of self.batch()", f"{watched.sent} in all", "Each step takes its own minibatch from `self.batch()`.")
        if len(watched.rates) != steps + 1:
            raise Fail(f"step() number {k}", "one optimizer.step()", f"{len(watched.rates) - steps}", "Each step ends with one `self.optimizer.step()`.")
        length = watched.long.norm()
        right = watched.long / max(1.0, length.item())
        likely = [(watched.long, "The gradient was not clipped before the optimizer's step: nn.utils.clip_grad_norm_(parameters, 1.0), after backward."),
                  (torch.zeros_like(right), "The optimizer finds no gradient: loss.backward() comes after zero_grad() and before step().")]
        most = watched.found.abs().max().item()
        if 0 < most < 0.999 * watched.long.abs().max().item():
            likely += [(watched.long.clamp(-most, most), "You clipped each number for itself. It is the *norm* of the whole gradient that is clipped: clip_grad_norm_.")]
        if last is not None:
            both = last + watched.long
            likely += [(both / max(1.0, both.norm().item()), "The gradient of the step before is still in it: zero_grad() is missing.")]
        close(watched.found, right, rtol=5e-3, atol=1e-4, call=f"the gradient that the optimizer finds in step {k}", likely=apart(right, likely, atol=1e-4),
              otherwise="It should be the gradient of model.loss(*self.batch()), scaled so that its norm is at most 1.")
        if not isinstance(got, float):
            raise Fail("", "a float", got, "`loss.item()`: a tensor would keep the whole graph alive.")
        close(got, watched.loss.item(), rtol=1e-3, otherwise="The loss of this step's minibatch, before the step.")
        last = right
    if all(torch.equal(a, b) for a, b in zip(before, made.model.parameters(), strict=True)):
        raise Fail("the weights after three steps", "others than before", "the same", "Nothing was learned. Does the optimizer have the parameters of this model?")


@torch.no_grad()
def _loud(made: Any) -> Any:
    """The same with larger weights: gradients are then longer than 1."""
    for weight in made.model.parameters():
        weight.mul_(4.0)
    return made


@build.case("steps: the learning rate rises, then falls; AdamW with torch's defaults")
def _(fn):
    for changed in ({}, {"steps": 7, "warmup_steps": 2, "learning_rate": 0.003, "seed": 2}):
        made, settings = _built(fn, **changed)
        watched = _Watched(made, settings, _some_texts())
        losses = fn.method(made, "fit")
        right = [_learning_rate(k, settings) for k in range(1, settings.steps + 1)]
        if len(watched.rates) != settings.steps:
            raise Fail("fit()", f"{settings.steps} steps", f"{len(watched.rates)}", "`fit` takes settings.steps steps.")
        late = [_learning_rate(k, settings) for k in range(settings.steps)]
        early = [*right[1:], 0.0]
        close(watched.rates, right, rtol=1e-4, atol=1e-9, call="the learning rate in each step", likely=[
            ([settings.learning_rate] * settings.steps, "The learning rate stays where it is. It rises over the warm-up and then falls to nearly 0."),
            (late, "The learning rate is one step late: count from k = 1, so that the first step is a step."),
            (early, "The learning rate is one step early: it was set for the next step before this one was taken.")],
            otherwise="In step k = 1, 2, ...: learning_rate * min(k / w, (n - k + 1) / (n - w)), with w = warmup_steps and n = steps.")
        if not isinstance(losses, list) or len(losses) != settings.steps or not all(isinstance(loss, float) for loss in losses):
            raise Fail("", f"a list of {settings.steps} floats", losses, "`fit` returns the losses of all its steps.")
        if not isinstance(made.optimizer, torch.optim.AdamW):
            raise Fail("type(optimizer)", "torch.optim.AdamW", type(made.optimizer).__name__, "The specification asks for AdamW.")
        have = made.optimizer.param_groups[0]
        usual = torch.optim.AdamW([torch.zeros(1, requires_grad=True)]).param_groups[0]
        differ = [key for key in ("betas", "eps", "weight_decay") if have[key] != usual[key]]
        if differ:
            raise Fail(f"optimizer.param_groups[0][{differ[0]!r}]", str(usual[differ[0]]), str(have[differ[0]]), "AdamW has torch's defaults, but for the learning rate.")
        if "eval" in watched.faults:
            raise Fail("model.training in a step", "True", "False", "The model is in evaluation mode while it trains: dropout is off.")


@build.case("it learns: at most 0.90 nats a token on texts it has not seen", seconds=60, last=True)
def _(fn):
    settings = SimpleNamespace(vocab_size=len(WORDS), context=11, layers=2, heads=4, width=32, dropout=0.0, rows=32, steps=200, warmup_steps=20,
                               learning_rate=1e-2, seed=0)
    made = fn(tiny_texts(2_000, seed=0), settings)
    fn.method(made, "fit")
    unseen = tiny_texts(500, seed=1)
    with torch.no_grad():
        loss = F.cross_entropy(made.model.eval()(unseen[:, :-1]).flatten(0, 1), unseen[:, 1:].flatten()).item()
    if not loss <= REACHED:
        raise Fail("the loss on unseen texts after fit()", f"at most {REACHED:.2f} nats a token", f"{loss:.3f}",
                   "Every part passed, and yet it does not learn enough. About 1.2 means that it does not look back. Print the losses of fit(): do they fall?")
