# %% [markdown]
# # Lesson 11. PPO for language models
#
# **Goals.** Train a language model with PPO on the reward of a reward model; compute the reward of each token, with its KL penalty;
# estimate the KL divergence; assign the credit for a text to its tokens; see what the KL penalty does, and how a reward model is
# over-optimised without it.
#
# **Time.** About 60 minutes to read and run, 100 minutes for the exercises; the essential part takes 90 minutes in all. The cells use
# about one CPU-minute. **Builds on** lessons 02 (PPO), 09 (the SFT model) and 10 (the reward model).
#
# This is the last of the three steps of InstructGPT (Ouyang et al. 2022): a language model is fine-tuned (lesson 09), a reward model is
# fitted to preferences (lesson 10), and now reinforcement learning trains the first on the reward of the second.

# %%
import copy
from dataclasses import replace

import numpy as np
import torch

from course_lib import budget, expect, mine
from course_lib.lm.data import Prompts, short_texts
from course_lib.lm.rewards import load_proxy
from course_lib.lm.sft import load_sft
from course_lib.lm.shipped import load_shipped
from course_lib.show import palette
from course_lib.show import text_rl_plots as plots
from course_lib.show.figures import explore, show
from course_lib.show.tables import show_samples

palette.style()
torch.set_num_threads(1)

# %% [markdown]
# ## 11.1 Four models
#
# - The **policy** $\pi$ writes. It starts as the SFT model and is the only one of the four that learns to write.
# - The **reference** $\pi_\text{ref}$ is the SFT model itself. It never changes; the KL penalty measures the policy's distance from it.
# - The **reward model** reads a whole text and returns one number, its reward. It learned from 3,000 labels, preferences derived from
#   ratings (lesson 10).
# - The **value network** $V$ estimates, in the middle of a text, which reward will come at its end.
#
# The scores of a reward model are identifiable only up to a shift, and their scale depends on how consistent the labels were (lesson 03).
# So we **normalize** them first: over the SFT model's own texts the reward gets mean 0 and standard deviation 1 (as in Ziegler et al.
# 2019). A reward of 2 then means two standard deviations better than the average text we started from. The code calls this reward
# `proxy`; section 11.9 says why. (`write` scores with VADER where no reward is given, so `batch.rewards` are VADER's scores.)

# %%
from course_lib.lm.generate import sample_completions
from course_lib.lm.reward_model import ScaledReward
from course_lib.lm.sentiment import sentiment

sft, (reward_model, facts) = load_sft(), load_proxy()
reference, tokenizer = sft.model, sft.tokenizer
prompts = Prompts.of(short_texts("train"), tokenizer)
unseen = Prompts.of(short_texts("validation"), tokenizer).evenly_spaced(budget(full=256, ci=64))

def write(policy, reward=sentiment, seed=0, prompts=unseen):
    """One completion of each prompt, with all that learning needs to know about it."""
    rng = torch.Generator().manual_seed(seed)
    return sample_completions(policy, reference, prompts, reward, tokenizer, generator=rng)

batch = write(reference)
proxy = ScaledReward.on(lambda texts: reward_model.rewards(texts, tokenizer), batch.texts)
print(f"the reward model learned from {facts['labels']:,} labels and predicts "
      f"{facts['test_accuracy']:.0%} of unseen ones")

# %%
scores = proxy(batch.texts)
some = scores.argsort(descending=True)[[0, 1, 2, 3, -4, -3, -2, -1]].tolist()
show_samples({"the SFT model wrote": [batch.texts[i] for i in some],
              "reward": [f"{scores[i]:+.1f}" for i in some],
              "VADER": [f"{batch.rewards[i]:+.2f}" for i in some]})

# %% [markdown]
# Above are the four texts with the highest reward and the four with the lowest. The prompt is the first few tokens of a real text;
# everything after it was written by the model. With under a million parameters it rarely makes sense, but some texts clearly sound
# more positive than others.
#
# ## 11.2 Text generation as a Markov decision process
#
# CartPole had states, actions and episodes. A text has them too. Writing is a **Markov decision process** (MDP):
#
# | lesson 02 | here |
# |---|---|
# | state: what the agent sees | the prompt and the tokens written so far |
# | action | the next token, one of 1,024 |
# | transition to the next state | the token is appended; nothing in it is random |
# | end of the episode | the end token, or the 24th token of the completion |
# | reward | once, for the whole text |
#
# One convention holds in all the code: tensors about tokens are `(B, L - 1)`, and column `t` is about the *choice* of token `t + 1`.
# `mask` is the **completion mask**: True where the policy chose the token.

# %%
row = batch.lengths.argmin().item()                       # the shortest completion
for t in range(min(9, batch.mask.shape[1])):
    seen, action = batch.tokens[row, :t + 1], batch.tokens[row, t + 1].item()
    who = "policy" if batch.mask[row, t] else "nobody"
    word, before = tokenizer.token(action), tokenizer.decode(seen.tolist())
    print(f"{t:2d}  {who:7s} {word!r:14s} after {before!r}")
print("tokens", tuple(batch.tokens.shape), " mask", tuple(batch.mask.shape),
      " logprobs", tuple(batch.logprobs.shape), " rewards", tuple(batch.rewards.shape))

