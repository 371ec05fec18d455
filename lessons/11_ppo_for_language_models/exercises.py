# %% [markdown]
# # Lesson 11 exercises: PPO for language models
#
# **Goals.** Write the four functions by which PPO for text differs from PPO for games: what a token earns, how far a policy is
# from its reference, the advantage under a mask, the loss under a mask. Find two bugs that nothing complains about, and tell four sick
# runs apart.
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
# A text is judged once, when it is finished. A choice is charged at once, for being likelier than the reference (the SFT model)
# would have it. So the last choice of each row earns the text's reward, and *every* choice, the last one included, pays
# $\beta\,(\log\pi(a|s) - \log\pi_\text{ref}(a|s))$. What is no choice earns nothing.

# %% tags=["exercise:11.1"]
def token_rewards(rewards, logprobs, reference_logprobs, mask, beta):
    """What each choice earns, (B, L - 1).

    rewards: (B,) of whole texts. logprobs, reference_logprobs: (B, L - 1). mask: the same, bool.
    """
    # BEGIN SOLUTION
    next_mask = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
    last = mask & ~next_mask                              # (B, L - 1): one True a row
    distance = logprobs - reference_logprobs
    return (rewards[:, None] * last - beta * distance) * mask
    # END SOLUTION

# %% tags=["check:11.1"]
check("11.1", token_rewards)

# %% [markdown] tags=["solution-only"]
# **Why charge each token for itself?** The sum of a row is the same if all of it is charged at the end. But then GAE must find out
# by itself which token was the strange one; here it is told.

# %% [markdown]
# {{exercise 11.2}}
#
# A KL divergence is a mean over everything the policy might have written. We have what it *did* write. With
# $d = \log\pi(a|s) - \log\pi_\text{ref}(a|s)$ for a token that the policy drew, Schulman (2020) gives three estimates:
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
# **Why k3 is right on average.** Under the policy the mean of $\pi_\text{ref}/\pi$ is
# $\sum_a \pi(a)\,\pi_\text{ref}(a)/\pi(a) = \sum_a \pi_\text{ref}(a) = 1$. So the correction has mean zero, and since
# $e^{-d} \ge 1 - d$ the sum is never negative.

# %% [markdown]
# {{exercise 11.3}}
#
# Lesson 02's GAE, along each row. The value network says something about *every* column, also about the prompt and the padding,
# and what it says there means nothing. After the last choice nothing follows: no value, no surprise. Write the walk anew, from the last
# column to the first, or call your `gae` of lesson 02: `from course_lib import mine` and `gae = mine("02.1")` in a cell of its own give it to
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
# **Why it works.** Behind the end `values` is 0 by the mask and `next_advantage` is 0 by the mask, so the walk enters each text from behind
# as if the row had stopped there. `course_lib/lm/ppo.py` does it with lesson 02's `gae` and says `dones` at the last choice.

# %% [markdown]
# {{exercise 11.4}}
#
# Your clipped loss of 02.2, with one argument more. The mean is over choices, each weighing the same, in a long text or a short one.

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
# PPO brings advantages to mean 0 and spread 1 before it learns from them. This function does so, and training runs. But the same
# texts get other advantages when their batch is filled up to a greater width. One idea is at fault, in two lines.

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
# **What was wrong.** The zeros of the padding went into mean and spread, and pull the mean toward 0. In the batch above it comes out too
# small, so every choice looks *better* than it was; where the advantages are negative on average, every choice looks worse. What pushes
# all choices the same way teaches nothing and adds noise (lesson 02, section 2.2), and how hard it pushes depends on the padding.

# %% [markdown]
# {{exercise 11.6}}
#
# Somebody lets the policy write at temperature 0.7, because the texts are nicer, and notes the log-probabilities of what was drawn.
# Then PPO computes its first ratios, and most of them lie outside the clip already. Nobody changed the policy in between. One line is
# wrong.

# %% tags=["exercise:11.6"]
def first_ratios(logits, old_logits, tokens, temperature):
    """New over old probability of each token that was drawn at `temperature`, (B, T).

    logits, old_logits: (B, T, V) of the policy now and when it wrote. tokens: (B, T).
    """
    def chosen(some):
        return torch.log_softmax(some, dim=-1).gather(-1, tokens[..., None]).squeeze(-1)

    # BEGIN SOLUTION
    logprobs, old_logprobs = chosen(logits / temperature), chosen(old_logits / temperature)
    # INSTEAD
    # logprobs, old_logprobs = chosen(logits), chosen(old_logits / temperature)
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
# **What was wrong.** Two policies were compared that are not the same: the one that draws at 0.7 and the one at 1. The course
# avoids the question: completions for learning are always drawn at temperature 1. (Top-k makes the same trouble: what may be drawn is then
# another policy than the one whose log-probabilities are noted.)

# %% [markdown]
# {{exercise 11.7}}
#
# Four runs are sick, each of something else. Which cause has which signs? Commit yourself before you look at the lesson's last
# figures again.
#
# - **A**: the proxy stands at 3.9 and rises, gold falls, 60 nats of KL, distinct-2 is 0.2;
# - **B**: the reward is flat, the KL is 0.1 nats after 60 updates, all ratios are near 1;
# - **C**: with the learning rate set to 0, nothing should move; yet in every update the ratios scatter around 1 and the KL from the old
#   to the new policy is 0.3 nats;
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
# ## What you learned
#
# PPO on text is lesson 02's PPO with a mask. The functions are the same, and the mistakes are about *where*: which column is paid, which
# one ends the episode, which ones may be counted.
#
# **What failed here, on purpose:** whitening over padding and ratios between two temperatures. Both train, and both only make
# everything a little worse, which is the worst kind of bug.
#
# **Further reading.** J. Schulman (2020), *Approximating KL divergence*; S. Huang et al. (2024), *The N+ implementation details of
# RLHF with PPO*. Back to [lesson 11](../notebooks/11_ppo_for_language_models.ipynb).
