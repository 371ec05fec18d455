# %% [markdown]
# # Lesson 11. PPO for language models
#
# **Goals.** Pay a language model for what a reward model likes, with the PPO that balanced a pole; keep it on a leash, and see what it
# does without one. Know what a token earns, who is blamed for a bad text, what the KL penalty costs and buys, and how a reward model
# is over-optimised.
#
# **Time.** About 60 minutes to read and run, 100 minutes for the exercises; the essential part takes 90 minutes in all. The cells use
# about one CPU-minute. **Builds on** lessons 02 (PPO), 09 (the SFT model) and 10 (the reward model).
#
# This is the last of the three steps that made InstructGPT, and ChatGPT after it: a language model, fine-tuned (lesson 09); a reward
# model from human verdicts (lesson 10); and now reinforcement learning, in which the first is paid by the second.

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
# - The **policy** writes. It starts as the SFT model and is the only one that learns to write.
# - The **reference** is the SFT model itself. It never changes; the policy is charged for its distance from it.
# - The **reward model** reads a whole text and pays. It learned from 3,000 verdicts of people.
# - The **value network** guesses, in the middle of a text, what will be paid in the end.
#
# Scores from verdicts have no zero point, and their scale says how sure the verdicts were (lesson 03). Before anything is priced in them
# they get both: 0 is the mean of the SFT model's own texts, 1 is the *spread* of these, their standard deviation (Ziegler et al. 2019 did
# the same). A reward of 2 then means: two spreads better than what we started with. The code calls this reward `proxy`; section 11.9
# says why.

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
print(f"the reward model learned from {facts['labels']:,} verdicts and agrees with "
      f"{facts['test_accuracy']:.0%} of unseen ones")

# %%
scores = proxy(batch.texts)
some = scores.argsort(descending=True)[[0, 1, 2, 3, -4, -3, -2, -1]].tolist()
show_samples({"the SFT model wrote": [batch.texts[i] for i in some],
              "reward": [f"{scores[i]:+.1f}" for i in some],
              "VADER": [f"{batch.rewards[i]:+.2f}" for i in some]})

# %% [markdown]
# The four texts that the reward model likes best and the four it likes least. The prompt is the first few tokens of a real text;
# everything after them is the model's. With under a million parameters it rarely makes sense, but it has moods.
#
# ## 11.2 Writing is a game
#
# CartPole had states, actions, episodes. So has a text. In the field's words, writing is a *Markov decision process*:
#
# | lesson 02 | here |
# |---|---|
# | state: what the agent sees | the prompt and the tokens written so far |
# | action | the next token, one of 1,024 |
# | the world's answer | the token is appended; no dice, no physics |
# | end of the episode | the end token, or the 24th token of the completion |
# | reward | once, for the whole text |
#
# One convention keeps the bookkeeping straight: everything is `(B, L - 1)`, and column `t` is about the *choice* of token `t + 1`.
# `mask` is true where the policy chose.

# %%
row = batch.lengths.argmin().item()                       # the shortest completion
for t in range(min(9, batch.mask.shape[1])):
    seen, chosen = batch.tokens[row, :t + 1], batch.tokens[row, t + 1].item()
    who = "policy" if batch.mask[row, t] else "nobody"
    word, before = tokenizer.token(chosen), tokenizer.decode(seen.tolist())
    print(f"{t:2d}  {who:7s} {word!r:14s} after {before!r}")
print("tokens", tuple(batch.tokens.shape), " mask", tuple(batch.mask.shape),
      " logprobs", tuple(batch.logprobs.shape), " rewards", tuple(batch.rewards.shape))

# %% [markdown]
# The prompt's tokens were chosen by nobody, and so was the padding behind the end. But the end token itself *was* a choice: to stop is
# an action, and it can be a good one.
#
# ## 11.3 What a token earns
#
# The reward model reads finished texts, so all of its reward falls on the last choice. That alone would do. But there is a second
# account: the policy pays for every token that it has made likelier than the reference does,
#
# $$r_t = -\beta\,\big(\log \pi(a_t|s_t) - \log \pi_\text{ref}(a_t|s_t)\big) \;+\; [\text{last token}]\cdot R(\text{text}).$$
#
# Summed over a text and averaged over many, the policy pays $\beta$ times the KL divergence (section 11.5): the *price of distance*.
# $\beta$ is the price of one nat.
#
# **Now do [exercise 11.1](../exercises/11_ppo_for_language_models.ipynb)**, which is this formula. Below you see it at work, on a text
# of a policy that was trained with it. (That one is shipped, so that there is something to look at; you train your own in section 11.7.)

