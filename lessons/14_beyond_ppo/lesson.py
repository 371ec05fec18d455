# %% [markdown]
# # Lesson 14. Beyond PPO
#
# **Goals.** Know the methods that are used today beside PPO, and what each costs: best-of-n, rejection sampling, DPO and its variants, RLOO and
# GRPO. Derive DPO. Train with a reward that a program checks, measure it with pass@k, and see such a check hacked. Choose a method for a task.
#
# **Time.** About 65 minutes to read and run, 80 minutes for the exercises; the essential part takes 90 minutes in all. The cells use about
# two CPU-minutes. **Builds on** lessons 03, 10 and 11.
#
# Everything starts from where lesson 11 started: the same SFT model, the same 3,000 preferences, the same reward model.

# %%
import copy
import json

import numpy as np
import torch

from course_lib import budget, expect, mine
from course_lib.lm.data import Prompts, short_texts
from course_lib.lm.generate import sample_completions
from course_lib.lm.reward_model import ScaledReward
from course_lib.lm.rewards import load_proxy
from course_lib.lm.sentiment import sentiment
from course_lib.lm.sft import load_sft
from course_lib.paths import root
from course_lib.show import beyond_ppo_plots as plots
from course_lib.show import palette
from course_lib.show.figures import show
from course_lib.show.tables import show_samples

palette.style()
torch.set_num_threads(1)
show(plots.routes(),
     alt="Preferences lead to a reward model, and from it by two ways to a better model: choosing among "
         "completions (best-of-n, rejection sampling) and reinforcement (PPO, RLOO, GRPO). A third "
         "way leads from preferences straight to DPO, IPO and KTO. A program that checks leads to "
         "reinforcement too.")

# %% [markdown]
# ## 14.1 What we have
#
# The **SFT model** writes completions. The **reward model** of lesson 10, the *proxy*, gives each a reward, standardized as in lesson 11: the
# SFT model's completions have mean 0 and standard deviation 1. Of sixteen completions of one prompt, these are the best three and the worst three:

# %%
sft, (reward_model, facts) = load_sft(), load_proxy()
reference, tokenizer = sft.model, sft.tokenizer
prompts = Prompts.of(short_texts("train"), tokenizer)
unseen = Prompts.of(short_texts("validation"), tokenizer).evenly_spaced(budget(full=256, ci=64))

def write(policy, prompts, reward=sentiment, seed=0):
    """One completion of each row of prompts, scored."""
    rng = torch.Generator().manual_seed(seed)
    return sample_completions(policy, reference, prompts, reward, tokenizer, generator=rng)

proxy = ScaledReward.on(lambda texts: reward_model.rewards(texts, tokenizer), write(reference, unseen).texts)
sixteen = write(reference, unseen[40:41].repeat(16, 1), proxy, seed=1)
order = sixteen.rewards.argsort(descending=True).tolist()
show_samples({"completion": [sixteen.texts[i] for i in order[:3] + order[-3:]],
              "reward": [f"{sixteen.rewards[i]:+.2f}" for i in order[:3] + order[-3:]]})

# %% [markdown]
# ## 14.2 Best-of-n: choose, do not train
#
# The simplest way to a better answer is in the table above: sample $n$ completions and keep the one with the highest reward. This is
# best-of-n sampling (lesson 11). It needs no training and no gradient, and works with any reward. It is the baseline that every other method has to beat.
#
# The completions that are kept have a distribution of their own. How far is it from the SFT model? Its KL divergence is at most
#
# $$\mathrm{KL} \le \log n - \frac{n-1}{n},$$
#
# so at most 1.84 nats for $n = 16$. (Many papers use this formula as an equality; Beirami et al. 2024 show that it is an upper bound.) Do
# [exercise 14.1](../exercises/14_beyond_ppo.ipynb) first.
#
# > **Predict.** The proxy's reward rises with $n$. Does each doubling of $n$ add the same? Does VADER rise too, though it chooses nothing?

# %%
best_of_n = mine("14.1")
few = unseen[:: budget(full=4, ci=8)]
many = [write(reference, some, proxy, seed=2) for some in few.repeat_interleave(16, dim=0).split(256)]
texts = [text for batch in many for text in batch.texts]
rewards = torch.cat([batch.rewards for batch in many]).view(len(few), 16)
vader = sentiment(texts).view(len(few), 16)

