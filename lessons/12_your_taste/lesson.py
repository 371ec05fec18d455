# %% [markdown]
# # Lesson 12. Your preferences, a real language model
#
# **Goals.** A pretrained language model of 135 million weights answers prompts; you say which of two answers you prefer; the model learns it.
# On the way: LoRA, a reward model on the language model's own hidden states, three ways to train, and a blind test that says whether it worked.
#
# **Time.** About 80 minutes to read, run and label, 70 minutes for the exercises; the essential part takes 90 minutes in all. The cells use
# about fifteen CPU-minutes, most of them in three rounds of training. **Builds on** lessons 04, 10 and 11.
#
# You may close the lid at any moment. Tomorrow, run the cells again from the top: what is done is passed over, and everything goes on
# where it stopped.

# %%
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
torch.set_num_threads(2)


def results(job):
    """The lines of one job of benchmarks/own_preferences.py, one a seed."""
    path = root() / "benchmarks" / "results" / f"own_preferences_{job}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


stored = results("dpo-short")[0]
some = stored["examples"][:4]
show_texts([one["prompt"] for one in some], {"before": [one["before"] for one in some],
                                             "after 96 labels": [one["after"] for one in some]})

# %% [markdown]
# The same model, before and after 96 answers to the question "which of these two do you prefer?". (Here a script answered, which prefers
# *short and plain*; the run is stored with the course. Not every answer went where it should: section 12.8 counts.) In lesson 10 you labelled what strangers had written, in lesson 11 a tiny model learned
# to sound pleased. Now the texts are the model's own, the preferences yours, and the model has read a good part of the web.
#
# ## 12.1 A model that answers
#
# The model is SmolLM2 with 135 million weights, trained by its makers to follow instructions (Ben Allal et al. 2025), as it was installed
# with the course. A thousandth of the size of the models that you may know, it is often wrong about the world, and it writes sentences.
#
# A policy is more than its weights: the **temperature** $T$ belongs to it. The logits are divided by $T$ before the softmax (lesson 08).
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
# At a low temperature every draw is nearly the same answer, and there is nothing to choose from; at a high one there are words that do not
# exist. All that follows uses $T = 0.7$, for the policy and for its reference.
#
# What the trainers of lesson 11 asked of a model is one number: how likely is this whole answer? **Do
# [exercise 12.2](../exercises/12_your_taste.ipynb)** now. Here is yours, or the course's, on the real model.

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
expect(torch.allclose(ours, theirs, atol=0.05), "your log-probabilities are the policy's",
       measured=(ours - theirs).abs().max().item())

# %% [markdown]
# ## 12.2 LoRA: train a five-hundredth of it
#
# Training all weights with Adam needs four numbers for each: the weight, its gradient and two moments. **LoRA** (low-rank adaptation; Hu et al.
# 2021) leaves the weights alone. Beside a layer $W$ it puts two small matrices and trains only these:
#
# $$y = W x + \frac{\alpha}{r} B A x, \qquad A: r \times \text{in}, \quad B: \text{out} \times r$$
#
# $r$ is the **rank** of the update, 8 here. $B$ begins at zero, so training starts from the model as it is. **Do
# [exercise 12.1](../exercises/12_your_taste.ipynb)**; this checks it against a layer of the real model whose adapter has moved.

# %%
lora_forward = mine("12.1")
name, layer = next(iter(policy.lora.layers.items()))
x = torch.randn(5, layer.base.in_features, generator=torch.Generator().manual_seed(0))
B = torch.randn(layer.B.shape, generator=torch.Generator().manual_seed(1))
with torch.no_grad():
    kept = layer.B.clone()
    layer.B.copy_(B)
    wanted = layer(x)
    layer.B.copy_(kept)                                      # zero again: nothing is learned yet
bias = torch.zeros(layer.base.out_features)
ours = lora_forward(x, layer.base.weight.detach(), bias, layer.A.detach(), B,
                    layer.scale * layer.A.shape[0])
expect(torch.allclose(ours, wanted, atol=1e-3), f"your LoRA is that of {name}",
       measured=(ours - wanted).abs().max().item())

