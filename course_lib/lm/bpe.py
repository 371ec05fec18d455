"""Byte-pair encoding: frequent strings of characters become one token. Lesson 07, section 7.9.

Source: R. Sennrich, B. Haddow, A. Birch (2016), "Neural machine translation of rare words with subword units", section
3.2; on bytes as in GPT-2 (Radford et al. 2019, section 2.2). The `tokenizers` library does the counting and merging.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer as Engine
from tokenizers import decoders, models, pre_tokenizers, trainers

from course_lib.atomic import in_a_sentence, write_text
from course_lib.errors import CourseError

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
