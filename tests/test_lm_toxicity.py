"""The toxicity classifier: as the package it was made from; its file, bad input, and no offensive word in it."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from course_lib.errors import CourseError
from course_lib.lm.shipped import BPE, load_shipped
from course_lib.lm.toxicity import (
    PROVOKING,
    fingerprint,
    load_toxicity,
    provoking_prompts,
    shipped_path,
)
from course_lib.lm.toxicity_texts import INSULTS, PLAIN_TERMS, TEMPLATES, TERMS, sentences

PACKAGE = {                 # predict_prob of alt-profanity-check 1.9.1 under scikit-learn 1.9.1
    "I love this little shop.": 0.080783,
    "You pathetic idiot.": 1.000000,
    "What a stupid idea.": 0.997473,
    "Thank you!": 0.001114,
    "": 0.036376,
    "the the the": 0.036376,
    "The soup was cold and the waiter was rude.": 0.160454,
    "You are not an idiot.": 0.999999,
    "You are an id1ot.": 0.036376,
    "I am a gay person.": 0.954594,
    "I am a bisexual person.": 0.002813,
    "My neighbour is transgender.": 0.212765,
    "Our café in Zürich opens at 7 o'clock, doesn't it?": 0.173604,
    "@anonymous http://example.org/a_b-c #rainy :-(": 0.003757,
    "Terrible film, TERRIBLE": 0.123996,
}


def test_the_probabilities_are_those_of_the_package():
    assert load_toxicity()(list(PACKAGE)).tolist() == pytest.approx(list(PACKAGE.values()), abs=1e-4)


def test_case_order_and_repetition_are_read_as_tf_idf_reads_them():
    """Against the formula, written out with dense vectors for one text of two words, one of them twice."""
    toxicity = load_toxicity()
    places = [toxicity.place[fingerprint(word)] for word in ("film", "terrible")]
    values = np.array([1, 2]) * toxicity.idf[places]
    logits = toxicity.bias + toxicity.weights[:, places] @ (values / np.sqrt((values ** 2).sum()))
    right = (1 / (1 + np.exp(-logits))).mean()
    assert toxicity(["Terrible film, TERRIBLE", "film terrible terrible zzqx"]).tolist() == pytest.approx([right] * 2)


def test_log_odds_are_those_of_the_probability_and_stay_finite():
    toxicity, texts = load_toxicity(), ["", "Thank you!", "What a stupid idea.", " ".join(INSULTS) * 20]
    odds, probability = toxicity.harmless_log_odds(texts), toxicity(texts).double()
    assert torch.isfinite(odds).all() and odds[1] > odds[0] > odds[2] > odds[3]
    assert torch.allclose(torch.sigmoid(-odds.double()), probability, atol=2e-6)


def test_masked_are_the_offensive_words_alone():
    assert load_toxicity().mask("What a stupid, stupid idea it was.") == "What a s*****, s***** idea it was."


def test_one_text_in_place_of_a_list_is_refused():
    with pytest.raises(TypeError, match="put a single text in brackets"):
        load_toxicity()("You are kind.")


@pytest.mark.parametrize("change", ["missing", "truncated", "other arrays", "pickle"])
def test_a_damaged_file_says_how_to_get_it_back(tmp_path, change):
    path = tmp_path / "toxicity.npz"
    if change == "truncated":
        path.write_bytes(shipped_path().read_bytes()[:1_000])
    elif change == "other arrays":
        np.savez(path, fingerprints=np.zeros(3, np.uint64), idf=np.ones(2), weights=np.ones((5, 3)), bias=np.ones(5))
    elif change == "pickle":
        objects = np.array([{}], dtype=object)
        np.savez(path, fingerprints=objects, idf=np.ones(1), weights=np.ones((5, 1)), bias=np.ones(5))
    with pytest.raises(CourseError, match=r"git checkout toxicity\.npz"):
        load_toxicity(path)


def test_the_shipped_file_is_small_and_holds_no_words():
    with np.load(shipped_path(), allow_pickle=False) as file:
        kinds = {name: file[name].dtype.kind for name in file.files}
        marks = file["fingerprints"]
    assert kinds == {"fingerprints": "u", "idf": "f", "weights": "f", "bias": "f", "made": "U"}
    assert shipped_path().stat().st_size < 400_000 and (np.diff(marks.astype(object)) > 0).all()
    assert "MIT License" in shipped_path().with_suffix(".license.txt").read_text(encoding="utf-8")


def test_a_fingerprint_is_the_same_on_every_machine():
    assert fingerprint("film") == int.from_bytes(hashlib.blake2b(b"film", digest_size=8).digest(), "little")


def test_provoking_prompts_begin_harmlessly_and_are_others_for_each_part():
    tokenizer, toxicity = load_shipped(BPE).tokenizer, load_toxicity()
    found = {part: provoking_prompts(part, tokenizer) for part in ("validation", "test")}
    assert len(found["validation"]) > 100 and found["test"].shape[1] == 5
    assert (toxicity([tokenizer.decode(row[1:].tolist()) for row in found["test"]]) < PROVOKING).all()
    assert (found["test"][:, 0] == tokenizer.eos).all()


def test_templates_differ_in_the_term_alone():
    assert len(set(TERMS) & set(PLAIN_TERMS)) == 0 and len(sentences("tall")) == len(TEMPLATES)
    for one, other in zip(sentences("tall"), sentences("busy"), strict=True):
        assert one.lower().replace("tall", "") == other.lower().replace("busy", "") and one[0].isupper()


def test_what_is_not_known_changes_nothing():
    """A classifier without words says the same about every text: only its bias is left."""
    empty = replace(load_toxicity(), place={})
    assert len(set(empty(["What a stupid idea.", "Thank you!", ""]).tolist())) == 1
