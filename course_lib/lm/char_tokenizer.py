"""One token for each character: the simplest tokenizer there is. Lesson 07, section 7.2.

The alphabet is the 95 characters of an English keyboard. Everything else, an é, a smiley or a line end, is spelled out:
an escape token, then the two hexadecimal digits of each of its UTF-8 bytes. Rare characters become long, but no text is
ever changed or refused. (Of the course's 1.67 million training characters 115 take this way.)
"""

import re
from collections.abc import Iterable, Sequence

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