sizes, kept, nats = (1, 2, 4, 8, 16), {"proxy (it chooses)": [], "VADER (it looks on)": []}, []
for n in sizes:
    rows, bound = best_of_n(rewards[:, :n].reshape(-1), n)
    kept["proxy (it chooses)"].append(rewards[:, :n].reshape(-1)[rows].mean().item())
    kept["VADER (it looks on)"].append(vader[:, :n].reshape(-1)[rows].mean().item())
    nats.append(float(bound))

# %%
show(plots.best_of(kept, sizes, nats, "Each doubling of n brings less, and costs twice as much"),
     alt="Mean reward of the best of 1, 2, 4, 8 and 16 completions. The proxy's rises by less with each "
         "doubling; VADER's rises too, much more slowly.")
chosen, judged = kept["proxy (it chooses)"], kept["VADER (it looks on)"]
expect(chosen[4] - chosen[3] < chosen[1] - chosen[0] and chosen[4] > 1,
       "best of 16 is more than a standard deviation better; the last doubling brings least",
       ci=chosen[4] > chosen[0], measured=str([round(value, 2) for value in chosen]))
expect(judged[4] > judged[0] + 0.1, "VADER, which did not choose, prefers the best of 16 as well",
       ci=judged[4] > judged[0], measured=f"{judged[0]:.2f} and {judged[4]:.2f}")

# %% [markdown]
# The drawback is the **inference cost**: sixteen completions are sampled for each answer, for as long as the model is used.
#
# ## 14.3 Rejection sampling: fine-tune on the best
#
# If the best of sixteen are good texts, the model can learn to write them directly. Fine-tune it (SFT, lesson 09) on the best completion of each
# group, sample again from the new model, and repeat. This is **rejection sampling** fine-tuning, also called RAFT (Dong et al. 2023); Llama 2-Chat
# was trained with it first and with PPO afterwards. `course_lib/lm/rejection_sampling.py` has the whole algorithm: sample, keep the best, minimize
# the cross-entropy.

# %%
from course_lib.lm.evaluation import evaluate_policy
from course_lib.lm.rejection_sampling import RejectionSampling, RejectionSamplingConfig
from course_lib.show.training_view import watch

settings = RejectionSamplingConfig(updates=budget(full=5, ci=2), batch_size=budget(full=384, ci=256),
                                   samples_per_prompt=16, learning_rate=4e-4)
sifting = RejectionSampling(copy.deepcopy(reference), reference, prompts.tokens, proxy, tokenizer, settings)
watch(sifting.train(), curves=("reward", "kl_from_reference", "distinct_2"), past=sifting.history,
      total=settings.updates * settings.batch_size, unit="completions")

# %%
def stands(policy):
    """Proxy, VADER, KL, distinct-2 of fresh completions."""
    return evaluate_policy(policy, reference, unseen, {"proxy": proxy, "VADER": sentiment}, tokenizer)

now = {"SFT": stands(reference), "rejection sampling": stands(sifting.policy)}
for name, one in now.items():
    print(f"{name:20s} proxy {one.rewards['proxy']:+.2f}  VADER {one.rewards['VADER']:+.2f}  "
          f"KL {one.kl:4.2f}  distinct-2 {one.distinct_2:.2f}")
gain = now["rejection sampling"].rewards["proxy"] - now["SFT"].rewards["proxy"]
kl = now["rejection sampling"].kl
expect(gain > 0.3, "a few rounds raise the reward of a *single* completion", ci=gain > 0,
       measured=f"{gain:+.2f} std")
expect(kl > nats[-1], "together they went farther than one best of 16", ci=kl > 0, measured=f"{kl:.1f} nats")

