"""Labels in and out: what trl and imitation read, import and merge without doubles, agreement figures."""

import copy
import json

import numpy as np
import pytest
from labelling import clip_store, into_one_file, rows, side_of, text_store

from course_lib.errors import CourseError
from course_lib.labels import queue
from course_lib.labels.exchange import fragment_pairs, read_arrays, write_arrays, write_jsonl
from course_lib.labels.import_lines import read_preferences
from course_lib.labels.merge import merge
from course_lib.labels.statistics import agreement, agreement_of, labeler_stats
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.evaluation import split_by_group


def question_ids(store):
    return [row[0] for row in rows(store, "SELECT question_id FROM questions ORDER BY question_id")]


def prefer(store, question, text, labeler="ann", **told):
    return store.answer(question, side_of(store, question, text), labeler=labeler, **told)


@pytest.fixture
def labelled(tmp_path):
    """Four pairs with the prompt "p": text 0 over 1, text 3 over 2, a tie, a skip."""
    store = text_store(tmp_path / "labels.sqlite", 4, prompt="p <b>&")
    first, second, third, fourth = question_ids(store)
    prefer(store, first, "text 0")
    prefer(store, second, "text 3")
    store.answer(third, "equal", labeler="ann")
    store.answer(fourth, "skip", labeler="ann")
    return store


# ---- JSON lines --------------------------------------------------------------------------------------------------

def test_jsonl_has_prompt_chosen_rejected(labelled, tmp_path):
    assert write_jsonl(labelled, "texts", tmp_path / "out.jsonl") == (2, 1)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["prompt"], row["chosen"], row["rejected"]) for row in rows] == [
        ("p <b>&", "text 0", "text 1"), ("p <b>&", "text 3", "text 2")]
    assert {row["source"] for row in rows} == {"human"} and {row["weight"] for row in rows} == {1.0}


