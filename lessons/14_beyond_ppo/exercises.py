# %% [markdown]
# # Lesson 14 exercises: beyond PPO
#
# **Goals.** Write the small functions by which the methods beside PPO differ: which completion is kept, two losses on preferences, the
# advantages of a group, an unbiased pass@k. Close the holes of a check.
#
# **Time.** {{time}}
# **Builds on** lessons 03 and 11; do each exercise when the [lesson](../notebooks/14_beyond_ppo.ipynb) sends you here.

# %%
import math

import torch

from course_lib import check, hint

torch.set_num_threads(1)

# %% [markdown]
# {{exercise 14.1}}
#
# A model sampled $n$ completions of each prompt, and a reward model scored them. **Best-of-n** keeps the completion with the highest reward. How
# far is the distribution of what is kept from the model? Nothing has to be measured: its KL divergence from the model is at most
#
# $$\log n - \frac{n - 1}{n} \quad\text{nats.}$$

# %% tags=["exercise:14.1"]
def best_of_n(rewards, n):
    """(rows, nats): rows (prompts,) int64 of the batch that are kept, and the bound on the KL, one number.

    rewards: (prompts * n,), the n completions of one prompt directly behind each other. Of equal ones keep the first.
    """
    # BEGIN SOLUTION
    groups = rewards.view(-1, n)                                            # (prompts, n)
    rows = groups.argmax(dim=1) + n * torch.arange(len(groups))             # (prompts,)
    return rows, math.log(n) - (n - 1) / n
    # END SOLUTION

# %% tags=["check:14.1"]
check("14.1", best_of_n)

# %% [markdown] tags=["solution-only"]
# **Where the bound comes from.** Let every completion have a rank $u$, uniform between 0 and 1. The largest of $n$ has the density
# $n u^{n-1}$, and $\int_0^1 n u^{n-1} \log(n u^{n-1})\,du = \log n - (n-1)/n$. It is only an upper bound because a completion can be sampled twice.

# %% [markdown]
# {{exercise 14.2}}
#
# DPO (Rafailov et al. 2023) needs the log-probability of both completions of a pair, under the policy and under the reference. A completion's
# **implicit reward** is
#
# $$\hat r = \beta \sum_{t} \big(\log \pi(a_t|s_t) - \log \pi_\text{ref}(a_t|s_t)\big)$$
#
# summed over its own tokens. The loss is Bradley–Terry's with these rewards: $-\log \sigma(\hat r_\text{chosen} - \hat r_\text{rejected})$,
# averaged over pairs.

# %% tags=["exercise:14.2"]
def dpo_loss(logprobs, reference_logprobs, mask, beta):
    """DPO's loss in nats, one number.

    logprobs, reference_logprobs: (2 * pairs, T) of tokens. mask: the same, True at tokens of the completion. The first
    half of the rows are the chosen completions, the second half the rejected ones, in the same order.
    """
    # BEGIN SOLUTION
    rewards = beta * ((logprobs - reference_logprobs) * mask).sum(dim=1)    # (2 * pairs,)
    chosen, rejected = rewards.chunk(2)                                     # (pairs,) each
    return -torch.nn.functional.logsigmoid(chosen - rejected).mean()
    # END SOLUTION

# %% tags=["check:14.2"]
check("14.2", dpo_loss)

# %% [markdown] tags=["solution-only"]
# **Sum, not mean.** The probability of a completion is the product over its tokens, so its log is a sum. With means over tokens you get another
# algorithm (length-normalized, as in SimPO), and the derivation of DPO does not hold for it.
#
# **Only the difference counts.** A number that is added to both rewards of a pair cancels: this is the identifiability up to a shift
# of lesson 03, and the reason why the partition function $Z(x)$ never has to be computed.

# %% [markdown]
# {{exercise 14.3}}
#
# DPO's loss falls for ever as the margin grows. If the chosen completion is *always* preferred, which is so for every pair with a single
# label, the loss has no minimum at a finite margin. **IPO** (Azar et al. 2023) gives the margin a target. With
# $h = (\log\pi - \log\pi_\text{ref})_\text{chosen} - (\log\pi - \log\pi_\text{ref})_\text{rejected}$ its loss is
#
# $$\Big(h - \frac{1}{2\beta}\Big)^2 \quad\text{averaged over pairs.}$$

# %% tags=["exercise:14.3"]
def ipo_loss(chosen, rejected, reference_chosen, reference_rejected, beta):
    """IPO's loss, one number. All but beta: (pairs,) log-probabilities of whole completions."""
    # BEGIN SOLUTION
    margin = (chosen - reference_chosen) - (rejected - reference_rejected)  # (pairs,)
    return (margin - 1 / (2 * beta)).square().mean()
    # END SOLUTION

# %% tags=["check:14.3"]
check("14.3", ipo_loss)

# %% [markdown] tags=["solution-only"]
# **Both sides count.** A margin above the target is pushed back just like one below it. This is the regularization; with a `clamp` at zero it would
# be lost.

