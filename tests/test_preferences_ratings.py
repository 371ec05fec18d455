"""The human ratings and the protocol: parts for ever apart, the same comparisons everywhere, damaged files refused."""

import hashlib
import re
import shutil
from collections import defaultdict

import numpy as np
import pytest
import torch

from course_lib.errors import CourseError
from course_lib.preferences import human_ratings
from course_lib.preferences.human_ratings import (
    DOMAINS,
    PARTS,
    RatedText,
    evaluation_comparisons,
    load_rated_texts,
    part_of,
    rated_texts,
    sample_comparisons,
)

COUNTS = {"train": {"tweets": 2_913, "movies": 7_447, "products": 2_574, "editorials": 3_613},
          "validation": {"tweets": 422, "movies": 1_098, "products": 352, "editorials": 552},
          "test": {"tweets": 865, "movies": 2_060, "products": 782, "editorials": 1_025}}


def fingerprint(comparisons, count=100):
    """sha256 of the first comparisons, a line each: text, text, rater, rater, mu."""
    columns = (comparisons.first, comparisons.second, comparisons.first_rater, comparisons.second_rater,
               comparisons.mu.long())
    rows = torch.stack(columns, dim=1)[:count].tolist()
    return hashlib.sha256("\n".join(" ".join(map(str, row)) for row in rows).encode()).hexdigest()


def rating(texts, of, by):
    return np.array([texts[i].ratings[rater] for i, rater in zip(of.tolist(), by.tolist(), strict=True)])


def test_how_many_texts_and_ratings_there_are():
    texts = load_rated_texts()
    assert len(texts) == 23_703 == sum(sum(part.values()) for part in COUNTS.values())
    raters = {domain: [len(text.ratings) for text in texts if text.domain == domain] for domain in DOMAINS}
    assert {domain: sum(counts) for domain, counts in raters.items()} == {
        "tweets": 159_750, "movies": 198_810, "products": 74_160, "editorials": 103_800}
    assert min(min(counts) for counts in raters.values()) == 15
    assert sum(count > 90 for count in raters["tweets"]) == 1_000 and max(raters["movies"]) == 29
    assert {mark for text in texts for mark in text.ratings} == set(range(-4, 5))
    assert len({(text.domain, text.number) for text in texts}) == len(texts)


def test_texts_are_one_line_and_means_are_those_of_the_kept_ratings():
    for text in load_rated_texts():
        assert text.text == " ".join(text.text.split()) != ""
        assert abs(text.mean - np.mean(text.ratings)) < 1e-9


@pytest.mark.parametrize("part", PARTS)
def test_how_many_texts_each_part_holds(part):
    assert {domain: len(rated_texts(part, domain)) for domain in DOMAINS} == COUNTS[part]
    assert len(rated_texts(part)) == sum(COUNTS[part].values())


def test_no_text_stands_in_two_parts_whatever_its_spelling():
    parts = defaultdict(set)
    for part in PARTS:
        for text in rated_texts(part):
            parts[" ".join(re.findall(r"\w+", text.text.lower()))].add(part)
    assert sum(len(found) for found in parts.values()) == len(parts) > 23_000


def test_copies_that_differ_in_case_and_punctuation_share_a_part():
    copies = [("The Best film — EVER!!", "the best film ever"), ("  So-so. ", "so so"), ("Ärger?", "ärger")]
    for one, other in copies:
        assert part_of(one) == part_of(other)
    shares = [np.mean([part_of(f"sentence number {n}") == part for n in range(4_000)]) for part in PARTS]
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.03)


def test_a_second_reading_gives_the_same_texts_in_the_same_order():
    before = load_rated_texts()
    load_rated_texts.cache_clear()
    after = load_rated_texts()
    assert after == before and after is not before


@pytest.mark.parametrize(("part", "pairs", "first_wins", "sha"), [
    ("test", 6_000, 3_043, "a18f9ccafc582c0cd64c227b9c6f95c11a8e3572bb2bee1844cd91d80725eec0"),
    ("validation", 4_000, 2_026, "30bf5f79b527fdbf25fe03b3057cc5afea7710715a3e3cb11ffdffffd53c236e"),
])
def test_the_evaluation_verdicts_are_fixed(part, pairs, first_wins, sha):
    texts, comparisons = evaluation_comparisons(part)
    assert texts == rated_texts(part)
    assert len(comparisons) == pairs and comparisons.mu.sum() == first_wins
    assert fingerprint(comparisons) == sha, "every lesson's numbers hang on these comparisons"
    again = evaluation_comparisons(part)[1]
    assert all(torch.equal(column, vars(again)[name]) for name, column in vars(comparisons).items())


def test_the_verdicts_to_learn_from_are_fixed_by_their_seed():
    texts = rated_texts("train")
    comparisons = sample_comparisons(texts, 1_000, seed=1_000)
    assert fingerprint(comparisons) == "d3cd213521ffe1bc2365a1e5a44e950108b4a6e0b49748a9213d61d549b5c2a1"
    assert fingerprint(sample_comparisons(texts, 1_000, seed=1_001)) != fingerprint(comparisons)


@pytest.mark.parametrize("domain", [None, *DOMAINS])
def test_a_verdict_is_the_sign_of_two_drawn_ratings_of_two_texts(domain):
    texts, comparisons = evaluation_comparisons("test", domain)
    first = rating(texts, comparisons.first, comparisons.first_rater)
    second = rating(texts, comparisons.second, comparisons.second_rater)
    assert (first != second).all() and (comparisons.first != comparisons.second).all()
    assert (comparisons.mu.numpy() == (np.sign(first - second) + 1) / 2).all()
    assert all(len(column) == 6_000 for column in vars(comparisons).values())
    assert 0.47 < comparisons.mu.mean() < 0.53, "which text stands first is a coin"