# %%
from course_lib.lm.recipes import PPO_POLICY, PPO_POLICY_WITHOUT_KL, PROXY_RECIPE

token_rewards = mine("11.1")
trained, free = load_shipped(PPO_POLICY).model, load_shipped(PPO_POLICY_WITHOUT_KL).model
paid, beta = write(trained, proxy), PROXY_RECIPE.beta
earned = token_rewards(paid.rewards, paid.logprobs, paid.reference_logprobs, paid.mask, beta)

ended = (paid.lengths >= 10) & (paid.lengths <= 18)       # a text that fits into a figure
row = torch.where(ended, paid.rewards, -torch.inf).argmax().item()
chosen = paid.mask[row]
words = [tokenizer.token(i) for i in paid.tokens[row, 1:][chosen].tolist()]

# %%
each = {f"what each choice earns, beta = {beta:g}": earned[row][chosen].tolist()}
title = "Every token pays for its distance; the last one is paid for the text"
show(plots.token_bars(words, each, title, "reward"),
     alt="Bars over the tokens of one completion: small ones below and above zero, "
         "and a tall one at the last token.")
total, distance = earned[row].sum().item(), paid.kl[row].item()
print(paid.texts[row])
print(f"reward {paid.rewards[row]:.2f} - {beta:g} x {distance:.2f} nats = {total:.2f}")
expect(abs(total - (paid.rewards[row].item() - beta * distance)) < 1e-3,
       "a text earns its reward less beta times its log-ratio", measured=total)

# %% [markdown]
# A bar above zero, before the last, is a token that the policy has made *rarer* than it was; it happened to be drawn anyway, and is paid
# for that. On average over what the policy writes, this second account is never positive.
#
# ## 11.4 A value network of its own
#
# GAE needs a guess of what is still to come, at every token. In lesson 02 the critic was a second small network; here it must *read*,
# so it is a second transformer. Which weights should it start with?
#
# Stiennon et al. (2020) took those of the **reward model**. It has learned to see in whole texts what people like; what is left is to see
# it coming in half a text. And it is a network of its own: when policy and value share a body, what the value loss does to that body is
# also done to the writing.
#
# > **Predict.** How well does the reward model, untrained for this, know the final reward after 1 token? After 10? And a value
# > network that starts from the SFT model instead?

# %%
from course_lib.lm.ppo import value_network
from course_lib.lm.reward_model import RewardModel

from_reward_model = value_network(reward_model, proxy.mean, proxy.std)
from_sft = RewardModel(copy.deepcopy(reference)).eval()

@torch.no_grad()
def foresight(network, batch, longest=20):
    """Correlation of the guess after 1, 2, ... tokens with the final reward."""
    values, first = network.at_each_token(batch.tokens), prompts.tokens.shape[1]
    found = []
    for t in range(first, first + longest):                # the guess after token t
        there = batch.mask[:, t - 1]                       # texts that have such a token
        pair = torch.stack([values[there, t], batch.rewards[there]])
        found.append(torch.corrcoef(pair)[0, 1].item())
    return found

judged = write(reference, proxy, seed=1)
known = {"from the reward model": foresight(from_reward_model, judged),
         "from the SFT model, new head": foresight(from_sft, judged)}

# %%
early, late = known["from the reward model"][0], np.mean(known["from the reward model"][-5:])
title = "The reward model sees the end coming; a new head knows nothing yet"
show(plots.foresight(known, title),
     alt="Correlation of the guess with the final reward against the number of tokens written. "
         "The line of the reward model rises; that of the new head stays near zero.")
expect(late > 0.4 > abs(np.mean(known["from the SFT model, new head"])),
       "before any training the reward model knows much of the final reward late in a text",
       ci=late > 0.2, measured=f"{early:.2f} after the first token, {late:.2f} after 16 to 20")

# %% [markdown]
# Nobody ever asked the reward model about half a text, and yet it knows a good deal of what will be paid, the more the further it has
# read. The rest the value network learns while the policy is trained.
#
# ## 11.5 Distance, and three ways to guess it
#
# The Kullback–Leibler divergence of the policy from the reference is the mean, over everything the policy might write, of
# $\log(\pi/\pi_\text{ref})$. We cannot write everything. We can ask what one written text says about it, and there is more than one
# way to ask: **[exercise 11.2](../exercises/11_ppo_for_language_models.ipynb)**.
#
# > **Predict.** $k_1$, the plain log-ratio, is right on average. How many of its 256 values below will be negative? Which of the three
# > estimates will scatter least?

