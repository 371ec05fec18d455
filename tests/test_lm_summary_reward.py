"""Reading summaries behind a cached article, sampling them, the shipped features, and the reward fitted to them."""

import numpy as np
import pytest
import torch

from course_lib.errors import CourseError
from course_lib.lm.summaries import preferences_from_ratings, some_of, split_by_text
from course_lib.lm.summarizer import Policy, Samples, write_summaries
from course_lib.lm.summary_features import SummarySettings, frozen_reader, question, read_summaries_of
from course_lib.lm.summary_metrics import copy_rate, lead, random_sentences, rouge_l, scalars, sentences
from course_lib.lm.summary_reward import (
    SummaryReward,
    compared_summaries,
    fit_summary_reward,
    length_matched,
    load_summary_features,
    others_agree,
    shipped_path,
    uncompared_articles,
)
from course_lib.lm.summary_texts import TEXTS
from course_lib.preferences.evaluation import human_ceiling, pair_accuracy

ARTICLE, SUMMARIES = TEXTS[0].text, [TEXTS[0].reference, "A road is closed.", lead(TEXTS[0].text, 36)]


@pytest.fixture(scope="module")
def tiny():
    """A Llama of two narrow layers in the place of the 135M model, with the real tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = frozen_reader()[1]
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=len(tokenizer), hidden_size=576, intermediate_size=32, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True)
    return LlamaForCausalLM(config).eval(), tokenizer


SETTINGS = SummarySettings(last_of=(1, 2), mean_of=(1,), article_tokens=40)


def test_a_cached_article_gives_what_reading_everything_at_once_gives(tiny):
    model, tokenizer = tiny
    read = read_summaries_of([ARTICLE] * 3, SUMMARIES, SETTINGS, progress=False, reader=tiny)
    chat = [{"role": "system", "content": "You are a helpful AI assistant."},
            {"role": "user", "content": question(tokenizer, ARTICLE, SETTINGS)}]
    before = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    before, cue = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (before, SETTINGS.cue))
    for place, summary in enumerate(SUMMARIES):
        ids = tokenizer(summary, add_special_tokens=False)["input_ids"]
        tokens = torch.tensor([before + ids + cue])
        with torch.no_grad():
            out = model(tokens, output_hidden_states=True)
        inside = slice(len(before), len(before) + len(ids))
        wanted = torch.cat([out.hidden_states[1][0, -1], out.hidden_states[2][0, -1],
                            out.hidden_states[1][0, inside].mean(0)])
        assert torch.allclose(read.features[place], wanted, atol=1e-4)
        logprobs = out.logits[0, :-1].log_softmax(-1).gather(-1, tokens[0, 1:, None])[:, 0]
        said = logprobs[len(before) - 1:len(before) - 1 + len(ids)].sum()
        assert torch.allclose(read.logprobs[place], said, atol=1e-3)
        assert read.lengths[place] == len(ids)


def test_articles_may_stand_in_any_order(tiny):
    articles = [ARTICLE, TEXTS[1].text, ARTICLE]
    read = read_summaries_of(articles, SUMMARIES, SETTINGS, progress=False, reader=tiny)
    alone = read_summaries_of(articles[1:2], SUMMARIES[1:2], SETTINGS, progress=False, reader=tiny)
    assert torch.allclose(read.features[1], alone.features[0], atol=1e-4)


@pytest.mark.parametrize(("articles", "summaries", "message"), [
    ([ARTICLE], ["Fine.", "Too many."], "2 summaries of 1 articles"), ([], [], "0 summaries of 0"),
    ([ARTICLE, ARTICLE], ["Fine.", " \n"], "Summary 1 is empty, and so are 0 others")])
def test_what_cannot_be_read_is_a_sentence(tiny, articles, summaries, message):
    with pytest.raises(CourseError, match=message):
        read_summaries_of(articles, summaries, SETTINGS, progress=False, reader=tiny)


def test_samples_repeat_themselves_and_a_greedy_policy_writes_what_the_model_says(tiny):
    settings = SummarySettings(article_tokens=30)
    policy = Policy("drawn", temperature=1.0)

    def draw(seed):
        return write_summaries(ARTICLE, 3, policy, torch.Generator().manual_seed(seed), 6, settings, reader=tiny)

    assert draw(0).texts == draw(0).texts != draw(1).texts and len(draw(0).texts) == 3
    greedy = write_summaries(ARTICLE, 2, Policy("greedy", temperature=0.0), None, 4, settings, reader=tiny)
    assert greedy.texts[0] == greedy.texts[1]
    with pytest.raises(ValueError, match="at least one summary"):
        write_summaries(ARTICLE, 0, policy, reader=tiny)


def test_the_filter_wants_whole_sentences_of_allowed_length():
    samples = Samples(["A.", "B.", "C", "D."], torch.tensor([24, 23, 30, 49]), torch.tensor([True, True, False, True]))
    assert samples.passes() == [True, False, False, False] and samples.passes(1, 99) == [True, True, False, True]


def test_the_shipped_features_predict_people_better_than_length():
    summaries, known = compared_summaries(), load_summary_features()
    assert known.rows.shape == (655, 200) and shipped_path().stat().st_size < 2_000_000
    pairs = preferences_from_ratings(summaries)
    words = torch.tensor([float(len(one.summary.split())) for one in summaries])
    found = []
    for seed in (2_000, 2_001, 2_002):
        train, test = split_by_text(summaries, pairs, seed)
        rewards = fit_summary_reward(known.rows, train).rewards(known.rows)
        matched = some_of(test, length_matched(summaries, test))
        found.append([pair_accuracy(score, part) for part in (test, matched) for score in (rewards, words)])
    means = np.mean(found, axis=0)
    assert means[0] > means[1] + 0.01 and means[2] > means[3] + 0.02 and 0.6 < means[0] < 0.72


def test_others_agree_is_the_human_ceiling_pair_by_pair():
    summaries = compared_summaries()
    pairs = some_of(preferences_from_ratings(summaries), torch.arange(300))
    assert others_agree(summaries, pairs).mean().item() == pytest.approx(human_ceiling(summaries, pairs))


def test_a_reward_is_standardized_over_the_rated_summaries_and_no_article_is_in_two_sets():
    summaries, known = compared_summaries(), load_summary_features()
    reward = SummaryReward.of(fit_summary_reward(known.rows, preferences_from_ratings(summaries)), known)
    values = (reward.linear.rewards(known.rows) - reward.mean) / reward.std
    assert abs(values.mean()) < 1e-4 and abs(values.std() - 1) < 1e-4
    assert not {one.article for one in summaries} & set(uncompared_articles()) and len(uncompared_articles()) == 200


@pytest.mark.parametrize("damage", [lambda content: content[:1000], lambda content: b"",
                                    lambda content: content.replace(b"codes.npy", b"cades.npy")])
def test_a_damaged_file_of_features_is_a_sentence(tmp_path, damage):
    file = tmp_path / "summaries_135m.npz"
    file.write_bytes(damage(shipped_path().read_bytes()))
    with pytest.raises(CourseError, match="summaries_135m.npz cannot be read .*git checkout"):
        load_summary_features(file)


def test_metrics_by_hand():
    text = "The cat sat on the mat. It slept. Then the dog came home late and barked."
    assert sentences(text) == ["The cat sat on the mat.", "It slept.", "Then the dog came home late and barked."]
    assert lead(text, 8) == "The cat sat on the mat. It slept." and lead(text, 3) == "The cat sat"
    assert copy_rate(text, lead(text, 8)) == 1 and copy_rate(text, "A bird sang in a tree.") == 0
    assert copy_rate(text, "") == 0 and copy_rate(text, "the mat") == 1
    assert rouge_l("the cat slept", "the cat sat and slept") == pytest.approx(2 * 3 / 8) and rouge_l("", "a") == 0
    assert random_sentences(text, 8, 0) in {lead(text, 8), "Then the dog came home late and barked."}
    table = scalars([text, text], ["It slept.", "The cat sat on the mat. The cat sat."])
    assert table.shape == (2, 6) and torch.isfinite(table).all() and table[1, 5] > 0


def test_the_courses_own_texts_are_summarized_within_the_limits():
    tokenizer = frozen_reader()[1]
    for one in TEXTS:
        assert 24 <= len(tokenizer(one.reference)["input_ids"]) <= 48
        assert copy_rate(one.text, one.reference) < 0.2