# %% [markdown]
# The policy chose neither the prompt's tokens nor the padding behind the end. But it did choose the end token: to stop is an action,
# and it can be a good one.
#
# ## 11.3 The reward of each token
#
# The reward model reads finished texts, so its reward $R$ comes with the last choice alone. That would be enough to run PPO. But we add a
# second term at every token, the **KL penalty**: the log-ratio of the policy to the reference, times the **KL coefficient** $\beta$.
#
# $$r_t = -\beta\,\big(\log \pi(a_t|s_t) - \log \pi_\text{ref}(a_t|s_t)\big) \;+\; [\text{last token}]\cdot R(\text{text})$$
#
# A token that the policy has made more probable than the reference does gets a negative reward. Summed over a text and averaged over
# many, these terms come to $-\beta$ times the KL divergence of the policy from the reference (section 11.5). So $\beta$ is the reward
# that one nat of distance costs.
#
# **Now do [exercise 11.1](../exercises/11_ppo_for_language_models.ipynb)**, which is this formula. Below you see it at work, on a text
# of a policy that was trained with it. (This policy is shipped with the course; you train your own in section 11.7.)

# %%
from course_lib.lm.recipes import PPO_POLICY, PPO_POLICY_WITHOUT_KL, PROXY_RECIPE

token_rewards = mine("11.1")
trained, free = load_shipped(PPO_POLICY).model, load_shipped(PPO_POLICY_WITHOUT_KL).model
rollout, beta = write(trained, proxy), PROXY_RECIPE.beta
per_token = token_rewards(rollout.rewards, rollout.logprobs, rollout.reference_logprobs, rollout.mask, beta)

ended = (rollout.lengths >= 10) & (rollout.lengths <= 18)  # a text that fits into a figure
row = torch.where(ended, rollout.rewards, -torch.inf).argmax().item()
completion = rollout.mask[row]
words = [tokenizer.token(i) for i in rollout.tokens[row, 1:][completion].tolist()]

# %%
each = {f"reward of each token, beta = {beta:g}": per_token[row][completion].tolist()}
title = "Every token has its KL penalty; the last one also gets the reward of the text"
show(plots.token_bars(words, each, title, "reward"),
     alt="Bars over the tokens of one completion: small ones below and above zero, "
         "and a tall one at the last token.")
total, log_ratio = per_token[row].sum().item(), rollout.kl[row].item()
print(rollout.texts[row])
print(f"reward {rollout.rewards[row]:.2f} - {beta:g} x {log_ratio:.2f} nats = {total:.2f}")
expect(abs(total - (rollout.rewards[row].item() - beta * log_ratio)) < 1e-3,
       "the token rewards sum to the text's reward minus beta times its log-ratio", measured=total)

# %% [markdown]
# A bar above zero, before the last, is a token that the policy has made *less* probable than the reference does. It was sampled anyway,
# and its penalty is a small bonus. On average over the policy's own texts the penalty is never a bonus, because a KL divergence is
# never negative.
#
# ## 11.4 A value network of its own
#
# GAE needs a value estimate at every token: the reward that is still to come. In lesson 02 the critic was a second small network. Here it
# must *read*, so it is a second transformer. Which weights should it start with?
#
# Stiennon et al. (2020) start it from the **reward model**. That network has learned what people prefer in whole texts; now it must learn
# to predict it from the beginning of a text. Policy and value network share no weights. If they did, every gradient of the value loss
# would also change how the policy writes.
#
# > **Predict.** How well does the reward model, without further training, predict the final reward after 1 token? After 10? And a value
# > network that starts from the SFT model instead?

# %%
from course_lib.lm.ppo import value_network
from course_lib.lm.reward_model import RewardModel

from_reward_model = value_network(reward_model, proxy.mean, proxy.std)
from_sft = RewardModel(copy.deepcopy(reference)).eval()

@torch.no_grad()
def foresight(network, batch, longest=20):
    """Correlation of the value estimate after 1, 2, ... tokens with the final reward."""
    values, first = network.at_each_token(batch.tokens), prompts.tokens.shape[1]
    found = []
    for t in range(first, first + longest):                # the value after token t
        there = batch.mask[:, t - 1]                       # texts that have such a token
        pair = torch.stack([values[there, t], batch.rewards[there]])
        found.append(torch.corrcoef(pair)[0, 1].item())
    return found

sft_batch = write(reference, proxy, seed=1)
known = {"from the reward model": foresight(from_reward_model, sft_batch),
         "from the SFT model, new head": foresight(from_sft, sft_batch)}

# %%
early, late = known["from the reward model"][0], np.mean(known["from the reward model"][-5:])
title = "The reward model predicts the final reward early; a new value head cannot yet"
show(plots.foresight(known, title),
     alt="Correlation of the value estimate with the final reward against the number of tokens written. "
         "The line of the reward model rises; that of the new head stays near zero.")
expect(late > 0.4 > abs(np.mean(known["from the SFT model, new head"])),
       "late in a text the reward model predicts much of the final reward, without further training",
       ci=late > 0.2, measured=f"{early:.2f} after the first token, {late:.2f} after 16 to 20")

