"""The rated summaries: what the files hold, preferences from ratings, splits by article, damaged files refused."""

import json

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.lm.summaries import (
    ASPECTS,
    ASPECTS_FILE,
    FILES,
    load_summaries,
    of_part,
    preferences_from_ratings,
    read_summaries,
    split_by_text,
)
from course_lib.preferences.evaluation import human_ceiling, pair_accuracy


def row(text, summary, scores, annotators=(1, 2, 3)):
    return {"text": text, "summary": summary, "scores": list(scores), "annotators_ids": list(annotators)}


def write(folder, cnn=None, daily=None, aspects=None):
    """The three files of the asset, small."""
    cnn = cnn or [row("Rain fell.", "Rain.", (3, 2, 1)), row("Rain fell.", "Snow.", (1, 2, 3), (1, 3, 4))]
    daily = daily or [row("A cat ran.", "Cat.", (4, 0, 2))]
    each = {aspect: {"scores": [1, 2], "annotators_ids": [1, 2]} for aspect in ASPECTS}
    aspects = aspects or [{"text": "A  cat ran.", "summary": "Cat .", "map_quality_scores": each}]
    for name, rows in ((FILES["cnn"], cnn), (FILES["daily"], daily), (ASPECTS_FILE, aspects)):
        (folder / name).write_text(rows if isinstance(rows, str) else json.dumps(rows))
    return folder


def test_what_the_real_files_hold():
    summaries = load_summaries()
    assert len(summaries) == 855 and len({one.article for one in summaries}) == 400
    assert sum(len(one.ratings) for one in summaries) == 5_510 + 2_968
    assert {score for one in summaries for score in one.ratings} == set(range(5))
    assert len({number for one in summaries for number in one.annotators}) == 13
    assert sum(bool(one.aspects) for one in summaries) == 289
    pairs = preferences_from_ratings(summaries)
    assert len(pairs) == 2_379 + 1_623
    assert len({summaries[i].article for i in pairs.first.tolist()}) == 200


def test_others_agree_with_an_annotator_less_often_than_a_mean_that_holds_them():
    """Without the annotator's own rating the mean of the rest is right about .66; with it, it seems to be .76."""
    summaries = load_summaries()
    pairs = preferences_from_ratings(summaries)
    assert 0.65 < human_ceiling(summaries, pairs) < 0.68
    assert 0.74 < pair_accuracy(torch.tensor([one.mean for one in summaries]), pairs) < 0.77
    assert 0.61 < pair_accuracy(torch.tensor([float(len(one.summary.split())) for one in summaries]), pairs) < 0.64


def test_every_preference_is_one_annotator_about_one_article():
    summaries = load_summaries()
    for aspect in (None, "Fluent"):
        pairs = preferences_from_ratings(summaries, aspect)
        assert len(pairs)
        columns = zip(*(getattr(pairs, name).tolist() for name in ("first", "second", "mu", "first_rater",
                                                                   "second_rater")), strict=True)
        for i, j, mu, a, b in columns:
            first, second = summaries[i], summaries[j]
            assert first.article == second.article and i != j
            if aspect is None:
                assert first.annotators[a] == second.annotators[b]
                assert (first.ratings[a] > second.ratings[b]) == bool(mu) and first.ratings[a] != second.ratings[b]


def test_splits_are_by_article_repeat_themselves_and_differ():
    summaries = load_summaries()
    pairs = preferences_from_ratings(summaries)
    train, test = split_by_text(summaries, pairs, seed=0)
    articles = [{summaries[i].article for i in part.first.tolist()} for part in (train, test)]
    assert not articles[0] & articles[1] and len(articles[1]) == 40 and len(train) + len(test) == len(pairs)
    again = split_by_text(summaries, pairs, seed=0)[1]
    assert torch.equal(again.first, test.first)
    assert not torch.equal(split_by_text(summaries, pairs, seed=1)[1].first[:100], test.first[:100])
    parts = [of_part(summaries, pairs, part) for part in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [2_640, 451, 911]
    with pytest.raises(ValueError, match="cannot be split"):
        split_by_text(summaries, pairs, seed=0, test_share=0)


def test_a_small_folder_by_hand(tmp_path):
    summaries = read_summaries(write(tmp_path))
    assert [one.summary for one in summaries] == ["Rain.", "Snow.", "Cat."]
    pairs = preferences_from_ratings(summaries)         # annotator 1: 3 > 1; annotator 3: 1 < 2; 2 and 4 saw one
    assert pairs.mu.tolist() == [1, 0] and pairs.first.tolist() == [0, 0] and pairs.second.tolist() == [1, 1]
    assert pairs.first_rater.tolist() == [0, 2] and pairs.second_rater.tolist() == [0, 1]
    assert dict(summaries[2].aspects)["Fluent"].scores == (1, 2)
    with pytest.raises(ValueError, match="aspect is None or one of Fluent"):
        preferences_from_ratings(summaries, "Funny")
    assert len(preferences_from_ratings(summaries, "Fluent")) == 0


@pytest.mark.parametrize(("cnn", "message"), [
    ('[{"text": "Rain', "cannot be read"), ("[]", "holds no list of summaries"), ("{}", "holds no list of summaries"),
    ([row("A", "B", (1, 2))], "entry 0.*each with its annotator"), ([row("A", "B", (1, 2, 5))], "from 0 to 4"),
    ([row("A", " ", (1, 2, 3))], "summary is empty"), ([row("A", "B", (1, 2, 3), (1, 1, 2))], "rated it twice"),
    ([row("A", "B", (1, 2, float("nan")))], "from 0 to 4"), ([{"text": "A"}], "entry 0: KeyError"), ([3], "entry 0"),
    ([row("A", 3, (1, 2, 3))], "summary is empty")])
def test_damaged_files_are_a_sentence_that_names_file_and_entry(tmp_path, cnn, message):
    with pytest.raises(CourseError, match=rf"CNN_DailyMail_555.json.*{message}"):
        read_summaries(write(tmp_path, cnn=cnn))


def test_a_missing_file_and_damaged_aspects(tmp_path):
    write(tmp_path, aspects=[{"text": "A", "summary": "B", "map_quality_scores": {}}])
    with pytest.raises(CourseError, match="aspects.json, entry 0"):
        read_summaries(tmp_path)
    (tmp_path / ASPECTS_FILE).unlink()
    with pytest.raises(CourseError, match="cannot be read"):
        read_summaries(tmp_path)