# %% [markdown]
# Two things to know. Completions that were not kept are simply dropped: nothing lowers their probability, as a negative advantage would. And there
# is no KL penalty: each round is a best-of-16 of the last round's model, so the KL grows from round to round. Only the number of rounds limits it.
#
# ## 14.4 DPO: no reward model
#
# **Direct preference optimization** (DPO; Rafailov et al. 2023) starts from PPO's own objective, for a prompt $x$ and a completion $y$:
#
# $$\max_\pi\; \mathbb{E}_{y \sim \pi}\,[r(x, y)] - \beta\,\mathrm{KL}(\pi \,\|\, \pi_\text{ref}).$$
#
# **Step 1: the optimal policy.** The objective equals $-\beta\,\mathbb{E}_{y \sim \pi} \log \frac{\pi(y|x)}{\pi_\text{ref}(y|x)\,e^{r(x,y)/\beta}}$. Divide the denominator by
# its sum over all $y$, $Z(x)$, and it is a distribution; then this is $-\beta$ times a KL divergence, plus a constant. A KL is smallest, 0, where the
# two distributions are equal:
# $$\pi^*(y|x) = \frac{1}{Z(x)}\,\pi_\text{ref}(y|x)\,e^{r(x,y)/\beta}.$$
# So the optimum multiplies the reference's probability by the exponential of the reward. ($Z(x)$, the **partition function**, is a sum over all
# texts and cannot be computed.)
#
# **Step 2: the implicit reward.** Solve for $r$. Every policy is the optimum for *some* reward, its **implicit reward**:
# $$r(x, y) = \beta \log \frac{\pi^*(y|x)}{\pi_\text{ref}(y|x)} + \beta \log Z(x).$$
#
# **Step 3: the loss.** Put this into Bradley–Terry's $-\log\sigma(r(x, y_w) - r(x, y_l))$, where $y_w$ is the **chosen** (preferred) completion and $y_l$
# the **rejected** one. Both have the same prompt, so $\log Z(x)$ cancels:
# $$\mathcal{L}_\text{DPO} = -\log \sigma\Big(\beta \log \tfrac{\pi(y_w|x)}{\pi_\text{ref}(y_w|x)} - \beta \log \tfrac{\pi(y_l|x)}{\pi_\text{ref}(y_l|x)}\Big).$$
#
# No reward model, no sampling, no value network. It is the loss of lesson 03 with the difference of implicit rewards, the **margin**, as its logit.
# **Do [exercise 14.2](../exercises/14_beyond_ppo.ipynb)**; your loss trains below.
#
# Our 3,000 preferences are derived from ratings of whole texts that people wrote (lesson 10). Such a text has no prompt, so the end token serves as one.

# %%
from course_lib.lm.dpo import DPO, DPOConfig, PreferencePairs
from course_lib.lm.rewards import proxy_comparisons

texts_of_people, comparisons = proxy_comparisons()                        # the reward model's own 3,000
ids = [[*row, tokenizer.eos][:32] for row in tokenizer.encode_batch([text.text for text in texts_of_people])]

def pairs_of(places):
    """These of the 3,000 comparisons, as tokens."""
    first, second = comparisons.first[places].tolist(), comparisons.second[places].tolist()
    return PreferencePairs([[tokenizer.eos]] * len(first), [ids[i] for i in first],
                           [ids[i] for i in second], comparisons.mu[places])

updates = budget(full=24, ci=3)
learned, held_out = pairs_of(torch.arange(16 * updates)), pairs_of(torch.arange(2_872, 3_000))
print(f"{len(learned)} pairs to learn from, {len(held_out)} held out")

# %%
dpo_loss = mine("14.2")

def your_loss(first, second, reference_first, reference_second, mu, beta):
    """Exercise 14.2's loss, for pairs whose completions are already summed over tokens. All (pairs,)."""
    won = mu > 0.5
    def stacked(a, b):                                                    # chosen first: (2 * pairs, 1)
        return torch.cat([torch.where(won, a, b), torch.where(won, b, a)])[:, None]
    new, old = stacked(first, second), stacked(reference_first, reference_second)
    return dpo_loss(new, old, torch.ones_like(new).bool(), beta)

direct = DPO(copy.deepcopy(reference), reference, learned, tokenizer.eos,
             DPOConfig(updates=updates, batch_size=16, learning_rate=3e-4), loss=your_loss)
watch(direct.train(), curves=("loss", "margin", "accuracy"), past=direct.history,
      total=len(learned), unit="pairs")
expect(abs(direct.history[0].loss - np.log(2)) < 0.01, "at the reference the loss is log 2",
       measured=direct.history[0].loss)

# %% [markdown]
# > **Predict.** Does DPO raise the log-probability of the chosen completions?

# %%
reader = DPO(direct.policy, reference, held_out, tokenizer.eos, loss=your_loss)

