# %% [markdown]
# # Lesson 12. Your preferences, a real language model
#
# **Goals.** Fine-tune a pretrained language model of 135 million weights on *your* preferences: it answers prompts, and you say which of two answers
# you prefer. On the way: LoRA, a reward model on the language model's own hidden states, three ways to train, and a blind comparison with the first model.
#
# **Time.** About 80 minutes to read, run and label, 70 minutes for the exercises; the essential part takes 90 minutes in all. The cells use
# about fifteen CPU-minutes, most of them in three rounds of training. **Builds on** lessons 04, 10 and 11.
#
# You may stop at any moment. Run the cells again from the top: rounds that are done are skipped.

# %% tags=["nbval-check-output"]
import copy
import json

import torch

from course_lib import budget, expect, mine
from course_lib.paths import my_work, root
from course_lib.show import answer_plots as plots
from course_lib.show import palette
from course_lib.show.figures import show
from course_lib.show.tables import show_texts
from course_lib.show.training_view import watch

palette.style()
torch.set_num_threads(budget(full=2, ci=1))


def results(job):
    """The lines of one job of benchmarks/own_preferences.py, one a seed."""
    path = root() / "benchmarks" / "results" / f"own_preferences_{job}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


stored = results("dpo-short")[0]
some = stored["examples"][:4]
show_texts([one["prompt"] for one in some], {"before": [one["before"] for one in some],
                                             "after 96 labels": [one["after"] for one in some]})

# %% [markdown]
# The same model, before and after 96 preference labels. (They are a synthetic labeler's, which prefers *short and plain*; the run is stored with
# the course. Not every answer became shorter: section 12.8 counts.) In lesson 10 you labelled what strangers had written; in lesson 11 a tiny model
# was trained. Now the model is pretrained on a good part of the web, the texts are its own answers, and the preferences are yours.
#
# ## 12.1 A model that answers
#
# The model is SmolLM2 with 135 million weights, trained by its makers to follow instructions (Ben Allal et al. 2025); it was installed with the
# course. It has about a thousandth of the weights of the models that you may know. Its sentences are fluent, and often wrong.
#
# A policy is more than its weights: the sampling **temperature** $T$ is a part of it. The logits are divided by $T$ before the softmax (lesson 08).
#
# > **Predict.** Which of the three columns holds the most invented words?

# %%
from course_lib.lm.chat_policy import load_chat_policy
from course_lib.lm.prompts import HELD_OUT_PROMPTS, TRAINING_PROMPTS

policy = load_chat_policy()


def answers_at(temperature, prompts, seed=0):
    """One answer to each prompt, drawn at a temperature."""
    reference = policy.reference
    reference.temperature = temperature
    tokens, mask = reference.sample(reference.prompts(prompts), max_new_tokens=budget(full=40, ci=6),
                                    generator=torch.Generator().manual_seed(seed))
    return reference.questions_and_answers(tokens, mask)[1]


prompts = list(TRAINING_PROMPTS[:4])
show_texts(prompts, {f"T = {T}": answers_at(T, prompts) for T in (0.2, 0.7, 1.2)})

# %% [markdown]
# At a low temperature all samples are nearly the same answer, and there is nothing to compare; at a high one there are words that do not
# exist. Everything below uses $T = 0.7$, for the policy and for its reference.
#
# The methods of lesson 11 need one number from a model: the log-probability of a whole answer. **Do
# [exercise 12.2](../exercises/12_your_taste.ipynb)** now. Here is your function on the real model:

# %%
answer_logprob = mine("12.2")
tokens, mask = policy.sample(policy.prompts(prompts), max_new_tokens=budget(full=24, ci=6),
                             generator=torch.Generator().manual_seed(1))
with torch.no_grad():
    logits = policy.model.lm_head(policy.hidden(tokens)).float()               # (B, L, V)
    ours = answer_logprob(logits, tokens, mask, policy.temperature)            # (B,)
    theirs = policy.logprobs(tokens, mask).sum(dim=1)                          # (B,)