# %%
from course_lib.lm.evaluation import kl_of

kl_estimates = mine("11.2")
three = kl_estimates(paid.logprobs, paid.reference_logprobs)             # of each token
estimates = {name: (k * paid.mask).sum(1).numpy() for name, k in zip(("k1", "k2", "k3"), three)}
exact = kl_of(trained, reference, paid)
title = "Three estimates of one distance, each from a single completion"
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
# The exact line is the KL of each choice, summed over all 1,024 tokens that might have been chosen, along the sampled texts. For a
# thousand tokens that is cheap, and all the figures of this lesson use it. For a vocabulary of a hundred thousand, people estimate.
#
# Did you expect $k_1$ to scatter most? Close to the reference it does, far more than the others. At the distance of this policy $k_2$ and
# $k_3$ pay for never being negative with a long tail: the last bar of each panel holds everything to its right.
#
# PPO charges $k_1$, for a reason that is easy to miss. The price is part of the *reward*, so nothing is differentiated through it: it only
# says how much likelier each choice is to be made. Charged in this way, $k_1$ gives on average exactly the gradient of the KL, and neither
# $k_2$ nor $k_3$ does.
# (GRPO, in lesson 14, puts $k_3$ into the loss instead, which is another matter.)
#
# **What is a good $\beta$?** Nobody knows beforehand: it depends on what the reward pays for a nat. Ziegler et al. (2019) let it move:
# name a distance, raise $\beta$ while the policy is farther away, lower it while it is nearer.

# %%
from course_lib.lm.kl import AdaptiveBeta

price = AdaptiveBeta(beta=0.1, target=5.0)
for kl in (0.0, 2.0, 4.0, 6.0, 9.0, 9.0, 6.0, 5.0):
    print(f"{kl:4.1f} nats away: beta becomes {price.update(kl):.4f}")

# %% [markdown]
# ## 11.6 Who is blamed?
#
# One number for some twenty tokens. GAE shares it out by *surprise*: a token after which the value network expects more than before gets
# praise. It is lesson 02's function, told where a text begins and ends: **[exercise
# 11.3](../exercises/11_ppo_for_language_models.ipynb)**. Move $\lambda$ below.

# %%
token_gae = mine("11.3")

with torch.no_grad():
    values = from_reward_model.at_each_token(paid.tokens[:, :-1])          # (B, L - 1)

def draw(lam):
    shares = token_gae(earned, values, paid.mask, 1.0, lam)[row][chosen].tolist()
    return plots.token_bars(words, {"value before the choice": values[row][chosen].tolist(),
                                    f"advantage, lambda = {lam:g}": shares},
                            "A token is praised when the guess rises after it", "standard deviations")

explore(draw, "Two rows of bars over the tokens of one text: the value network's guess before "
              "each token, and the advantage of each token.", lam=(0.0, 1.0, 0.05, 0.95))
whole = token_gae(earned, values, paid.mask, 1.0, 1.0)
rest = earned[row].sum() - values[row][chosen][0]
expect(torch.allclose(whole[row][chosen][0], rest, atol=1e-3),
       "with lambda 1 the first token's advantage is all that was earned less the first guess")

# %% [markdown]
# With $\lambda = 0$ only the tokens after which the guess jumps are praised or blamed. With $\lambda = 1$ every token gets all that was
# still to come, less the guess before it, whether it deserved it or not: lesson 09's policy gradient with another baseline. We use 0.95.
# And $\gamma = 1$: a text is short, and an end is worth as much as a beginning.
#
# ## 11.7 The loop
#
# All parts are there. The clipped loss is your function of lesson 02 with a mask, **[exercise
# 11.4](../exercises/11_ppo_for_language_models.ipynb)**; the advantages are brought to mean 0 and spread 1 over the choices, and only
# over them (*whitening*), which is **exercise 11.5**; **exercise 11.6** is about log-probabilities of a policy that is not the one that
# wrote. One update by hand:

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

by_hand, library = new_run(config), new_run(config)                        # two twins
policy, values, rng = by_hand.policy, by_hand.values, by_hand.generator

