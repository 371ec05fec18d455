# %% [markdown]
# # Lesson 11 exercises: PPO for language models
#
# **Goals.** Write the four functions by which PPO for text differs from PPO for games: the reward of each token, estimates of the KL
# divergence, the advantage under a mask, the loss under a mask. Find two silent bugs, and tell four faulty runs apart. Build the whole
# of PPO on tokens.
#
# **Time.** {{time}}
# **Builds on** lesson 11, and on your answers
# 02.1 and 02.2; do each exercise when the [lesson](../notebooks/11_ppo_for_language_models.ipynb) sends you here.
#
# One convention holds everywhere: all tensors are `(B, L - 1)`, and column `t` is about the choice of `tokens[:, t + 1]`. `mask` is
# True where the policy chose: not in the prompt, not in the padding behind the end token, but at the end token itself.

# %%
import torch

from course_lib import check, hint

torch.set_num_threads(1)

# %% [markdown]
# {{exercise 11.1}}
#
# The reward model scores a text once, when it is finished: the last choice of each row gets the text's reward. The KL penalty comes at
# *every* choice, the last one included: $-\beta\,(\log\pi(a|s) - \log\pi_\text{ref}(a|s))$, where the reference is the SFT model.
# Tokens that the policy did not choose have the reward 0.

# %% tags=["exercise:11.1"]
def token_rewards(rewards, logprobs, reference_logprobs, mask, beta):
    """The reward of each choice, (B, L - 1).

    rewards: (B,) of whole texts. logprobs, reference_logprobs: (B, L - 1). mask: the same, bool.
    """
    # BEGIN SOLUTION
    next_mask = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
    last = mask & ~next_mask                              # (B, L - 1): one True a row
    log_ratio = logprobs - reference_logprobs
    return (rewards[:, None] * last - beta * log_ratio) * mask
    # END SOLUTION

# %% tags=["check:11.1"]
check("11.1", token_rewards)

# %% [markdown] tags=["solution-only"]
# **Why a penalty for each token?** The sum of a row is the same if the whole penalty comes at the end. But then GAE must find out which
# token moved away from the reference. Here each token has its own penalty, and that credit assignment is exact.

# %% [markdown]
# {{exercise 11.2}}
#
# A KL divergence is an expectation over everything the policy might have written. We have samples. With
# $d = \log\pi(a|s) - \log\pi_\text{ref}(a|s)$ for a token that the policy sampled, Schulman (2020) gives three estimators:
#
# $$k_1 = d \qquad k_2 = \tfrac12 d^2 \qquad k_3 = d + \Big(\frac{\pi_\text{ref}(a|s)}{\pi(a|s)} - 1\Big)$$
#
# Compute all three from $d$. A token's log-probability may be −200; its probability is then rounded to 0, and 0/0 is not a number.

# %% tags=["exercise:11.2"]
def kl_estimates(logprobs, reference_logprobs):
    """(k1, k2, k3) of each token, all of the shape of logprobs."""
    # BEGIN SOLUTION
    d = logprobs - reference_logprobs
    return d, d**2 / 2, d + torch.exp(-d) - 1
    # END SOLUTION

# %% tags=["check:11.2"]
check("11.2", kl_estimates)

# %% [markdown] tags=["solution-only"]
# **Why k3 is unbiased.** Under the policy the mean of $\pi_\text{ref}/\pi$ is
# $\sum_a \pi(a)\,\pi_\text{ref}(a)/\pi(a) = \sum_a \pi_\text{ref}(a) = 1$. So the correction (a **control variate**) has mean zero, and since
# $e^{-d} \ge 1 - d$ the sum is never negative.

# %% [markdown]
# {{exercise 11.3}}
#
# Lesson 02's GAE, along each row. The value network returns an estimate for *every* column, also in the prompt and the padding, where it
# means nothing. After the last choice nothing follows: no value and no TD error. Write the backward loop anew, from the last column to
# the first, or call your `gae` of lesson 02: `from course_lib import mine` and `gae = mine("02.1")` in a cell of its own give it to
# you, and it takes `(rewards, values, dones, last_value, gamma, lam)` with time first, `(T, B)`.

# %% tags=["exercise:11.3"]
def token_gae(rewards, values, mask, gamma, lam):
    """Advantages, (B, L - 1), zero outside the mask. rewards, values: (B, L - 1); mask: bool."""
    # BEGIN SOLUTION
    rewards, values = rewards * mask, values * mask
    nothing = torch.zeros_like(values[:, 0])
    advantages, next_advantage, next_value = torch.zeros_like(values), nothing, nothing
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantages[:, t] = (delta + gamma * lam * next_advantage) * mask[:, t]
        next_advantage, next_value = advantages[:, t], values[:, t]
    return advantages
    # END SOLUTION

