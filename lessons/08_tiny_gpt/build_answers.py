"""Right and wrong programs for the build, exercise 08.7, with the message each must get."""


import torch
import torch.nn.functional as F
from torch import nn

from course_lib.authoring.answers import excused, right, wrong


class _Block(nn.Module):
    """Right, with places where a wrong one differs."""

    dropped = staticmethod(lambda drop, branch: drop(branch))

    def __init__(self, settings):
        super().__init__()
        width = settings.width
        self.norm_1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.norm_2 = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.drop = nn.Dropout(settings.dropout)
        self.H = settings.heads

    def split(self, x):
        return [part.unflatten(-1, (self.H, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1)]

    def mix(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    def attend(self, x):
        return self.projection(self.mix(*self.split(x)).transpose(1, 2).flatten(2))

    def think(self, x):
        return self.narrow(F.gelu(self.widen(x), approximate="tanh"))

    def forward(self, x):
        x = x + self.drop(self.attend(self.norm_1(x)))
        return x + self.drop(self.think(self.norm_2(x)))


class _GPT(nn.Module):
    block = _Block

    def __init__(self, settings):
        super().__init__()
        self.token_embedding = nn.Embedding(settings.vocab_size, settings.width)
        self.position_embedding = nn.Embedding(settings.context, settings.width)
        self.blocks = nn.ModuleList([self.block(settings) for _ in range(settings.layers)])
        self.norm = nn.LayerNorm(settings.width)
        self.apply(self.first_weights)

    @staticmethod
    def first_weights(module):
        if isinstance(module, nn.Linear | nn.Embedding):
            module.weight.data.normal_(0.0, 0.1)
        if isinstance(module, nn.Linear):
            module.bias.data.zero_()

    def stream(self, tokens):
        x = self.token_embedding(tokens) + self.position_embedding(torch.arange(tokens.shape[-1]))
        for block in self.blocks:
            x = block(x)
        return x

    def forward(self, tokens):
        return F.linear(self.norm(self.stream(tokens)), self.token_embedding.weight)

    def loss(self, inputs, targets):
        return -self(inputs).log_softmax(-1).gather(-1, targets[..., None]).mean()


class _Pretraining:
    gpt = _GPT

    def __init__(self, texts, settings):
        torch.manual_seed(settings.seed)
        self.texts, self.settings, self.k = texts, settings, 0
        self.model = self.gpt(settings)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=settings.learning_rate)
        self.generator = torch.Generator().manual_seed(settings.seed + 1)

    def batch(self):
        rows = self.texts[torch.randint(0, len(self.texts), [self.settings.rows], generator=self.generator)]
        return rows[:, :-1], rows[:, 1:]

    def rate(self, k):
        s = self.settings
        return k / s.warmup_steps if k <= s.warmup_steps and k / s.warmup_steps < (s.steps - k + 1) / (s.steps - s.warmup_steps) else (
            s.steps - k + 1) / (s.steps - s.warmup_steps)

    def clip(self):
        nn.utils.clip_grad_norm_(self.model.parameters(), max_norm=1.0)

    def step(self):
        self.k += 1
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * self.rate(self.k)
        inputs, targets = self.batch()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.model.loss(inputs, targets)
        loss.backward()
        self.clip()
        self.optimizer.step()
        return float(loss)

    def fit(self):
        return [self.step() for _ in range(self.settings.steps)]

    def evaluate(self, texts):
        self.model.eval()
        with torch.inference_mode():
            loss = self.model.loss(texts[:, :-1], texts[:, 1:])
        self.model.train()
        return loss.item()


@right("08.7")
class with_torchs_attention(_Pretraining):
    pass


class _OneHeadAfterTheOther(_Block):
    def attend(self, x):
        B, T, C = x.shape
        D, every = C // self.H, self.qkv(x)
        mixed = []
        for h in range(self.H):
            q, k, v = (every[:, :, i * C + h * D:i * C + (h + 1) * D] for i in range(3))
            scores = torch.einsum("btd,bsd->bts", q, k) * D ** -0.5
            weights = scores.exp() * torch.ones(T, T).tril()
            mixed.append(weights / weights.sum(-1, keepdim=True) @ v)
        return self.projection(torch.cat(mixed, dim=-1))

    def forward(self, x):
        for norm, branch in ((self.norm_1, self.attend), (self.norm_2, self.think)):
            x = x + F.dropout(branch(norm(x)), self.drop.p, self.training)
        return x


@right("08.7")
class heads_in_a_loop_and_a_scheduler(_Pretraining):
    gpt = type("GPT", (_GPT,), {"block": _OneHeadAfterTheOther})

    def __init__(self, texts, settings):
        super().__init__(texts, settings)
        n, w = settings.steps, settings.warmup_steps
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda done: min((done + 1) / w, (n - done) / (n - w)))

    def batch(self):
        picks = torch.rand(self.settings.rows, generator=self.generator).mul(len(self.texts)).long()
        rows = torch.stack([self.texts[i] for i in picks])
        return [rows[:, :-1], rows[:, 1:]]

    def step(self):
        loss = self.model.loss(*self.batch())
        loss.backward()
        self.clip()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.step()
        return loss.item()


