"""What comes out of lessons 08 to 15, language models: a line for the README and the sentences for docs/results.md."""

import statistics

from course_lib.lm.blind_evaluation import wilson
from tools.results_figures import (
    DASH,
    between,
    claim,
    column,
    each,
    keyed,
    load,
    mean_interval,
    percent,
    plus_minus,
    span,
)

FRESH = 1000                                # seeds from here on chose no setting
Row = tuple[str, str, str, list[str]]       # result; seeds and interval; where from; the longer sentences


def lesson_08() -> Row:
    """Pretraining two small GPTs, and their speed."""
    char, pieces = load("text_char"), load("text_bpe")
    train, write = load("text_train-speed"), load("text_generate-speed")
    aim = pieces[0]["target"]["bits_per_char"]
    nats, seeds = mean_interval(column(char, "nats_per_char"), 2)
    return (f"a GPT of {char[0]['parameters'] / 1e6:.2f} million weights: {nats} nats a character on unseen texts",
            seeds, "`text.py`", [
            f"A character GPT of {char[0]['parameters'] / 1e6:.2f} million weights: "
            f"{span(column(char, 'nats_per_char'), 2)} nats a character on unseen texts after "
            f"{span(column(char, 'cpu_s'))} CPU-seconds, {len(char)} seeds. One of word pieces: "
            f"{each(column(pieces, 'bits_per_char'), 3)} bits a character after {span(column(pieces, 'cpu_s'))} "
            f"(the aim was {aim:.3f}) (`benchmarks/text.py`).",
            f"Training runs at {span(column(train, 'ratio'), 1)} times the speed of transformers' GPT-2 (the aim was "
            f"{train[0]['target']['ratio']}), writing at {span(column(write, 'ratio'), 2)} times (the aim was "
            f"{write[0]['target']['ratio']})."])


def lesson_09() -> Row:
    """Fine-tuning, then a reward without a leash."""
    sft, paid = load("text_sft"), [row["looks"][-1] for row in load("text_paid")]
    before, after = ([row[when]["vader"] for row in sft] for when in ("before", "after"))
    return (f"rewarded for sentiment without a KL penalty: VADER {span(column(paid, 'vader'), 2)}, “great great good”",
            f"{len(paid)} seeds; KL {span(column(paid, 'kl'))} nats", "`happy.py`", [
            f"Fine-tuned on happy texts, VADER goes from {span(before, 2)} to {span(after, 2, to=DASH)}. Rewarded by "
            f"VADER without a KL penalty, {span(column(paid, 'vader'), 2)} at a KL of {span(column(paid, 'kl'))} nats "
            f"and a distinct-2 of {span(column(paid, 'distinct_2'), 2)}: “great great good”, whatever the prompt "
            f"(`benchmarks/happy.py`, {len(paid)} seeds)."])


def lesson_10() -> Row:
    """Reward models for text by the number of labels."""
    def accuracies(kind: str, labels: int) -> list[float]:
        return column(keyed("text_reward", f"{kind} {labels} "), "test_accuracy")

    def means(kind: str) -> list[float]:
        return [100 * statistics.mean(accuracies(kind, labels)) for labels in (300, 1000, 10_000)]

    lines = keyed("text_reward", "lines")[0]
    share, seeds = mean_interval([100 * value for value in accuracies("frozen", 300)], 0, "%")
    return (f"a frozen 135M model and 300 comparisons by people predict {share} of unseen ones", seeds,
            "`text_reward.py`", [
            "On a frozen pretrained model, 300, 1,000 and 10,000 comparisons by real people predict "
            f"{each(means('frozen'), 0)}% of unseen comparisons; a model of words {each(means('words'), 0)}%; a small "
            f"transformer {each(means('small-lm'), 0)}%; experts' dictionary {percent(lines['vader'])}, all other "
            f"people together {percent(lines['ceiling'])} (`benchmarks/text_reward.py`)."])