@torch.no_grad()
def held_out_logprobs(policy):
    """Mean log-probability of the chosen and of the rejected held-out completions."""
    first, second = reader.completion_logprobs(policy, torch.arange(len(held_out)))
    won = held_out.mu > 0.5
    return {"chosen": torch.where(won, first, second).mean().item(),
            "rejected": torch.where(won, second, first).mean().item()}

before, after = held_out_logprobs(reference), held_out_logprobs(direct.policy)
margins = [progress.margin for progress in direct.history]
show(plots.pair_training(before, after, margins, "DPO pulls them apart; that does not mean that the chosen one rises"),
     alt="Left: mean log-probability of held-out chosen and rejected completions before and after DPO. "
         "Right: the margin of each update's pairs, which grows.")
moved = {name: after[name] - before[name] for name in before}
expect(moved["chosen"] < 0 and moved["rejected"] < moved["chosen"],
       "both fall, the rejected ones further", ci="three updates", measured=moved)

# %% [markdown]
# The loss depends on the *margin* alone. Both log-probabilities may fall, as long as the rejected one falls further; the probability moves to texts
# that are in no pair at all. In large models this is called **likelihood displacement** (Razin et al. 2024; see also Rafailov et al. 2024). It is one
# reason why a long DPO run drifts, and why the log-probability of the chosen completions should be in every DPO log.
#
# **Variants.** Where one side of a pair is *always* preferred, DPO's loss keeps asking for a larger margin, and the policy overfits. **IPO** (Azar et
# al. 2023) asks for a margin of $1/(2\beta)$ and no more: **[exercise 14.3](../exercises/14_beyond_ppo.ipynb)**. (IPO's margin is a difference of
# log-ratios, without $\beta$.)
# **KTO** (Ethayarajh et al. 2024) needs no pairs: it learns from single answers labelled good or bad (`course_lib/lm/kto.py`).

# %%
from course_lib.lm.dpo import ipo_loss as library_ipo

ipo_loss, beta = mine("14.3"), 0.1
margin, nothing = torch.linspace(-10, 25, 141), torch.zeros(1)
dpo_curve = torch.nn.functional.softplus(-beta * margin)
ipo_curve = torch.stack([ipo_loss(h[None], nothing, nothing, nothing, beta) for h in margin]) * beta**2
show(plots.pair_losses(margin.numpy(), {"DPO": dpo_curve.numpy(), "IPO, times beta squared": ipo_curve.numpy()},
                       1 / (2 * beta), "DPO always wants a larger margin; IPO knows when to stop"),
     alt="Loss against margin: DPO's falls on and on, IPO's is a parabola with its lowest point at 5 nats.")
expect(margin[ipo_curve.argmin()] == 5, "IPO's loss is lowest at a margin of 1 / (2 beta) = 5 nats",
       measured=margin[ipo_curve.argmin()].item())

# %% [markdown]
# ## 14.5 RLOO and GRPO: the group is the baseline
#
# PPO trains a value network beside the policy, often one as large as the policy. Lesson 11 introduced **RLOO**, which needs none: it samples a **group**
# of completions for each prompt, and the mean reward of the *others* is the baseline of each. **GRPO** (group relative policy optimization; Shao et
# al. 2024), with which DeepSeek-R1 was trained, standardizes the rewards of the group:
#
# $$A_i = \frac{r_i - \mathrm{mean}(r)}{\mathrm{std}(r)}.$$
#
# The rest is PPO's clipped objective, with the KL penalty in the loss instead of the reward. Do
# [exercise 14.4](../exercises/14_beyond_ppo.ipynb). Here are your advantages for two prompts: with one right completion of four, and with four.

# %%
group_advantages = mine("14.4")
groups = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
for kind in ("rloo", "grpo", "dr-grpo"):
    print(f"{kind:8s}", [[round(x, 2) for x in row] for row in group_advantages(groups, kind).tolist()])

# %% [markdown]
# A group of equal rewards has advantages of 0, so it gives no gradient. What does the division by the standard deviation do to the other groups?

# %%
right = torch.arange(17)
groups = (torch.arange(16) < right[:, None]).float()                      # (17, 16): 0, 1, ..., 16 right ones
mean_size = {name: group_advantages(groups, kind).abs().mean(dim=1).numpy()
             for name, kind in (("GRPO", "grpo"), ("Dr. GRPO (no division)", "dr-grpo"))}