def _wrong_block(**methods):
    """A GPT whose blocks have other methods."""
    return type("GPT", (_GPT,), {"block": type("Block", (_Block,), methods)})


def _scored(q, k, v, scale=None, mask=lambda future: future, axis=-1):
    scores = q @ k.transpose(-2, -1) * (q.shape[-1] ** -0.5 if scale is None else scale)
    future = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool).triu(1)
    return scores.masked_fill(mask(future), float("-inf")).softmax(axis).nan_to_num() @ v


@wrong("08.7", says="Every position sees the future")
class mask_missing(_Pretraining):
    gpt = _wrong_block(mix=lambda self, q, k, v: F.scaled_dot_product_attention(q, k, v))


@wrong("08.7", says="The mask is transposed")
class mask_transposed(_Pretraining):
    gpt = _wrong_block(mix=lambda self, q, k, v: _scored(q, k, v, mask=lambda future: future.T))


@wrong("08.7", says="The softmax runs over the queries")
class softmax_over_the_queries(_Pretraining):
    gpt = _wrong_block(mix=lambda self, q, k, v: _scored(q, k, v, axis=-2))


@wrong("08.7", says="not divided by the square root")
class scale_missing(_Pretraining):
    gpt = _wrong_block(mix=lambda self, q, k, v: _scored(q, k, v, scale=1.0))


@wrong("08.7", says="root of the whole width")
class scaled_by_the_whole_width(_Pretraining):
    gpt = _wrong_block(mix=lambda self, q, k, v: _scored(q, k, v, scale=(q.shape[1] * q.shape[-1]) ** -0.5))


@wrong("08.7", says="There is one head only")
class one_head(_Pretraining):
    gpt = _wrong_block(split=lambda self, x: [part[:, None] for part in self.qkv(x).chunk(3, dim=-1)])


@wrong("08.7", says="put together in the wrong order")
class heads_not_brought_back(_Pretraining):
    gpt = _wrong_block(attend=lambda self, x: self.projection(self.mix(*self.split(x)).reshape(x.shape)))


@wrong("08.7", says="This is post-norm")
class post_norm(_Pretraining):
    gpt = _wrong_block(forward=lambda self, x: (lambda y: self.norm_2(y + self.think(y)))(self.norm_1(x + self.attend(x))))


@wrong("08.7", says="The residual is missing")
class no_residual(_Pretraining):
    gpt = _wrong_block(forward=lambda self, x: self.think(self.norm_2(self.attend(self.norm_1(x)))))


@wrong("08.7", says="from before attention")
class branches_side_by_side(_Pretraining):
    gpt = _wrong_block(forward=lambda self, x: x + self.attend(self.norm_1(x)) + self.think(self.norm_2(x)))


@wrong("08.7", says="Dropout fell on the stream")
class dropout_on_the_stream(_Pretraining):
    gpt = _wrong_block(forward=lambda self, x: (lambda y: self.drop(y + self.think(self.norm_2(y))))(self.drop(x + self.attend(self.norm_1(x)))))


@wrong("08.7", says="nothing is left out")
class dropout_always_on(_Pretraining):
    gpt = _wrong_block(forward=lambda self, x: (lambda y: y + F.dropout(self.think(self.norm_2(y)), self.drop.p))(
        x + F.dropout(self.attend(self.norm_1(x)), self.drop.p)))


@wrong("08.7", says="Blocks in a plain Python list")
class blocks_in_a_list(_Pretraining):
    class gpt(_GPT):
        def __init__(self, settings):
            super().__init__(settings)
            blocks = list(self.blocks)
            del self.blocks
            self.blocks = blocks