# %% [markdown]
# {{exercise 14.4}}
#
# Without a value network, what is the **baseline**? The rewards of the other completions of the same prompt.
#
# - **RLOO** (leave one out): the reward minus the mean of the *other* completions.
# - **GRPO**: the reward minus the mean of all of them, divided by their standard deviation (torch's own, with $n - 1$) plus 0.0001.
# - **Dr. GRPO**: as GRPO, without the division.

# %% tags=["exercise:14.4"]
def group_advantages(rewards, kind):
    """Advantages, (prompts, samples). rewards: the same shape. kind: "rloo", "grpo" or "dr-grpo"."""
    # BEGIN SOLUTION
    samples = rewards.shape[1]
    centred = rewards - rewards.mean(dim=1, keepdim=True)                   # (prompts, samples)
    if kind == "rloo":
        return centred * samples / (samples - 1)
    if kind == "grpo":
        return centred / (rewards.std(dim=1, keepdim=True) + 1e-4)
    return centred
    # END SOLUTION

# %% tags=["check:14.4"]
check("14.4", group_advantages)

# %% [markdown] tags=["solution-only"]
# **RLOO and Dr. GRPO are the same up to a factor.** The mean of the others is $(n \bar r - r_i)/(n - 1)$, so
# $r_i$ minus it is $\frac{n}{n-1}(r_i - \bar r)$. An optimizer such as Adam hardly notices a constant factor.
#
# **A group whose rewards are all equal gives no gradient**, in all three: every advantage is 0. A prompt that is always solved, or never,
# costs samples and changes nothing.

# %% [markdown]
# {{exercise 14.5}}
#
# **pass@k** is the probability that at least one of $k$ completions is right. Chen et al. (2021) draw $n \ge k$ completions, count the
# $c$ right ones, and give the share of all sets of $k$ of them that hold at least one right one:
#
# $$1 - \binom{n - c}{k} \Big/ \binom{n}{k}$$

# %% tags=["exercise:14.5"]
def pass_at_k(correct, samples, k):
    """pass@k of each problem, (problems,). correct: (problems,) int64, how many of its `samples` were right."""
    # BEGIN SOLUTION
    sets = math.comb(samples, k)
    return torch.tensor([1 - math.comb(samples - c, k) / sets for c in correct.tolist()])
    # END SOLUTION

# %% tags=["check:14.5"]
check("14.5", pass_at_k)

# %% [markdown] tags=["solution-only"]
# **Why not $1 - (1 - c/n)^k$?** It draws with replacement, and is **biased**: $(1-p)^k$ is convex, so with an estimated $p$ its mean is too high
# (Jensen) and pass@k comes out too low. With two completions of which one is right, pass@2 is 1, and this formula says 0.75.

# %% [markdown]
# {{exercise 14.6}}
#
# This check rewards a completion whose number is the sum. It looks strict: it reads the number and compares it. But the policy samples
# everything that the model can write, and several texts that are not the answer's digits alone get a reward of 1. Find them, and
# mend the check so that it accepts **the digits of the answer, and nothing else.**

# %% tags=["exercise:14.6"]
def sum_reward(prompt, completion):
    """1.0 if the completion is the right answer and nothing else, else 0.0. prompt: such as "37+45="."""
    first, second = prompt[:-1].split("+")
    # BEGIN SOLUTION
    return float(completion == str(int(first) + int(second)))
    # INSTEAD
    # try:
    #     return float(int(completion) == int(first) + int(second))
    # except ValueError:                                  # no number at all
    #     return 0.0
    # END SOLUTION

# %%
for completion in ("82", "81", "", "82!", "eighty-two"):
    print(repr(completion), sum_reward("37+45=", completion))

# %% tags=["check:14.6"]
check("14.6", sum_reward)

# %% [markdown] tags=["solution-only"]
# **What `int` lets through:** spaces and line ends around the number, leading zeros, a plus sign, underscores (`8_2`), and the digits of
# other scripts. None of them is wrong arithmetic. But each lets the policy drift without losing reward, until a program that reads its
# answers later fails. *Write the one right answer, and compare texts*: that check has the fewest holes.

# %% [markdown]
# ## What you learned
#
# The KL of best-of-n has a known bound. DPO is Bradley–Terry with log-ratios for rewards; IPO gives the margin a target. RLOO, GRPO and Dr. GRPO
# differ in one line. pass@k has an unbiased estimator. A check is a reward, and can be hacked like any other.
#
# **What failed here, on purpose:** a strict-looking check with several holes.
#
# **Further reading.** R. Rafailov et al. (2023), *Direct preference optimization*; M. G. Azar et al. (2023), *A general theoretical paradigm to
# understand learning from human preferences*; Z. Liu et al. (2025), *Understanding R1-Zero-like training*; M. Chen et al. (2021), *Evaluating
# large language models trained on code*. Back to the [lesson](../notebooks/14_beyond_ppo.ipynb).