def lesson_11() -> Row:
    """PPO with a KL penalty, and over-optimisation of a poor reward model."""
    rows, best = load("text_rl_vader"), load("text_rl_best-of-n")[0]["evaluations"][-1]
    free, held = ([run["evaluations"] for run in load(f"text_rl_{job}") if run["seed"] >= FRESH]
                  for job in ("few-no-kl", "few"))

    def gained(runs: list[list[dict]], name: str) -> str:
        gains = [(run[-1]["rewards"][name] - run[0]["rewards"][name]) / run[0]["stds"][name] for run in runs]
        return f"{min(gains):+.1f} to {max(gains):+.1f}"

    start = rows[0]["evaluations"][0]["rewards"]["vader"]
    return (f"PPO with a KL penalty: VADER from {start:.2f} to "
            f"{span(column(rows, 'vader'), 2, to=DASH)} (aim {rows[0]['target']['vader']:.2f})",
            f"{len(rows)} seeds; KL {span(column(rows, 'kl'), 1)} nats",
            "`text_rl.py`", [
            f"PPO with a KL penalty: VADER from {start:.2f} to {span(column(rows, 'vader'), 2, to=DASH)} at "
            f"{span(column(rows, 'kl'), 1)} nats in {span(column(rows, 'cpu_s'))} CPU-seconds, {len(rows)} seeds; the "
            f"aim was {rows[0]['target']['vader']:.2f} (best of {best['updates']} without training: "
            f"{best['rewards']['vader']:.2f}).",
            f"Trained on a reward model from 100 comparisons, {len(free)} seeds: without a KL penalty that reward "
            f"gains {gained(free, 'proxy')} standard deviations and a far better reward model {gained(free, 'gold')}; "
            f"with the penalty {gained(held, 'proxy')} and {gained(held, 'gold')} (`benchmarks/text_rl.py`)."])


def lesson_12() -> Row:
    """A pretrained model and a stated preference."""
    words = {"simple": "simple words", "short": "short and plain", "cheerful": "cheerful"}
    runs = {kind: load(f"own_preferences_dpo-{kind}") for kind in words}
    others = {name: load(f"own_preferences_{job}-simple")
              for name, job in (("rejection sampling", "rejection"), ("RLOO", "rloo"))}
    free = load("own_preferences_rloo-simple-free")[0]

    def won(many: list[dict]) -> str:
        return each([100 * run["win_rate"] for run in many]) + "%"

    every = [run for many in runs.values() for run in many]
    wide = 50 * statistics.mean(run["high"] - run["low"] for run in every)
    lesson = claim("12", "96 labels make a model that the labeler prefers, blind")
    return (f"135M model, {every[0]['labels']} labels of its answers, DPO: wins {won(runs['simple'])} for simple words",
            f"{len(runs['simple'])} seeds; short and plain {won(runs['short'])}, cheerful {won(runs['cheerful'])}",
            "`own_preferences.py`", [
            f"A pretrained model of 135 million weights learns a stated preference of a synthetic labeler from "
            f"{every[0]['labels']} labels of its own answers, by DPO with LoRA in {span(column(every, 'cpu_s'))} "
            "CPU-seconds (beside other work). On unseen prompts it wins blind comparisons, seed by seed from 1000 up: "
            + "; ".join(f"{won(many)} for *{words[kind]}* at {span(column(many, 'kl'))} nats"
                        for kind, many in runs.items())
            + f". Each is known to {wide:.0f} points either way (95% interval); the aim was 75% within 10 nats and 600 "
            "CPU-seconds.",
            "Taught simple words by as many labels, "
            + " and ".join(f"{name} wins {won(many)} ({span(column(many, 'kl'), 1)} nats)"
                           for name, many in others.items())
            + ". The best of four answers of the untrained model wins "
            + ", ".join(f"{span([100 * run['best_of_4'] for run in many])}% for *{words[kind]}*"
                        for kind, many in runs.items())
            + ". RLOO without a KL penalty drives the learned reward up and leaves answers of "
            f"{free['length']:.0f} tokens that win {won([free])} (`benchmarks/own_preferences.py`).",
            f"The run that is stored in the lesson won {lesson} of fewer blind comparisons."])