@wrong("08.7", says="(tied)")
class an_output_layer_of_its_own(_Pretraining):
    class gpt(_GPT):
        def __init__(self, settings):
            super().__init__(settings)
            self.head = nn.Linear(settings.width, settings.vocab_size, bias=False)

        def forward(self, tokens):
            return self.head(self.norm(self.stream(tokens)))


@wrong("08.7", says="torch's own first weights")
class first_weights_of_torch(_Pretraining):
    gpt = type("GPT", (_GPT,), {"first_weights": staticmethod(lambda module: None)})


@wrong("08.7", says="The positions are missing")
class a_gpt_without_positions(_Pretraining):
    class gpt(_GPT):
        def stream(self, tokens):
            x = self.token_embedding(tokens)
            for block in self.blocks:
                x = block(x)
            return x


@wrong("08.7", says="The norm after the last block")
class a_gpt_without_its_last_norm(_Pretraining):
    gpt = type("GPT", (_GPT,), {"forward": lambda self, tokens: self.stream(tokens) @ self.token_embedding.weight.T})


@wrong("08.7", says="Shifted twice")
class shifts_again(_Pretraining):
    gpt = type("GPT", (_GPT,), {"loss": lambda self, inputs, targets: _GPT.loss(self, inputs[:, :-1], targets[:, 1:])})


@wrong("08.7", says="give it logits")
class softmax_twice(_Pretraining):
    gpt = type("GPT", (_GPT,), {"loss": lambda self, inputs, targets: F.cross_entropy(self(inputs).softmax(-1).flatten(0, 1), targets.flatten())})


@wrong("08.7", says="lost its way back")
class loss_detached(_Pretraining):
    gpt = type("GPT", (_GPT,), {"loss": lambda self, inputs, targets: _GPT.loss(self, inputs, targets).detach()})


@wrong("08.7", says="Targets are the inputs themselves")
class targets_not_shifted(_Pretraining):
    def batch(self):
        inputs, _ = super().batch()
        return inputs, inputs


@wrong("08.7", says="Draw the rows at random")
class always_the_first_rows(_Pretraining):
    def batch(self):
        rows = self.texts[torch.arange(self.settings.rows) % len(self.texts)]
        return rows[:, :-1], rows[:, 1:]


@wrong("08.7", says="Dropout is still on")
class evaluates_with_dropout(_Pretraining):
    def evaluate(self, texts):
        with torch.no_grad():
            return self.model.loss(texts[:, :-1], texts[:, 1:]).item()


@wrong("08.7", says="stays in evaluation mode")
class never_back_to_training(_Pretraining):
    def evaluate(self, texts):
        with torch.no_grad():
            return self.model.eval().loss(texts[:, :-1], texts[:, 1:]).item()


def _steps(*order):
    """A `step` whose parts come in another order, or not at all."""
    def step(self):
        self.k += 1
        self.optimizer.param_groups[0]["lr"] = self.settings.learning_rate * self.rate(self.k)
        loss = self.model.loss(*self.batch())
        parts = {"zero": self.optimizer.zero_grad, "back": loss.backward, "clip": self.clip, "step": self.optimizer.step}
        for part in order:
            parts[part]()
        return loss.item()
    return step


@wrong("08.7", says="zero_grad() is missing")
class gradients_never_zeroed(_Pretraining):
    step = _steps("back", "clip", "step")


@wrong("08.7", says="not clipped")
class clipped_too_late(_Pretraining):
    step = _steps("zero", "back", "step", "clip")


@wrong("08.7", says="finds no gradient")
class zeroed_after_backward(_Pretraining):
    step = _steps("back", "zero", "clip", "step")


@wrong("08.7", says="It is the *norm*")
class each_number_clipped(_Pretraining):
    def clip(self):
        nn.utils.clip_grad_value_(self.model.parameters(), 0.05)


@wrong("08.7", says="Does the optimizer have the parameters")
class optimizer_of_another_model(_Pretraining):
    def __init__(self, texts, settings):
        super().__init__(texts, settings)
        self.optimizer = torch.optim.AdamW(self.gpt(settings).parameters(), lr=settings.learning_rate)


@wrong("08.7", says="stays where it is")
class no_schedule(_Pretraining):
    def rate(self, k):
        return 1.0


@wrong("08.7", says="one step late")
class counted_from_zero(_Pretraining):
    def rate(self, k):
        return min((k - 1) / self.settings.warmup_steps, super().rate(k - 1))


excused("08.7", "torch.optim.AdamW(self.model.parameters(), lr=settings.learning_rate) → torch.optim.AdamW(self.model.parameters())",
        because="each step sets the learning rate before it uses it")