show(plots.advantage_sizes(right.numpy() / 16, mean_size,
                           "The division favours prompts that are nearly always solved, or nearly never"),
     alt="Mean size of the advantages against the share of right completions. Both curves are 0 at both "
         "ends; relative to its peak GRPO's is larger near the ends.")
sizes_at_one = {name: values[1] / values[8] for name, values in mean_size.items()}
expect(sizes_at_one["GRPO"] > 1.9 * sizes_at_one["Dr. GRPO (no division)"],
       "one right one in 16 counts, next to 8 in 16, twice as much with the division",
       measured={name: round(float(value), 2) for name, value in sizes_at_one.items()})

# %% [markdown]
# **Dr. GRPO** ("GRPO done right"; Liu et al. 2025) leaves this division out, and a second one. GRPO averages the loss over the tokens of *each*
# completion, so that a token of a long wrong answer gets a smaller penalty than one of a short wrong answer (a **length bias**). Wrong answers then grow
# longer, which can be mistaken for more reasoning. Dr. GRPO divides by one constant for all completions; DAPO (Yu et al. 2025) averages over all
# tokens of the batch. Each is one line of `token_weights` in `course_lib/lm/grpo.py`.
#
# ## 14.6 Rewards that a program can check
#
# Where a program, the **verifier**, can check an answer, neither labels nor a reward model are needed: mathematics, or code with tests. This is
# **reinforcement learning with verifiable rewards** (RLVR; Lambert et al. 2024). Our answers are sums of two two-digit numbers. The model is tiny
# (two layers, 64 wide). SFT showed it 500 sums with answers. In RL it samples answers to all 7,100 training sums, and the reward is 1 for a right
# answer and 0 for any other. All figures are for unseen sums. (Do **[exercises 14.5 and 14.6](../exercises/14_beyond_ppo.ipynb)** now: your
# functions measure and check below.)

# %%
from course_lib.lm.shipped import SUMS_GRPO, SUMS_SFT, load_shipped
from course_lib.lm.verifiable import MAX_NEW_TOKENS, PROMPT, sums

pass_at_k, sum_reward = mine("14.5"), mine("14.6")
beginner = load_shipped(SUMS_SFT)
characters = beginner.tokenizer
sums_of = {part: Prompts.of([one.text for one in sums(part)], characters, PROMPT).tokens
           for part in ("train", "test")}

def checker(texts):
    """1 for each right sum, else 0: (texts,)."""
    return torch.tensor([sum_reward(text[:PROMPT], text[PROMPT:]) for text in texts])

problems = budget(full=250, ci=60)

def answer(policy, samples=16, seed=0):
    """(texts, right ones of each problem (problems,)) for unseen sums."""
    some = sums_of["test"][:problems].repeat_interleave(samples, dim=0)
    batch = sample_completions(policy, beginner.model, some, checker, characters, MAX_NEW_TOKENS,
                               torch.Generator().manual_seed(seed))
    return batch.texts, batch.rewards.view(-1, samples).sum(dim=1).long()

texts, correct = answer(beginner.model)
print("16 answers to one sum:", *(text[PROMPT:] or "(nothing)" for text in texts[:16]))
print({f"pass@{k}": round(pass_at_k(correct, 16, k).mean().item(), 3) for k in (1, 4, 16)})

# %% [markdown]
# **pass@k** is the probability that at least one of $k$ sampled answers is right. For most sums one of sixteen answers is right, and pass@1 is below a
# half: the model before RL often *can* do a sum, and is not reliable. That is where RL helps: it raises the probability of right answers that are
# sampled already.
#
# > **Predict.** After GRPO: how does pass@1 change, and how pass@16?

# %%
from course_lib.lm.grpo import GRPO, GRPOConfig

sum_settings = GRPOConfig(updates=budget(full=24, ci=3), batch_size=1024, samples_per_prompt=8, minibatch_size=256,
                          max_new_tokens=MAX_NEW_TOKENS, epochs=1, learning_rate=1e-3, beta=0.0)

def with_your_advantages(rewards, divide_by_std):
    return group_advantages(rewards, "grpo" if divide_by_std else "dr-grpo")