# %% [markdown]
# The reward model was never trained on half a text. Still its estimates correlate with the final reward, and more so the more of the
# text it has read. The value network learns the rest while the policy is trained.
#
# ## 11.5 The KL divergence, and three estimates of it
#
# The KL divergence of the policy from the reference is the expectation, over everything that the policy might write, of
# $\log(\pi/\pi_\text{ref})$:
#
# $$\text{KL}(\pi \,\|\, \pi_\text{ref}) = \mathbb{E}_{y \sim \pi}\big[\log \pi(y|x) - \log \pi_\text{ref}(y|x)\big]$$
#
# We cannot sum over all texts, so we estimate it from samples. There is more than one **estimator**: Schulman (2020) compares three,
# called $k_1$, $k_2$ and $k_3$. **[Exercise 11.2](../exercises/11_ppo_for_language_models.ipynb)** computes them. (The samples come from
# $\pi$, so this is KL(policy‖reference). Lesson 02's `approx_kl` used samples of the old policy and estimated KL(old‖new).)
#
# > **Predict.** $k_1$, the plain log-ratio, is unbiased. How many of its 256 values below will be negative? Which of the three has the
# > smallest standard deviation?

# %%
from course_lib.lm.evaluation import kl_of

kl_estimates = mine("11.2")
three = kl_estimates(rollout.logprobs, rollout.reference_logprobs)       # of each token
estimates = {name: (k * rollout.mask).sum(1).numpy() for name, k in zip(("k1", "k2", "k3"), three)}
exact = kl_of(trained, reference, rollout)
title = "Three estimators of one KL divergence, each from a single completion"
show(plots.estimator_std(estimates, exact, title),
     alt="Three histograms of estimates of the KL from single completions, with the exact value "
         "and the mean of the estimates as lines. k1 is partly negative; k2 and k3 are not.")
lowest = {name: round(float(values.min()), 2) for name, values in estimates.items()}
expect(lowest["k1"] < 0 <= min(lowest["k2"], lowest["k3"]),
       "k1 can be negative, k2 and k3 cannot", measured=lowest)
means = {name: round(float(values.mean()), 2) for name, values in estimates.items()}
expect(means["k2"] > 1.15 * exact, "at this distance k2 is too large on average",
       ci=means["k2"] > 0, measured={**means, "exact": round(exact, 2)})

# %% [markdown]
# The exact line is the KL of each choice, summed over all 1,024 tokens that might have been chosen, along the sampled texts. With a
# thousand tokens that is cheap, and all KL figures of this lesson are computed so. With a vocabulary of a hundred thousand it is not,
# and most code uses an estimator.
#
# Did you expect $k_1$ to have the largest standard deviation? Close to the reference it does, by far. At the distance of this policy
# $k_2$ and $k_3$, which are never negative, have a long right tail: the last bar of each panel holds everything to its right. (The first bar of
# $k_1$ holds everything to its left.) And $k_2$ is **biased**: its mean is too large.
#
# PPO uses $k_1$ in the penalty. The penalty is part of the *reward*, so no gradient flows through it; it only says how good each choice
# was. Used in this way, $k_1$ gives on average exactly the gradient of the KL, and neither $k_2$ nor $k_3$ does. (GRPO, in lesson 14,
# puts $k_3$ into the *loss* instead, where a gradient flows through it.)
#
# **What is a good $\beta$?** It depends on how much reward a nat of distance brings, which nobody knows beforehand. Ziegler et al.
# (2019) make it an **adaptive KL coefficient**: choose a target KL, raise $\beta$ while the policy is beyond it, lower it
# while the policy is nearer.

# %%
from course_lib.lm.kl import AdaptiveBeta

adaptive = AdaptiveBeta(beta=0.1, target=5.0)
for kl in (0.0, 2.0, 4.0, 6.0, 9.0, 9.0, 6.0, 5.0):
    print(f"{kl:4.1f} nats away: beta becomes {adaptive.update(kl):.4f}")

# %% [markdown]
# ## 11.6 Credit assignment: GAE over tokens
#
# A text of some twenty tokens gets one reward at its end. Which tokens deserve it? This is the **credit assignment** problem, and the
# tool is that of lesson 02: the value network and GAE. Step by step:
#
# 1. The value network estimates $V(s_t)$ before each choice: the sum of the rewards still to come.
# 2. The **TD error** of a choice compares the estimates before and after it: $\delta_t = r_t + \gamma V(s_{t+1}) - V(s_t)$. If the
#    estimate rises from −0.2 to +0.6 after the token "great", and its KL penalty is −0.1, then $\delta = -0.1 + 0.6 + 0.2 = 0.7$.
# 3. After the last choice nothing follows, so $V(s_{t+1}) = 0$ there. The TD error is the text's reward (with the last penalty) minus the
#    last estimate.
# 4. The **advantage** of a choice is the sum of its own TD error and the later ones, weighted by powers of $\gamma\lambda$:
#    $A_t = \delta_t + \gamma\lambda\,\delta_{t+1} + (\gamma\lambda)^2 \delta_{t+2} + \dots$
#
# Prompt and padding are not choices, so they have no TD errors and no advantages: **[exercise
# 11.3](../exercises/11_ppo_for_language_models.ipynb)**. Then move $\lambda$ below. The upper panel shows $V(s_t)$, the lower one $A_t$.
#
# > **Predict.** With $\lambda = 0$, where do the large advantages stand? With $\lambda = 1$, how does the first token's advantage compare
# > with the reward of the whole text?

