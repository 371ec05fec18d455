"""What the build of lesson 11 must do, exercise 11.8; the other exercises stand in checks.py."""

import copy
import math
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from course_lib.exercises import Fail, apart, close, difference, exercise, shape_is
from course_lib.exercises.describe import describe
from course_lib.lm import kl
from course_lib.lm.gpt import GPT, GPTConfig, causal_attention
from course_lib.lm.ppo import token_gae, whiten
from course_lib.rl.objectives import clipped_policy_loss, value_loss

build = exercise(
    "11.8", title="Build: PPO on tokens", function="TokenPPO", points=8, kind="build",
    difficulty=3, importance=1, minutes=90, reference="checks:TokenPPO",
    hints=("Write all three __init__ first, then forward, sample, collect, loss, update: that is the order of the cases. After each one run the "
           "check; it goes on to the next part.",
           "sample is one loop over max_new_tokens: the model reads all tokens so far, its last position gives the next token, `going` says which rows have not "
           "ended; the mask gets `going` as it was *before* this token. In collect nothing needs a gradient: torch.no_grad().",
           "Both epochs and minibatches use the batch as it was collected: its logprobs stay the old ones. "
           "for rows in torch.randperm(batch_size, generator=...).split(minibatch_size) gives the rows; {key: value[rows] for ...} a part of the batch. "
           "Standardize the advantages after the returns were computed from them."))

SMALL = {"max_new_tokens": 4, "batch_size": 6, "minibatch_size": 4, "epochs": 2, "learning_rate": 0.01, "beta": 0.3, "gamma": 1.0, "lam": 0.9, "clip": 0.2,
         "value_coefficient": 0.5, "seed": 0}
LETTERS = torch.tensor([[0, letter] for letter in range(1, 9)])
REACHED, ALLOWED = 3.0, 8.5         # reward and nats; the reference ends near 4.1 at 6.3


def rising(tokens: torch.Tensor) -> torch.Tensor:
    """The reward of whole texts, (B, L) -> (B,): steps up the alphabet minus steps down. The end is no step."""
    before, after = tokens[:, 1:-1], tokens[:, 2:]
    return (torch.sign(after - before) * (after > 0)).sum(dim=1).float()


class ActorCritic(nn.Module):
    """A GPT with a value head."""

    def __init__(self, gpt: GPT) -> None:
        super().__init__()
        self.gpt, self.value_head = gpt, nn.Linear(gpt.config.width, 1)
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(logprobs, values) of the choices in tokens (B, L), both (B, L - 1)."""
        hidden = self.gpt.hidden(tokens[:, :-1])
        return _of_tokens(self.gpt.logits(hidden), tokens), self.value_head(hidden).squeeze(-1)


def _of_tokens(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    return logits.log_softmax(-1).gather(-1, tokens[:, 1:, None]).squeeze(-1)


class Rollouts:
    """Samples from the policy, and computes rewards and advantages of each choice."""

    def __init__(self, model: ActorCritic, reference: GPT, reward: Any, settings: Any, generator: torch.Generator) -> None:
        self.model, self.reference, self.reward, self.settings, self.generator = model, reference, reward, settings, generator

    def sample(self, prompts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (B, P + N) and the mask of the choices (B, P + N - 1)."""
        return _sampled(self.model.gpt, prompts, self.settings.max_new_tokens, self.generator)

    @torch.no_grad()
    def collect(self, prompts: torch.Tensor) -> dict[str, torch.Tensor]:
        """The batch."""
        s, (tokens, mask) = self.settings, self.sample(prompts)
        logprobs, values = (each * mask for each in self.model(tokens))
        batch = {"tokens": tokens, "mask": mask, "logprobs": logprobs, "values": values, "rewards": self.reward(tokens),
                 "reference_logprobs": _of_tokens(self.reference(tokens[:, :-1]), tokens) * mask}
        batch["token_rewards"] = kl.token_rewards(batch["rewards"], logprobs, batch["reference_logprobs"], mask, s.beta)
        advantages = token_gae(batch["token_rewards"], values, mask, s.gamma, s.lam)
        return {**batch, "returns": (advantages + values) * mask, "advantages": whiten(advantages, mask)}