def lesson_13() -> Row:
    """A reward model of summaries against length alone."""
    rows = load("summarize_reward")

    def both(name: str) -> str:
        every, matched = ([row["accuracy"][name][k] for row in rows] for k in (0, 1))
        return f"{plus_minus(every)}% and {plus_minus(matched)}%"

    first, splits = [row["accuracy"]["states"][0] for row in rows], load("summarize_layers")
    alone = [row["accuracy"]["length"][0] for row in rows]
    best = 100 * statistics.mean(row["accuracy"]["last 15, 18, 20; l2 4"] for row in splits)
    gain, copied = (claim("13", words) for words in ("best of 16 has a clearly higher reward, on every kind of text",
                                                     "and no higher overlap with what a person wrote"))
    low, high = (float(end) for end in (min(gain.strip("[]").split(", ")), max(gain.strip("[]").split(", "))))
    return (f"4,002 preferences about summaries: {plus_minus(first)}% predicted",
            f"{len(rows)} splits by article; length alone {plus_minus(alone)}%",
            "`summarize.py`", [
            f"4,002 preferences of single annotators between two summaries of one article; accuracy over {len(rows)} "
            "splits by article, on all pairs and on pairs whose lengths differ by 10% at most: a linear reward on "
            f"states of layers 15, 18 and 20 of the frozen 135M model {both('states')}, with seven simple numbers "
            f"added {both('states and scalars')}; length alone {both('length')}; the mean of all other annotators "
            f"{both('others')}. The aim was 68%: reached on the {len(splits)} splits where settings were chosen "
            f"({best:.1f}%), not on fresh ones (`benchmarks/summarize.py`).",
            f"Best of 16 samples of 24 to 48 tokens raises the reward by {low:.1f} to {high:.1f} standard deviations, "
            f"and ROUGE-L with references does not move ({' to '.join(copied.split(', '))})."])


def lesson_14() -> Row:
    """Ways from preferences to a better model, and training with an exact checker."""
    names = {"best-of-16": "best of 16", "rejection": "rejection sampling", "ppo": "PPO", "rloo": "RLOO",
             "grpo": "GRPO", "dpo-own": "DPO on pairs of the model's own texts",
             "dpo": "DPO on the texts that people compared", "ipo": "IPO", "kto": "KTO on the same"}
    runs = {job: load(f"beyond_ppo_text-{job}") for job in names}
    kl = {job: statistics.mean(run["evaluations"][-1]["kl"] for run in many) for job, many in runs.items()}
    wins = {job: [100 * run["wins"] / run["texts"] for run in many] for job, many in runs.items()}
    sums, longer = load("beyond_ppo_sums-grpo"), load("beyond_ppo_sums-sft")
    ends = [(run["evaluations"][0], run["evaluations"][-1], run["cpu_s"]) for run in sums]

    def moved(name: str) -> str:
        return ", ".join(f"{percent(first[name])[:-1]} to {percent(last[name])}" for first, last, _ in ends)

    hacked = claim("14", "the policy gets its reward without adding")
    return (f"3,000 labels: PPO wins {statistics.mean(wins['ppo']):.0f}% against the SFT model at {kl['ppo']:.0f} nats",
            f"{len(runs['ppo'])} seeds ({span(wins['ppo'], 0)}%)", "`beyond_ppo.py`", [
            f"One SFT model, {runs['dpo'][0]['labels']:,} labels; wins against the SFT model by a better reward model, "
            "mean of the seeds (lowest to highest): " + "; ".join(
                f"{names[job]} {statistics.mean(wins[job]):.0f}% ({span(wins[job], 0)}) at {kl[job]:.1f} nats"
                + (" at most" if job == "best-of-16" else "") for job in runs)
            + f"; {span([len(many) for many in runs.values()])} seeds each (`benchmarks/beyond_ppo.py`).",
            f"GRPO with an exact checker of sums: right at first try {moved('pass_at_1')} on unseen sums in "
            f"{each([cpu for *_, cpu in ends], 0)} CPU-seconds ({len(sums)} seeds, a beginner of its own each), "
            f"pass@16 {moved('pass_at_16')}. The same {longer[0]['with_answers']} sums with answers, read for "
            f"{span(column(longer, 'cpu_s'))} CPU-seconds more: "
            + ", ".join(f"{percent(run['before'])[:-1]} to {percent(run['after'])}" for run in longer)
            + ". With a check that stops at the end of the shorter text the model learns to answer nothing "
            f"({hacked})."])