student = GRPO(copy.deepcopy(beginner.model), beginner.model, sums_of["train"], checker, characters,
               sum_settings, advantages=with_your_advantages)
watch(student.train(), curves=("reward", "kl_from_reference", "length"), past=student.history,
      total=sum_settings.updates * sum_settings.batch_size, unit="answers")

# %%
models = {"before": beginner.model, f"GRPO, {student.updates} updates": student.policy,
          "GRPO, 120 updates (stored)": load_shipped(SUMS_GRPO).model}
reached = {}
for name, model in models.items():
    correct = answer(model)[1]
    reached[name] = {k: pass_at_k(correct, 16, k).mean().item() for k in (1, 2, 16)}
    print(f"{name:28s}", {f"pass@{k}": round(value, 3) for k, value in reached[name].items()})
first, mine_now, stored_one = reached.values()
expect(stored_one[1] > max(first[1] + 0.15, first[2]),
       "after 120 updates one answer is right more often than one of two was before",
       ci=stored_one[1] > first[1], measured=f"{stored_one[1]:.2f}; before {first[1]:.2f}, one of two {first[2]:.2f}")
expect(stored_one[1] - first[1] > 2 * abs(stored_one[16] - first[16]), "pass@16 moves much less",
       measured=f"{first[16]:.2f} to {stored_one[16]:.2f}")

# %% [markdown]
# RL used no label. pass@1 rises and pass@16 hardly moves: GRPO mostly **sharpens** the distribution, so that answers which were sampled now and then
# become reliable. (Whether RL does more than this in large models is debated: Yue et al. 2025.)
#
# Look at the curve of the short run, too. In the stored one the reward falls before it rises: in the first updates the policy moves more than a nat
# away from the model that it was, with nothing to hold it ($\beta$ is 0 here), and then recovers.
#
# The next cell shows whole runs, stored by `benchmarks/beyond_ppo.py`. A method without a row was not measured.
# Each seed trains a beginner of its own first, so the grey points differ from seed to seed.

# %% tags=["nbval-check-output"]
def stored(job):
    """The runs of one job of benchmarks/beyond_ppo.py; none if it was not measured."""
    path = root() / "benchmarks" / "results" / f"beyond_ppo_{job}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

jobs = {"GRPO": "sums-grpo", "Dr. GRPO": "sums-dr-grpo", "RLOO": "sums-rloo", "rejection sampling": "sums-rejection",
        "500 answers, longer": "sums-sft"}
ways = {}
for name, job in jobs.items():
    runs = [run["evaluations"] for run in stored(job)]
    if runs:
        ways[f"{name} ({len(runs)})"] = {
            label: [(steps[0][key], steps[-1][key]) for steps in runs]
            for label, key in (("pass@1", "pass_at_1"), ("pass@16", "pass_at_16"))}
        print(f"{name:22s} {len(runs)} seeds, {np.mean([run['cpu_s'] for run in stored(job)]):.0f} CPU-s each")
show(plots.before_and_after(ways, "pass@1 rises in every run, pass@16 not in all (in brackets: seeds)"),
     alt="For each way to train, pass@1 and pass@16 on unseen sums before and after, a line for each seed.")

# %% [markdown]
# Look at the last row before you choose RL. It used no checker: SFT read the same 500 sums *with their answers* for about as long as the others
# trained, and then nearly every unseen sum was right. Where you have answers, imitate them. RL with a verifier is for tasks whose answers you can
# check and cannot write down.
#
# ## 14.7 The check is a reward too
#
# A program does not get tired and has no preferences. But a person wrote it, and it may have bugs. Here is a check that compares digit by digit:

# %%
def hurried_check(texts):
    """1 where the digits agree, (texts,)."""
    agree = []
    for text in texts:
        right = str(int(text[0:2]) + int(text[3:5]))
        agree.append(all(said == digit for said, digit in zip(text[PROMPT:], right)))
    return torch.tensor(agree).float()

print(hurried_check(["37+45=82", "37+45=81", "37+45=28"]))

# %% [markdown]
# > **Predict.** The check is right about these three. What will a policy trained on it answer?

# %%
from dataclasses import replace

rewards, right_ones, lengths = [], [], []
cheat = GRPO(copy.deepcopy(beginner.model), beginner.model, sums_of["train"], hurried_check, characters,
             replace(sum_settings, updates=budget(full=40, ci=3), batch_size=384, seed=1))