@torch.no_grad()
def _sampled(gpt: GPT, prompts: torch.Tensor, new: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    tokens, mask = prompts, torch.zeros_like(prompts[:, 1:], dtype=torch.bool)
    going = torch.ones(len(prompts), dtype=torch.bool)
    for _ in range(new):
        drawn = torch.multinomial(gpt(tokens)[:, -1].softmax(-1), 1, generator=generator)[:, 0] * going
        tokens, mask = torch.cat([tokens, drawn[:, None]], 1), torch.cat([mask, going[:, None]], 1)
        going = going & (drawn != 0)
    return tokens, mask


class TokenPPO:
    """PPO on tokens, with a value head on the policy: the course's own answer to the build."""

    def __init__(self, gpt: GPT, prompts: torch.Tensor, reward: Any, settings: Any) -> None:
        self.prompts, self.settings = prompts, settings
        self.model, self.reference = ActorCritic(gpt), copy.deepcopy(gpt).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=settings.learning_rate)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.rollouts = Rollouts(self.model, self.reference, reward, settings, self.generator)

    def loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The whole loss of a batch, or of some of its rows."""
        policy, value = _losses(self.model, batch, self.settings.clip)
        return policy + self.settings.value_coefficient * value

    def update(self) -> dict[str, float]:
        """One batch, learned from; its reward and KL."""
        s = self.settings
        batch = self.rollouts.collect(self.prompts[torch.randint(len(self.prompts), (s.batch_size,), generator=self.generator)])
        for _ in range(s.epochs):
            for rows in torch.randperm(s.batch_size, generator=self.generator).split(s.minibatch_size):
                loss = self.loss({key: value[rows] for key, value in batch.items()})
                self.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                self.optimizer.step()
        distance = (batch["logprobs"] - batch["reference_logprobs"]).sum(dim=1)
        return {"reward": batch["rewards"].mean().item(), "kl": distance.mean().item()}


def _losses(model: nn.Module, batch: dict[str, torch.Tensor], clip: float, everywhere=False) -> tuple[torch.Tensor, torch.Tensor]:
    """(policy loss, value loss), by the library; `everywhere`: the value loss without the mask."""
    hidden, mask = model.gpt.hidden(batch["tokens"][:, :-1]), batch["mask"]
    logprobs, values = _of_tokens(model.gpt.logits(hidden), batch["tokens"]), model.value_head(hidden).squeeze(-1)
    return (clipped_policy_loss(logprobs, batch["logprobs"], batch["advantages"], clip, mask),
            value_loss(values, batch["returns"], None if everywhere else mask))


@torch.no_grad()
def _moved(network: nn.Module, by: float, seed: int) -> nn.Module:
    """The network with other weights, biases too."""
    generator = torch.Generator().manual_seed(seed)
    for weight in network.parameters():
        weight.add_(by * torch.randn(weight.shape, generator=generator))
    return network


@torch.no_grad()
def _gpt(words=6, context=8, width=8, seed=1, ends=3.0) -> GPT:
    """A small GPT whose distributions are uneven and depend on what stands before. `ends`: how much it likes to end a text."""
    gpt = _moved(GPT(GPTConfig(words, context, 1, 2, width), attention=causal_attention), 0.5, seed).eval()
    end = gpt.token_embedding.weight[0] - gpt.token_embedding.weight.mean(dim=0)
    gpt.norm.bias.add_(ends * end / end.square().sum())
    return gpt


def _told(got: Any, right: Any, likely: list, **within: float) -> list:
    """The likely mistakes that can be told apart, worked out only where the answer is not right: comparing them takes long."""
    return apart(right, likely, **within) if difference(got, right, **within) else []


def _score(tokens: torch.Tensor) -> torch.Tensor:
    return tokens.float().mean(dim=1) - 0.3 * tokens[:, -1]


STARTS = torch.tensor([[0, 3, 1], [0, 2, 2], [0, 5, 4], [0, 1, 3], [0, 4, 4]])


def _made(fn, *, head=0.5, gpt=None, prompts=STARTS, reward=_score, **changed) -> tuple[Any, Any]:
    """(a TokenPPO of the learner whose value head has weights and whose policy has left the reference, its settings)."""
    settings = SimpleNamespace(**{**SMALL, **changed})
    made = fn(_gpt() if gpt is None else gpt, prompts, reward, settings)
    for owner, names in ((lambda: made, ("model", "reference", "rollouts", "optimizer")), (lambda: made.model, ("gpt", "value_head")),
                         (lambda: made.rollouts, ("model", "reference", "reward", "settings", "generator"))):
        missing = [name for name in names if not hasattr(owner(), name)]
        if missing:
            raise Fail(f"{type(owner()).__name__}(...).{missing[0]}", "an attribute of this name", "none", f"The specification names it: set `self.{missing[0]}` in `__init__`.")
    if head:
        _moved(made.model.value_head, head, 2)
        _moved(made.model.gpt, 0.15, 3)
    return made, settings


@build.case("policy, value head, reference, optimizer: what is made, and what is trained")
def _(fn):
    gpt = _gpt()
    before = [weight.clone() for weight in gpt.state_dict().values()]
    made, settings = _made(fn, head=0, gpt=gpt)
    head = made.model.value_head
    if made.model.gpt is not gpt:
        raise Fail("TokenPPO(gpt, ...).model.gpt is gpt", "True", "False", "The policy is the GPT that was given, trained in place; the *reference* is the copy.")
    if head.weight.any() or head.bias.any() or tuple(head.weight.shape) != (1, 8):
        raise Fail("model.value_head", "nn.Linear(C, 1) with weights and bias 0", describe(head.weight.detach()),
                   "The value head maps C numbers to one and begins at 0, so that the first value estimates are 0.")
    shared = {id(weight) for weight in gpt.parameters()} & {id(weight) for weight in made.reference.parameters()}
    if shared or made.reference is gpt:
        raise Fail("made.reference", "a copy of gpt", "gpt itself", "The reference would move along with the policy, and the KL stay 0: copy.deepcopy(gpt).")
    for weight, copied in zip(before, made.reference.state_dict().values(), strict=True):
        close(copied, weight, call="the reference's weights", otherwise="The reference is the GPT as it was given.")
    in_optimizer = {id(weight) for group in made.optimizer.param_groups for weight in group["params"]}
    if in_optimizer != {id(weight) for weight in made.model.parameters()}:
        lost = [name for name, weight in made.model.named_parameters() if id(weight) not in in_optimizer]
        raise Fail("the optimizer's parameters", "those of made.model", f"without {', '.join(lost[:3])}" if lost else "more than those",
                   "One optimizer trains the GPT and the value head, and nothing else.")
    rates = [_made(fn, learning_rate=rate)[0].optimizer.param_groups[0]["lr"] for rate in (0.01, 0.002)]
    close(rates, [0.01, 0.002], call="the optimizer's learning rates", otherwise="The optimizer takes settings.learning_rate.")


@build.case("log-probabilities of the tokens, and the value before each choice")
def _(fn):
    made, _ = _made(fn)
    model, tokens = made.model, torch.tensor([[0, 3, 1, 5, 2, 4], [0, 2, 2, 1, 0, 0]])
    with torch.no_grad():
        hidden = model.gpt.hidden(tokens)
        logits, values = model.gpt.logits(hidden), model.value_head(hidden).squeeze(-1)
    got = fn.method(model, "forward", tokens)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Fail("model(tokens)", "(logprobs, values)", got, "Two tensors are wanted, both (B, L - 1).")
    for what, name in zip(got, ("logprobs", "values"), strict=True):
        shape_is(what, (2, 5), call=f"{name} of model(tokens), tokens (2, 6)", mistake="(B, L - 1): nothing is chosen after the last token, and the value head's last dimension of "
                 "length 1 is dropped.")
    right, own = _of_tokens(logits[:, :-1], tokens), logits.log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)
    close(got[0], right, call="logprobs of model(tokens)", likely=apart(right, [
        (own[:, 1:], SHIFTED), (own[:, :-1], SHIFTED), (right.exp(), "These are probabilities; their logarithms are wanted."),
        (logits[:, :-1].gather(-1, tokens[:, 1:, None]).squeeze(-1), "These are logits. A log-probability needs log_softmax over the vocabulary.")]),
          otherwise="Column t is the log-probability of tokens[:, t + 1], from the logits at position t.")
    close(got[1], values[:, :-1], call="values of model(tokens)", likely=[
        (values[:, 1:], "One position late: the value in column t is the estimate *before* the choice of tokens[:, t + 1], from the stream at position t.")],
          otherwise="Column t is value_head(gpt.hidden(tokens)) at position t.")
    if not (got[0].requires_grad and got[1].requires_grad):
        raise Fail("model(tokens)", "tensors with a gradient", "without", "The loss goes back through both: no torch.no_grad() and no detach here.")


SHIFTED = "Each token was looked up in the logits of its *own* position. Those at position t are about tokens[:, t + 1]."


@build.case("sample: the prompt stays, nothing follows the end, the mask is what the policy chose")
def _(fn):
    for starts, new, ends in ((STARTS[:, :2].repeat(6, 1), 4, 3.0), (STARTS.repeat(4, 1), 5, 3.0), (STARTS, 4, 60.0)):
        made, _ = _made(fn, max_new_tokens=new, gpt=_gpt(ends=ends))
        B, P = starts.shape
        got = fn.method(made.rollouts, "sample", starts)
        if not isinstance(got, tuple | list) or len(got) != 2:
            raise Fail("", "(tokens, mask)", got, "Two tensors are wanted.")
        tokens, mask = got
        shape_is(tokens, (B, P + new), mistake="Prompt and max_new_tokens new tokens, also when all texts have ended before.")
        shape_is(mask, (B, P + new - 1), mistake="Column t of the mask is about tokens[:, t + 1]: one column less than tokens.")
        close(tokens[:, :P], starts, call="the first P tokens", otherwise="A completion continues its prompt: the prompt's tokens stay in front.")
        ended = torch.cat([torch.zeros(B, 1, dtype=torch.bool), (tokens[:, P:] == 0).cumsum(1)[:, :-1] > 0], dim=1)      # before this one
        if (tokens[:, P:] * ended).any():
            raise Fail("tokens behind the first 0", "0", "others", "A text that has ended goes on: behind the end token all tokens are 0.")
        nothing = torch.zeros(B, P - 1, dtype=torch.bool)
        right = torch.cat([nothing, ~ended], dim=1)
        close(mask, right, call="the mask", likely=_told(mask, right, [
            (torch.cat([~nothing, ~ended], 1), "The prompt is in the mask. Nobody chose its tokens."),
            (torch.cat([nothing, torch.ones_like(ended)], 1), "The padding behind the end is in the mask. Nobody chose it."),
            (torch.cat([nothing, ~ended & (tokens[:, P:] != 0)], 1), "The end token is not in the mask. To stop is a choice too: the mask has `going` as it was before this token."),
            (torch.cat([right[:, 1:], torch.zeros(B, 1, dtype=torch.bool)], 1), "One column early: column t is about tokens[:, t + 1].")]),
              otherwise="True from the first new token to the end token, that one included.")


@build.case("sample: drawn from the policy's own distribution, given all that stands before", seconds=20)
def _(fn):
    made, _ = _made(fn, max_new_tokens=2)
    for start in (STARTS[:1], STARTS[2:3, :2]):
        P, many = start.shape[1], 1500
        tokens, _ = fn.method(made.rollouts, "sample", start.repeat(many, 1))
        with torch.no_grad():
            first = made.model.gpt(start)[0, -1].softmax(-1)
            of_reference = made.reference(start)[0, -1].softmax(-1)
            favourite = int(first[1:].argmax()) + 1
            second = made.model.gpt(torch.cat([start, torch.tensor([[favourite]])], 1))[0, -1].softmax(-1)
        share = torch.bincount(tokens[:, P], minlength=6) / many
        if share.max() == 1:
            raise Fail(f"how often each token follows {start[0].tolist()}, in {many} samples", describe(first), describe(share), "Always the same token: that is no sample. torch.multinomial draws.")
        close(share, first, rtol=0, atol=0.07, call=f"how often each token follows {start[0].tolist()}, in {many} samples", likely=apart(first, [
            (of_reference, "Drawn from the reference. The policy writes.")], rtol=0, atol=0.07),
              otherwise="Sample from the softmax of the policy's logits at the last position, at temperature 1.")
        after = tokens[tokens[:, P] == favourite, P + 1]
        close(torch.bincount(after, minlength=6) / len(after), second, rtol=0, atol=0.12, call=f"how often each token follows {start[0].tolist()} and {favourite}",
              otherwise="The second token depends on the first one: the model reads what it has written.")


def _collected(fn, made, prompts=STARTS) -> dict[str, torch.Tensor]:
    got = fn.method(made.rollouts, "collect", prompts)
    keys = ("tokens", "mask", "logprobs", "reference_logprobs", "values", "rewards", "token_rewards", "advantages", "returns")
    if not isinstance(got, dict) or any(key not in got for key in keys):
        raise Fail("", f"a dict with {', '.join(keys)}", got if not isinstance(got, dict) else f"a dict with {', '.join(map(str, got))}", "The loss needs all of them, by these names.")
    with_gradient = [key for key in keys if got[key].requires_grad]
    if with_gradient:
        raise Fail(f"collect(prompts)[{with_gradient[0]!r}].requires_grad", "False", "True", "What was collected are constants: torch.no_grad() around all of it. Else the "
                   "loss would change the old log-probabilities and the targets, too.")
    return got


@build.case("collect: log-probabilities of both models, values and rewards, 0 outside the mask")
def _(fn):
    for prompts, reward in ((STARTS.repeat(4, 1), _score), (STARTS[1:, :2].repeat(4, 1), lambda tokens: (tokens == 2).sum(1).float())):
        made, _ = _made(fn, reward=reward)
        got = _collected(fn, made, prompts)
        tokens, mask = got["tokens"], got["mask"]
        with torch.no_grad():
            hidden = made.model.gpt.hidden(tokens[:, :-1])
            own, values = _of_tokens(made.model.gpt.logits(hidden), tokens), made.model.value_head(hidden).squeeze(-1)
            theirs = _of_tokens(made.reference(tokens[:, :-1]), tokens)
        close(got["rewards"], reward(tokens), call='collect(prompts)["rewards"]', otherwise="reward(tokens), one number a text: whole texts, the prompt included.")
        for key, full, other in (("logprobs", own, theirs), ("reference_logprobs", theirs, own), ("values", values, None)):
            likely = [(full, "Prompt and padding are not 0: multiply by the mask.")]
            if other is not None:
                likely += [(other * mask, "These are the other model's: `logprobs` are the policy's, `reference_logprobs` those of the frozen copy."),
                           (other, "These are the other model's: `logprobs` are the policy's, `reference_logprobs` those of the frozen copy.")]
            close(got[key], full * mask, call=f"collect(prompts)[{key!r}]", likely=_told(got[key], full * mask, likely),
                  otherwise=f"`{key}` of the sampled tokens, as the model gives them when it reads the whole text again, times the mask.")


@build.case("collect: rewards, advantages and returns of each token")
def _(fn):
    for changed in ({}, {"beta": 0.8, "lam": 0.5, "gamma": 0.9}):
        made, settings = _made(fn, **changed)
        got = _collected(fn, made, STARTS.repeat(4, 1))
        mask, rewards, values = got["mask"], got["rewards"], got["values"]

        def with_penalty(beta, got=got, mask=mask, rewards=rewards):
            return kl.token_rewards(rewards, got["logprobs"], got["reference_logprobs"], mask, beta)

        right, last = with_penalty(settings.beta), kl.last_choice(mask)
        ratio = got["logprobs"] - got["reference_logprobs"]
        column = torch.zeros_like(right)
        column[:, -1] = rewards
        close(got["token_rewards"], right, call='collect(prompts)["token_rewards"]', likely=_told(got["token_rewards"], right, [
            (with_penalty(-settings.beta), "The KL has the wrong sign: a token that is likelier than under the reference gets a *negative* term."),
            (with_penalty(0.0), "The KL penalty is missing."), (with_penalty(1.0), "The KL penalty is taken without beta."),
            (column - settings.beta * ratio, "The reward stands in the last *column*. A text that ended earlier has its last choice there: the last True of its row."),
            (rewards[:, None] * mask - settings.beta * ratio, "Every choice got the whole reward. A text is rewarded once, at its last choice."),
            (rewards[:, None] - settings.beta * ratio, "Every column got the whole reward, the prompt too. A text is rewarded once, at its last choice."),
            (torch.where(last, rewards[:, None], -settings.beta * ratio), "The last choice has no KL penalty. It was a choice like the others.")]),
              otherwise="-beta * (logprobs - reference_logprobs) at every choice, and the reward at the last one.")

        def raw(gamma, lam, values=values, right=right, mask=mask):
            return token_gae(right, values, mask, gamma, lam)

        plain = raw(settings.gamma, settings.lam)
        wanted = (plain + values) * mask
        white, spare = whiten(plain, mask), math.sqrt((mask.sum().item() - 1) / mask.sum().item())       # n, or n - 1 in the std
        close(got["returns"], wanted, call='collect(prompts)["returns"]', likely=_told(got["returns"], wanted, [
            *(((white * by + values) * mask, "Returns were computed from the standardized advantages. They are the value head's targets, in units of reward: standardize afterwards.")
              for by in (1, spare)),
            (plain, "These are the advantages. The value head's targets are advantages *plus* values."),
            ((raw(settings.gamma, 1.0) + values) * mask, "lambda is 1 here; settings.lam was given."),
            ((raw(1.0, settings.lam) + values) * mask, "gamma is 1 here; settings.gamma was given."),
            (plain + values * 2, "The values were added twice.")], atol=1e-4), atol=1e-4,
              otherwise="GAE's advantages (exercise 11.3) plus the values, over the mask.")
        if difference(got["advantages"], white * spare, atol=1e-3) is not None:
            close(got["advantages"], white, atol=1e-3, call='collect(prompts)["advantages"]', likely=_told(got["advantages"], white, [
                (plain, "They are not standardized: mean 0 and std 1 over the mask."),
                ((plain - plain.mean()) / plain.std(correction=0) * mask, "Prompt and padding were counted in mean and standard deviation."),
                ((plain - plain.mean()) / plain.std() * mask, "Prompt and padding were counted in mean and standard deviation."),
                ((plain - plain[mask].mean()) / plain[mask].std(correction=0), "Outside the mask they are not 0.")], atol=1e-3),
                  otherwise="GAE's advantages, standardized over the mask (exercise 11.5).")


def _some_batch(made: Any, prompts=STARTS) -> dict[str, torch.Tensor]:
    """A batch by the course's own `Rollouts`, for the learner's model."""
    reference = made.reference
    return Rollouts(made.model, reference, _score, made_settings(made), torch.Generator().manual_seed(4)).collect(prompts)


def made_settings(made: Any) -> Any:
    """The settings that a `TokenPPO` works with."""
    return made.rollouts.settings


@build.case("the loss: clipped policy loss and value loss, both over the mask")
def _(fn):
    for changed in ({}, {"clip": 0.05, "value_coefficient": 2.0}):
        made, settings = _made(fn, **changed)
        batch = _some_batch(made)
        batch["advantages"] = (batch["advantages"] + 0.7) * batch["mask"]          # of mean 0.7: else a ratio of 1 would look like no policy loss
        _moved(made.model, 0.15, 5)
        policy, value = _losses(made.model, batch, settings.clip)
        right = policy + settings.value_coefficient * value
        got = fn.method(made, "loss", batch)
        shape_is(got, (), mistake="One number for the batch.")
        wrong = _wrong_losses(made.model, batch, settings) if difference(got, right.detach(), rtol=1e-3, atol=1e-4) else []
        close(got, right, rtol=1e-3, atol=1e-4, call="loss(batch) after the policy has moved", likely=wrong,
              otherwise="The clipped policy loss (exercise 11.4) plus value_coefficient times the mean of (values - returns)², both over the mask.")
        weights = list(made.model.parameters())
        for part, of, words in (("the GPT", slice(0, -2), "the policy loss, or the value loss on its way through the stream, has lost its gradient"),
                                ("the value head", slice(-2, None), "the value loss has lost its gradient")):
            theirs = _gradient(got, weights)[of]
            close(torch.cat(theirs), torch.cat(_gradient(right, weights)[of]), rtol=5e-3, atol=1e-4, call=f"the gradient of loss(batch) at {part}",
                  otherwise=f"The loss is right and its gradient is not: {words}. Only what was collected is constant; nothing is detached.")


@torch.no_grad()
def _wrong_losses(model: nn.Module, batch: dict[str, torch.Tensor], settings: Any) -> list[tuple[torch.Tensor, str]]:
    """Likely mistakes of a loss that is not the right one."""
    (policy, value), (_, padded), c = _losses(model, batch, settings.clip), _losses(model, batch, settings.clip, everywhere=True), settings.value_coefficient
    now, old, mask = _of_tokens(model.gpt(batch["tokens"][:, :-1]), batch["tokens"]), batch["logprobs"], batch["mask"]
    again, free = _losses(model, {**batch, "logprobs": now}, settings.clip)[0], _losses(model, batch, math.inf)[0]
    swapped, columns = clipped_policy_loss(old, now, batch["advantages"], settings.clip, mask), clipped_policy_loss(now, old, batch["advantages"], settings.clip)
    larger = -clipped_policy_loss(now, old, -batch["advantages"], settings.clip, mask)
    return apart(policy + c * value, [
        (policy, "The value loss is missing."), (c * value, "The policy loss is missing."), (policy + value, "The value loss is added without value_coefficient."),
        (policy + c * padded, "The value loss counts prompt and padding: its mean is over the mask."),
        (columns + c * value, "The policy loss counts prompt and padding: its mean is over the mask."),
        (columns + c * value * mask.float().mean(), "Both means are over all columns: divide by mask.sum(), not by the number of columns."),
        (-policy + c * value, "The policy loss has the wrong sign: it is minus the mean of what is gained."),
        (policy - c * value, "The value loss is subtracted. Both are minimized."),
        (policy + c * value / 2, "The value loss is halved; it is the mean of (values - returns)², times value_coefficient."),
        (again + c * value, "Every ratio is 1 though the policy has moved: the old log-probabilities were computed anew, or the new ones twice. Take batch[\"logprobs\"]."),
        (swapped + c * value, "The ratio is upside down: exp(logprobs - batch[\"logprobs\"]), new minus old."),
        (larger + c * value, "The larger of the two gains was taken. PPO takes the smaller one, clipped or not: torch.min."),
        (free + c * value, "The ratio was not clipped.")], atol=1e-4)


def _gradient(loss: torch.Tensor, weights: list[torch.Tensor]) -> list[torch.Tensor]:
    """The gradient at each weight, flat; zeros where there is none."""
    if not loss.requires_grad:
        raise Fail("loss(batch).requires_grad", "True", "False", "The loss has no gradient: detach(), item() or torch.no_grad() cut it off.")
    grads = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(weight).flatten() if grad is None else grad.flatten() for grad, weight in zip(grads, weights, strict=True)]


class _Watched:
    """What an update of the learner's does: the batch it collects, the parts it learns from, the gradients it steps with."""

    def __init__(self, made: Any, known: torch.Tensor) -> None:
        self.known, self.made, self.batches, self.parts, self.expected, self.found = known, made, [], [], [], []
        collect, loss = made.rollouts.collect, made.loss
        made.rollouts.collect = lambda prompts: self._collect(collect, prompts)
        made.loss = lambda batch: self._look(loss(batch), batch)
        made.optimizer.register_step_pre_hook(lambda *_: self.found.append(torch.cat(
            [torch.zeros_like(w).flatten() if w.grad is None else w.grad.flatten() for w in made.model.parameters()]).clone()))

    def _collect(self, collect: Any, prompts: torch.Tensor) -> dict[str, torch.Tensor]:
        known = self.made.rollouts.settings.batch_size, self.known.shape[1]
        shape_is(prompts, known, call="the prompts that update() gives to self.rollouts.collect", mistake="`batch_size` rows of self.prompts, drawn at random, with replacement.")
        if not (prompts[:, None] == self.known[None]).all(-1).any(1).all():
            raise Fail("the prompts that update() gives to self.rollouts.collect", "rows of self.prompts", "others", "`batch_size` rows of self.prompts, drawn at random, with replacement.")
        return self._keep(collect(prompts), prompts)

    def _keep(self, batch: dict[str, torch.Tensor], prompts: torch.Tensor) -> dict[str, torch.Tensor]:
        self.batches.append({**{key: value.clone() for key, value in batch.items()}, "prompts": prompts})
        return batch

    def _look(self, loss: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        self.parts.append({key: value.clone() for key, value in batch.items()})
        self.expected.append(torch.cat(_gradient(loss, list(self.made.model.parameters()))))
        return loss


def _updated(fn, **changed) -> tuple[Any, Any, _Watched, Any]:
    made, settings = _made(fn, **changed)
    watched = _Watched(made, changed.get("prompts", STARTS))
    return made, settings, watched, fn.method(made, "update")


@build.case("update: one batch, all its rows in every epoch, the old log-probabilities kept")
def _(fn):
    for changed in ({}, {"epochs": 3, "batch_size": 8, "minibatch_size": 3, "prompts": STARTS[:, :2]}):
        made, s, watched, got = _updated(fn, **changed)
        if len(watched.batches) != 1:
            raise Fail("update()", "one call of self.rollouts.collect(prompts)", f"{len(watched.batches)} calls", "An update writes one batch and learns from it several times.")
        batch = watched.batches[0]
        sizes = [len(part["tokens"]) for part in watched.parts]
        each = [s.minibatch_size] * (s.batch_size // s.minibatch_size) + [s.batch_size % s.minibatch_size] * bool(s.batch_size % s.minibatch_size)
        wanted = each * s.epochs
        if sizes != wanted:
            raise Fail("rows of the minibatches given to self.loss", str(wanted), str(sizes), "In each epoch the whole batch is split into minibatches of minibatch_size rows; the last "
                       "one may be smaller. `loss` is called once for each.")
        per_epoch, orders = len(each), []
        for epoch in range(s.epochs):
            parts = watched.parts[epoch * per_epoch:(epoch + 1) * per_epoch]
            rows = torch.cat([_fingerprint(part, ("logprobs", "tokens")) for part in parts])
            orders.append(rows)
            old = torch.cat([part["logprobs"] for part in parts])
            known = batch["logprobs"]
            apart_from = (old[:, None] - known[None]).abs().amax(-1).amin(1)                                           # (B,)
            if apart_from.max() > 1e-5:
                raise Fail(f'batch["logprobs"] in epoch {epoch + 1}', "those that were collected", "others", "The old log-probabilities were computed anew, with the policy that has already "
                           "moved. They stay those of the policy that wrote.")
            if difference(rows.sort().values, _fingerprint(batch, ("logprobs", "tokens")).sort().values) is not None:
                raise Fail(f"the rows of epoch {epoch + 1}", "each row of the batch once", "some twice, some never", "In each epoch every row comes once: torch.randperm(batch_size), split.")
            for key in ("advantages", "returns"):
                learned = torch.cat([_fingerprint(part, (key,)) for part in parts]).sort().values
                if difference(learned, _fingerprint(batch, (key,)).sort().values, atol=1e-3) is not None:
                    raise Fail(f"batch[{key!r}] in epoch {epoch + 1}", "those that were collected", "others", f"The {key} are learned from as they were collected: nothing is "
                               "standardized or computed anew in a minibatch.")
        if all(torch.equal(orders[0], order) for order in orders[1:]):
            raise Fail("the order of the rows", "a new one in each epoch", "always the same", "A new torch.randperm for each epoch.")
        for _ in range(0 if changed else 2):
            fn.method(made, "update")
        if not changed and all(torch.equal(batch["prompts"], later["prompts"]) for later in watched.batches[1:]):
            raise Fail("the prompts of three updates", "different ones", "always the same", "The rows of self.prompts are drawn at random, anew in each update.")
        if not isinstance(got, dict) or not all(isinstance(got.get(key), float) for key in ("reward", "kl")):
            raise Fail("", 'a dict with floats "reward" and "kl"', got, "Return the batch's mean reward and KL.")
        close(got["reward"], batch["rewards"].mean().item(), call='update()["reward"]', otherwise="The mean reward of this batch's texts, without any penalty.")
        ratio = batch["logprobs"] - batch["reference_logprobs"]
        per_text = ratio.sum(1).mean().item()
        close(got["kl"], per_text, call='update()["kl"]', likely=apart(per_text, [
            (-per_text, "The KL has the wrong sign: policy minus reference."), (ratio.sum().item() / batch["mask"].sum().item(), "This is per token. Sum over a text's tokens, then the mean over texts."),
            (ratio.mean().item(), "This is a mean over all columns. Sum over a text's tokens, then the mean over texts.")]))


def _fingerprint(batch: dict[str, torch.Tensor], keys: tuple[str, ...]) -> torch.Tensor:
    """One number for each row, (B,)."""
    return sum((batch[key] * torch.arange(1, batch[key].shape[1] + 1)).sum(1) * (i + 1.7) for i, key in enumerate(keys))


@build.case("update: the gradient of each minibatch alone, clipped; the reference stays")
def _(fn):
    for changed in ({"reward": lambda tokens: 20 * _score(tokens)}, {"minibatch_size": 2, "learning_rate": 0.05}):
        made, settings = _made(fn, **changed)
        watched = _Watched(made, STARTS)
        reference, model = ([weight.clone() for weight in network.state_dict().values()] for network in (made.reference, made.model))
        fn.method(made, "update")
        if len(watched.found) != len(watched.parts):
            raise Fail("optimizer.step() in an update", f"{len(watched.parts)} times, once for each minibatch", f"{len(watched.found)} times", "Each minibatch has a step of its own: zero_grad, backward, clip, step.")
        for k, (found, full) in enumerate(zip(watched.found, watched.expected, strict=True), start=1):
            right = full / max(1.0, full.norm().item())
            likely = [(full, "The gradient was not clipped before the step: nn.utils.clip_grad_norm_(parameters, 1.0), after backward."),
                      (torch.zeros_like(full), "The optimizer finds no gradient: loss.backward() comes after zero_grad() and before step().")]
            most = found.abs().max().item()
            if 0 < most < 0.999 * full.abs().max().item():
                likely += [(full.clamp(-most, most), "You clipped each number for itself. It is the *norm* of the whole gradient that is clipped.")]
            if k > 1:
                both = watched.found[k - 2] + full
                likely += [(both / max(1.0, both.norm().item()), "The gradient of the minibatch before is still in it: zero_grad() is missing.")]
            close(found, right, rtol=5e-3, atol=1e-4, call=f"the gradient that the optimizer finds in step {k}", likely=_told(found, right, likely, atol=1e-4),
                  otherwise="It should be the gradient of self.loss(minibatch), scaled so that its norm is at most 1.")
        for before, now in zip(reference, made.reference.state_dict().values(), strict=True):
            close(now, before, call="the reference after an update", otherwise="The reference was trained too. It stays as it was: no optimizer has its parameters.")
        if all(torch.equal(before, now) for before, now in zip(model, made.model.state_dict().values(), strict=True)):
            raise Fail("the policy after an update", "other weights", "the same", "Nothing was learned: does the optimizer have the parameters of made.model?")


@build.case("one seed, one run")
def _(fn):
    def run(seed):
        made, _ = _made(fn, seed=seed)
        tokens = _collected(fn, made)["tokens"]
        return tokens, fn.method(made, "update"), torch.cat([weight.detach().flatten() for weight in made.model.parameters()])

    first, second, third = run(1), run(1), run(2)
    for a, b, call in zip(first, second, ("the tokens of collect", "what update returns", "the weights after update"), strict=True):
        if difference(a, b) is not None:
            raise Fail(f"{call}, in two TokenPPO of one seed", "the same", "different", "Draw prompts, tokens and the order of rows with one torch.Generator that is seeded with settings.seed.")
    if torch.equal(first[0], third[0]):
        raise Fail("collect with seeds 1 and 2", "different texts", "the same", "`settings.seed` does nothing: seed the generator with it.")


@build.case("it learns: a reward of 3.0 within 8.5 nats, after 40 updates", seconds=60, last=True)
def _(fn):
    settings = SimpleNamespace(max_new_tokens=8, batch_size=128, minibatch_size=64, epochs=4, learning_rate=3e-3, beta=0.3, gamma=1.0, lam=0.95, clip=0.2,
                               value_coefficient=0.5, seed=0)
    fresh = GPT(GPTConfig(9, 10, 1, 4, 32))
    reference = copy.deepcopy(fresh)
    made = fn(fresh, LETTERS, rising, settings)
    for _ in range(40):
        fn.method(made, "update")
    with torch.no_grad():
        tokens, mask = _sampled(made.model.gpt, LETTERS.repeat(64, 1), 8, torch.Generator().manual_seed(5))
        logprobs, theirs = (_of_tokens(gpt(tokens[:, :-1]), tokens) for gpt in (made.model.gpt, reference))
    reward, distance = rising(tokens).mean().item(), ((logprobs - theirs) * mask).sum(1).mean().item()
    if not (reward >= REACHED and distance <= ALLOWED):
        raise Fail("512 fresh completions after 40 updates", f"a reward of at least {REACHED} at a KL of at most {ALLOWED} nats", f"{reward:.2f} at {distance:.1f} nats",
                   "Every part passed, and yet the run does not get there. Print what update() returns: the reward should rise from 0 to about 4, the KL to about 6.")