# %%
token_gae = mine("11.3")

with torch.no_grad():
    value_estimates = from_reward_model.at_each_token(rollout.tokens[:, :-1])       # (B, L - 1)

def draw(lam):
    advantages = token_gae(per_token, value_estimates, rollout.mask, 1.0, lam)[row][completion].tolist()
    return plots.token_bars(words, {"value estimate before the choice": value_estimates[row][completion].tolist(),
                                    f"advantage, lambda = {lam:g}": advantages},
                            "The advantage is positive where the value estimate rises", "standard deviations")

explore(draw, "Two rows of bars over the tokens of one text: the value estimate before "
              "each token, and the advantage of each token.", lam=(0.0, 1.0, 0.05, 0.95))
whole = token_gae(per_token, value_estimates, rollout.mask, 1.0, 1.0)
rest = per_token[row].sum() - value_estimates[row][completion][0]
expect(torch.allclose(whole[row][completion][0], rest, atol=1e-3),
       "with lambda 1 the first token's advantage is the return minus the first value estimate")

# %% [markdown]
# With $\lambda = 0$ the advantage is the TD error: only the tokens at which the estimate jumps get credit, and it is as good as the
# value network is. With $\lambda = 1$ all TD errors to the end are added, the estimates in between cancel, and what remains is the
# return minus the first estimate. That is right on average and has a high variance: each token gets the credit of all that follow it, as
# in lesson 09's policy gradient, with another baseline. We use $\lambda = 0.95$, in between: the bias–variance trade-off of lesson 02.
#
# And $\gamma = 1$: an episode is short, and a reward at its end should count in full for its first token.
#
# ## 11.7 The loop
#
# All parts are there. The clipped loss is your function of lesson 02 with a mask, **[exercise
# 11.4](../exercises/11_ppo_for_language_models.ipynb)**. The advantages are **whitened**: normalized to mean 0 and standard deviation 1
# over the choices, and only over them, which is **exercise 11.5**. **Exercise 11.6** is about log-probabilities that belong to another
# policy than the one that wrote. One update by hand:

# %%
from course_lib.lm.data import draw_prompts
from course_lib.lm.generate import token_logprobs
from course_lib.lm.ppo import TokenPPO

masked_policy_loss, whiten = mine("11.4"), mine("11.5")
config = replace(PROXY_RECIPE, epochs=1, minibatch_size=PROXY_RECIPE.batch_size,
                 warmup_share=0.0)

def new_run(config, checkpoint=None):
    """PPO from the SFT model, with your functions."""
    values = value_network(reward_model, proxy.mean, proxy.std)
    return TokenPPO(copy.deepcopy(reference), reference, values, prompts.tokens, proxy, tokenizer,
                    config, checkpoint, token_rewards, token_gae, whiten, masked_policy_loss)

by_hand, library = new_run(config), new_run(config)                        # two equal runs
policy, values, rng = by_hand.policy, by_hand.values, by_hand.generator

# %% [markdown]
# The rollout: sample, score, compute the advantages.

# %%
drawn = draw_prompts(prompts.tokens, config.batch_size, config.samples_per_prompt, rng)
wrote = sample_completions(policy, reference, drawn, proxy, tokenizer, config.max_new_tokens, rng)
tokens, mask, old = wrote.tokens, wrote.mask, wrote.logprobs
step_rewards = token_rewards(wrote.rewards, old, wrote.reference_logprobs, mask, config.beta)
with torch.no_grad():
    old_values = values.at_each_token(tokens[:, :-1])                      # (B, L - 1)
advantages = token_gae(step_rewards, old_values, mask, config.gamma, config.lam)
returns, whitened = (advantages + old_values) * mask, whiten(advantages, mask)

# %% [markdown]
# The update: one gradient step of each network (the run below takes several, in minibatches).

# %%
from course_lib.rl.objectives import value_loss

rows = torch.randperm(len(tokens), generator=rng)                          # shuffled
logprobs = token_logprobs(policy(tokens[rows]), tokens[rows])              # (B, L - 1)
loss = masked_policy_loss(logprobs, old[rows], whitened[rows], config.clip, mask[rows])
error = value_loss(values.at_each_token(tokens[rows, :-1]), returns[rows], mask[rows])
for network, optimizer, number in ((policy, by_hand.optimizer, loss),
                                   (values, by_hand.value_optimizer, error)):
    optimizer.zero_grad()
    number.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), config.max_grad_norm)
    optimizer.step()

next(library.train())
pairs = zip(policy.parameters(), library.policy.parameters())
apart = max((one - other).abs().max().item() for one, other in pairs)
expect(apart < 1e-4, "the update by hand and the library's give the same policy",
       measured=f"largest difference of a weight {apart:.0e}")