# %% tags=["check:11.3"]
check("11.3", token_gae)

# %% [markdown] tags=["solution-only"]
# **Why it works.** Behind the end the mask makes `values` and `next_advantage` 0, so at the last choice the loop starts as if the row had
# stopped there. `course_lib/lm/ppo.py` does it with lesson 02's `gae`, with `dones` set at the last choice.

# %% [markdown]
# {{exercise 11.4}}
#
# Your clipped loss of 02.2, with a mask. The mean is over all choices of the batch, each with the same weight, in a long text or a short
# one.

# %% tags=["exercise:11.4"]
def masked_policy_loss(logprobs, old_logprobs, advantages, clip, mask):
    """A number to minimise. All but clip: (B, L - 1); mask: bool."""
    # BEGIN SOLUTION
    ratio = torch.exp(logprobs - old_logprobs)
    gain = torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)
    return -gain[mask].mean()
    # END SOLUTION

# %% tags=["check:11.4"]
check("11.4", masked_policy_loss)

# %% [markdown]
# {{exercise 11.5}}
#
# PPO **whitens** advantages (mean 0, standard deviation 1) before it uses them. This function does so, and training runs. But the same
# texts get other advantages when their batch is padded to a greater width. One idea is wrong, in two lines.

# %% tags=["exercise:11.5"]
def whiten(advantages, mask):
    """Advantages with mean 0 and std 1 over the choices, 0 elsewhere; both (B, L - 1)."""
    # BEGIN SOLUTION
    mean = advantages[mask].mean()
    std = advantages[mask].std(correction=0)
    # INSTEAD
    # mean = advantages.mean()
    # std = advantages.std(correction=0)
    # END SOLUTION
    return (advantages - mean) / (std + 1e-8) * mask

# %%
advantages = torch.tensor([[2.0, 4.0, 0.0, 0.0, 0.0], [1.0, 5.0, 3.0, 0.0, 0.0]])
mask = torch.tensor([[True, True, False, False, False], [True, True, True, False, False]])
for width in (3, 4, 5):                                    # the same texts, more padding
    print(whiten(advantages[:, :width], mask[:, :width])[mask[:, :width]])

# %% tags=["check:11.5"]
check("11.5", whiten)

# %% [markdown] tags=["solution-only"]
# **What was wrong.** The zeros of the padding went into mean and standard deviation, and pull the mean toward 0. In the batch above it comes
# out too small, so every choice looks *better* than it was; where the advantages are negative on average, every choice looks worse. A
# constant added to all advantages changes no expected gradient and adds variance (lesson 02, section 2.2), and here it depends on the padding.

# %% [markdown]
# {{exercise 11.6}}
#
# Somebody samples from the policy at temperature 0.7, because the texts read better, and stores the log-probabilities of the samples.
# Then PPO computes its first ratios, and most of them lie outside the clip range already. The policy did not change in between. One line
# is wrong.

# %% tags=["exercise:11.6"]
def first_ratios(logits, old_logits, tokens, temperature):
    """New over old probability of each token that was sampled at `temperature`, (B, T).

    logits, old_logits: (B, T, V) of the policy now and when it wrote. tokens: (B, T).
    """
    def of_tokens(some):
        return torch.log_softmax(some, dim=-1).gather(-1, tokens[..., None]).squeeze(-1)

    # BEGIN SOLUTION
    logprobs, old_logprobs = of_tokens(logits / temperature), of_tokens(old_logits / temperature)
    # INSTEAD
    # logprobs, old_logprobs = of_tokens(logits), of_tokens(old_logits / temperature)
    # END SOLUTION
    return torch.exp(logprobs - old_logprobs)

# %%
rng = torch.Generator().manual_seed(0)
logits = 2 * torch.randn(200, 10, 50, generator=rng)
drawn = torch.distributions.Categorical(logits=logits / 0.7).sample()
ratios = first_ratios(logits, logits, drawn, 0.7)          # nothing has moved
((ratios - 1).abs() > 0.2).float().mean()                  # share that PPO would clip

# %% tags=["check:11.6"]
check("11.6", first_ratios)

