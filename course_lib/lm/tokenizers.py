"""Tokenizers: the interface that the rest of `course_lib.lm` asks for, characters, and byte-pair encoding. Lesson 08.

`CharTokenizer`, one token for each character, is the simplest there is (section 8.2). The alphabet is the 95 characters
of an English keyboard. Everything else, an é, a smiley or a line end, is spelled out: an escape token, then the two
hexadecimal digits of each of its UTF-8 bytes. Rare characters become long, but no text is ever changed or refused. (Of
the course's 1.67 million training characters 115 take this way.)

`BPETokenizer` makes one token of frequent strings of characters (section 8.9). Source: R. Sennrich, B. Haddow, A. Birch
(2016), "Neural machine translation of rare words with subword units", section 3.2; on bytes as in GPT-2 (Radford et al.
2019, section 2.2). The `tokenizers` library does the counting and merging.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import torch
from tokenizers import Tokenizer as Engine
from tokenizers import decoders, models, pre_tokenizers, trainers
from torch import Tensor

from course_lib.atomic import in_a_sentence, write_text
from course_lib.errors import CourseError


class Tokenizer(Protocol):
    """Text to token ids and back. `decode(encode(text)) == text` for every Unicode text.

    The end token stands between two texts: it ends one and, put in front, begins the next.
    """

    vocab_size: int
    eos: int

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without any end token."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of any ids, also of nonsense that a model sampled; end tokens are left out."""

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts."""


def decode_until_end(tokenizer: Tokenizer, row: Tensor) -> str:
    """The text of one row of tokens (T,): from its first token, an end token or not, up to the next end token."""
    ids = row.tolist()
    if tokenizer.eos in ids[1:]:
        ids = ids[:ids.index(tokenizer.eos, 1)]
    return tokenizer.decode(ids)


def begin(tokenizer: Tokenizer, text: str = "", batch: int = 1) -> Tensor:
    """(batch, 1 + length) the same beginning for every row: the end token, which begins a text, and `text`."""
    return torch.tensor([[tokenizer.eos, *tokenizer.encode(text)]]).repeat(batch, 1)


KEYBOARD = "".join(chr(code) for code in range(32, 127))
_DIGITS = re.compile("[0-9a-f]{2}")


class CharTokenizer:
    """Ids: 0 the end token, 1 the escape token, from 2 on the keyboard's characters in ASCII order."""

    eos, escape = 0, 1
    vocab_size = 2 + len(KEYBOARD)

    def __init__(self) -> None:
        self.ids = {character: number for number, character in enumerate(KEYBOARD, start=2)}

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without any end token. Lone surrogates, which UTF-8 cannot hold, raise UnicodeError."""
        ids = []
        for character in text:
            if character in self.ids:
                ids.append(self.ids[character])
            else:
                for byte in character.encode():
                    ids += [self.escape, *(self.ids[digit] for digit in f"{byte:02x}")]
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of any ids; end tokens are left out, and a broken escape, which a model may sample, becomes �."""
        content, tokens = bytearray(), iter(token for token in ids if token != self.eos)
        for token in tokens:
            if token != self.escape:
                content += KEYBOARD[token - 2].encode()
                continue
            digits = "".join(KEYBOARD[d - 2] if d != self.escape else "?" for d in (next(tokens, 1), next(tokens, 1)))
            content += bytes.fromhex(digits) if _DIGITS.fullmatch(digits) else b"\xff"
        return content.decode(errors="replace")

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts."""
        return [self.encode(text) for text in texts]


END = "<|endoftext|>"


class BPETokenizer:
    """Byte-level BPE. Ids: 0 the end token, 1 to 256 single bytes, from 257 on the merges in the order they were found.

    A text that happens to spell out `<|endoftext|>` is encoded as those characters, never as the end token.
    """

    eos = 0

    def __init__(self, engine: Engine):
        self.engine = engine
        self.engine.encode_special_tokens = True            # spelled out in a text, the end token is plain characters
        self.vocab_size = engine.get_vocab_size()

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> "BPETokenizer":
        """Learn the merges from texts: the same texts in the same order give the same tokenizer.

        Raises ValueError for fewer than 257 tokens: each byte needs one, and so does the end.
        """
        if vocab_size < 257:
            raise ValueError(f"256 bytes and the end token need 257 tokens; {vocab_size} were asked for")
        engine = Engine(models.BPE())
        engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        engine.decoder = decoders.ByteLevel()
        engine.train_from_iterator(texts, trainers.BpeTrainer(
            vocab_size=vocab_size, special_tokens=[END], show_progress=False,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
        return cls(engine)

    @classmethod
    def load(cls, path: Path) -> "BPETokenizer":
        """Read what `save` wrote. Raises CourseError when the file is missing or holds no tokenizer."""
        try:
            return cls(Engine.from_str(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise CourseError(f"The tokenizer {path} cannot be read ({error.strerror}). Train one with "
                              "BPETokenizer.train and save it there, or give another path.") from error
        except Exception as error:      # the library raises a bare Exception for a text that is no tokenizer
            raise CourseError(f"{path} holds no tokenizer ({error}). Delete it and train again.") from error

    def save(self, path: Path) -> None:
        """Write the tokenizer as JSON, in the format of the `tokenizers` library, whole or not at all."""
        with in_a_sentence(Path(path)):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            write_text(Path(path), self.engine.to_str(pretty=True))

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without any end token. Lone surrogates, which UTF-8 cannot hold, raise UnicodeError."""
        text.encode()
        return self.engine.encode(text).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts."""
        for text in texts:
            text.encode()
        return [encoding.ids for encoding in self.engine.encode_batch(list(texts))]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of any ids; end tokens are left out, and bytes that are no character become �."""
        return self.engine.decode([token for token in ids if token != self.eos])

    def token(self, number: int) -> str:
        """One token as it is read in a text: for tables. A part of a character is shown as �."""
        return END if number == self.eos else self.engine.decode([number])