# %% [markdown]
# What does it cost? Below, one gradient step on four answers for adapters of several ranks, and of several depths: gradients have to go
# back from the top through every layer down to the lowest adapter.

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
# The rank hardly matters for the time: most of it goes into reading with the large frozen matrices. The *depth* matters. So we adapt the
# attention of the last ten of 30 layers. The other twenty never change, so what they make of a text is worked out once and kept: DPO
# meets the same answers in every update, and policy and reference share the lower two thirds of the work.
#
# The reference costs no memory at all: it is the same model with the adapter switched off.
#
# ## 12.3 You choose
#
# The loop is lesson 04's, to the letter: collect, label, fit, train. A **task** says what is compared: here two answers to the same prompt, drawn
# by the policy. (What may be compared with what is [exercise 12.3](../exercises/12_your_taste.ipynb).) There are 40 prompts, written for this course;
# add your own.
#
# **Decide what you want before you begin**, one thing that you can say in three words: *short and plain*, *warmer*, *like a pirate*? The
# model can only learn what it sometimes does by itself: if no answer ever sounds like a pirate, there is nothing to prefer. Answer "equal" where
# both are alike, and "skip" what you cannot judge.

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
                         max_new_tokens=budget(full=48, ci=24), kl_answers=budget(full=32, ci=2)))
loop.collect(round=1)
labeler = loop.labeler(answer_labeler(preference), round=1)
labeler

# %% [markdown]
# ## 12.4 A reward model on what the model knows
#
# A reward model needs a reader that understands the answers. There is one: the language model itself. It reads the prompt, the answer and the
# question "Is this a good answer?", and what it holds in three of its layers at that place are 1,728 **features**, as in lesson 10. The
# reward is a weighted sum of them, fitted to your labels by Bradley and Terry.

# %%
loop.label(labeler.require(), round=1)
fit = loop.fit(round=1)
ties = int((loop.preferences.mu == 0.5).sum())
print(f"{len(loop.preferences.mu)} labels ({loop.source}), {ties} of them ties; "
      f"the reward model explains {fit.accuracy:.0%} of the others")

# %% [markdown]
# That says nothing: with 1,728 weights one can explain 32 labels of anything. What counts are labels that were *not* fitted: **cross-validation**.
# Two traps are waiting. Pairs of the same prompt share words, so whole prompts go into a fold ([exercise 12.4](../exercises/12_your_taste.ipynb)). And a
# reward model may have learned to count words: what would **length alone** get right ([exercise 12.5](../exercises/12_your_taste.ipynb))?

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
# If the rule about length is as good as the reward model, your preference (or the labeler's) *is* mostly about length, and that is worth
# knowing before anything is trained. The labeler of "short and plain" is such a case.
#
# ## 12.5 Three ways to train on it
#
# - **RLOO** (lesson 11): write answers, score them with the reward model, subtract the mean of the other answers to the same prompt, make the
#   better ones likelier, with a KL penalty.
# - **Rejection sampling**: write several answers to each prompt, keep the one that the reward model likes best, fine-tune on it.
# - **DPO** (direct preference optimization; Rafailov et al. 2023): no reward model and no new answers. A policy has an **implicit reward**:
#   how much likelier it makes an answer than the reference does,
#
# $$\hat r(x, y) = \beta \log \frac{\pi(y \mid x)}{\pi_\text{ref}(y \mid x)}.$$
#
# DPO puts these into the Bradley–Terry loss of lesson 03, in place of scores. [Lesson 14](14_beyond_ppo.ipynb) derives why that is allowed. Here it is the default,
# because it is the cheapest: the answers that you labelled are read again and again, and none has to be written. In each round it begins
# anew at the first model, with all labels so far; the other two go on from where they are.
#
# **How far may it go?** DPO's $\beta$ says what distance costs, not how far a run goes. So the distance is *measured* after a round, on answers to
# 32 prompts, and while it is above 8 nats the adapter is **turned down**: its updates $BA$ are shrunk. Halfway between two models
# lies one that has kept most of what was learned and is nearer to where it came from (Wortsman et al. 2022). This takes up to a minute after the last update.

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
# Before and after, on prompts that nobody labelled:

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
# The policy now writes other answers than those you compared. So compare these: labels about what the policy does *now* are worth more (lesson 04). Two
# more rounds.

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
# ## 12.7 Blind
#
# You know which column is new, and you want it to be better. So now you do not know: old and new answers to prompts that were never trained on,
# sides drawn at random. **Do [exercise 12.6](../exercises/12_your_taste.ipynb)**, then compare. Keep to the one thing you decided on.

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
# Two dozen pairs leave a wide interval: with 15 wins of 24 you cannot yet say that anything was learned. How many comparisons would it take? And
# did it become better, or *different in a way you like at first sight*? Come back tomorrow and compare again.
#
# Not there yet? `loop.add_round(labels=32, updates=40)` plans one more round (4 updates for the other methods); then collect, label, fit and train as above.
#
# ## 12.8 Which way is best?
#
# One run proves little. `benchmarks/own_preferences.py` makes whole runs with other seeds and other stated preferences, compares each final
# policy blind with the model from before (40 new prompts, five answers each), and writes down what it costs. **Best of 4** trains nothing: the model
# from before writes four answers, and the same reward model chooses.