def lesson_15() -> Row:
    """Length, ensembles, a judge, and several processes."""
    length, share = load("scale_length"), 0.9

    def mean(name: str, figure: str) -> float:
        rows = [one for run in length for one in run["rows"] if one["share"] == share and one["name"] == name]
        values = column(rows, figure)
        return statistics.mean(value[1] if isinstance(value, list) else value for value in values)

    def said(name: str) -> str:
        return (f"{percent(mean(name, 'accuracy'))} of unseen ones, and its best of 16 has {mean(name, 'words'):.1f} "
            f"words and a mean rating of {mean(name, 'gold'):.2f}")

    ensembles, labels = load("scale_ensembles"), load("scale_labels")

    def gold(name: str) -> str:
        return f"{statistics.mean(run['gold'][name][-1] for run in ensembles):.2f}"

    first, asked = claim("15", "the judge follows the position").split(", ")[0], claim(
        "15", "asked about one text at a time, the same model knows more")
    people, model = ([next(one for one in run["rows"] if one["count"] == count)[who] for run in labels]
                     for count, who in ((1000, "people"), (10_000, "model")))
    odds = load("scale_opinions")[0]["odds"]
    right = {name: sum(value > 0 for value in odds[name]) for name in odds}
    apart, toxicity = load("scale_processes")[0], load("scale_toxicity")

    def flagged(when: str) -> str:
        return f"{statistics.mean(100 * run[when]['flagged'] for run in toxicity):.1f}%"

    nats = statistics.mean(run["probability"]["kl"] for run in toxicity)
    interval = between(*wilson(right["wrong"], len(odds["wrong"])))
    return (f"a user's wrong opinion takes it from {right['None']} right answers of {len(odds['None'])} to "
            f"{right['wrong']}", f"{len(odds['wrong'])} questions ({interval})", "`scale.py`", [
            "On real ratings: a reward fitted to 1,000 preferences of which 90% were selected to favour the longer "
            f"text predicts {said('plain')}; with length taken out {said('controlled')} ({len(length)} seeds).",
            f"Five linear rewards with 100 labels each: the best of {ensembles[0]['sizes'][-1]:,} by their mean is "
            f"rated {gold('mean, own labels')}, by one reward with all 500 {gold('one proxy, all labels')}; five on "
            f"the same 100 {gold('mean, same labels')}, one alone {gold('one proxy')}.",
            f"The frozen 135M model as judge of pairs says “A” in {percent(float(first))} of readings. Asked about "
            f"one text at a time it agrees with {percent(float(asked))} of people's preferences; 10,000 labels by it "
            f"teach {plus_minus(model)}%, 1,000 by people {plus_minus(people)}%.",
            f"A user's wrong opinion takes it from {right['None']} right answers of {len(odds['None'])} to "
            f"{right['wrong']} (`benchmarks/scale.py`).",
            f"Rewarded for a low probability by a toxicity classifier, a small model's flagged texts fall from "
            f"{flagged('before')} to {flagged('probability')} at {nats:.1f} nats ({len(toxicity)} seeds).",
            f"Two processes of trl end within {apart['apart']:.1e} of the weights of one, where training moves them "
            f"by up to {apart['moved']:.1e} (`tests/test_lm_scale_training.py`)."])


TEXTS = {"08": lesson_08, "09": lesson_09, "10": lesson_10, "11": lesson_11, "12": lesson_12, "13": lesson_13,
         "14": lesson_14, "15": lesson_15}