# %% [markdown] tags=["solution-only"]
# **What was wrong.** Two different policies were compared: the one at temperature 0.7 and the one at 1. The course avoids the problem:
# completions for training are always sampled at temperature 1. (Top-k causes the same error: tokens are then sampled from another policy
# than the one whose log-probabilities are stored.)

# %% [markdown]
# {{exercise 11.7}}
#
# Four runs have faults, each another one. Which cause has which signs? Write your answer down before you look at the lesson's last figures
# again.
#
# - **A**: the proxy is at 3.9 and rises, gold falls, the KL is 60 nats, distinct-2 is 0.2;
# - **B**: the reward is flat, the KL is 0.1 nats after 60 updates, all ratios are near 1;
# - **C**: with the learning rate set to 0 the policy cannot change; yet in every update the ratios scatter around 1 and the KL between old
#   and new policy is 0.3 nats;
# - **D**: short texts become likelier whenever they share a batch with a very long one; in batches of texts of one length they do not.
#
# The causes: `"beta too small"`, `"beta too large"`, `"log-probabilities of two policies"`, `"padding is counted"`.

# %% tags=["exercise:11.7"]
def diagnosis():
    """The cause of each run's signs."""
    # BEGIN SOLUTION
    return {
        "A": "beta too small",
        "B": "beta too large",
        "C": "log-probabilities of two policies",
        "D": "padding is counted",
    }
    # INSTEAD
    # return {"A": ..., "B": ..., "C": ..., "D": ...}
    # END SOLUTION

# %% tags=["check:11.7"]
check("11.7", diagnosis)

# %% [markdown]
# {{exercise 11.8}}
#
# **Something whole to build; optional.** PPO on tokens from nothing: sampling, the rewards of tokens, advantages, minibatches, the update of
# policy and value head. It must reach a stated reward at a stated KL. Plan one to two hours. `check` calls the parts one by one, so that a failure
# says where. It begins by making a `TokenPPO`, so write all three `__init__` before you check.
#
# **The task.** Nine tokens: 0 ends a text, 1 to 8 are the letters a to h. A prompt is the end token and one letter; the policy writes up to eight
# tokens more. Each letter that comes later in the alphabet than the one before it adds 1 to the reward, each earlier one −1. The reference is a small GPT
# that was never trained: it samples letters about evenly.

# %%
import copy
from dataclasses import dataclass

from torch import nn

from course_lib import budget, mine
from course_lib.lm.gpt import GPT, GPTConfig

PROMPTS = torch.tensor([[0, letter] for letter in range(1, 9)])            # (8, 2)


def rising(tokens):
    """The reward of whole texts, (B, L) -> (B,): steps up the alphabet minus steps down. The end is no step."""
    before, after = tokens[:, 1:-1], tokens[:, 2:]                         # (B, L - 2)
    return (torch.sign(after - before) * (after > 0)).sum(dim=1).float()


def letters(row):
    """One text as letters: the prompt's, a bar, the policy's."""
    text = "".join(".abcdefgh"[token] for token in row[1:].tolist()).split(".")[0]
    return f"{text[:1]}|{text[1:]}"

# %%
@dataclass(frozen=True)
class PPOSettings:
    """What the three classes below are made with."""

    max_new_tokens: int = 8         # tokens that a completion may have, the end token included (N)
    batch_size: int = 128           # completions of one update (B)
    minibatch_size: int = 64        # completions of one gradient step
    epochs: int = 4                 # times that each batch is learned from
    learning_rate: float = 3e-3     # Adam's, of policy and value head
    beta: float = 0.3               # KL coefficient: reward per nat
    gamma: float = 1.0              # discount
    lam: float = 0.95               # GAE's lambda
    clip: float = 0.2               # of the ratio: 1 - clip to 1 + clip
    value_coefficient: float = 0.5  # weight of the value loss in the whole loss
    seed: int = 0                   # of prompts, tokens and minibatches