def test_every_text_and_every_rater_has_the_same_chance():
    texts = [RatedText("tweets", str(n), f"text {n}", (-4, -2, 2, 4, *([0] * (n % 2)))) for n in range(10)]
    # equal ratings are drawn again, which favours no text and no side
    comparisons = sample_comparisons(texts, 40_000, seed=3)
    counts = torch.bincount(torch.cat([comparisons.first, comparisons.second]), minlength=10)
    even, odd = counts[::2], counts[1::2]
    assert even.max() / even.min() < 1.05 and odd.max() / odd.min() < 1.05
    raters = torch.bincount(comparisons.first_rater[comparisons.first % 2 == 0], minlength=4)
    assert len(raters) == 4 and raters.max() / raters.min() < 1.06


def test_a_small_set_gives_the_number_that_was_asked_for():
    texts = [RatedText("tweets", "1", "one", (1, 1, 1, 1, 1, 1, 1, 1, 1, 2)), RatedText("tweets", "2", "two", (1, 1))]
    comparisons = sample_comparisons(texts, 500, seed=0)
    assert len(comparisons) == 500
    assert ((comparisons.first == 0) == (comparisons.mu == 1)).all(), "only the rating 2 decides, and it wins"
    assert len(sample_comparisons(texts, 0, seed=0)) == 0


@pytest.mark.parametrize(("call", "says"), [
    (lambda: rated_texts("dev"), "train, validation, test, not 'dev'"),
    (lambda: rated_texts("test", "novels"), "tweets, movies, products, editorials"),
    (lambda: evaluation_comparisons("train"), "validation, test, not 'train'"),
    (lambda: sample_comparisons([], 5, seed=0), "at least two texts"),
    (lambda: sample_comparisons([RatedText("tweets", "1", "one", (1, 2))], 5, seed=0), "at least two texts"),
    (lambda: sample_comparisons([RatedText("tweets", n, n, (1, 1)) for n in "ab"], 5, seed=0), "different ratings"),
])
def test_what_does_not_exist_is_refused_in_words(call, says):
    with pytest.raises(ValueError, match=says):
        call()


# ---------------------------------------------------------------------------------------------- small and damaged files

@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Four domains of two texts each in the files' own format, read in place of the real ones."""
    for stem in DOMAINS.values():
        (tmp_path / f"{stem}_GroundTruth.txt").write_bytes(
            b"\xef\xbb\xbfid\tsentiment\ttext\r\n1\t0.5\tSoup  &amp; bread \r\n2\t-1\tCold\xc2\xa0soup\r\n"
            b"3\t0\tNobody rated me\r\n")
        (tmp_path / f"{stem}_anonDataRatings.txt").write_bytes(
            b"\xef\xbb\xbf\r\n1\t0.5\t0.5\t[0, 1]\r\n2\t-1\t1\t[-2, 0, -1]")
    monkeypatch.setattr(human_ratings.assets, "path", lambda name: tmp_path)
    load_rated_texts.cache_clear()
    yield tmp_path
    load_rated_texts.cache_clear()


def test_the_files_format(folder):
    texts = load_rated_texts()
    assert [(text.text, text.ratings, text.mean) for text in texts[:2]] == [
        ("Soup & bread", (0, 1), 0.5), ("Cold soup", (-2, 0, -1), -1)]
    assert [text.domain for text in texts] == [domain for domain in DOMAINS for _ in range(2)]


RATINGS, TEXTS = "movieReviewSnippets_anonDataRatings.txt", "movieReviewSnippets_GroundTruth.txt"


@pytest.mark.parametrize(("file", "content", "says"), [
    (RATINGS, None, "cannot be read"),
    (TEXTS, None, "cannot be read"),
    (RATINGS, b"1\t0\t0\t[0, 1]\n2\t0\t0\t[0, \xff]", "cannot be read"),
    (TEXTS, b"1\t0\tSoup \xff\xfe", "cannot be read"),
    (RATINGS, b"1\t0\t0\t[0, 1]\n2\t0\t0\t[0, 1, -", "line 2"),
    (RATINGS, b"1\t0\t0\t__import__('os').getcwd()", "line 1"),
    (RATINGS, b"1\t0\t0\t[0, 'great']", "line 1"),
    (RATINGS, b"1\t0\t0\t7", "line 1"),
    (RATINGS, b"1\t0\t0\t[0, 9]", "from -4 to 4"),
    (RATINGS, b"1\t0\t0\t[3]", "two or more ratings"),
    (RATINGS, b"", "No rated text"),
    (TEXTS, b"", "No rated text"),
    (TEXTS, b"\x00" * 100, "No rated text"),
    (TEXTS, b"<html>404</html>", "No rated text"),
])
def test_a_damaged_file_is_named_with_its_remedy(folder, file, content, says):
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(CourseError, match=says) as error:
        load_rated_texts()
    assert "movies" in str(error.value) or file in str(error.value)
    assert "course assets" in str(error.value)


def test_a_folder_that_is_gone(folder):
    shutil.rmtree(folder)
    with pytest.raises(CourseError, match="cannot be read"):
        load_rated_texts()
