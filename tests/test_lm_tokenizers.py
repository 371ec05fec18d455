"""Tokenizers: every Unicode text comes back unchanged, end tokens never arise from a text, nonsense decodes."""

import random

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.lm.shipped import BPE, load_shipped
from course_lib.lm.tokenizers import BPETokenizer, CharTokenizer, begin, decode_until_end

TEXTS = ["the cat sat on the mat", "the bat and the rat", "that was a great film, the best of the year"] * 20
TRICKY = ["", " ", "  two  spaces ", "line\nend\ttab\r\n\x00", "café naïve Zürich",
          "\U0001f600\U0001f469\u200d\U0001f467",
          "\u202eright to left", "\u05e9\u05dc\u05d5\u05dd", "\u65e5\u672c\u8a9e", "e\u0301 é", "\ufeffmark",
          "\U0010ffff", "\ue000", "<|endoftext|>", "a<|endoftext|>b", "~!@#$%^&*()\\`'\"", "\ufb01 \xbd \ufdfa",
          "\x00", "\r", "\x85\u2028\u2029", "\u0301\u0308 marks alone", "n\u0303\u0301\u0323\u0489", "\u200d\ufe0f",
          "\u0627\u0644\u0639\u064e\u0631\u064e\u0628\u0650\u064a\u0651\u0629 \u200fabc\u200e",
          "1\ufe0f\u20e3 \U0001f1e9\U0001f1ea", "\U0001f9d1\U0001f3fd\u200d\U0001f4bb",
          "\U0001f3f4\U000e0067\U000e0062\U000e007f", "\u0e01\u0e33 \u0928\u093f",
          "\U00010000\U0001d49c\U00020000\U000e0001", "\x7f\x80\x9f", "\u0120 \u0121 \u010a", "\ufffd"]


@pytest.fixture(scope="module", params=["characters", "byte pairs", "the shipped byte pairs"])
def tokenizer(request):
    if request.param == "the shipped byte pairs":
        return load_shipped(BPE).tokenizer
    return CharTokenizer() if request.param == "characters" else BPETokenizer.train(TEXTS, 300)


def random_texts(count: int) -> list[str]:
    """Texts of code points from all planes, surrogates left out; many from the first, where the traps are."""
    luck = random.Random(0)

    def character() -> str:
        while True:
            code = luck.randrange(luck.choice([128, 256, 0x3000, 0x10000, 0x110000]))
            if not 0xD800 <= code < 0xE000:
                return chr(code)

    return ["".join(character() for _ in range(luck.randrange(24))) for _ in range(count)]


@pytest.mark.parametrize("text", TRICKY)
def test_tricky_texts_come_back_unchanged(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_random_texts_come_back_unchanged(tokenizer):
    for text in random_texts(3_000):
        assert tokenizer.decode(tokenizer.encode(text)) == text, ascii(text)


def test_all_characters_of_the_first_plane_and_some_of_every_other_block_come_back_unchanged(tokenizer):
    for start in range(0, 0x110000, 4_096):
        step = 1 if start < 0x10000 else 17
        text = "".join(chr(code) for code in range(start, start + 4_096, step) if not 0xD800 <= code < 0xE000)
        assert tokenizer.decode(tokenizer.encode(text)) == text, hex(start)


def test_no_text_holds_an_end_token_and_all_ids_are_in_range(tokenizer):
    for text in TRICKY + random_texts(500):
        assert all(0 < token < tokenizer.vocab_size for token in tokenizer.encode(text)), ascii(text)


def test_many_at_once_are_the_same_as_one_by_one(tokenizer):
    assert tokenizer.encode_batch(TRICKY) == [tokenizer.encode(text) for text in TRICKY]


def test_any_ids_decode(tokenizer):
    luck = random.Random(1)
    for _ in range(2_000):
        assert isinstance(tokenizer.decode([luck.randrange(tokenizer.vocab_size) for _ in range(12)]), str)


def test_end_tokens_are_left_out_of_texts(tokenizer):
    ids = tokenizer.encode("ab")
    assert tokenizer.decode([tokenizer.eos, *ids, tokenizer.eos]) == "ab"


def test_a_row_is_read_up_to_its_end(tokenizer):
    one, two = tokenizer.encode("one"), tokenizer.encode("two")
    eos = tokenizer.eos
    assert decode_until_end(tokenizer, torch.tensor([eos, *one, eos, *two, eos])) == "one"
    assert decode_until_end(tokenizer, torch.tensor(one)) == "one"


def test_a_lone_surrogate_is_refused(tokenizer):
    with pytest.raises(UnicodeError):
        tokenizer.encode("\ud800")
    with pytest.raises(UnicodeError):
        tokenizer.encode_batch(["fine", "\ud800"])


def test_a_beginning_holds_the_end_token_and_the_text(tokenizer):
    rows = begin(tokenizer, "ab", batch=2)
    assert rows.tolist() == [[tokenizer.eos, *tokenizer.encode("ab")]] * 2
    assert begin(tokenizer).tolist() == [[tokenizer.eos]]


def test_a_character_is_a_token_and_a_rare_one_is_spelled_out():
    tokenizer = CharTokenizer()
    assert tokenizer.vocab_size == 97 and len(tokenizer.encode("plain text!")) == 11
    assert len(tokenizer.encode("é")) == 6


def test_a_broken_escape_becomes_a_mark():
    tokenizer = CharTokenizer()
    a, z = tokenizer.encode("a")[0], tokenizer.encode("z")[0]
    assert tokenizer.decode([tokenizer.escape]) == "�"
    assert tokenizer.decode([a, tokenizer.escape, z, z, a]) == "a�a"
    assert tokenizer.decode([tokenizer.escape, tokenizer.escape, a, z]) == "�z"


def test_the_same_texts_give_the_same_byte_pairs():
    assert BPETokenizer.train(TEXTS, 290).engine.to_str() == BPETokenizer.train(TEXTS, 290).engine.to_str()


def test_frequent_strings_become_one_token():
    tokenizer = BPETokenizer.train(TEXTS, 300)
    assert len(tokenizer.encode(" the")) == 1 and tokenizer.token(tokenizer.encode(" the")[0]) == " the"
    assert tokenizer.token(0) == "<|endoftext|>"


def test_byte_pairs_are_saved_and_read_again(tmp_path):
    tokenizer = BPETokenizer.train(TEXTS, 300)
    tokenizer.save(tmp_path / "deep" / "bpe.json")
    again = BPETokenizer.load(tmp_path / "deep" / "bpe.json")
    assert again.encode_batch(TRICKY) == tokenizer.encode_batch(TRICKY) and again.vocab_size == tokenizer.vocab_size


def test_a_tokenizer_that_is_missing_or_damaged_is_refused_in_words(tmp_path):
    with pytest.raises(CourseError, match="cannot be read"):
        BPETokenizer.load(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(CourseError, match="holds no tokenizer"):
        BPETokenizer.load(tmp_path / "bad.json")


def test_fewer_tokens_than_bytes_are_refused():
    with pytest.raises(ValueError, match="257"):
        BPETokenizer.train(TEXTS, 256)
