"""The label store: one SQLite file with everything that was shown and everything that was answered.

Safe for several threads, notebooks and processes at once, and for a power cut: an answer that `answer` has returned
from is on the disk (label_file.py). The tables are in schema.py, serving is in queue.py, mending in check.py, joining
two files in merge.py. The files of this folder know the tables; everybody else calls methods.

Taught in lesson 04; used from lesson 00 on.
"""

import io
import json
import os
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from course_lib.errors import CourseError
from course_lib.labels.backups import back_up
from course_lib.labels.fingerprints import item_id, question_key, sealed
from course_lib.labels.label_file import GONE_ELSEWHERE, has_orphaned_log, is_foreign
from course_lib.labels.label_reader import LabelReader
from course_lib.labels.media import check_frames, sheet
from course_lib.labels.records import side_from_ranks
from course_lib.labels.schema import MIGRATIONS, migrate, version
from course_lib.paths import my_work


class PreferenceStore(LabelReader):
    """The label file at `path` (default: `my_work/labels/preferences.sqlite`), made when it is not there.

    Methods may be called from any thread. read_only: the file and its folder stay as they are. Raises `CourseError`
    for a file that a newer course wrote, or another program, and `sqlite3.Error` where the file cannot be used (`course
    labels check` mends what can be mended).
    """

    def __init__(self, path: str | os.PathLike | None = None, read_only: bool = False) -> None:
        path = default_path() if path is None else path
        super().__init__(Path(path).absolute(), read_only)      # a notebook may change folder
        self.store_id: str | None = None
        self._most_labels = 0                                   # as many as this file has had: labels never vanish
        if read_only:
            self._open_to_read()
        else:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            migrate(self._connection, before=lambda: back_up(self.path, "update"))
            if self._one("SELECT 1 FROM meta WHERE key = 'store_id'") is None:
                with self.transaction():
                    self._connection.execute("INSERT OR IGNORE INTO meta VALUES('store_id', ?)", (uuid.uuid4().hex,))
        name = self._one("SELECT value FROM meta WHERE key = 'store_id'")
        self.store_id = name and name[0]

    def _open_to_read(self) -> None:
        """An older file, or one with a log that nobody has brought into it yet, is read in a copy."""
        if not self.path.stat().st_size and not has_orphaned_log(self.path):
            raise CourseError(f"{self.path} is empty: nothing was labelled in it yet.")
        if has_orphaned_log(self.path):
            self._read_a_copy()
        elif is_foreign(self._connection):
            raise CourseError(f"{self.path} is some other SQLite file, not a label file. It was not touched.")
        elif version(self._connection) < len(MIGRATIONS):
            self._read_a_copy()
        migrate(self._connection)

    def _same_content(self) -> None:
        if self.store_id is None:
            return
        found = self._one("SELECT value, (SELECT MAX(label_id) FROM labels) FROM meta WHERE key = 'store_id'")
        if found is None or found[0] != self.store_id or (found[1] or 0) < self._most_labels:
            raise CourseError(GONE_ELSEWHERE.format(name=self.path.name))
        self._most_labels = found[1] or 0

    # ---- what can be asked --------------------------------------------------------------------------------------

    def add_text(self, text: str, obs: np.ndarray | None = None, **info: object) -> str:
        """Add a text; returns its id. The same text again is the same item.

        obs: what a reward model reads beside the text, for instance what the text answers; with another obs the same
        text is another item.
        """
        if not text.strip():
            raise ValueError("the text is empty: there would be nothing to read")
        return self.add_item("text", "text/plain; charset=utf-8", text.encode(),
                             None if obs is None else _packed(obs=np.asarray(obs)), info)

    def add_clip(self, frames: np.ndarray, fps: float = 15, alt: str = "", obs: np.ndarray | None = None,
                 acts: np.ndarray | None = None, **info: object) -> str:
        """Add a clip; returns its id. The same clip again is the same item.

        frames: (T, height, width, 3) or (T, height, width), uint8, as people see them. obs: (T, ...) or (T + 1, ...)
        and acts: (T, ...) are what a reward model reads. `alt` describes the clip to those who cannot see it.
        """
        frames = check_frames(frames)
        picture, columns = sheet(frames)
        count, height, width, _ = frames.shape
        given = {name: np.asarray(array) for name, array in (("obs", obs), ("acts", acts)) if array is not None}
        if len(given) == 2 and len(given["obs"]) - len(given["acts"]) not in (0, 1):
            raise ValueError(f"obs has {len(given['obs'])} rows and acts {len(given['acts'])}: "
                             "a clip has as many observations as actions, or one more")
        info = {**info, "fps": fps, "frames": count, "height": height, "width": width, "columns": columns, "alt": alt}
        return self.add_item("clip", "image/png", picture, _packed(**given) if given else None, info)

    def add_item(self, kind: str, mime: str, media: bytes, packed: bytes | None, info: Mapping[str, object]) -> str:
        """Add an item that is already encoded (`add_text` and `add_clip` encode); returns its id."""
        name = item_id(kind, mime, media, packed)
        with self.transaction():
            self._connection.execute("INSERT OR IGNORE INTO items VALUES(?, ?, ?, ?, ?, ?, ?)",
                                     (name, kind, mime, media, packed, json.dumps(info), time.time()))
        return name

    def add_pair(self, item_1: str, item_2: str, *, run: str, prompt: str = "", round: int = 0,
                 priority: float = 0.0) -> int:
        """Ask which of two items is better; returns the question's id. Which one stands left is drawn at random.

        Adding a pair that the run already has returns the question that is there, so a cell may be run twice.
        """
        return self.add_ranking([item_1, item_2], run=run, prompt=prompt, round=round, priority=priority)

    def add_ranking(self, items: Sequence[str], *, run: str, prompt: str = "", round: int = 0,
                    priority: float = 0.0) -> int:
        """Ask for an order of up to five items; returns the question's id. It is stored as the pairs it implies."""
        if not 2 <= len(items) <= 5:
            raise ValueError(f"a question shows two to five items, not {len(items)}")
        if len(set(items)) < len(items):
            raise ValueError("the same item twice in one question: both sides would show the same")
        shown = random.SystemRandom().sample(list(items), len(items))
        return self.insert_question(question_key(run, prompt, items), run, round, prompt, items, shown, priority)

    def insert_question(self, key: str, run: str, round: int, prompt: str, items: Sequence[str], shown: Sequence[str],
                        priority: float = 0.0, repeat_of: int | None = None, only_for: str | None = None,
                        group: str | None = None) -> int:
        """Add a question with its sides drawn, unless it is there; returns its id. Used by repeats, import and merge.

        group: what the question belonged to where it was imported from, for instance a ranking.
        """
        with self.transaction():
            there = self._one("SELECT question_id FROM questions WHERE question_key = ?", key)
            if there:
                return there["question_id"]
            first = group and self._one("SELECT MIN(group_id) FROM questions WHERE run = ? AND group_key = ?", run,
                                        group)
            question_id = self._connection.execute(
                "INSERT INTO questions(question_key, run, round, prompt, shown, priority, repeat_of, only_for,"
                " created_at, group_key, group_id) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (key, run, round, prompt, json.dumps(list(shown)), priority, repeat_of, only_for, time.time(), group,
                 first and first[0])).lastrowid
            if group and first[0] is None:
                self._connection.execute("UPDATE questions SET group_id = question_id WHERE question_id = ?",
                                         (question_id,))
            self._connection.executemany(
                "INSERT INTO pairs(question_id, item_1, item_2, flip) VALUES(?, ?, ?, ?)",
                [(question_id, one, two, int(shown.index(one) > shown.index(two)))
                 for one, two in combinations(items, 2)])
        return question_id

    # ---- answers ------------------------------------------------------------------------------------------------

    def answer(self, question_id: int, choice: str | None = None, *, ranks: Sequence[int] | None = None, labeler: str,
               source: str = "human", confidence: int | None = None, event_id: str | None = None,
               session: str | None = None, shown_at: float | None = None, answered_at: float | None = None,
               response_ms: int | None = None, plays: int | None = None, together: Sequence[str] = ()) -> str:
        """Write one answer to the disk. Sides are the labeller's: "left" is what stood left on their screen.

        A ranking has `ranks` instead of a choice (unless it is skipped): one number for each item from left to right,
        0 the best, equal numbers for ties. `event_id` makes a repeated call harmless. `together` names labellers who
        share the work: what one of them has answered, nobody of them answers again.

        Returns "saved"; "duplicate" when this event is already there; "set aside" when it could not be filed (the
        question is gone, or it is answered already): then it is kept in `set_aside`, not counted.
        """
        event_id = event_id or uuid.uuid4().hex
        how = {"event_id": event_id, "confidence": confidence, "labeler": labeler, "source": source,
               "session": session, "shown_at": shown_at, "answered_at": answered_at or time.time(),
               "saved_at": time.time(), "response_ms": response_ms, "plays": plays}
        with self.transaction():
            if self._known(event_id):
                return "duplicate"
            pairs = self._connection.execute("SELECT * FROM pairs WHERE question_id = ?", (question_id,)).fetchall()
            shown = self._shown(question_id)
            sharing = {labeler, *together}
            first = self._one("SELECT labeler FROM answers WHERE question_id = ?"
                              f" AND labeler IN ({', '.join('?' * len(sharing))})", question_id, *sharing)
            if first or not pairs:
                who = first and ("this labeller" if first["labeler"] == labeler else first["labeler"])
                reason = f"{who} has already answered this question" if first else "no such question"
                self.set_aside("answer", event_id, reason,
                               {"question_id": question_id, "choice": choice, "ranks": ranks, **how})
                return "set aside"
            for pair in pairs:
                side = choice
                if ranks is not None:
                    rank_1, rank_2 = (ranks[shown.index(pair[item])] for item in ("item_1", "item_2"))
                    side = side_from_ranks(rank_1, rank_2, pair["flip"])
                self.insert_label({**how, "pair_id": pair["pair_id"], "choice": side, "flip": pair["flip"]})
            self._connection.execute(
                "UPDATE questions SET leased_by = NULL, leased_until = NULL WHERE question_id = ?", (question_id,))
        return "saved"

    def insert_label(self, label: Mapping[str, object]) -> None:
        """Add one row to `labels`, sealed, and with all that was asked. Used by `answer`, import and merge."""
        row = sealed({**label, "asked": self._asked(label["pair_id"])})
        names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
        self._connection.execute(f"INSERT INTO labels({names}) VALUES({values})", row)

    def _asked(self, pair_id: int) -> str:
        """What a label of this pair keeps of its question, so that the question can be made again from the label."""
        row = self._one("SELECT questions.*, item_1, item_2, (SELECT question_key FROM questions original WHERE"
                        " original.question_id = questions.repeat_of) AS original FROM pairs JOIN questions"
                        " USING(question_id) WHERE pair_id = ?", pair_id)
        return json.dumps({"question": row["question_id"], "key": row["question_key"], "run": row["run"],
                           "round": row["round"], "prompt": row["prompt"], "shown": json.loads(row["shown"]),
                           "pair": [row["item_1"], row["item_2"]], "repeat_of": row["original"],
                           "only_for": row["only_for"], "priority": row["priority"], "group": row["group_key"]})

    def undo(self, run: str, labeler: str, *, event_id: str | None = None, undo_id: str | None = None) -> int | None:
        """Take one answer back: the one named, or this labeller's latest in the run. Returns its question, or None.

        `undo_id` makes a repeated call harmless.
        """
        with self.transaction():
            repeated = self._one("SELECT question_id FROM undos JOIN labels USING(event_id) JOIN pairs USING(pair_id)"
                                 " WHERE undo_id = ? OR undos.event_id = ?", undo_id, event_id)
            if repeated:
                return repeated["question_id"]
            label = self.last_answer(run, labeler, event_id)
            if label is None:
                return None
            self.take_back(label["event_id"], undo_id)
        return label["question_id"]

    def last_answer(self, run: str, labeler: str, event_id: str | None = None) -> dict | None:
        """The answer that `undo` would take back: its event_id, question_id and round; None when there is none."""
        row = self._one("SELECT event_id, question_id, round FROM live_labels WHERE run = ? AND labeler = ?"
                        " AND event_id = COALESCE(?, event_id) ORDER BY label_id DESC LIMIT 1", run, labeler, event_id)
        return row and dict(row)

    def take_back_all(self, run: str, labelers: Sequence[str], source: str, *, after_round: int, reason: str) -> int:
        """Take back all that these labellers answered as `source` in the rounds after this one, repeats too.

        Nothing is deleted: each answer gets a row in `undos` with the reason. Returns how many questions are open now.
        """
        with self.transaction():
            answers = self._connection.execute(
                "SELECT DISTINCT event_id, question_id, repeat_of FROM live_labels WHERE run = ? AND source = ?"
                f" AND round > ? AND labeler IN ({', '.join('?' * len(labelers))})",
                (run, source, after_round, *labelers)).fetchall()
            for answer in answers:
                self.take_back(answer["event_id"], reason=reason)
        return len({answer["question_id"] for answer in answers if answer["repeat_of"] is None})

    def take_back(self, event_id: str, undo_id: str | None = None, reason: str | None = None) -> None:
        """Take one answer back that counts now; `reason` where its person did not simply undo it."""
        self._connection.execute("INSERT INTO undos(undo_id, event_id, saved_at, reason) VALUES(?, ?, ?, ?)",
                                 (undo_id or uuid.uuid4().hex, event_id, time.time(), reason))

    def set_aside(self, what: str, key: str, reason: str, content: object = None) -> None:
        """Note that a row is damaged, or keep an answer that cannot be filed. Nothing is deleted."""
        with self.transaction():
            self._connection.execute("INSERT OR IGNORE INTO set_aside VALUES(?, ?, ?, ?, ?)",
                                     (what, str(key), reason, json.dumps(content) if content else None, time.time()))

    def _known(self, event_id: str) -> bool:
        return self._one("SELECT 1 FROM labels WHERE event_id = ?1 UNION ALL"
                         " SELECT 1 FROM set_aside WHERE what = 'answer' AND key = ?1", event_id) is not None

    def _shown(self, question_id: int) -> list[str]:
        row = self._one("SELECT shown FROM questions WHERE question_id = ?", question_id)
        return json.loads(row["shown"]) if row else []


def _packed(**arrays: np.ndarray) -> bytes:
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    return packed.getvalue()


def default_path() -> Path:
    """The learner's own label file."""
    return my_work() / "labels" / "preferences.sqlite"