# %% [markdown]
# Write, and be judged:

# %%
drawn = draw_prompts(prompts.tokens, config.batch_size, config.samples_per_prompt, rng)
wrote = sample_completions(policy, reference, drawn, proxy, tokenizer, config.max_new_tokens, rng)
tokens, mask, old = wrote.tokens, wrote.mask, wrote.logprobs
earnings = token_rewards(wrote.rewards, old, wrote.reference_logprobs, mask, config.beta)
with torch.no_grad():
    guesses = values.at_each_token(tokens[:, :-1])                         # (B, L - 1)
advantages = token_gae(earnings, guesses, mask, config.gamma, config.lam)
targets, weights = (advantages + guesses) * mask, whiten(advantages, mask)

# %% [markdown]
# Learn: one step of each network (the run below takes several, in minibatches).

# %%
from course_lib.rl.objectives import value_loss

rows = torch.randperm(len(tokens), generator=rng)                          # shuffled
logprobs = token_logprobs(policy(tokens[rows]), tokens[rows])              # (B, L - 1)
loss = masked_policy_loss(logprobs, old[rows], weights[rows], config.clip, mask[rows])
error = value_loss(values.at_each_token(tokens[rows, :-1]), targets[rows], mask[rows])
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
# - the model is nearly two hundred thousand times smaller than its largest; prompts are beginnings of texts, not instructions;
# - the verdicts compared two texts about anything, not two answers to one prompt;
# - each batch is learned from twice (there once), the learning rate falls, and no running mean of the weights is kept;
# - no gradients of pretraining are mixed in;
# - the critic's error is not clipped, as OpenAI's published code has it, and a text that is cut off is judged as it stands.
#
# From minRLHF's HappyGPT, a small program to read beside ours:
#
# - texts may end, and everything behind the end is masked (there every row has one length, and no prompt);
# - a batch is learned from twice (there once, before the policy has moved, so the clip has nothing to do);
# - advantages are whitened; what is sampled is the model itself, not its 30 favourite tokens;
# - the value network starts from a reward model that learned from people, not from the language model.
#
# Now let it run. Left: what it is paid. In the middle: how far it has gone, in nats a text. Right, the *explained variance*: how much of
# the differences in what texts earn the value network foresaw, 1 for all of it, 0 for none (and below 0 for worse than none).
#
# The button stops it after the update in progress; run the cell again and it goes on, tomorrow too. `retrain = True` trains as long as
# the shipped one was; otherwise we watch the beginning.
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
# The same prompts, completed by the SFT model, by the policy you just trained, by the shipped one, which went on to the end, and by
# one that was trained as long with $\beta = 0$: nothing charged for distance.

