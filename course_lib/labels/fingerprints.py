"""Names made from content: items, questions, and the seal of a label, by which damage and foul play show.

Taught in lesson 04.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

SEALED = ("event_id", "choice", "flip", "confidence", "labeler", "source", "session", "shown_at", "answered_at",
          "saved_at", "response_ms", "plays", "weight", "asked")     # the columns of a label that its seal is made of
REALS = ("shown_at", "answered_at", "saved_at", "weight")
INTEGERS = ("flip", "confidence", "response_ms", "plays")


def item_id(kind: str, mime: str, media: bytes, packed: bytes | None) -> str:
    """The name of an item: a sha256 of all that it holds."""
    digest = hashlib.sha256()
    for part in (kind.encode(), mime.encode(), media, packed or b""):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def question_key(run: str, prompt: str, items: Sequence[str], group: str | None = None) -> str:
    """The name of a question: the same run, prompt and items, in any order, are the same question in every file.

    group: what the pair belonged to where it was imported from; the pairs of another group are other questions.
    """
    named = [run, prompt, sorted(items)] + ([] if group is None else [group])
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def repeat_key(question_key: str, labeler: str) -> str:
    """The name of a repeated question: one for each person and question."""
    return hashlib.sha256(f"repeat of {question_key} for {labeler}".encode()).hexdigest()


def label_seal(*values: object) -> str:
    """The seal of a label, from the values of its columns `SEALED` as SQLite gives them back."""
    return hashlib.sha256(json.dumps(values, default=repr).encode()).hexdigest()[:32]


def sealed(label: Mapping[str, object]) -> dict[str, object]:
    """The label as SQLite will give it back, with its seal: numbers of the columns' own kinds, absent ones None."""
    whole: dict[str, object] = dict.fromkeys(SEALED) | dict(label)
    for names, kind in ((REALS, float), (INTEGERS, int)):
        for name in names:
            whole[name] = None if whole[name] is None else kind(whole[name])
    return whole | {"seal": label_seal(*(whole[name] for name in SEALED))}
