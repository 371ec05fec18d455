"""The texts and their split; rows begin at a text; a missing download is said in words."""

import pytest
import torch

from course_lib.assets import AssetError
from course_lib.errors import CourseError
from course_lib.lm import data
from course_lib.lm.data import TokenStream, short_texts
from course_lib.lm.tokenizers import CharTokenizer
from course_lib.preferences import human_ratings
from course_lib.preferences.human_ratings import rated_texts

CHARACTERS = CharTokenizer()
STREAM = TokenStream.of(["first", "second text", "third"], CHARACTERS)


def test_the_parts_are_those_of_the_ratings():
    for part in ("train", "validation", "test"):
        assert list(short_texts(part)) == [text.text for text in rated_texts(part)]


def test_no_text_is_trained_on_and_tested_on():
    def words(part):
        return {" ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
                for text in short_texts(part)}

    assert not words("train") & words("test") and not words("train") & words("validation")


def test_a_missing_download_is_said_in_words(monkeypatch):
    def gone(name):
        raise AssetError("human-ratings could not be fetched")

    human_ratings.load_rated_texts.cache_clear()
    data.short_texts.cache_clear()
    monkeypatch.setattr(human_ratings.assets, "path", gone)
    with pytest.raises(CourseError, match="could not be fetched"):
        short_texts("train")
    monkeypatch.undo()
    assert short_texts("validation")


def test_texts_stand_between_end_tokens():
    assert STREAM.tokens[STREAM.starts].tolist() == [0, 0, 0] and STREAM.tokens[-1] == 0
    assert (STREAM.tokens == 0).sum() == 4
    assert CHARACTERS.decode(STREAM.tokens.tolist()) == "firstsecond textthird"


def test_rows_begin_at_a_text_and_targets_are_one_ahead():
    inputs, targets = STREAM.batch(50, 7, torch.Generator().manual_seed(0))
    assert inputs.shape == targets.shape == (50, 7)
    assert (inputs[:, 0] == 0).all() and inputs[:, 1:].equal(targets[:, :-1])
    assert {CHARACTERS.decode(row.tolist())[:3] for row in inputs} == {"fir", "sec"}        # the third is too short


def test_the_same_generator_draws_the_same_rows():
    one, two = (STREAM.batch(4, 5, torch.Generator().manual_seed(2))[0] for _ in range(2))
    assert one.equal(two)


def test_evenly_spaced_rows_are_always_the_same():
    inputs, targets = STREAM.evenly_spaced(2, 5)
    assert [CHARACTERS.decode(row.tolist()) for row in inputs] == ["firs", "thir"]
    assert [CHARACTERS.decode(row.tolist()) for row in targets] == ["first", "third"]


def test_rows_longer_than_the_stream_are_refused_in_words():
    with pytest.raises(CourseError, match="No row of 99 tokens"):
        STREAM.batch(1, 99, torch.Generator())


def test_no_texts_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        TokenStream.of([], CHARACTERS)
