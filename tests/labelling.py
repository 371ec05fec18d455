"""Shared by the labelling tests: small clips, filled stores, clips that carry their own number."""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest import mock

import numpy as np

from course_lib.labels.store import PreferenceStore

BLOCKS = 5                                          # a frame number in binary, as five black or white blocks


def counter_clip(number: int, frames: int = 12, height: int = 60, width: int = 80) -> np.ndarray:
    """(T, H, W, 3): each frame shows its own number in blocks in the upper half, and the clip's number in the lower."""
    clip = np.zeros((frames, height, width, 3), np.uint8)
    clip[..., 2] = 60
    for frame in range(frames):
        for row, value in ((0, frame), (1, number)):
            for block in range(BLOCKS):
                colour = (255, 255, 255) if value >> block & 1 else (0, 0, 0)
                top, left = row * height // 2 + 4, 4 + block * (width // BLOCKS)
                clip[frame, top:top + height // 2 - 8, left:left + width // BLOCKS - 6] = colour
    return clip


def clip_store(path: Path, pairs: int, run: str = "clips", **size: int) -> PreferenceStore:
    """A store with this many pairs of clips: clip 2i and 2i + 1, so that no two pairs share a picture (up to 16)."""
    store = PreferenceStore(path)
    with store.transaction():
        for pair in range(pairs):
            ids = [store.add_clip(counter_clip(number % 32, **size), obs=np.full((12, 2), number, np.float32),
                                  acts=np.zeros(12, np.int64), number=number) for number in (2 * pair, 2 * pair + 1)]
            store.add_pair(*ids, run=run)
    return store


def text_store(path: Path, pairs: int, run: str = "texts", prompt: str = "") -> PreferenceStore:
    """A store with this many pairs of texts: "text 0" against "text 1", "text 2" against "text 3", ..."""
    store = PreferenceStore(path)
    with store.transaction():
        for pair in range(pairs):
            store.add_pair(*[store.add_text(f"text {number}") for number in (2 * pair, 2 * pair + 1)], run=run,
                           prompt=prompt)
    return store


@contextmanager
def raw(store: PreferenceStore) -> Iterator[sqlite3.Connection]:
    """A connection of our own to the label file, past the store: what it writes is written at once."""
    with closing(sqlite3.connect(store.path, timeout=10, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def rows(store: PreferenceStore, statement: str, *values: object) -> list[sqlite3.Row]:
    """What this SQL finds in the label file, or does to it, past the store."""
    with raw(store) as connection:
        return connection.execute(statement, values).fetchall()


def into_one_file(store: PreferenceStore) -> None:
    """Write what is still in the write-ahead log into the label file, so that a test may damage or compare it."""
    rows(store, "PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def full_disk(store: PreferenceStore) -> Iterator[None]:
    """The disk is full for this thread: the label file cannot grow by a page."""
    connect = sqlite3.connect

    def without_room(*given: object, **options: object) -> sqlite3.Connection:
        connection = connect(*given, **options)
        connection.execute("PRAGMA max_page_count = 1")         # SQLite takes the present size: no page more
        return connection

    store.close()
    try:
        with mock.patch("sqlite3.connect", without_room):
            yield
    finally:
        store.close()


def side_of(store: PreferenceStore, question_id: int, text: str) -> str:
    """On which side of the question this text stands."""
    return ("left", "right")[[item.text for item in store.question(question_id).shown].index(text)]


def many_labels(path: Path, number: int, labeler: str = "ann") -> PreferenceStore:
    """A store with `number` answered pairs of texts in the run "texts", and 40 open ones. 200 texts make all pairs."""
    store = PreferenceStore(path)
    with store.transaction():
        texts = [store.add_text(f"text {index}") for index in range(max(3, int((2 * number + 100) ** 0.5) + 2))]
        pairs = itertools.combinations(texts, 2)
        for place, (one, other) in enumerate(itertools.islice(pairs, number + 40)):
            question = store.add_pair(one, other, run="texts")
            if place < number:
                store.answer(question, ("left", "right", "equal")[place % 3], labeler=labeler, response_ms=900 + place,
                             answered_at=1.7e9 + place)
    return store