# %%
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
# Read the table by columns. The win rate alone says little: a policy can buy it with **distance** (KL), with **length**, or by saying
# the same thing to everyone (distinct-2 falls). Best of 4 is the honest competitor: no training, four times the writing, and a policy that stays where it was.
# All this is *one synthetic labeler's* preference for each row, one seed so far, and none of it is a person's. The course's own aim was 75%
# at no more than 10 nats. All three stay within the distance; *simple words* passes, *short* just misses, *cheerful* misses clearly. Where a reward
# model of 96 labels predicts well, as for *short* answers, the best of four is as good as training; where it does not, as for *simple words*,
# training on the labels themselves is better.
#
# Not in the table, because in development it failed: *first person*. The model hardly ever says "I", so nearly all pairs were ties (one run,
# not kept; `own_preferences.py dpo-first` is there for whoever wants to see). What the policy never does cannot be preferred; the backflip
# needed exploration for the same reason (lesson 05).
#
# ## 12.9 When the reward model is all there is
#
# Take RLOO, set the KL penalty to zero, and let it run on a reward model that was fitted to labels for *simple words*. What it was never told:
# that the answers should still be answers.
#
# > **Predict.** The reward model's mean reward rises. What happens to the labeler's own preference, and to the text?

# %%
free = results("rloo-simple-free")[0]
show(plots.over_optimisation(free["rounds"]),
     alt="Reward of the reward model and win rate by the labeler after each round, against the KL divergence.")
places = range(3)
show_texts([free["rounds"][0]["examples"][k]["prompt"] for k in places],
           {f"KL {one['kl']:.0f}": [one["examples"][k]["answer"] for k in places] for one in free["rounds"]})

# %% [markdown]
# This is **over-optimisation** (Gao et al. 2023), and here one can read it. (The reward of each round is that of its own reward model, fitted
# to 88, 92 and 96 labels.) A reward model of a hundred labels is right near the answers that were labelled and knows nothing elsewhere;
# without a penalty that is where the policy goes. A KL penalty, few updates, and new labels on what the policy does
# now are three answers to the same question.
#
# ## What you learned
#
# A pretrained model learns a preference of yours from about a hundred clicks. LoRA trains a five-hundredth of it; the reference is the same model with the
# adapter off. A linear reward on hidden states is fitted in a second, and its accuracy means something only on labels that it has not seen,
# beside what length alone gets right. DPO needs neither reward model nor new answers. Whether it worked is a question for a blind
# comparison with an interval, and KL, length and variety stand beside the answer.
#
# **What failed on the way to this lesson.** Temperature 1: invented words in every other answer, and nobody could say what they preferred. A
# system message of our own, "Answer briefly.": the capital of France was answered in broken French. RLOO on a reward model that had learned its
# 96 labels by heart: empty answers, which it happened to like. DPO whose policy went on from round to round: 12 nats away, and it won
# less than one that began anew. DPO begun anew at a learning rate of 2.5e-3 without a limit: 90% of the comparisons won by answers such as
# “Ajudi.”, 19 nats away. (Seen in single runs of the development, not measured on fresh seeds.)
#
# **Further reading.** E. Hu et al. (2021), *LoRA: low-rank adaptation of large language models*; R. Rafailov et al. (2023), *Direct preference
# optimization*; L. Ouyang et al. (2022), *Training language models to follow instructions with human feedback*; L. Gao, J. Schulman and
# J. Hilton (2023), *Scaling laws for reward model overoptimization*; M. Wortsman et al. (2022), *Robust fine-tuning of zero-shot models*; L. Ben Allal et al. (2025), *SmolLM2*. Next: in
# [lesson 13](13_learning_to_summarize.ipynb) the labels are real people's, and the answers are summaries.
