"""Right and wrong programs for the build, exercise 11.8, with the message each must get."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from course_lib.authoring.answers import excused, right, wrong


def _last(mask):
    width = mask.shape[1]
    place = (mask.long() * torch.arange(1, width + 1)).argmax(dim=1)
    return torch.nn.functional.one_hot(place, width).bool()


class _Policy(nn.Module):
    """Right, with places where a wrong one differs: reads the whole text and drops what stands behind the last choice."""

    def __init__(self, gpt):
        super().__init__()
        self.gpt = gpt
        self.value_head = self.head(gpt.config.width)

    def head(self, width):
        head = nn.Linear(width, 1)
        head.weight.data.zero_()
        head.bias.data.zero_()
        return head

    def forward(self, tokens):
        hidden = self.gpt.hidden(tokens)
        return self.logprobs(hidden, tokens), self.values(hidden)

    def logprobs(self, hidden, tokens):
        return -F.cross_entropy(self.gpt.logits(hidden)[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")

    def values(self, hidden):
        return self.value_head(hidden[:, :-1])[..., 0]


class _Rollouts:
    def __init__(self, model, reference, reward, settings, generator):
        self.model, self.reference, self.reward = model, reference, reward
        self.settings, self.generator = settings, generator

    def next_logits(self, tokens):
        return self.model.gpt(tokens)[:, -1]

    def draw(self, logits):
        return torch.multinomial(logits.softmax(-1), 1, generator=self.generator).squeeze(1)

    def sample(self, prompts):
        (B, P), N = prompts.shape, self.settings.max_new_tokens
        tokens = torch.zeros(B, P + N, dtype=torch.long)
        tokens[:, :P] = prompts
        mask, alive = torch.zeros(B, P + N - 1, dtype=torch.bool), torch.ones(B, dtype=torch.bool)
        with torch.no_grad():
            for t in range(P - 1, P + N - 1):
                mask[:, t] = alive
                tokens[:, t + 1] = torch.where(alive, self.draw(self.next_logits(tokens[:, :t + 1])), 0)
                alive = alive & (tokens[:, t + 1] != 0)
        return tokens, mask

    def masked(self, each, mask):
        return each.masked_fill(~mask, 0.0)

    def judged(self, tokens):
        return self.reward(tokens)

    def both(self, tokens):
        logprobs, values = self.model(tokens)
        theirs = self.reference(tokens)[:, :-1].log_softmax(-1)
        return logprobs, torch.gather(theirs, 2, tokens[:, 1:, None])[..., 0], values

    def earned(self, rewards, ratio, mask, beta):
        return torch.where(_last(mask), rewards[:, None] - beta * ratio, -beta * ratio)

    def gae(self, rewards, values, mask):
        advantages, later, following = torch.zeros_like(values), 0.0, 0.0
        for t in reversed(range(values.shape[1])):
            delta = rewards[:, t] + self.settings.gamma * following - values[:, t]
            later = (delta + self.settings.gamma * self.settings.lam * later) * mask[:, t]
            following, advantages[:, t] = values[:, t], later
        return advantages

    def standard(self, advantages, mask):
        own = advantages[mask]
        return (advantages - own.mean()) / own.std() * mask

    def targets(self, advantages, values, mask):
        return advantages + values

    @torch.no_grad()
    def collect(self, prompts):
        tokens, mask = self.sample(prompts)
        logprobs, theirs, values = (self.masked(each, mask) for each in self.both(tokens))
        rewards = self.judged(tokens)
        token_rewards = self.earned(rewards, logprobs - theirs, mask, self.settings.beta)
        advantages = self.gae(token_rewards, values, mask)
        return dict(tokens=tokens, mask=mask, logprobs=logprobs, reference_logprobs=theirs, values=values, rewards=rewards,
                    token_rewards=token_rewards, returns=self.targets(advantages, values, mask), advantages=self.standard(advantages, mask))


class _PPO:
    policy, writer = _Policy, _Rollouts

    def __init__(self, gpt, prompts, reward, settings):
        self.reference = self.frozen(gpt)
        self.model, self.prompts, self.settings = self.policy(gpt), prompts, settings
        self.optimizer = torch.optim.Adam(self.trained(), lr=settings.learning_rate)
        self.rng = torch.Generator().manual_seed(settings.seed)
        self.rollouts = self.writer(self.model, self.reference, reward, settings, self.rng)

    def frozen(self, gpt):
        reference = copy.deepcopy(gpt)
        for weight in reference.parameters():
            weight.requires_grad = False
        return reference

    def trained(self):
        return [{"params": self.model.gpt.parameters()}, {"params": self.model.value_head.parameters()}]

    def ratio(self, logprobs, old_logprobs):
        return torch.exp(logprobs - old_logprobs)

    def gain(self, ratio, advantages):
        return torch.minimum(ratio * advantages, ratio.clip(1 - self.settings.clip, 1 + self.settings.clip) * advantages)

    def mean(self, each, mask):
        return (each * mask).sum() / mask.sum()

    def loss(self, batch):
        logprobs, values = self.model(batch["tokens"])
        error = self.mean((values - batch["returns"]).square(), batch["mask"])
        gain = self.mean(self.gain(self.ratio(logprobs, batch["logprobs"]), batch["advantages"]), batch["mask"])
        return self.settings.value_coefficient * error - gain

    def drawn(self):
        return self.prompts[torch.randint(0, len(self.prompts), [self.settings.batch_size], generator=self.rng)]

    def order(self, epoch):
        return torch.randperm(self.settings.batch_size, generator=self.rng)

    def minibatches(self, order):
        return [order[i:i + self.settings.minibatch_size] for i in range(0, len(order), self.settings.minibatch_size)]

    def part(self, batch, rows):
        return {name: each[rows] for name, each in batch.items()}

    def clip(self):
        nn.utils.clip_grad_norm_(self.model.parameters(), max_norm=1.0)

    def learn(self, loss):
        self.optimizer.zero_grad()
        loss.backward()
        self.clip()
        self.optimizer.step()

    def measured(self, batch):
        distance = (batch["logprobs"] - batch["reference_logprobs"]).sum(1)
        return {"reward": float(batch["rewards"].mean()), "kl": float(distance.mean())}

    def update(self):
        batch = self.rollouts.collect(self.drawn())
        for epoch in range(self.settings.epochs):
            for rows in self.minibatches(self.order(epoch)):
                self.learn(self.loss(self.part(batch, rows)))
        return self.measured(batch)


def _with(base, **methods):
    """A TokenPPO whose policy or whose rollouts have other methods."""
    return type(base.__name__, (base,), methods)


@right("11.8")
class formulas_written_out(_PPO):
    pass


class _GumbelAndLists(_Rollouts):
    @torch.no_grad()
    def sample(self, prompts):
        columns, chose = list(prompts.T), [torch.zeros(len(prompts), dtype=torch.bool)] * (prompts.shape[1] - 1)
        ended = torch.zeros(len(prompts))
        for _ in range(self.settings.max_new_tokens):
            logits = self.model.gpt(torch.stack(columns, dim=1))[:, -1]
            noise = -torch.log(-torch.log(torch.rand(logits.shape, generator=self.generator)))
            chose.append(ended == 0)
            columns.append(((logits + noise).argmax(-1) * (1 - ended)).long())
            ended[columns[-1] == 0] = 1
        return torch.stack(columns, 1), torch.stack(chose, 1)

    def gae(self, rewards, values, mask):
        found = torch.zeros_like(values)
        for b, t in mask.nonzero().tolist():
            for k in range(t, values.shape[1]):
                following = values[b, k + 1] if k + 1 < values.shape[1] else 0.0
                delta = rewards[b, k] + self.settings.gamma * following - values[b, k]
                found[b, t] += (self.settings.gamma * self.settings.lam) ** (k - t) * delta
        return found


@right("11.8")
class gumbel_noise_and_lists(_PPO):
    writer = _GumbelAndLists

    def __init__(self, *args):
        super().__init__(*args)
        self.optimizer = torch.optim.Adam(self.model.parameters(), self.settings.learning_rate)

    def mean(self, each, mask):
        return torch.masked_select(each, mask).mean()

    def learn(self, loss):
        loss.backward()
        self.clip()
        self.optimizer.step()
        self.optimizer.zero_grad()


@wrong("11.8", says="trained in place")
class trains_a_copy(_PPO):
    def __init__(self, gpt, *more):
        super().__init__(copy.deepcopy(gpt), *more)


@wrong("11.8", says="The reference would move along")
class reference_is_the_policy(_PPO):
    def frozen(self, gpt):
        return gpt


@wrong("11.8", says="begins at 0")
class value_head_of_torch(_PPO):
    policy = _with(_Policy, head=lambda self, width: nn.Linear(width, 1))


@wrong("11.8", says="One optimizer trains")
class value_head_not_trained(_PPO):
    def trained(self):
        return self.model.gpt.parameters()


@wrong("11.8", says="of its *own* position")
class logits_not_shifted(_PPO):
    policy = _with(_Policy, logprobs=lambda self, hidden, tokens: self.gpt.logits(hidden).log_softmax(-1).gather(-1, tokens[..., None])[:, 1:, 0])


@wrong("11.8", says="One position late")
class value_after_the_choice(_PPO):
    policy = _with(_Policy, values=lambda self, hidden: self.value_head(hidden[:, 1:])[..., 0])


@wrong("11.8", says="no torch.no_grad()")
class policy_without_gradient(_PPO):
    policy = _with(_Policy, forward=torch.no_grad()(_Policy.forward))


def _other_mask(change):
    """Rollouts whose mask is another one; change(mask, tokens, P)."""
    def sample(self, prompts):
        tokens, mask = _Rollouts.sample(self, prompts)
        return tokens, change(mask, tokens, prompts.shape[1])
    return _with(_Rollouts, sample=sample)


@wrong("11.8", says="The prompt is in the mask")
class prompt_in_the_mask(_PPO):
    writer = _other_mask(lambda mask, tokens, P: mask | (torch.arange(mask.shape[1]) < P - 1))


@wrong("11.8", says="The padding behind the end")
class padding_in_the_mask(_PPO):
    writer = _other_mask(lambda mask, tokens, P: (torch.arange(mask.shape[1]) >= P - 1).expand_as(mask))


@wrong("11.8", says="To stop is a choice too")
class end_not_in_the_mask(_PPO):
    writer = _other_mask(lambda mask, tokens, P: mask & (tokens[:, 1:] != 0))


@wrong("11.8", says="One column early")
class mask_one_column_early(_PPO):
    writer = _other_mask(lambda mask, tokens, P: torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], 1))


@wrong("11.8", says="has ended goes on")
class writes_on_behind_the_end(_PPO):
    class writer(_Rollouts):
        def sample(self, prompts):
            tokens = prompts
            for _ in range(self.settings.max_new_tokens):
                with torch.no_grad():
                    tokens = torch.cat([tokens, self.draw(self.next_logits(tokens))[:, None]], 1)
            ended = (tokens[:, prompts.shape[1]:] == 0).cumsum(1).roll(1, 1)
            ended[:, 0] = 0
            return tokens, torch.cat([torch.zeros_like(prompts[:, 1:]).bool(), ended == 0], 1)


@wrong("11.8", says="also when all texts have ended")
class stops_with_the_last_text(_PPO):
    class writer(_Rollouts):
        def sample(self, prompts):
            tokens, mask = super().sample(prompts)
            length = max(1, int(mask.any(0).nonzero().max()) + 1)
            return tokens[:, :length + 1], mask[:, :length]


@wrong("11.8", says="that is no sample")
class greedy(_PPO):
    writer = _with(_Rollouts, draw=lambda self, logits: logits.argmax(-1))


@wrong("11.8", says="at temperature 1")
class at_temperature_a_half(_PPO):
    writer = _with(_Rollouts, next_logits=lambda self, tokens: self.model.gpt(tokens)[:, -1] / 0.5)


@wrong("11.8", says="The policy writes")
class the_reference_writes(_PPO):
    writer = _with(_Rollouts, next_logits=lambda self, tokens: self.reference(tokens)[:, -1])


@wrong("11.8", says="at temperature 1")
class reads_the_last_token_only(_PPO):
    writer = _with(_Rollouts, next_logits=lambda self, tokens: self.model.gpt(tokens[:, -1:])[:, -1])


@wrong("11.8", says="the prompt included")
class rewards_completions_alone(_PPO):
    class writer(_Rollouts):
        def sample(self, prompts):
            self.P = prompts.shape[1]
            return super().sample(prompts)

        def judged(self, tokens):
            return self.reward(tokens[:, self.P:])


@wrong("11.8", says="What was collected are constants")
class collected_with_gradient(_PPO):
    writer = _with(_Rollouts, collect=_Rollouts.collect.__wrapped__)


@wrong("11.8", says="These are the other model's")
class models_swapped(_PPO):
    class writer(_Rollouts):
        def both(self, tokens):
            logprobs, theirs, values = super().both(tokens)
            return theirs, logprobs, values


@wrong("11.8", says="multiply by the mask")
class nothing_masked(_PPO):
    writer = _with(_Rollouts, masked=lambda self, each, mask: each)


def _earning(change):
    """Rollouts with other rewards of tokens; change(rewards, ratio, mask, beta)."""
    return _with(_Rollouts, earned=lambda self, rewards, ratio, mask, beta: change(rewards[:, None], ratio, mask, beta))


@wrong("11.8", says="gets a *negative* term")
class distance_rewarded(_PPO):
    writer = _earning(lambda rewards, ratio, mask, beta: rewards * _last(mask) + beta * ratio)


@wrong("11.8", says="The KL penalty is missing")
class no_penalty(_PPO):
    writer = _earning(lambda rewards, ratio, mask, beta: rewards * _last(mask))


@wrong("11.8", says="in the last *column*")
class rewarded_in_the_last_column(_PPO):
    writer = _earning(lambda rewards, ratio, mask, beta: rewards * (torch.arange(mask.shape[1]) == mask.shape[1] - 1) - beta * ratio)


@wrong("11.8", says="Every choice got the whole reward")
class every_token_rewarded(_PPO):
    writer = _earning(lambda rewards, ratio, mask, beta: rewards * mask - beta * ratio)


@wrong("11.8", says="The last choice has no KL penalty")
class last_choice_for_nothing(_PPO):
    writer = _earning(lambda rewards, ratio, mask, beta: torch.where(_last(mask), rewards, -beta * ratio))


@wrong("11.8", says="at every choice, and the reward at the last one")
class penalty_at_the_end(_PPO):
    writer = _earning(lambda rewards, ratio, mask, beta: (rewards - beta * ratio.sum(1, keepdim=True)) * _last(mask))


@wrong("11.8", says="from the standardized advantages")
class returns_of_standardized_advantages(_PPO):
    writer = _with(_Rollouts, targets=lambda self, advantages, values, mask: self.standard(advantages, mask) + values)


@wrong("11.8", says="advantages *plus* values")
class returns_are_advantages(_PPO):
    writer = _with(_Rollouts, targets=lambda self, advantages, values, mask: advantages)


@wrong("11.8", says="lambda is 1 here")
class returns_without_lambda(_PPO):
    class writer(_Rollouts):
        def gae(self, rewards, values, mask):
            gamma, found = self.settings.gamma, torch.zeros_like(rewards)
            for t in reversed(range(rewards.shape[1])):
                found[:, t] = rewards[:, t] + (gamma * found[:, t + 1] if t + 1 < rewards.shape[1] else 0)
            return (found - values) * mask


@wrong("11.8", says="They are not standardized")
class not_standardized(_PPO):
    writer = _with(_Rollouts, standard=lambda self, advantages, mask: advantages)


@wrong("11.8", says="Prompt and padding were counted")
class standardized_with_padding(_PPO):
    writer = _with(_Rollouts, standard=lambda self, advantages, mask: (advantages - advantages.mean()) / advantages.std() * mask)


@wrong("11.8", says="wrong sign: it is minus the mean")
class policy_loss_upside_down(_PPO):
    def gain(self, ratio, advantages):
        return -super().gain(ratio, advantages)


@wrong("11.8", says="The ratio was not clipped")
class never_clipped(_PPO):
    def gain(self, ratio, advantages):
        return ratio * advantages


@wrong("11.8", says="PPO takes the smaller one")
class the_larger_of_two(_PPO):
    def gain(self, ratio, advantages):
        return torch.maximum(ratio * advantages, ratio.clip(1 - self.settings.clip, 1 + self.settings.clip) * advantages)


@wrong("11.8", says="Both means are over all columns")
class means_over_all_columns(_PPO):
    def mean(self, each, mask):
        return (each * mask).mean()


@wrong("11.8", says="counts prompt and padding")
class value_loss_everywhere(_PPO):
    def loss(self, batch):
        values = self.model(batch["tokens"])[1]
        errors = (values - batch["returns"]).square()
        return super().loss(batch) + self.settings.value_coefficient * (errors.mean() - self.mean(errors, batch["mask"]))


@wrong("11.8", says="Every ratio is 1")
class against_itself(_PPO):
    def ratio(self, logprobs, old_logprobs):
        return torch.exp(logprobs - logprobs.detach())


@wrong("11.8", says="The ratio is upside down")
class old_and_new_swapped(_PPO):
    def ratio(self, logprobs, old_logprobs):
        return torch.exp(old_logprobs - logprobs)


@wrong("11.8", says="has lost its gradient")
class value_head_on_a_detached_stream(_PPO):
    policy = _with(_Policy, values=lambda self, hidden: self.value_head(hidden[:, :-1].detach())[..., 0])


@wrong("11.8", says="An update writes one batch")
class a_batch_for_each_epoch(_PPO):
    def update(self):
        for epoch in range(self.settings.epochs):
            batch = self.rollouts.collect(self.drawn())
            for rows in self.minibatches(self.order(epoch)):
                self.learn(self.loss(self.part(batch, rows)))
        return self.measured(batch)


@wrong("11.8", says="`batch_size` rows")
class each_prompt_once(_PPO):
    def drawn(self):
        return self.prompts


@wrong("11.8", says="at random")
class prompts_in_turn(_PPO):
    def drawn(self):
        return self.prompts[torch.arange(self.settings.batch_size) % len(self.prompts)]


@wrong("11.8", says="the last one may be smaller")
class rest_dropped(_PPO):
    def minibatches(self, order):
        return [rows for rows in super().minibatches(order) if len(rows) == self.settings.minibatch_size]


@wrong("11.8", says="every row comes once")
class rows_drawn_with_replacement(_PPO):
    def order(self, epoch):
        return torch.randint(0, self.settings.batch_size, [self.settings.batch_size], generator=self.rng)


@wrong("11.8", says="A new torch.randperm")
class one_order_for_all_epochs(_PPO):
    def order(self, epoch):
        self.kept = self.kept if epoch else super().order(epoch)
        return self.kept


@wrong("11.8", says="were computed anew")
class old_logprobs_anew(_PPO):
    def part(self, batch, rows):
        part = super().part(batch, rows)
        with torch.no_grad():
            return part | {"logprobs": self.model(part["tokens"])[0] * part["mask"]}


@wrong("11.8", says="as they were collected")
class standardized_in_each_minibatch(_PPO):
    def part(self, batch, rows):
        part = super().part(batch, rows)
        return part | {"advantages": self.rollouts.standard(part["advantages"], part["mask"])}


@wrong("11.8", says="without any penalty")
class reports_the_penalized_reward(_PPO):
    def measured(self, batch):
        return super().measured(batch) | {"reward": batch["token_rewards"].sum(1).mean().item()}


@wrong("11.8", says="This is per token")
class reports_kl_per_token(_PPO):
    def measured(self, batch):
        ratio = batch["logprobs"] - batch["reference_logprobs"]
        return super().measured(batch) | {"kl": ratio[batch["mask"]].mean().item()}


def _learning(*order):
    """A `learn` whose parts come in another order, or not at all."""
    def learn(self, loss):
        parts = {"zero": self.optimizer.zero_grad, "back": loss.backward, "clip": self.clip, "step": self.optimizer.step}
        for part in order:
            parts[part]()
    return learn


@wrong("11.8", says="zero_grad() is missing")
class gradients_never_zeroed(_PPO):
    learn = _learning("back", "clip", "step")


@wrong("11.8", says="The gradient was not clipped")
class clipped_too_late(_PPO):
    learn = _learning("zero", "back", "step", "clip")


@wrong("11.8", says="finds no gradient")
class zeroed_after_backward(_PPO):
    learn = _learning("back", "zero", "clip", "step")


@wrong("11.8", says="Each minibatch has a step of its own")
class one_step_an_epoch(_PPO):
    def update(self):
        batch = self.rollouts.collect(self.drawn())
        for epoch in range(self.settings.epochs):
            losses = [self.loss(self.part(batch, rows)) for rows in self.minibatches(self.order(epoch))]
            self.learn(sum(losses) / len(losses))
        return self.measured(batch)


@wrong("11.8", says="You clipped each number")
class each_number_clipped(_PPO):
    def clip(self):
        nn.utils.clip_grad_value_(self.model.parameters(), 0.5)


@wrong("11.8", says="with one torch.Generator")
class draws_without_its_generator(_PPO):
    def drawn(self):
        return self.prompts[torch.randint(0, len(self.prompts), [self.settings.batch_size])]


@wrong("11.8", says="`settings.seed` does nothing")
class always_seed_0(_PPO):
    def __init__(self, gpt, prompts, reward, settings):
        super().__init__(gpt, prompts, reward, settings)
        self.rng.manual_seed(0)


excused("11.8", "going & (drawn != 0) → drawn != 0", because="the token of a row that has ended was multiplied by 0 already")
excused("11.8", "(advantages + values) * mask → advantages + values", because="both are 0 outside the mask already")
excused("11.8", "torch.multinomial(probs, 1, generator=self.generator) → torch.multinomial(probs, 2, generator=self.generator)",
        because="only the first of the two tokens is taken, and it is drawn alike")
excused("11.8", "values - batch['returns'] → batch['returns'] - values", because="it is squared")
