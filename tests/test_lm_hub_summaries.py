"""The loaders for a machine with internet, tried on small folders in the hub's own format; nothing is fetched."""

import sys

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.lm.hub_summaries import end_features, load_hub_model, load_tldr

ROW = {"info": {"id": "t3_1", "post": "I lost my keys in the park and my neighbour found them.", "title": "Keys",
                "subreddit": "tifu", "site": None, "article": None},
       "summaries": [{"text": " Lost keys, neighbour found them.", "policy": "sup2", "note": None},
                     {"text": " I went to the park.", "policy": "ref", "note": None}],
       "choice": 0, "worker": "w1", "batch": "batch3", "split": "train", "extra": {"confidence": 8}}


def write(folder, rows, part="train", name="0000.parquet"):
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:             # comes with datasets, which the tests install
        pytest.skip("pyarrow is not here")
    place = folder / "comparisons" / part
    place.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), place / name)
    return folder


def test_comparisons_in_the_hubs_own_format(tmp_path):
    article = ROW["info"] | {"post": None, "article": "Rain fell on the town."}
    second = ROW | {"info": article, "choice": 1, "extra": {"confidence": None}}
    write(write(tmp_path, [ROW, second]), [ROW], name="0001.parquet")
    first, other, _ = load_tldr(tmp_path)
    assert (first.mu, first.worker, first.confidence) == (1.0, "w1", 8)
    assert first.first == "Lost keys, neighbour found them." and first.post.startswith("I lost my keys")
    assert (other.mu, other.post, other.confidence) == (0.0, "Rain fell on the town.", None)
    assert [len(load_tldr(tmp_path, limit=limit)) for limit in (1, 2, 3, 9)] == [1, 2, 3, 3]


@pytest.mark.parametrize("row", [ROW | {"choice": 2}, ROW | {"summaries": ROW["summaries"][:1]},
                                 ROW | {"info": ROW["info"] | {"post": None}}])
def test_a_row_that_is_no_comparison_is_named(tmp_path, row):
    write(tmp_path, [ROW, row])
    with pytest.raises(CourseError, match="0000.parquet, row 1: no comparison"):
        load_tldr(tmp_path)


def test_what_is_missing_or_damaged_is_a_sentence(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="part is one of train, validation"):
        load_tldr(tmp_path, "test")
    with pytest.raises(CourseError, match="holds no comparisons/train"):
        load_tldr(tmp_path)
    write(tmp_path, [ROW])
    (tmp_path / "comparisons" / "train" / "0000.parquet").write_bytes(b"PAR1")
    with pytest.raises(CourseError, match=r"0000.parquet cannot be read .* Fetch it again"):
        load_tldr(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: (_ for _ in ()).throw(OSError("none")))
    with pytest.raises(CourseError, match=r"nobody/nothing cannot be fetched .*give the folder of a copy"):
        load_tldr("nobody/nothing")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(CourseError, match="pip install pyarrow"):
        load_tldr(tmp_path)


@pytest.fixture(scope="module")
def tiny_gpt2(tmp_path_factory):
    """A GPT-2 of two narrow layers and its tokenizer, saved as the hub keeps them."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Config, GPT2LMHeadModel, GPT2TokenizerFast

    folder = tmp_path_factory.mktemp("gpt2")
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator([ROW["info"]["post"]] * 3, vocab_size=300, special_tokens=["<|endoftext|>"],
                            show_progress=False)
    bpe.save_model(str(folder))
    GPT2TokenizerFast(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=128, n_embd=16, n_layer=2, n_head=2)).save_pretrained(folder)
    return folder


def test_a_model_in_the_hubs_own_format_reads_the_same_in_any_batch(tiny_gpt2):
    model, tokenizer = load_hub_model(tiny_gpt2)
    posts, summaries = [ROW["info"]["post"] * 5, "Short."], ["Keys.", "I lost my keys in the park."]
    rows = end_features(model, tokenizer, posts, summaries, layers=(1, -1), max_tokens=64)
    assert rows.shape == (2, 32)
    alone = end_features(model, tokenizer, posts[1:], summaries[1:], layers=(1, -1), max_tokens=64)
    assert torch.allclose(rows[1:], alone, atol=1e-5) and not torch.allclose(rows[0], rows[1])
    with pytest.raises(CourseError, match="tokens, and 4 are read in all"):
        end_features(model, tokenizer, posts, summaries, max_tokens=4)
    with pytest.raises(CourseError, match="no summary to read"):
        end_features(model, tokenizer, [], [])


def test_a_folder_without_a_model_is_a_sentence(tmp_path):
    with pytest.raises(CourseError, match=r"cannot be loaded .*give the folder of a copy"):
        load_hub_model(tmp_path)