for progress in cheat.train():
    rewards.append(progress.reward)
    right_ones.append(checker(cheat.batch.texts).mean().item())
    lengths.append(progress.length)
show(plots.hack(rewards, right_ones, lengths, "The reward rises to 1; right answers vanish"),
     alt="Left: the reward of the hurried check climbs to 1 while the share of right answers falls to 0. "
         "Right: the length falls to one token, the end token.")
expect(rewards[-1] > 0.9 and right_ones[-1] < 0.1, "the policy gets its reward without adding",
       ci="three updates", measured={"reward": rewards[-1], "right": right_ones[-1]})

# %%
last_texts, last_correct = answer(cheat.policy, samples=4, seed=1)
print("what it answers:", *(text[PROMPT:] or "(nothing)" for text in last_texts[:40:4]))
print("by the hurried check:", hurried_check(last_texts).mean().item(), " by yours:", checker(last_texts).mean().item())

# %% [markdown]
# It answers with *nothing*. `zip` stops at the end of the shorter text, so an empty answer agrees in all of its (zero) digits. The policy sampled
# short answers now and then, they got a higher reward than wrong ones, and GRPO raised their probability. This is **reward hacking** (lesson 11
# showed it with a reward model). What helps: compare whole texts with the one right answer (**[exercise 14.6](../exercises/14_beyond_ppo.ipynb)**), read samples,
# and log a quantity that the reward does not contain, here the length. With the exact check of 14.6 the length stayed the same.
#
# ## 14.8 All of them, side by side
#
# Whole runs from the same SFT model and the same 3,000 preferences, stored by `benchmarks/beyond_ppo.py`. The *gold* reward model of lesson 11 is
# fitted to more labels, and no policy is trained on it. A **win** is a completion to which gold gives a higher reward than to the SFT model's
# completion of the same prompt; the win rate (lesson 12) is the share of wins.

# %% tags=["nbval-check-output"]
names = {"text-best-of-16": "best of 16", "text-rejection": "rejection sampling", "text-dpo": "DPO, people's texts",
         "text-dpo-own": "DPO, its own texts", "text-ipo": "IPO", "text-kto": "KTO", "text-rloo": "RLOO",
         "text-grpo": "GRPO", "text-ppo": "PPO"}
runs = {name: stored(job) for job, name in names.items() if stored(job)}
print(f"{'means over seeds':20s} seeds  proxy  VADER    KL  {'wins (all seeds)':18s}  distinct-2  length  CPU-s")
for name, many in runs.items():
    ends, wins = [run["evaluations"][-1] for run in many], [run["wins"] / run["texts"] for run in many]
    mean = {key: np.mean([end[key] for end in ends]) for key in ("kl", "distinct_2", "length")}
    proxy, vader = (np.mean([end["rewards"][one] for end in ends]) for one in ("proxy", "vader"))
    print(f"{name:20s} {len(many):5d}  {proxy:+.2f}  {vader:+.2f}  {mean['kl']:5.2f}  "
          f"{np.mean(wins):4.0%} ({min(wins):.0%} to {max(wins):.0%})  {mean['distinct_2']:10.2f}  {mean['length']:6.1f}  "
          f"{np.mean([run['cpu_s'] for run in many]):5.0f}")

# %% tags=["nbval-check-output"]
ways = {name: plots.Way([[(max(one["kl"], 0), one["rewards"]["proxy"]) for one in run["evaluations"]] for run in many],
                        [run["wins"] / run["texts"] for run in many]) for name, many in runs.items()}
show(plots.everything(ways, "Same start, same labels: what each way gains, and how far it goes"),
     alt="Left: proxy reward against KL along each training, a line for each seed. Right: win rate by gold against "
         "KL at the end; a mark is the mean of the seeds, its bar goes from the lowest to the highest.")
best = [path[-1] for path in ways["best of 16"].paths]                              # (KL, proxy) of each seed
there = {name: max(float(np.interp(best[0][0], *zip(*sorted(path)))) for path in way.paths)
         for name, way in ways.items() if name != "best of 16"}