for answer, value in zip(policy.questions_and_answers(tokens, mask)[1], ours.tolist(), strict=True):
    print(f"{value:7.1f} nats  {answer!r}")
rounding = 1.0 if policy.model.dtype == torch.bfloat16 else 0.01              # nats; 16-bit sums are coarse
expect((ours - theirs).abs().max() < rounding, "your log-probabilities are the policy's",
       measured=(ours - theirs).abs().max().item())

# %% [markdown]
# ## 12.2 LoRA: train a five-hundredth of it
#
# Training all weights with Adam needs four numbers for each: the weight, its gradient and two moments. **LoRA** (low-rank adaptation; Hu et al.
# 2021) freezes the weights. It adds an **adapter** to a layer $W$, two small matrices, and trains only these:
#
# $$y = W x + \frac{\alpha}{r} B A x, \qquad A: r \times \text{in}, \quad B: \text{out} \times r$$
#
# $r$ is the **rank** of the update, 8 here, and $\alpha$ scales it. $B$ begins at zero, so training starts from the model as it is. **Do
# [exercise 12.1](../exercises/12_your_taste.ipynb)**; the cell checks it against a layer of the real model, with a random $B$.

# %%
lora_forward = mine("12.1")
name, layer = next(iter(policy.lora.layers.items()))
layer = copy.deepcopy(layer).float()                         # a copy of one layer, in 32-bit numbers
x = torch.randn(5, layer.base.in_features, generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    layer.B.normal_(generator=torch.Generator().manual_seed(1))          # as if it had learned something
    wanted = layer(x)
    ours = lora_forward(x, layer.base.weight, torch.zeros(layer.base.out_features), layer.A, layer.B,
                        layer.scale * layer.A.shape[0])
expect(torch.allclose(ours, wanted, atol=1e-3), f"your LoRA is that of {name}",
       measured=(ours - wanted).abs().max().item())

# %% [markdown]
# What does a gradient step cost? Below, one step on four answers, for adapters of several ranks and in the last 10 or in all 30 layers: gradients
# go back from the top layer down to the lowest adapter.

# %%
from course_lib.lm.lora_cost import measure_steps

rows = measure_steps(policy, tokens, mask, settings=budget(full=((10, 1), (10, 8), (10, 64), (30, 8)),
                                                           ci=((1, 1), (2, 8))))
print("layers  rank   numbers trained    Adam and gradient   CPU-seconds a step")
for row in rows:
    print(f"{row.layers:6d} {row.rank:5d} {row.trained:12,d} ({row.share:5.2%}) {row.training_mb:10.1f} MB {row.cpu_seconds:18.2f}")
whole = sum(p.numel() for p in policy.model.parameters())
print(f"     all weights {whole:11,d}            {whole * 12 / 1e6:10.1f} MB")

# %% [markdown]
# The rank hardly matters for the time, because the multiplications by the large frozen matrices take most of it. The *depth* matters. So we adapt
# the attention of the last ten of 30 layers. The hidden states below them never change, so they are computed once for each answer and kept: DPO
# sees the same answers in many updates, and policy and reference share the lower two thirds of the work.
#
# The reference needs no memory of its own: it is the same model with the adapter switched off.
#
# ## 12.3 You choose
#
# The loop is that of lesson 04: collect, label, fit, train. A **task** says what is compared: here two answers to the same prompt, sampled
# from the policy. (Which answers can be compared is [exercise 12.3](../exercises/12_your_taste.ipynb).) There are 40 prompts, written for this course;
# add your own.
#
# **Decide what you want before you begin**, one thing that you can say in three words: *short and plain*, *warmer*, *like a pirate*? The
# model can only learn what it sometimes does by itself: if no answer ever sounds like a pirate, there is nothing to prefer. Answer "equal" where
# both are equally good, and "skip" where you cannot tell.

# %%
from course_lib.labels.store import PreferenceStore
from course_lib.lm.answer_labelers import answer_labeler
from course_lib.lm.answer_task import AnswerTask, answer_config
from course_lib.preferences.loop import PreferenceLoop

my_prompts = ()                                               # yours: ("Tell me ...", "Explain ...")
METHOD = "dpo"                                                # or "rejection", or "rloo": section 12.5
preference = "short and plain"                                # what the synthetic labeler prefers

store = PreferenceStore()                                     # your labels: my_work/labels
loop = PreferenceLoop(
    AnswerTask(prompts=(*TRAINING_PROMPTS, *my_prompts)), store,
    my_work() / "checkpoints" / f"12-{METHOD}", run="answers" if METHOD == "dpo" else f"answers-{METHOD}",
    config=answer_config(METHOD, labels=budget(full=(32, 32, 32), ci=(6, 4, 4)),
                         updates=budget(full=None, ci=(1, 1, 1)),
                         max_new_tokens=budget(full=48, ci=12), kl_answers=budget(full=32, ci=2)))
loop.collect(round=1)
labeler = loop.labeler(answer_labeler(preference), round=1)
labeler

# %% [markdown]
# ## 12.4 A reward model on hidden states
#
# The reward model uses the language model itself to read the answers. It reads the prompt, the answer and the question "Is this a good answer?";
# its hidden states in three layers, there at the end, are 1,728 features, as in lesson 10. The reward is a weighted sum of them, fitted to your
# labels with the Bradley–Terry loss.

# %%
loop.label(labeler.require(), round=1)
fit = loop.fit(round=1)
ties = int((loop.preferences.mu == 0.5).sum())
print(f"{len(loop.preferences.mu)} labels ({loop.source}), {ties} of them ties; "
      f"the reward model explains {fit.accuracy:.0%} of the others")

# %% [markdown]
# This accuracy on the training labels says nothing: 1,728 weights can fit *any* 32 labels. What counts is the accuracy on labels that were *not*
# fitted, by **cross-validation**: leave out a part (a **fold**), fit on the others, test on it, and so for each fold. Two mistakes are common. Pairs
# of the same prompt share words, so all of them must be in one fold ([exercise 12.4](../exercises/12_your_taste.ipynb)). And a reward model may only
# have learned to count words, so compare it with the rule that looks at **length alone** ([exercise 12.5](../exercises/12_your_taste.ipynb)).

# %%
from course_lib.errors import CourseError
from course_lib.lm.answers import questions_and_answers

length_alone = mine("12.5")


def what_it_is_worth(loop):
    """Held-out accuracy of the reward model, and what length alone gets right."""
    first, second, mu = loop.ensemble.labelled
    words = [torch.tensor([float(len(text.split())) for text in questions_and_answers(side)[1]])
             for side in (first, second)]                                       # (pairs,) each
    share, rule = length_alone(*words, mu)
    try:
        print(f"on labels that it has not seen, the reward model is right about "
              f"{loop.ensemble.held_out_accuracy(folds=budget(full=5, ci=2)):.0%}")
    except CourseError as too_few:
        print(too_few)
    print(f"the rule “{rule} is better” is right about {share:.0%} of the same labels")


what_it_is_worth(loop)

# %% [markdown]
# If the rule about length predicts as well as the reward model, your preference (or the labeler's) *is* mostly about length. Know this before you
# train on it. The labeler of "short and plain" is such a case.
#
# ## 12.5 Three ways to train on it
#
# - **RLOO** (lesson 11): sample answers, score them with the reward model, subtract the mean reward of the other answers to the same prompt, and
#   take a policy-gradient step with a KL penalty.
# - **Rejection sampling**: sample several answers to each prompt, keep the one with the highest reward, fine-tune on it.
# - **DPO** (direct preference optimization; Rafailov et al. 2023): no reward model and no new answers. A policy has an **implicit reward**, the
#   log-ratio of the probabilities that it and the reference give to an answer,
#
# $$\hat r(x, y) = \beta \log \frac{\pi(y \mid x)}{\pi_\text{ref}(y \mid x)}.$$
#
# DPO puts these into the Bradley–Terry loss of lesson 03, in place of scores. [Lesson 14](14_beyond_ppo.ipynb) derives why that is allowed. Here DPO is the
# default, because it costs least: it trains on the answers that you labelled and samples none. In each round it starts from the first model again,
# with all labels so far; the other two methods continue from the last round's policy.
#
# **How far from the first model?** DPO's $\beta$ is a KL coefficient: it weighs the KL divergence against the reward and does not bound it. So the KL
# is *measured* after each round, on 32 sampled answers, and while it is above 8 nats the adapter is scaled down: $BA$ is multiplied by a number below
# 1. This is **weight interpolation** between the first model and the fine-tuned one (Wortsman et al. 2022). It takes up to a minute after the last
# update. The bound holds for the answers it was measured on; on new prompts the KL can be somewhat larger.
#
# The two curves of DPO below are the margin, the mean implicit reward of the preferred answers less that of the rejected ones, and the share of
# pairs in the batch whose margin is above 0 (`accuracy`). Both are measured on labels that are being learned.

# %%
CURVES = {"dpo": ("margin", "accuracy"), "rloo": ("reward", "kl_from_reference"),
          "rejection": ("reward", "kl_from_reference")}


def train(loop, round):
    """This round's updates, with their curves."""
    watch(loop.train(round), curves=CURVES[METHOD], past=loop.trainer.history,
          total=loop.trainer.planned * loop.trainer.run.config.batch_size,
          unit="pairs" if METHOD == "dpo" else "answers")


train(loop, 1)

# %% [markdown]
# Answers before and after this round, on prompts without labels:

# %%
from course_lib.lm.blind_evaluation import written

SHOWN = HELD_OUT_PROMPTS[:budget(full=12, ci=2)]


def before_and_after(loop, round):
    """Answers before and after a round, and one sentence of what changed."""
    texts = {}
    for number in (round - 1, round):
        agent = loop.agent(number)
        texts[number] = written(agent if number else agent.reference, SHOWN, loop.config.max_new_tokens, seed=7)
    old, new = texts.values()
    show_texts(SHOWN[:4], {"before" if round == 1 else f"after round {round - 1}": old.answers[:4],
                           f"after round {round}": new.answers[:4]})
    words = [sum(len(text.split()) for text in one.answers) / len(one.answers) for one in (old, new)]
    print(f"Round {round}: {words[1]:.0f} words an answer (before: {words[0]:.0f}); the policy is "
          f"{new.kl.mean():.1f} nats an answer away from the model it was (before: {old.kl.mean():.1f}).")


before_and_after(loop, 1)

# %% [markdown]
# ## 12.6 New answers, new labels
#
# The policy's answers have changed, so the old labels are **off-policy**: they compare answers that it would hardly give now. Labels on its new
# answers teach more (lesson 04). Two more rounds. The curves show all rounds one behind the other: where DPO starts a round from the first model again,
# margin and accuracy fall back to where they began.

# %%
loop.collect(round=2)
labeler = loop.labeler(answer_labeler(preference), round=2)
labeler

# %%
loop.label(labeler.require(), round=2)
loop.fit(round=2)
what_it_is_worth(loop)
train(loop, 2)
before_and_after(loop, 2)

# %%
loop.collect(round=3)
labeler = loop.labeler(answer_labeler(preference), round=3)
labeler

# %%
loop.label(labeler.require(), round=3)
loop.fit(round=3)
what_it_is_worth(loop)
train(loop, 3)
before_and_after(loop, 3)
loop

# %% [markdown]
# ## 12.7 A blind comparison
#
# Above you knew which column was new, and you want it to be better. A **blind** comparison removes this bias: old and new answers to prompts that
# were never trained on, with left and right drawn at random. The new model's share of wins is its **win rate**. **Do
# [exercise 12.6](../exercises/12_your_taste.ipynb)**, then compare, by the one thing that you decided on.

# %%
from course_lib.labels.labeler import Labeler
from course_lib.lm.answers import AnswerSegment
from course_lib.lm.blind_evaluation import add_blind_pairs

BLIND = HELD_OUT_PROMPTS[12:budget(full=36, ci=15)]
final = loop.agent(3)
old = written(final.reference, BLIND, loop.config.max_new_tokens, seed=21)
new = written(final, BLIND, loop.config.max_new_tokens, seed=22)
BLIND_RUN = f"{loop.run}-blind"
waiting = add_blind_pairs(store, BLIND_RUN, old, new)
prompt_of = {text: prompt for one in (old, new)
             for prompt, text in zip(one.prompts, one.answers, strict=True)}
prefers = answer_labeler(preference)


def stands_in(left, right):
    """The synthetic labeler, where nobody sits in front of this notebook; it does not know the sides either."""
    mu = prefers(*(AnswerSegment.of(prompt_of[item.text], item.text) for item in (left, right)))
    return {1.0: "left", 0.0: "right", 0.5: "equal"}[mu]


blind = Labeler(store, run=BLIND_RUN, target=waiting, synthetic=stands_in,
                title="Which answer is better?")
blind

# %%
from course_lib.lm.blind_evaluation import blind_answers, wilson
from course_lib.lm.blind_evaluation import win_rate as counted

win_rate = mine("12.6")
source = blind.require(waiting)[0].source
labels = store.labels(BLIND_RUN)
new_is_left = [label.flip for label in labels]               # the old answer is the pair's first: flipped, it is right
rate, compared = win_rate(new_is_left, [label.choice for label in labels])
low, high = wilson(rate * compared, compared)
print(f"The new model wins {rate:.0%} of {compared} blind comparisons ({source}; 95%: {low:.0%} to "
      f"{high:.0%}),\n{new.kl.mean():.1f} nats an answer away from the old one, with {new.lengths.float().mean():.0f} "
      f"tokens an answer (before: {old.lengths.float().mean():.0f}).")
if loop.source == "scripted" and METHOD == "dpo":
    expect(low > 0.5, "96 labels make a model that the labeler prefers, blind",
           ci=abs(rate - counted(blind_answers(blind.require(waiting))).rate) < 1e-9, measured=f"{rate:.2f} ({low:.2f} to {high:.2f})")

# %% [markdown]
# Two dozen pairs leave a wide 95% interval (Wilson's): with 15 wins of 24 it still contains one half. How many comparisons would it take? And did the
# model become better, or only *different in a way that you like at first sight*? Come back tomorrow and compare again.
#
# Not there yet? `loop.add_round(labels=32, updates=40)` plans one more round (4 updates for the other methods); then collect, label, fit and train as above.
#
# ## 12.8 Whole runs: results
#
# One run proves little. `benchmarks/own_preferences.py` makes whole runs with fresh seeds and several stated preferences. It compares each final
# policy with the first model (40 new prompts, five answers each) and records KL, length and CPU time. **Best of 4** needs no training: the first
# model samples four answers, and the same reward model chooses. A method without a row
# was not measured.

# %% tags=["nbval-check-output"]
jobs = {f"{method}, {kind}": results(f"{method}-{kind}")
        for kind in ("short", "simple", "cheerful") for method in ("dpo", "rloo", "rejection")}
jobs["dpo, short, 48 labels"] = results("dpo-short-48")
jobs = {name: rows for name, rows in jobs.items() if rows}
print(f"{'':22s} {'win rate of each seed':24s} best of 4   KL    tokens     distinct-2   CPU-s  GiB")
for name, rows in jobs.items():
    mean = {key: sum(row[key] for row in rows) / len(rows)
            for key in ("best_of_4", "kl", "length_before", "length", "distinct_2_before", "distinct_2", "cpu_s", "peak_gib")}
    rates = ", ".join(f"{row['win_rate']:.2f}" for row in rows)
    print(f"{name:22s} {rates:24s} {mean['best_of_4']:6.2f} {mean['kl']:8.1f}   {mean['length_before']:.0f} -> {mean['length']:.0f}"
          f"   {mean['distinct_2_before']:.2f} -> {mean['distinct_2']:.2f} {mean['cpu_s']:8.0f} {mean['peak_gib']:5.1f}")
show(plots.win_rates(jobs),
     alt="For each method and preference the blind win rate of each seed with its interval, against the KL divergence.")

# %% [markdown]
# Read the table by columns. The win rate alone says little. A policy can also raise it by moving far away (KL), by the length of its answers alone,
# or by giving similar answers to all prompts (**mode collapse**: distinct-2 falls). Best of 4 is the baseline: no training, four times the inference
# cost, and a KL of at most $\log 4 - 3/4 = 0.64$ nats (lesson 14). Each row is *one synthetic labeler's* preference and one to three seeds; none of it
# is a person's. The course's goal was a win rate of 75% at no more than 10 nats. DPO stays within 10 nats everywhere; *simple words* reaches the win
# rate, *short* comes near it, *cheerful* stays below. For *short* and *cheerful* answers, best of 4 wins about as often as the trained policy.
# For *simple words* it wins no more often than chance, and only training on the labels themselves helps.
#
# RLOO and rejection sampling learn from the *reward model*. For *simple words* it agrees with little more than six of ten labels that it was not
# fitted to. In as many CPU-seconds as DPO took, both policies moved by less than one nat there, and win little more than half.
#
# A preference that failed is not in the table: *first person*. The model hardly ever says "I", so nearly all pairs were ties. What the policy never
# does cannot be preferred; the backflip needed **exploration** for the same reason (lesson 05).
#
# ## 12.9 Optimizing the reward model without a KL penalty
#
# Take RLOO, set the KL coefficient to zero, and train on a reward model that was fitted to labels for *simple words*. No label ever said that an
# answer should still be an answer.
#
# > **Predict.** The reward model's mean reward rises. What happens to the win rate by the labeler, and to the text?

# %% tags=["nbval-check-output"]
free = results("rloo-simple-free")[0]
show(plots.over_optimisation(free["rounds"]),
     alt="Reward of the reward model and win rate by the labeler after each round, against the KL divergence.")
places = range(3)
show_texts([free["rounds"][0]["examples"][k]["prompt"] for k in places],
           {f"KL {one['kl']:.0f}": [one["examples"][k]["answer"] for k in places] for one in free["rounds"]})

# %% [markdown]
# This is over-optimisation (lesson 11; Gao et al. 2023), and here you can read it in the answers. (Each round's reward is that of its own reward
# model, so the three means cannot be compared exactly.) A reward model of a hundred labels is right near the answers that were labelled, and
# **extrapolates** elsewhere; without a penalty the policy moves there. A KL penalty, few updates, and new labels on the policy's new answers are
# three remedies.
#
# ## What you learned
#
# A pretrained model learns a preference of yours from about a hundred labels. LoRA trains a five-hundredth of the weights; the reference is the same
# model with the adapter off. A linear reward on hidden states is fitted in a second. Only its accuracy on held-out labels means something, compared
# with length alone. DPO needs neither reward model nor new answers. Whether it worked is shown by a blind comparison with an interval, together
# with KL, length and distinct-2.
#
# **What failed** (in single runs of the development). Temperature 1: invented words in every other answer, so that no labeler could choose. A system
# message, "Answer briefly.": the capital of France was answered in broken French. RLOO on a reward model that overfitted its 96 labels: empty
# answers, to which it happened to give a high reward. DPO that continued from round to round: 12 nats, and a lower win rate than from the first
# model. DPO with a learning rate of 2.5e-3 and no bound on the KL: a win rate of 90% with answers such as “Ajudi.”, at 19 nats.
#
# **Further reading.** E. Hu et al. (2021), *LoRA: low-rank adaptation of large language models*; R. Rafailov et al. (2023), *Direct preference
# optimization*; L. Ouyang et al. (2022), *Training language models to follow instructions with human feedback*; L. Gao, J. Schulman and
# J. Hilton (2023), *Scaling laws for reward model overoptimization*; M. Wortsman et al. (2022), *Robust fine-tuning of zero-shot models*; L. Ben Allal
# et al. (2025), *SmolLM2*.
#
# **Next:** in [lesson 13](13_learning_to_summarize.ipynb) the labels are real people's, and the answers are summaries.
