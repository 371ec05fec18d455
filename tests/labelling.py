"""Shared by the labelling tests: small clips, filled stores, clips that carry their own number."""

import itertools
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest import mock

import numpy as np

from course_lib.labels.fingerprints import question_key, sealed
from course_lib.labels.schema import count_again
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
    """A store with `number` answered pairs of texts in the run "texts", and 40 open ones. Past the store, for speed."""
    store = PreferenceStore(path)
    with store.transaction():
        texts = [store.add_text(f"text {index}") for index in range(max(3, int((2 * number + 100) ** 0.5) + 2))]
    with raw(store) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for place, items in enumerate(itertools.islice(itertools.combinations(texts, 2), number + 40), 1):
            key, flip = question_key("texts", "", items), place % 2
            shown = json.dumps(items[::-1] if flip else items)
            connection.execute("INSERT INTO questions VALUES(?, ?, 'texts', 0, '', ?, 0, NULL, NULL, 1, NULL, NULL,"
                               " NULL, NULL, 0)", (place, key, shown))
            connection.execute("INSERT INTO pairs VALUES(?, ?, ?, ?, ?)", (place, place, *items, flip))
            if place <= number:
                asked = {"question": place, "key": key, "run": "texts", "round": 0, "prompt": "",
                         "shown": json.loads(shown), "pair": items, "repeat_of": None, "only_for": None,
                         "priority": 0.0, "group": None}
                label = sealed({"event_id": f"{key[:32]}", "choice": ("left", "right", "equal")[place % 3],
                                "flip": flip, "labeler": labeler, "source": "human", "saved_at": 1.7e9,
                                "answered_at": 1.7e9 + place,
                                "response_ms": 900 + place, "asked": json.dumps(asked)})
                connection.execute(f"INSERT INTO labels(pair_id, {', '.join(label)})"
                                   f" VALUES(?, {', '.join('?' * len(label))})", (place, *label.values()))
        for _, sql in triggers:
            connection.execute(sql)
        count_again(connection)
        connection.execute("COMMIT")
    return store