@pytest.mark.slow
def test_trl_trains_on_the_export(labelled, tmp_path):
    """One step of trl's DPO on the exported file, with a model of a few hundred parameters."""
    from datasets import load_dataset
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
    from trl import DPOConfig, DPOTrainer

    write_jsonl(labelled, "texts", tmp_path / "out.jsonl")
    rows = load_dataset("json", data_files=str(tmp_path / "out.jsonl"), cache_dir=str(tmp_path))["train"]
    words = {word: number for number, word in enumerate(["[PAD]", "[EOS]", "[UNK]", "text", "p", *"0123<b>&"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", eos_token="[EOS]", unk_token="[UNK]")
    size = {"vocab_size": len(words), "n_embd": 8, "n_layer": 1, "n_head": 1, "n_positions": 32}
    model = GPT2LMHeadModel(GPT2Config(**size, bos_token_id=1, eos_token_id=1, pad_token_id=0))
    options = DPOConfig(output_dir=str(tmp_path / "dpo"), max_steps=1, per_device_train_batch_size=2, report_to=[],
                        use_cpu=True, bf16=False, save_strategy="no", logging_steps=1)
    trainer = DPOTrainer(model=model, ref_model=copy.deepcopy(model), args=options, train_dataset=rows,
                         processing_class=fast)
    done = trainer.train()
    assert np.isclose(done.training_loss, np.log(2), atol=0.05), "a model that is its own reference starts at log 2"


def test_import_restores_the_verdicts_and_may_be_repeated(labelled, tmp_path):
    write_jsonl(labelled, "texts", tmp_path / "out.jsonl")
    other = PreferenceStore(tmp_path / "other.sqlite")
    first, again = (read_preferences(other, tmp_path / "out.jsonl", "texts", "someone") for _ in range(2))
    assert (first.new, first.duplicates, again.new, again.duplicates) == (2, 0, 0, 2)
    better = [(p.sigma1 if p.mu == 1 else p.sigma2).text for p in other.preferences("texts")]
    assert better == ["text 0", "text 3"] and {p.labeler for p in other.preferences("texts")} == {"ann"}


def test_import_reads_foreign_lines(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"prompt": "", "chosen": "yes", "rejected": "no"}\n\n')
    store = PreferenceStore(tmp_path / "labels.sqlite")
    first, again = (read_preferences(store, tmp_path / "in.jsonl", "foreign", "them") for _ in range(2))
    assert (first.new, first.duplicates, again.new, again.duplicates) == (1, 0, 0, 1)
    [preference] = store.preferences("foreign")
    assert (preference.labeler, preference.source) == ("them", "human")


# ---- arrays --------------------------------------------------------------------------------------------------------

def labelled_clips(path):
    store = clip_store(path, 3)
    for question, choice in zip(question_ids(store), ("left", "equal", "right"), strict=True):
        store.answer(question, choice, labeler="ann")
    return store


def check_against_imitation(pairs):
    """What `imitation` asserts: of TrajectoryWithRew, and of the arguments of PreferenceDataset.push."""
    assert pairs.preferences.dtype == np.float32 and pairs.preferences.shape == (len(pairs.fragments),)
    for fragment in (one for pair in pairs.fragments for one in pair):
        assert vars(fragment).keys() == {"obs", "acts", "infos", "terminal", "rews"}
        assert len(fragment.obs) == len(fragment.acts) + 1 > 1 and fragment.infos is None
        assert fragment.rews.shape == (len(fragment.acts),) and np.issubdtype(fragment.rews.dtype, np.floating)
        assert isinstance(fragment.terminal, bool)


def test_arrays_are_what_imitation_takes(tmp_path):
    store = labelled_clips(tmp_path / "labels.sqlite")
    pairs = fragment_pairs(store.preferences("clips"))
    check_against_imitation(pairs)
    firsts = [pair[0].obs[0, 0] for pair in pairs.fragments]
    assert firsts == [0, 2, 4] and pairs.preferences[1] == 0.5
    left = [store.question(question).shown[0].info["number"] for question in question_ids(store)]
    assert pairs.preferences[0] == (left[0] == 0) and pairs.preferences[2] == (left[2] != 4)
    assert all(np.isnan(fragment.rews).all() for pair in pairs.fragments for fragment in pair), "no true reward in it"


def test_arrays_survive_the_file(tmp_path):
    store = labelled_clips(tmp_path / "labels.sqlite")
    assert write_arrays(store, "clips", tmp_path / "out.npz") == 3
    direct, read = fragment_pairs(store.preferences("clips")), read_arrays(tmp_path / "out.npz")
    check_against_imitation(read)
    np.testing.assert_array_equal(read.preferences, direct.preferences)
    np.testing.assert_array_equal(read.groups, direct.groups)
    for one, other in zip(read.fragments, direct.fragments, strict=True):
        for side in (0, 1):
            np.testing.assert_array_equal(one[side].obs, other[side].obs)
            np.testing.assert_array_equal(one[side].acts, other[side].acts)


def test_the_wrong_kind_is_named(tmp_path, labelled):
    with pytest.raises(CourseError, match="holds clips"):
        write_jsonl(labelled_clips(tmp_path / "clips.sqlite"), "clips", tmp_path / "out.jsonl")
    with pytest.raises(CourseError, match="no observations and actions"):
        write_arrays(labelled, "texts", tmp_path / "out.npz")


# ---- merge ---------------------------------------------------------------------------------------------------------

def test_two_people_become_one_file_without_doubles(tmp_path):
    ann, bob = text_store(tmp_path / "ann.sqlite", 6), text_store(tmp_path / "bob.sqlite", 6)
    for store, labeler in ((ann, "ann"), (bob, "bob")):
        for number, question in enumerate(question_ids(store)):
            prefer(store, question, f"text {2 * number}", labeler)
    together = PreferenceStore(tmp_path / "all.sqlite")
    assert merge(together, ann.path).labels == 6 and merge(together, bob.path).labels == 6
    assert [(again.labels, again.duplicates) for again in (merge(together, ann.path), merge(together, bob.path))] == [
        (0, 6), (0, 6)]
    assert together.counts("texts", []).total == 6, "the same texts are the same question in both files"
    assert [p.mu for p in together.preferences("texts")] == [1.0] * 12, "though the sides were drawn apart"
    assert agreement(together, "texts").percent == 1.0


def test_merge_turns_items_that_are_numbered_the_other_way(tmp_path):
    here, there = PreferenceStore(tmp_path / "here.sqlite"), PreferenceStore(tmp_path / "there.sqlite")
    here.add_pair(here.add_text("a"), here.add_text("b"), run="r")
    question = there.add_pair(there.add_text("b"), there.add_text("a"), run="r")
    prefer(there, question, "b")
    merge(here, there.path)
    [(sigma1, _, mu)] = here.preferences("r")
    assert (sigma1.text, mu) == ("a", 0.0)


def test_merge_brings_rankings_undos_and_repeats(tmp_path):
    there = text_store(tmp_path / "there.sqlite", 6)
    ranking = there.add_ranking([there.add_text(word) for word in "abc"], run="texts")
    shown = [item.text for item in there.question(ranking).shown]
    there.answer(ranking, ranks=["cab".index(word) for word in shown], labeler="ann")
    for question in question_ids(there)[:6]:
        there.answer(question, "left", labeler="ann")
    repeat = queue.add_due_repeat(there, "texts", "ann", 0.2)
    there.answer(repeat, "right", labeler="ann")
    fifth = question_ids(there)[5]
    there.undo("texts", "ann", event_id=next(
        label.event_id for label in there.labels("texts") if label.question_id == fifth))
    there.answer(fifth, "left", labeler="scripted", source="scripted")
    there.take_back_all("texts", ["scripted"], "scripted", after_round=-1, reason="only the human labels are kept")
    here = PreferenceStore(tmp_path / "here.sqlite")
    assert merge(here, there.path).labels == 3 + 6 + 1 + 1
    assert {row[0] for row in rows(here, "SELECT reason FROM undos")} == {None, "only the human labels are kept"}
    assert [(p.sigma1.text, p.sigma2.text, p.mu) for p in here.preferences("texts")] == [
        (p.sigma1.text, p.sigma2.text, p.mu) for p in there.preferences("texts")]
    assert here.counts("texts", ["ann"]) == there.counts("texts", ["ann"])
    assert [pair["same"] for pair in queue.repeats(here, "texts", ["ann"])] == [True]


def test_two_people_of_one_name(tmp_path):
    one, other = text_store(tmp_path / "one.sqlite", 2), text_store(tmp_path / "other.sqlite", 2)
    prefer(one, question_ids(one)[0], "text 0", "kim")
    prefer(other, question_ids(other)[0], "text 1", "kim")
    merged = merge(one, other.path)
    assert (merged.labels, merged.set_aside) == (0, ["kim"])
    assert merge(one, other.path).set_aside == ["kim"] and len(one.preferences("texts")) == 1
    kept = len(rows(one, "SELECT * FROM set_aside"))
    assert kept == 1, "merging twice keeps it once"
    fresh = PreferenceStore(tmp_path / "fresh.sqlite")
    merge(fresh, one.path)
    assert merge(fresh, other.path, labeler="second kim").labels == 1
    assert agreement(fresh, "texts").percent == 0.0


def test_merge_leaves_the_other_file_alone(tmp_path, labelled):
    into_one_file(labelled)
    before = labelled.path.read_bytes()
    merge(PreferenceStore(tmp_path / "here.sqlite"), labelled.path)
    assert labelled.path.read_bytes() == before
    with pytest.raises(CourseError, match="not there"):
        merge(labelled, tmp_path / "nowhere.sqlite")


# ---- figures -------------------------------------------------------------------------------------------------------

def test_kappa_and_alpha_by_hand():
    """50 pairs, the textbook table 20 / 5 / 10 / 15: observed .70, expected .50, so kappa .40."""
    table = {(1.0, 1.0): 20, (1.0, 0.0): 5, (0.0, 1.0): 10, (0.0, 0.0): 15}
    preferences, pair = {}, 0
    for (one, other), count in table.items():
        for _ in range(count):
            preferences |= {("ann", pair): one, ("bob", pair): other}
            pair += 1
    found = agreement_of(preferences)
    assert (found.pairs, found.percent) == (50, 0.7) and found.kappa == pytest.approx(0.4)
    # Krippendorff: 1 - (n - 1) * disagreeing / (n1 * n0), with n = 100 values, 55 ones, 45 zeros, 2 * 15 unequal twos
    assert found.alpha == pytest.approx(1 - 99 * 15 / (55 * 45))


def test_undefined_figures_are_none():
    assert agreement_of({("ann", 1): 1.0, ("bob", 2): 0.0}).percent is None
    always = agreement_of({(name, pair): 1.0 for name in ("ann", "bob") for pair in range(4)})
    assert (always.percent, always.kappa, always.alpha) == (1.0, None, None)
    three = agreement_of({(name, pair): float(pair % 2) for name in "abc" for pair in range(4)})
    assert (three.percent, three.kappa, three.alpha) == (1.0, None, pytest.approx(1.0))


def test_stats_of_a_person(labelled):
    labelled.undo("texts", "ann")
    [stats] = labeler_stats(labelled, "texts")
    assert (stats.labeler, stats.undone, stats.median_seconds) == ("ann", 1, None)
    assert sum(stats.choices.values()) == 3 and stats.choices["equal"] == 1


# ---- splits --------------------------------------------------------------------------------------------------------

def test_a_split_keeps_the_pairs_of_a_ranking_together(tmp_path):
    store = PreferenceStore(tmp_path / "labels.sqlite")
    for number in range(10):
        ranking = store.add_ranking([store.add_text(f"{number} {word}") for word in "abc"], run="order")
        store.answer(ranking, ranks=[0, 1, 2], labeler="ann")
    train, test = split_by_group(store.preferences("order"), test_share=0.3, seed=1)
    assert (len(train), len(test)) == (21, 9) and not {p.group for p in train} & {p.group for p in test}
    again = split_by_group(store.preferences("order"), test_share=0.3, seed=1)
    assert [p.group for p in again[1]] == [p.group for p in test]
    assert {p.group for p in split_by_group(store.preferences("order"), 0.3, seed=2)[1]} != {p.group for p in test}
    with pytest.raises(ValueError, match="share between 0 and 1"):
        split_by_group([], test_share=20)