# %% [markdown]
# ### The specification
#
# ```
# prompts ─→ sample ─→ tokens, mask ─→ logprobs, reference_logprobs, values ─→ token_rewards ─→ advantages, returns
#    ↑                                                                                               │
#    └── next update ←── epochs × minibatches: loss → zero_grad → backward → clip norm to 1 → step ←─┘
# ```
#
# One convention holds everywhere: tensors about tokens are `(B, L - 1)`, and column `t` is about the choice of `tokens[:, t + 1]`. Everything that
# the rollout collects is 0 outside `mask`. `gpt.hidden(tokens)` gives the stream after the last norm, `(B, T, C)`; `gpt.logits(hidden)` the logits.
#
# **`ActorCritic(gpt)`** has `gpt` and `value_head` (`nn.Linear`, C → 1, weights and bias 0 at first).
# - `forward(tokens)`: `(logprobs, values)`, both `(B, L - 1)`: the log-probability of `tokens[:, t + 1]`, and the value estimate before that
#   choice, from the stream at position `t`.
#
# **`Rollouts(model, reference, reward, settings, generator)`** keeps its five arguments under these names. No gradient leaves it.
# - `sample(prompts)`: `(tokens, mask)`, `(B, P + N)` and `(B, P + N - 1)`. Tokens are sampled at temperature 1 from `model.gpt`. After an end token
#   all tokens are 0. `mask` (bool) is True where the policy chose: not in the prompt, not behind the end, but at the end token itself.
# - `collect(prompts)`: a dict with `tokens`, `mask`; `logprobs`, `reference_logprobs`, `values`; `rewards` `(B,)`, which is `reward(tokens)`;
#   `token_rewards`; `advantages`, from GAE; `returns`, which are advantages plus values. In the end `advantages` are standardized over the mask
#   (after `returns` were computed).
#
# **`TokenPPO(gpt, prompts, reward, settings)`** has `model` (an `ActorCritic` of this `gpt`), `reference` (a frozen copy of `gpt` as it was), `rollouts`
# and `optimizer` (`torch.optim.Adam`, over the model's parameters alone).
# - `loss(batch)`, for such a dict or some of its rows: the clipped policy loss plus `value_coefficient` times the mean of `(values − returns)²`, both
#   means over the mask.
# - `update()`: draws `batch_size` rows of `prompts` at random, calls `self.rollouts.collect`, and learns from the batch for `epochs` epochs. Each
#   splits a new random order of the rows into minibatches of `minibatch_size` rows; for each of them `self.loss` and one step, with the gradient's
#   norm clipped to 1. Returns `{"reward": mean reward, "kl": mean over texts of the summed log-ratio}` of the batch, floats.
#
# **What is measured at the end.** After 40 updates with the settings above, on fresh completions: a mean reward of at least **3.0** at a KL of at most
# **8.5 nats**. The reference gets about 0; a policy without penalty more than 5, at 13 nats and more. The best trade at this beta, found by going
# through all texts, is 4.9 at 7.6 nats. It takes a few seconds. Your own 11.1, 11.3, 11.4 and 11.5, or the course's where yours are missing:

# %%
rewards_of_tokens, gae_of_tokens = mine("11.1"), mine("11.3")
clipped_loss, standardize = mine("11.4"), mine("11.5")

# %% tags=["exercise:11.8"]
class ActorCritic(nn.Module):
    """A GPT with a value head."""

    def __init__(self, gpt):
        super().__init__()
        # BEGIN SOLUTION
        self.gpt, self.value_head = gpt, nn.Linear(gpt.config.width, 1)
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)
        # END SOLUTION

    def forward(self, tokens):
        """tokens: (B, L) -> (logprobs, values), both (B, L - 1)."""
        # BEGIN SOLUTION
        hidden = self.gpt.hidden(tokens[:, :-1])                           # (B, L - 1, C)
        logprobs = self.gpt.logits(hidden).log_softmax(dim=-1)             # (B, L - 1, V)
        return logprobs.gather(-1, tokens[:, 1:, None]).squeeze(-1), self.value_head(hidden).squeeze(-1)
        # END SOLUTION

# %% tags=["exercise:11.8"]
class Rollouts:
    """Samples from the policy, and computes rewards and advantages of each choice."""

    def __init__(self, model, reference, reward, settings, generator):
        # BEGIN SOLUTION
        self.model, self.reference, self.reward = model, reference, reward
        self.settings, self.generator = settings, generator
        # END SOLUTION

    @torch.no_grad()
    def sample(self, prompts):
        """prompts (B, P) -> tokens (B, P + N), mask (B, P + N - 1)."""
        # BEGIN SOLUTION
        tokens, mask = prompts, torch.zeros_like(prompts[:, 1:], dtype=torch.bool)
        going = torch.ones(len(prompts), dtype=torch.bool)
        for _ in range(self.settings.max_new_tokens):
            probs = self.model.gpt(tokens)[:, -1].softmax(dim=-1)          # (B, V)
            drawn = torch.multinomial(probs, 1, generator=self.generator)[:, 0] * going
            tokens, mask = torch.cat([tokens, drawn[:, None]], dim=1), torch.cat([mask, going[:, None]], dim=1)
            going = going & (drawn != 0)
        return tokens, mask
        # END SOLUTION

    @torch.no_grad()
    def collect(self, prompts):
        """prompts (B, P) -> the batch, a dict."""
        # BEGIN SOLUTION
        s, (tokens, mask) = self.settings, self.sample(prompts)
        logprobs, values = (each * mask for each in self.model(tokens))    # 2 x (B, L - 1)
        reference_logprobs = ActorCritic(self.reference)(tokens)[0] * mask
        rewards = self.reward(tokens)                                      # (B,)
        token_rewards = rewards_of_tokens(rewards, logprobs, reference_logprobs, mask, s.beta)
        advantages = gae_of_tokens(token_rewards, values, mask, s.gamma, s.lam)
        return {"tokens": tokens, "mask": mask, "logprobs": logprobs, "reference_logprobs": reference_logprobs,
                "values": values, "rewards": rewards, "token_rewards": token_rewards,
                "returns": (advantages + values) * mask, "advantages": standardize(advantages, mask)}
        # END SOLUTION