# %% [markdown]
# **What is different here.** From InstructGPT (Ouyang et al. 2022):
#
# - the model has about 0.9 million parameters, theirs up to 175 billion; prompts are beginnings of texts, not instructions;
# - the reward model's pairs are two unrelated texts, not two answers to one prompt;
# - each batch is used for two epochs (there one), the learning rate falls, and no moving average of the weights is kept;
# - no pretraining gradients are mixed in (their PPO-ptx);
# - the value loss is not clipped, as it is in OpenAI's published code, and a text that is cut off is scored as it stands.
#
# From minRLHF's HappyGPT, a small program to read beside ours:
#
# - texts may end, and everything behind the end is masked (there every row has one length, and no prompt);
# - two epochs a batch (there one, in which every ratio is 1, so the clip has no effect);
# - advantages are whitened, and we sample from the full distribution (there top-k with k = 30);
# - the value network starts from a reward model fitted to preferences, not from the language model.
#
# Now let it run. Left: the reward. Middle: the KL from the reference, in nats a text. Right: the **explained variance**, the share of the
# variance of the returns that the value network predicts: 1 is perfect, 0 is no better than their mean, below 0 is worse.
#
# The button stops it after the update in progress; run the cell again and it continues, tomorrow too. `retrain = True` trains for as long
# as the shipped policy was; otherwise we watch the beginning.
#
# > **Predict.** What will the texts look like after 12 updates, which is 1,500 texts?

# %%
from course_lib.paths import my_work
from course_lib.show.training_view import watch

retrain = False
settings = replace(PROXY_RECIPE, bfloat16=None)           # 16-bit products where they are quick, as in 8.7
goal = settings.updates if retrain else budget(full=12, ci=2)
run = new_run(settings, my_work() / "checkpoints" / f"11-ppo-{goal}.pt")
view = watch(run.train(until=goal), curves=("reward", "kl_from_reference", "explained_variance"),
             past=run.history, total=goal * settings.batch_size, unit="completions")

# %% [markdown]
# ## 11.8 Before and after
#
# The same prompts, completed by four policies: the SFT model, the policy that you just trained, the shipped one, which was trained for 60
# updates, and one that was trained as long with $\beta = 0$, without a KL penalty.

