"""Gold and proxy learn from different texts, and none from a text that is tested on."""

from course_lib.lm.rewards import gold_comparisons, gold_texts, proxy_texts
from course_lib.preferences.human_ratings import part_of


def test_gold_and_proxy_learn_from_different_texts_of_the_training_part():
    gold, proxy = gold_texts(), proxy_texts()
    assert not {text.text.lower() for text in gold} & {text.text.lower() for text in proxy}
    assert 0.4 < len(gold) / (len(gold) + len(proxy)) < 0.6
    assert all(part_of(text.text) == "train" for text in [*gold, *proxy][::25])


def test_golds_verdicts_are_about_golds_texts():
    texts, comparisons = gold_comparisons()
    assert texts == gold_texts() and len(comparisons) == 30_000
    assert max(comparisons.first.max(), comparisons.second.max()) < len(texts)