# %%
few = unseen[:: len(unseen) // 8][:8]
after = {"SFT": reference, f"after {run.updates} updates": run.policy, "shipped": trained,
         "shipped, no price": free}
written = {name: write(model, proxy, seed=4, prompts=few).texts for name, model in after.items()}
show_samples(written)

# %%
from course_lib.lm.evaluation import evaluate_policy

rewards = {"proxy": proxy, "VADER": sentiment}
stands = {name: evaluate_policy(model, reference, unseen, rewards, tokenizer) for name, model in after.items()}
for name, one in stands.items():
    print(f"{name:18s} reward {one.rewards['proxy']:+.2f}   VADER {one.rewards['VADER']:+.2f}   "
          f"KL {one.kl:5.2f}   distinct-2 {one.distinct_2:.2f}")
gain = stands["shipped"].rewards["proxy"] - stands["SFT"].rewards["proxy"]
expect(gain > 0.5, "PPO raises the reward of fresh prompts by more than half a standard deviation",
       ci=gain > 0.3, measured=f"{gain:+.2f} std at {stands['shipped'].kl:.1f} nats")

# %% [markdown]
# Read the last two lines together: what more was earned without a price, and what was paid for it in distance and variety. Is it worth it?
# The reward cannot say. Somebody else must.
#
# ## 11.9 The leash, and what happens without it
#
# Our reward model learned from 3,000 verdicts. It is a **proxy**: what we want is what people like, and it has met a few answers to
# that question. In lesson 10 (section 10.6) you met a far better one, fitted to 30,000 verdicts, on other texts, with a pretrained model's
# eyes. Let it stand for people and call it **gold**. Nobody trains on gold; it looks on. And let there be a poorer proxy as well, from
# only 100 verdicts. (In the experiments of Gao et al. (2023), whom we follow, gold itself gave the verdicts from which proxies learned.
# Here both learned from people.)
#
# > **Predict.** A policy is paid by a proxy, for a long time, with no price on distance. What do proxy and gold say as it moves away?
# > Does it matter how many verdicts the proxy has seen?
#
# The runs below were measured by `benchmarks/text_rl.py` (gold reads with the 135M model, which takes minutes, so it reads 64 texts at each
# point, and its line shakes a little). The axis is the distance, on the root scale that Gao et al. found natural; 1 on the other axis is
# one spread of the SFT model's texts.

# %%
from course_lib.lm.evaluation import benchmark_results

names = {"few-no-kl": "100 verdicts, no price on distance",
         "proxy-no-kl": "3,000 verdicts, no price on distance",
         "proxy": "3,000 verdicts, with the KL penalty"}
runs = {label: benchmark_results(job)[0] for job, label in names.items()}
colours = {"proxy": "proxy, which pays", "gold": "gold", "vader": "VADER"}

def gains(run):
    """Each reward against KL, as the gain over the start in units of its own spread there."""
    evaluations, start = run["evaluations"], run["evaluations"][0]
    kl = [max(one.kl, 0.0) for one in evaluations]
    return {label: (kl, [(one.rewards[name] - start.rewards[name]) / start.stds[name]
                         for one in evaluations])
            for name, label in colours.items()}

curves = {label: gains(run) for label, run in runs.items()}
title = "The proxy always rises; whether gold follows depends on the proxy"
show(plots.over_optimisation(curves, title),
     alt="Three panels: gains of proxy, gold and VADER against KL. Paid by a proxy from 100 verdicts, "
         "the proxy climbs to the end, gold and VADER rise a little and fall back to the start. With "
         "3,000 verdicts all three rise together far out. With a KL penalty they rise together and "
         "stay within a few nats.")

# %%
for label, run in curves.items():
    kl, paid_gain = run["proxy, which pays"]
    gold = np.array(run["gold"][1])
    print(f"{label}: {kl[-1]:.0f} nats; proxy {paid_gain[-1]:+.1f}, gold {gold[-1]:+.1f} "
          f"(its best {gold.max():+.1f} at {kl[gold.argmax()]:.0f} nats), "
          f"distinct-2 {runs[label]['evaluations'][-1].distinct_2:.2f}")
poor, good = (curves[names[job]] for job in ("few-no-kl", "proxy-no-kl"))
gap = {"100 verdicts": poor["proxy, which pays"][1][-1] - poor["gold"][1][-1],
       "3,000 verdicts": good["proxy, which pays"][1][-1] - good["gold"][1][-1]}
expect(gap["100 verdicts"] > gap["3,000 verdicts"],
       "the fewer verdicts, the less of what the proxy promises is there by gold",
       measured={name: round(value, 2) for name, value in gap.items()})
highest, last = max(poor["gold"][1]), poor["gold"][1][-1]
expect(last < highest - 0.3, "paid by 100 verdicts gold rises, and then falls while the proxy rises on",
       measured=f"{highest:+.1f} at its best, {last:+.1f} in the end")
free_gold, held_gold = good["gold"][1][-1], curves[names["proxy"]]["gold"][1][-1]
expect(free_gold > held_gold, "paid by 3,000 verdicts gold ends higher without a price than with one",
       measured=f"{free_gold:+.1f} against {held_gold:+.1f}")

# %% [markdown]
# The poor proxy is the textbook case, **over-optimisation**: for some nats gold rises along with it, then it falls back to where it began
# while the proxy still climbs. With 3,000 verdicts gold goes along nearly all the way, and in the end it stands *higher* than with the
# price. So was the price a mistake?
#
# Read. Move along that run, the one of 3,000 verdicts without a price.

# %%
evaluations = runs[names["proxy-no-kl"]]["evaluations"]
places = [0, len(evaluations) // 3, 2 * len(evaluations) // 3, len(evaluations) - 1]
show_samples({f"{evaluations[i].kl:.0f} nats: proxy {evaluations[i].rewards['proxy']:+.1f}, "
              f"distinct-2 {evaluations[i].distinct_2:.2f}": evaluations[i].samples[:6] for i in places})
with_kl = runs[names["proxy"]]["evaluations"][-1]
expect(evaluations[-1].distinct_2 < 0.7 * with_kl.distinct_2,
       "without a price the policy repeats itself; with it, it does not",
       measured={"without": round(evaluations[-1].distinct_2, 2), "with": round(with_kl.distinct_2, 2)})

# %% [markdown]
# Gold calls the last column good, and so does VADER. Nobody who reads would. Gold is a reward model, too: it knows the texts that people
# rated, and these are none of them. This is *Goodhart's law*: when a measure becomes a target, it ceases to be a good measure. A reward
# model is roughly right about texts like those on which it learned, and PPO leaves them and finds its mistakes; a second one, made of the
# same kind of verdicts, shares many of them.
#
# The price on distance does not make any of them better. It keeps the policy where they know what they are talking about. (Stopping early
# does so, too. In Gao et al.'s runs the penalty did no more than that: at a given distance gold was not better for it.)
#
# ## 11.10 The reward model is differentiable. Why not just follow its gradient?
#
# Everything here is a network. PPO throws dice, waits for a reward and works out who deserved it, when the reward model could simply
# say, by its gradient, how each token should change. Why not?
#
# Because a text is a row of *choices*, and a choice has no gradient. What has one are the numbers that the reward model reads: the
# embeddings. So let every place hold a *mixture* of tokens, nine tenths what was written and one tenth everything else, and climb.
#
# > **Predict.** How high will the mixture get? And what will you read when you take the heaviest token of each place?

# %%
from course_lib.lm.rewards import climb

worst = judged.rewards.argsort()[len(judged.rewards) // 4].item()          # a rather bad text
ids = tokenizer.encode(judged.texts[worst])
climbed = climb(reward_model, ids, tokenizer, steps=budget(full=150, ci=20))
soft, hard = (proxy.scaled(torch.tensor(r)).tolist() for r in (climbed.soft, climbed.hard))
real = judged.rewards.tolist()
title = "The gradient soon finds what the reward model likes best, and it is no text"
show(plots.climbing(soft, hard, real, title),
     alt="Reward against gradient steps: the mixture's climbs within a few steps above the band of "
         "all real texts; that of its heaviest tokens, read as a text, follows in jumps.")

# %%
print("before:", judged.texts[worst])
print("after: ", climbed.text)
print(f"mixture {soft[-1]:+.1f}, as a text {hard[-1]:+.1f}; before {judged.rewards[worst]:+.1f}, "
      f"best of {len(real)} texts {max(real):+.1f}")
with torch.no_grad():
    rows = torch.tensor([[tokenizer.eos, *tokenizer.encode(climbed.text)[:90]]])
    strange = -token_logprobs(reference(rows), rows).mean().item()
    usual = -(judged.reference_logprobs.sum() / judged.mask.sum()).item()
print(f"the SFT model's surprise at it: {strange:.1f} nats a token; at its own texts {usual:.1f}")
expect(soft[-1] > max(real) and soft[-1] > hard[-1],
       "the mixture is paid more than any text, and more than what can be read",
       ci=soft[-1] > soft[0], measured=f"{soft[-1]:.1f} against {hard[-1]:.1f}")
expect(strange > 2 * usual, "and what can be read is nothing that the SFT model would write",
       ci=strange > usual, measured=f"{strange:.1f} against {usual:.1f} nats a token")

# %% [markdown]
# The gradient leads where no text has ever been. The mixture is a point between words, which the reward model never saw and is free
# to adore; the nearest real tokens are word salad, and even that is paid like a good text. PPO only ever asks about texts that
# the policy can write, one token at a time. And it may ask anybody: VADER, a program, a person, none of whom has a gradient. (There *are*
# ways to get gradients through choices, for instance Gumbel-softmax; they too must be kept on a leash.)
#
# ## 11.11 Which parts matter? And a simpler rival
#
# Each part was left out in turn, all else equal, paid by VADER (`benchmarks/text_rl.py`; short runs). **RLOO** (Ahmadian et al. 2024)
# leaves out most of them at once: no value network, no GAE. A text is one action. It writes four completions of each prompt and compares
# each with the mean of the other three: your siblings of exercise 09.4. (Ours keeps two parts that theirs does without: each batch is
# learned from twice, under the clip, and advantages are divided by their spread.)

# %%
kinds = {"parts": "PPO", "no-value-start": "value network from the SFT model",
         "no-whitening": "advantages not whitened", "no-clip": "no clip",
         "no-kl": "no price on distance", "parts-rloo": "RLOO"}
found = {label: benchmark_results(job) for job, label in kinds.items()}
ends = {label: {"VADER": [r["vader"] for r in many], "KL (nats)": [r["kl"] for r in many],
                "distinct-2": [r["distinct_2"] for r in many]} for label, many in found.items()}
title = "At this size only the price on distance makes a difference"
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
expect(change < 0.05, "without the clip, whitening or the value network's start VADER ends the same",
       measured=f"largest change {change:.3f}")

# %% [markdown]
# Without a price the policy runs away, again. Without any of the other parts it ends where it did: another seed makes more of a difference.
# Few ratios ever reach the clip here, and a value network that starts fresh has caught up after some updates. What these parts are worth
# to large networks in long runs, runs as small as these cannot show. RLOO comes close with half of the parts, in less time.
#
# But a number of the left panel means nothing without the one beside it: VADER can be bought with distance. So draw the one against the
# other, in longer runs. **Best of n** does not train at all: it writes n texts and keeps the best.

# %%
def path(many):
    """Mean over seeds of (KL, VADER) along the evaluations."""
    evaluations = [[(one.kl, one.rewards["vader"]) for one in r["evaluations"]] for r in many]
    return np.mean([each[:min(map(len, evaluations))] for each in evaluations], axis=0).T

longer = {"PPO": benchmark_results("vader"), "RLOO": benchmark_results("rloo")}
lines = {label: path(many) for label, many in longer.items()}
points = [(one.kl, one.rewards["vader"]) for one in benchmark_results("best-of-n")[0]["evaluations"]]
lines["best of 1, 2, 4, 8, 16 (KL at most)"] = np.array(points).T
title = "For the same distance, the best of n is happier than what was trained"
show(plots.trade_off(lines, (5.0, 0.8), title),
     alt="VADER against KL for PPO, RLOO and best of n, with the target corner of 0.8 at 5 nats.")
kl, best = points[-1]
there = {label: np.interp(kl, *lines[label]) for label in longer}
expect(best > max(there.values()), "the best of 16 is happier than PPO's and RLOO's texts as far away",
       measured={"best of 16": best, **there})

# %%
for label, many in longer.items():
    for r in many:
        print(f"{label:5s} seed {r['seed']}: VADER {r['vader']:.2f} at {r['kl']:.1f} nats, distinct-2 "
              f"{r['distinct_2']:.2f}, {r['cpu_s']:.0f} CPU-seconds")
reached = [r["reached"] for many in longer.values() for r in many]
print(f"the course's target, VADER 0.80 at 5 nats in 60 CPU-seconds: {sum(reached)} of {len(reached)}")

# %% [markdown]
# PPO and RLOO end at the same place. (Their lines turn back where the price, which adapts itself here, pulls them home.) Neither reaches the
# corner that this course had set itself.
#
# For its distance the best of 16 is happier than anything that was trained here. It pays at another counter: sixteen times the writing,
# for ever. Training pays once. That is the whole trade, and lesson 14 comes back to it.
#
# **[Exercise 11.7](../exercises/11_ppo_for_language_models.ipynb)** asks you to tell four sick runs apart by such numbers.
#
# ## What you learned
#
# A text is an episode, a token is an action. The reward comes once, at the end; the price of distance at every token. A value network
# that starts as the reward model has an idea of how a text will end long before it does, and GAE shares the reward out by its surprises.
# The clipped loss is lesson 02's, with a mask. A limit on the distance is not a refinement: it is what keeps an imperfect reward model
# useful.
#
# **What failed:** PPO without a price on distance, which pleases every reward model and leaves nothing to read; gold, which could not tell;
# following the reward model's gradient, which finds points that are no texts. The course's own target, VADER 0.80 within 5 nats, was not
# reached. Most parts of PPO made no difference that runs of this size could show. And this model is tiny: it learned to *sound* pleased,
# not to say anything.
#
# **Further reading.** D. Ziegler et al. (2019), *Fine-tuning language models from human preferences*; N. Stiennon et al. (2020),
# *Learning to summarize from human feedback*; L. Ouyang et al. (2022), *Training language models to follow instructions with human
# feedback*; L. Gao et al. (2023), *Scaling laws for reward model overoptimization*; A. Ahmadian et al. (2024), *Back to basics:
# revisiting REINFORCE style optimization for learning from human feedback in LLMs*; S. Huang et al. (2024), *The N+ implementation
# details of RLHF with PPO*.