# %%
few = unseen[:: len(unseen) // 8][:8]
after = {"SFT": reference, f"after {run.updates} updates": run.policy, "shipped": trained,
         "shipped, no KL penalty": free}
written = {name: write(model, proxy, seed=4, prompts=few).texts for name, model in after.items()}
show_samples(written)

# %%
from course_lib.lm.evaluation import evaluate_policy

rewards = {"proxy": proxy, "VADER": sentiment}
stands = {name: evaluate_policy(model, reference, unseen, rewards, tokenizer) for name, model in after.items()}
for name, one in stands.items():
    print(f"{name:22s} reward {one.rewards['proxy']:+.2f}   VADER {one.rewards['VADER']:+.2f}   "
          f"KL {one.kl:5.2f}   distinct-2 {one.distinct_2:.2f}")
gain = stands["shipped"].rewards["proxy"] - stands["SFT"].rewards["proxy"]
expect(gain > 0.5, "PPO raises the reward of fresh prompts by more than half a standard deviation",
       ci=gain > 0.3, measured=f"{gain:+.2f} std at {stands['shipped'].kl:.1f} nats")

# %% [markdown]
# Compare the last two lines. Without the penalty the reward is higher by about 0.3, at nearly twenty times the KL and with half the variety
# (distinct-2). Is that policy better? The reward it was trained on cannot tell. We need another measure.
#
# ## 11.9 Over-optimisation, and what the KL penalty does
#
# **Proxy and gold.** What we want is what people prefer. Our reward model saw 3,000 labels of that. It is a **proxy**: the reward that is
# optimized in place of the one that is meant. Lesson 10 (section 10.6) had a far better reward model, fitted to 30,000 labels, on other
# texts, from a pretrained language model. Here it stands for people and is called **gold**. No policy is trained on gold; it only
# evaluates. We also fit a poorer proxy, from 100 labels.
#
# (The setup follows Gao et al. (2023), with one difference. There gold itself gave the labels from which the proxies learned. Here both
# learned from people's ratings.)
#
# > **Predict.** A policy is trained on a proxy for a long time, without a KL penalty. How do proxy and gold change with the KL?
# > Does it matter how many labels the proxy has seen?
#
# **How it was measured.** The curves below are stored results of `benchmarks/text_rl.py`: three runs (seeds) for each panel; the 100
# labels are others in each run. Gold reads 256 texts at each point; its standard error is about 0.07. The horizontal axis is the KL on a
# square-root scale, as in Gao et al.; the vertical one is the gain over the SFT model, in standard deviations of the SFT model's texts.

# %% tags=["nbval-check-output"]
from course_lib.lm.evaluation import benchmark_results

names = {"few-no-kl": "100 labels, no KL penalty", "few": "100 labels, with the KL penalty",
         "proxy-no-kl": "3,000 labels, no KL penalty", "proxy": "3,000 labels, with the KL penalty"}
runs = {label: [run for run in benchmark_results(job) if run["seed"] >= 1000]     # settings: seed 0
        for job, label in names.items()}
colours = {"proxy": "proxy (trained on)", "gold": "gold", "vader": "VADER"}

def gain(run, name):
    """A reward along a run: its gain over the start, in standard deviations there."""
    start = run["evaluations"][0]
    return [(one.rewards[name] - start.rewards[name]) / start.stds[name] for one in run["evaluations"]]

def distance(run):
    """The KL along a run."""
    return [max(one.kl, 0.0) for one in run["evaluations"]]

curves = {label: {words: [(distance(run), gain(run, name)) for run in some]
                  for name, words in colours.items()} for label, some in runs.items()}
show(plots.over_optimisation(curves, "The proxy always rises; whether gold follows depends on the proxy"),
     alt="Four panels: gains of proxy, gold and VADER against KL, three runs each: with 100 and with "
         "3,000 labels, without and with a KL penalty.")

# %%
def each(values):
    """The values of the three runs, side by side."""
    return " / ".join(f"{value:+.1f}" for value in values)

for label, some in runs.items():
    gold = [np.array(gain(run, "gold")) for run in some]
    print(f"{label}: {' / '.join(f'{distance(run)[-1]:.0f}' for run in some)} nats; "
          f"proxy {each(gain(run, 'proxy')[-1] for run in some)}, gold {each(one[-1] for one in gold)} "
          f"(at its best {each(one.max() for one in gold)})")

# %%
def at_the_end(job, name):
    """The gains of the three runs at their last evaluation."""
    return np.array([gain(run, name)[-1] for run in runs[names[job]]])

gaps = {job: at_the_end(job, "proxy") - at_the_end(job, "gold") for job in names}
fall = [max(gain(run, "gold")) - gain(run, "gold")[-1] for run in runs[names["few-no-kl"]]]
expect(min(fall) > 0.3, "stored: with 100 labels and no penalty, gold ends lower than its best in each run",
       measured=" / ".join(f"{value:.1f} lower" for value in fall))
expect((gaps["few-no-kl"] > gaps["proxy-no-kl"]).all(),
       "stored: in each run, the gap between proxy and gold is larger with 100 labels",
       measured={names[job]: each(gaps[job]) for job in ("few-no-kl", "proxy-no-kl")})

# %% [markdown]
# With 100 labels and no penalty this is the textbook case of **over-optimisation**: the proxy rises to the end, while gold falls, at once or
# after a rise; in two of the three runs it ends below where it began. With 3,000 labels gold rises higher and falls later and less, and at
# its best it is far *above* the runs with the KL penalty. Was the penalty a mistake there?
#
# Read the texts. Here are some along a run with 3,000 labels and without a penalty.

# %%
evaluations = runs[names["proxy-no-kl"]][0]["evaluations"]
places = [0, len(evaluations) // 3, 2 * len(evaluations) // 3, len(evaluations) - 1]
show_samples({f"{evaluations[i].kl:.0f} nats: proxy {evaluations[i].rewards['proxy']:+.1f}, "
              f"distinct-2 {evaluations[i].distinct_2:.2f}": evaluations[i].samples[:6] for i in places})
variety = {job: [run["evaluations"][-1].distinct_2 for run in runs[names[job]]]
           for job in ("proxy-no-kl", "proxy")}
expect(max(variety["proxy-no-kl"]) < 0.7 * min(variety["proxy"]),
       "stored: without the KL penalty the policy repeats itself; with it, it does not",
       measured={names[job]: " / ".join(f"{value:.2f}" for value in values)
                 for job, values in variety.items()})

# %% [markdown]
# Gold gives the last column a high reward, and so does VADER. No reader would. Gold is a reward model, too: it was fitted to texts that
# people wrote, and these are unlike any of them. This is **Goodhart's law**: when a measure becomes a target, it ceases to be a good
# measure. A reward model is roughly right on texts like those it was fitted to. PPO moves away from them, to where the model is wrong, and
# a second reward model, fitted to the same kind of labels, makes many of the same mistakes.
#
# **What the penalty does.** Compare the ends of the penalized runs with the other runs where their KL is nearest to that:

# %%
def near(run, kl):
    """The place of the evaluation whose KL is nearest to `kl`."""
    return 1 + int(np.argmin([abs(one - kl) for one in distance(run)[1:]]))

def row(run, place):
    """What is compared."""
    one = run["evaluations"][place]
    return (f"after {one.updates:2d} updates, {one.kl:4.1f} nats: proxy {gain(run, 'proxy')[place]:+.2f}, "
            f"gold {gain(run, 'gold')[place]:+.2f}, {one.length:.1f} tokens a text")

for held, free in (("few", "few-no-kl"), ("proxy", "proxy-no-kl")):
    for job in (held, free):
        print(names[job])
        for run, guide in zip(runs[names[job]], runs[names[held]], strict=True):
            print("   ", row(run, near(run, distance(guide)[-1]) if job == free else -1))
print(f"the SFT model writes {evaluations[0].length:.1f} tokens a text")

# %%
held, free = at_the_end("few", "gold"), at_the_end("few-no-kl", "gold")
expect((held > free).all(), "stored: with 100 labels, gold ends higher with the KL penalty in each run",
       measured={"with": each(held), "without": each(free)})
lengths = [run["evaluations"][-1].length for run in runs[names["proxy"]]]
expect(max(lengths) < 0.85 * evaluations[0].length,
       "stored: with 3,000 labels, texts become shorter under the KL penalty",
       measured=" / ".join(f"{value:.1f}" for value in lengths))

# %% [markdown]
# - **It bounds the KL.** From update 12 on the penalized runs stay between 3.5 and 6.1 nats; the others are at 18 to 35 nats by then.
# - **It keeps a poor reward model useful.** With 100 labels gold ends higher with the penalty in each run. It does not improve the reward
#   model: what 100 labels do not say cannot be learned from it.
# - **Early stopping would do it, too**, if one knew when: without a penalty and with 100 labels, gold is at its best after 12 updates, or at
#   the start. In practice there is no gold to look at.
# - **More reward for the same KL?** Gao et al. (2023) found that the penalty raises the proxy at a given KL but not gold, and that it acts
#   like early stopping; they add that this may depend on hyperparameters. Here, with 3,000 labels, both are higher in each run, gold by 0.3. The
#   comparison is not quite fair: the penalized run had 60 updates at about this distance, the other one six to get there.
# - **Texts may become shorter.** With 3,000 labels they go from 21.6 tokens to about 16, with 100 labels in one of three runs. Without a
#   penalty they grow to the limit of 24. A likely reason: the text's reward comes only once, every further token is another choice with a
#   penalty, and some reward models can be satisfied early. The penalty alone does not do it: with VADER as the reward (section 11.11) texts
#   keep their 21 tokens. So part of what such a policy learned is *when to stop*, and the reward does not show it. Report the length beside
#   every reward.
#
# ## 11.10 The reward model is differentiable. Why not just follow its gradient?
#
# Everything here is a network. PPO samples texts, waits for their rewards and assigns the credit, when the gradient of the reward model
# could say directly how each token should change. Why not use it?
#
# Because tokens are *discrete*, and a sampled token has no gradient. The **embeddings** that the reward model reads have one. So let every
# position hold a *mixture* of token embeddings, nine tenths the written token and one tenth all others, and do gradient ascent on the
# weights of the mixture.
#
# > **Predict.** How high will the reward of the mixture get? And what will you read when you take the heaviest token of each position?

# %%
from course_lib.lm.rewards import climb

worst = sft_batch.rewards.argsort()[len(sft_batch.rewards) // 4].item()    # a rather bad text
ids = tokenizer.encode(sft_batch.texts[worst])
climbed = climb(reward_model, ids, tokenizer, steps=budget(full=150, ci=20))
soft, hard = (proxy.scaled(torch.tensor(r)).tolist() for r in (climbed.soft, climbed.hard))
real = sft_batch.rewards.tolist()
title = "The gradient soon finds a reward above that of every text, at a point that is no text"
show(plots.climbing(soft, hard, real, title),
     alt="Reward against gradient steps: the mixture's climbs within a few steps above the band of "
         "all real texts; that of its heaviest tokens, read as a text, follows in jumps.")

# %%
print("before:", sft_batch.texts[worst])
print("after: ", climbed.text)
print(f"mixture {soft[-1]:+.1f}, as a text {hard[-1]:+.1f}; before {sft_batch.rewards[worst]:+.1f}, "
      f"best of {len(real)} texts {max(real):+.1f}")
with torch.no_grad():
    rows = torch.tensor([[tokenizer.eos, *tokenizer.encode(climbed.text)[:90]]])
    strange = -token_logprobs(reference(rows), rows).mean().item()
    usual = -(sft_batch.reference_logprobs.sum() / sft_batch.mask.sum()).item()
print(f"negative log-likelihood under the SFT model: {strange:.1f} nats a token; of its own texts {usual:.1f}")
expect(soft[-1] > max(real) and soft[-1] > hard[-1],
       "the mixture gets a higher reward than any text, and than its own heaviest tokens",
       ci=soft[-1] > soft[0], measured=f"{soft[-1]:.1f} against {hard[-1]:.1f}")
expect(strange > 2 * usual, "and the SFT model would hardly write those tokens",
       ci=strange > usual, measured=f"{strange:.1f} against {usual:.1f} nats a token")

# %% [markdown]
# The gradient leads to a point between the tokens. The reward model has seen nothing like it, and its output there means nothing: an
# **adversarial example**. The heaviest tokens are no language, and even they get the reward of a good text. PPO evaluates only texts that
# the policy can sample. And it can use any reward: VADER, a program, a person, none of which has a gradient. (There *are* estimators of
# gradients through discrete choices, for instance Gumbel-softmax; they need a KL penalty as well.)
#
# ## 11.11 Which parts matter? And a simpler alternative
#
# In an **ablation**, each part was left out in turn, all else equal, with VADER as reward (`benchmarks/text_rl.py`; short runs, three
# seeds). **RLOO** (Ahmadian et al. 2024) leaves out most parts at once: no value network, no GAE. A whole text is one action. It samples
# four completions of each prompt, and the baseline of each is the mean reward of the other three: the leave-one-out baseline of exercise
# 09.4. (Ours keeps two parts that theirs does without: two epochs a batch, under the clip, and advantages divided by their standard
# deviation.)

# %% tags=["nbval-check-output"]
kinds = {"parts": "PPO", "no-value-start": "value network from the SFT model",
         "no-whitening": "advantages not whitened", "no-clip": "no clip",
         "no-kl": "no KL penalty", "parts-rloo": "RLOO"}
found = {label: benchmark_results(job) for job, label in kinds.items()}
ends = {label: {"VADER": [r["vader"] for r in many], "KL (nats)": [r["kl"] for r in many],
                "distinct-2": [r["distinct_2"] for r in many]} for label, many in found.items()}
title = "At this size only the KL penalty makes a difference"
show(plots.parts(ends, title),
     alt="Dot plots of VADER, KL and distinct-2 at the end of training for PPO, for PPO with one "
         "part left out, and for RLOO.")
for label, measures in ends.items():
    means = "   ".join(f"{name} {np.mean(values):5.2f}" for name, values in measures.items())
    seconds = np.mean([r["cpu_s"] for r in found[label]])
    print(f"{label:32s} {means}   {len(found[label])} x {seconds:.0f} CPU-s")
vader = {label: np.mean(measures["VADER"]) for label, measures in ends.items()}
small_parts = [kinds[job] for job in ("no-value-start", "no-whitening", "no-clip")]
change = max(abs(vader[label] - vader["PPO"]) for label in small_parts)
expect(change < 0.05, "stored: without the clip, whitening or the value network's start VADER ends the same",
       measured=f"largest change {change:.3f}")

# %% [markdown]
# Without the KL penalty the policy moves 64 nats away. Without any one of the other parts it ends where PPO does: the seeds differ more.
# That is a result about runs of this size. Large networks in long runs may need the clip and the value network's start; this ablation
# cannot show it. RLOO comes close with half of the parts, in two thirds of the time.
#
# A VADER score means little without the KL at which it was reached. So here is one against the other, in longer runs of about 50 CPU-seconds each
# (30 updates of PPO, 42 of RLOO). **Best of n** does not train at all: it samples n texts and keeps the best. Its KL from the SFT model is at most
# $\log n - (n - 1)/n$ nats, 1.8 for $n = 16$ (lesson 14). The dotted corner is the target that the course had set: VADER 0.80 at 5 nats at most.

# %% tags=["nbval-check-output"]
def path(many):
    """Mean over seeds of (KL, VADER) along the evaluations."""
    evaluations = [[(one.kl, one.rewards["vader"]) for one in r["evaluations"]] for r in many]
    return np.mean([each[:min(map(len, evaluations))] for each in evaluations], axis=0).T

longer = {"PPO": benchmark_results("vader"), "RLOO": benchmark_results("rloo")}
lines = {label: path(many) for label, many in longer.items()}
points = [(one.kl, one.rewards["vader"]) for one in benchmark_results("best-of-n")[0]["evaluations"]]
lines["best of 1, 2, 4, 8, 16 (KL at most)"] = np.array(points).T
title = "At the same KL, best of n has a higher reward than the trained policies"
show(plots.trade_off(lines, (5.0, 0.8), title),
     alt="VADER against KL for PPO, RLOO and best of n, with the target corner of 0.8 at 5 nats.")
kl, best = points[-1]
there = {label: np.interp(kl, *lines[label]) for label in longer}
expect(best > max(there.values()), "stored: at its KL the best of 16 has a higher VADER than PPO and RLOO",
       measured={"best of 16": best, **there})

# %%
for label, many in longer.items():
    for r in many:
        print(f"{label:5s} seed {r['seed']}: VADER {r['vader']:.2f} at {r['kl']:.1f} nats, distinct-2 "
              f"{r['distinct_2']:.2f}, {r['cpu_s']:.0f} CPU-seconds")
reached = [r["reached"] for many in longer.values() for r in many]
print(f"the course's target, VADER 0.80 at 5 nats in 60 CPU-seconds: {sum(reached)} of {len(reached)}")

# %% [markdown]
# PPO and RLOO end at the same point. (Their lines turn back where the adaptive coefficient rises and pulls the KL down to its target.)
# Neither reaches the corner that the course had set as its target.
#
# At its KL the best of 16 has a higher reward than anything that was trained here. Its cost is at **inference**: sixteen samples for every
# text, each time. Training costs once. Lesson 14 comes back to this trade-off.
#
# **[Exercise 11.7](../exercises/11_ppo_for_language_models.ipynb)** asks you to tell four faulty runs apart by such numbers.
#
# ## What you learned
#
# A text is an episode, a token is an action. The reward comes once, at the end, and the KL penalty at every token. A value network that
# starts as the reward model predicts the final reward long before the end, and GAE turns its TD errors into advantages. The clipped loss
# is lesson 02's, with a mask. The KL penalty bounds the distance from the reference, and so keeps an imperfect reward model useful.
#
# **What failed.** PPO without a KL penalty: it gets high rewards from every reward model and writes no readable texts. Gold, which did not
# notice. The gradient of the reward model, which finds points that are no texts. The course's own target, VADER 0.80 within 5 nats,
# was not reached. Most parts of PPO made no difference that runs of this size could show. And this model is tiny: it learned to
# *sound* pleased, not to say anything.
#
# **Further reading.** D. Ziegler et al. (2019), *Fine-tuning language models from human preferences*; N. Stiennon et al. (2020),
# *Learning to summarize from human feedback*; L. Ouyang et al. (2022), *Training language models to follow instructions with human
# feedback*; L. Gao et al. (2023), *Scaling laws for reward model overoptimization*; A. Ahmadian et al. (2024), *Back to basics:
# revisiting REINFORCE style optimization for learning from human feedback in LLMs*; S. Huang et al. (2024), *The N+ implementation
# details of RLHF with PPO*; J. Schulman (2020), *Approximating KL divergence*. Next: [lesson 12](12_your_taste.ipynb), with your own
# preferences.