expect(min(proxy for _, proxy in best) > max(there.values()),
       "as near as best of 16 nothing that was trained is as good, in any seed (stored)",
       measured={"best of 16": round(min(proxy for _, proxy in best), 2),
                 **{name: round(value, 2) for name, value in there.items()}})
own, peoples = (ways[f"DPO, {whose} texts"].wins for whose in ("its own", "people's"))
expect(min(own) > max(peoples), "DPO wins more often when the pairs are the model's own texts, in every seed (stored)",
       measured=f"{min(own):.0%} at least, {max(peoples):.0%} at most")

# %% [markdown]
# Every row uses the same 3,000 labels. Each seed samples 256 completions, so that a win rate of one seed is known to about six points either way. The
# CPU-seconds were measured on busy machines of two kinds. Those of best of 16 are the cost of sampling sixteen completions for 256 prompts, which comes
# again with every new answer; the other methods have it once, in training. The fit of the reward model is in no row.
#
# Read the right panel from left to right. Best of 16 gains a good deal at under two nats. PPO and RLOO, which have a KL penalty, get further at five to
# six nats, and their completions are shorter: about 16 tokens for 21. Rejection sampling and GRPO gain a little more and go twice as far from the SFT
# model, where the wording repeats itself (distinct-2).
#
# Compare the two rows of DPO. With the rated texts of other people (**off-policy** pairs) its win rate is little above that of a coin, and so are those
# of IPO and KTO, which use the same texts. With pairs that the SFT model sampled and the reward model labelled (**on-policy** at the start) it is
# clearly higher: preferences teach most about texts that the model itself would write.
#
# ## 14.9 Which one, when?
#
# | you have | take | because |
# |---|---|---|
# | good answers to imitate | SFT | in 14.6 nothing else came as far (its last row) |
# | a reward, few answers to write | best-of-n | no training; any reward; the KL is bounded |
# | a reward, many answers to write | rejection sampling | as simple as SFT; without a KL penalty, so use few rounds |
# | pairs of the model's own answers | DPO | no reward model, no RL loop; watch the chosen log-probability |
# | pairs in which one side always wins | IPO | the margin has a finite target |
# | single answers labelled good or bad | KTO | no pairs needed |
# | a reward model and the time to tune | RLOO, GRPO or PPO | they learn from good and bad samples; the KL penalty limits the drift |
# | a verifier | GRPO or RLOO | no labels at all; the check must accept right answers only |
#
# Two habits help with all of them: compare with best-of-n, and read samples.
#
# ## What you learned
#
# - Best-of-n samples $n$ times and stays within $\log n - (n-1)/n$ nats; rejection sampling fine-tunes the policy on what best-of-n keeps.
# - DPO is Bradley–Terry on log-ratios, because the KL-regularized optimum can be solved for the reward. The chosen log-probability may fall.
# - RLOO, GRPO and Dr. GRPO take their baseline from the group and need no value network; dividing by the standard deviation has side effects.
# - A verifier replaces labels. RL with it raises pass@1 more than pass@16, and exploits every hole in the check.
#
# **What failed.** The hurried check, on purpose. DPO on texts that the model would not write. And no trained policy here reached the reward of
# best of 16 at the same KL.
#
# **Further reading.** R. Rafailov et al. (2023), *Direct preference optimization*, and (2024), *From r to Q\**; M. G. Azar et al. (2023), *A general theoretical
# paradigm to understand learning from human preferences* (IPO); K. Ethayarajh et al. (2024), *KTO*; Z. Shao et al. (2024), *DeepSeekMath*;
# Z. Liu et al. (2025), *Understanding R1-Zero-like training*; A. Ahmadian et al. (2024), *Back to basics*; H. Dong et al. (2023), *RAFT*; A. Beirami et al.
# (2024), *Theoretical guarantees on the best-of-n alignment policy*; N. Razin et al. (2024), *Unintentional unalignment: likelihood displacement in
# direct preference optimization*; N. Lambert et al. (2024), *Tülu 3*; M. Chen et al. (2021), *Evaluating large language models trained on code*
# (pass@k); Q. Yu et al. (2025), *DAPO*; Y. Yue et al. (2025), *Does reinforcement learning really incentivize reasoning capacity in LLMs beyond the
# base model?* Next: [lesson 15](15_evaluate_and_scale.ipynb).
#
# All terms of the course are in the [glossary](glossary.ipynb).