# %% tags=["exercise:11.8"]
class TokenPPO:
    """Trains a GPT in place on the reward of what it writes."""

    def __init__(self, gpt, prompts, reward, settings):
        # BEGIN SOLUTION
        self.prompts, self.settings = prompts, settings
        self.model, self.reference = ActorCritic(gpt), copy.deepcopy(gpt).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=settings.learning_rate)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.rollouts = Rollouts(self.model, self.reference, reward, settings, self.generator)
        # END SOLUTION

    def loss(self, batch):
        """The whole loss of a batch, or of some of its rows: a scalar."""
        # BEGIN SOLUTION
        s, mask = self.settings, batch["mask"]
        logprobs, values = self.model(batch["tokens"])
        policy_loss = clipped_loss(logprobs, batch["logprobs"], batch["advantages"], s.clip, mask)
        return policy_loss + s.value_coefficient * ((values - batch["returns"])[mask] ** 2).mean()
        # END SOLUTION

    def update(self):
        """One batch, learned from; returns its reward and KL."""
        # BEGIN SOLUTION
        s = self.settings
        batch = self.rollouts.collect(self.prompts[torch.randint(len(self.prompts), (s.batch_size,), generator=self.generator)])
        for _ in range(s.epochs):
            for rows in torch.randperm(s.batch_size, generator=self.generator).split(s.minibatch_size):
                loss = self.loss({key: value[rows] for key, value in batch.items()})
                self.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                self.optimizer.step()
        kl = (batch["logprobs"] - batch["reference_logprobs"]).sum(dim=1).mean()
        return {"reward": batch["rewards"].mean().item(), "kl": kl.item()}
        # END SOLUTION

# %% tags=["check:11.8"]
check("11.8", TokenPPO)

# %% [markdown]
# What does it write, before and after? Then set `beta` to 0, and to 1.

# %%
try:
    fresh = GPT(GPTConfig(vocab_size=9, context=10, layers=1, heads=4, width=32))
    ppo = TokenPPO(fresh, PROMPTS, rising, PPOSettings())
    print("before:", *(letters(row) for row in ppo.rollouts.sample(PROMPTS)[0]))
    for update in range(budget(full=40, ci=8)):
        did = ppo.update()
        if update % 8 == 7:
            print(f"update {update + 1:2d}: reward {did['reward']:.2f} at {did['kl']:.1f} nats")
    print("after: ", *(letters(row) for row in ppo.rollouts.sample(PROMPTS)[0]))
except NotImplementedError:
    print("Here your policy will write, once it is built.")

# %% [markdown] tags=["solution-only"]
# **What it has to find out.** From *h* no letter is a step up. The best is to lose one point, go down to *a*, and climb from there; GAE assigns
# credit for that climb to the step down. The KL penalty makes long climbs too costly, for each certain letter costs about 2 nats.

# %% [markdown]
# ## What you learned
#
# PPO on text is lesson 02's PPO with a mask. The functions are the same, and the mistakes are about *where*: which column gets the reward,
# which one ends the episode, which ones are counted.
#
# **What failed here, on purpose:** whitening over padding and ratios between two temperatures. Both train, and both only make
# everything a little worse: silent bugs.
#
# **Further reading.** J. Schulman (2020), *Approximating KL divergence*; S. Huang et al. (2024), *The N+ implementation details of
# RLHF with PPO*. Back to [lesson 11](../notebooks/11_ppo_for_language_models.ipynb).
