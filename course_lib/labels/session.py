"""The labeling session in the kernel: takes one message of a front end, returns the state that it should show.

The widget, the plain buttons, the terminal and the synthetic labeler all talk to a `LabelingSession`. A message is a
dict with a `type`; the reply is one too, of plain values only, so that it fits any notebook front end. `in_words` turns
errors of the label file into a sentence that says what to do. Taught in lesson 04.
"""

import base64
import sqlite3
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.labels import queue
from course_lib.labels.records import CHOICES, SOURCES, Counts, Item, Label, Question
from course_lib.labels.store import PreferenceStore
from course_lib.processes import session_name

SCRIPTED = "scripted"                              # the labeller's name on rows that a function answered
PREFETCH = 3                                       # questions that wait in the browser behind the one on screen
LOCK_MS = 250                                      # so long a new question takes no answer: double clicks
LEASE_SECONDS = 60
MORE = 20                                          # questions that "Label some more" adds
NO_ROUND = -1                                      # comes before every round

SyntheticAnswer = Callable[[Item, Item], str]             # (left, right) -> "left", "right", "equal" or "skip"


class LabelingSession:
    """One person's labelling of one run, up to `target` questions.

    `repeats` is the share of pairs that are asked a second time, sides swapped. `scale` asks for a confidence from 1
    (left, surely) to 9 (right, surely), as Stiennon et al. (2020) did. `used_rounds` says up to which round the answers
    are already used for training: they stay as they are.
    """

    def __init__(self, store: PreferenceStore, run: str, labeler: str, target: int, title: str,
                 repeats: float = 0.1, scale: bool = False, synthetic: SyntheticAnswer | None = None,
                 used_rounds: Callable[[], int] = lambda: NO_ROUND) -> None:
        self.store, self.run, self.labeler, self.target = store, run, labeler, target
        self.title, self.repeats, self.scale, self.synthetic = title, repeats, scale, synthetic
        self.labelers, self.used_rounds = (labeler, SCRIPTED), used_rounds
        self.name = session_name()

    @property
    def counts(self) -> Counts:
        """What this person and the synthetic labeler have answered in the run."""
        return self.store.counts(self.run, self.labelers)

    def handle(self, message: Mapping) -> dict:
        """Carry out one message and return the new state. What is in `acks` is on the disk.

        Types: hello, answer, undo, renew (still on screen), more (go on beyond the target), synthetic (let the function
        answer the next `count`, or the rest), keep_only (one `source`), review (`count` past answers from `first` on),
        change (a past answer). `have` lists the questions that the front end holds, and `gone` in the state those that
        it should not ask any more.
        """
        kind, have, note, front, gone = message["type"], list(message.get("have", ())), "", [], []
        extra = {}
        if kind == "synthetic":                    # calls a function of the notebook: others may write meanwhile
            extra = self._synthetic_batch(message.get("count"))
            note = f"The synthetic labeler answered {extra['answered']} pairs."
        with self.store.transaction():             # one write to the disk, for the answer and for what it brings
            if kind == "answer":
                note, gone = self._answer(message), [message["question"]]
            elif kind == "undo":
                note, back = self._undo(message)
                if back is None:                   # for instance an answer that was set aside: do not ask it again
                    gone = [message.get("question")]
                elif back not in have:
                    front = [back]
            elif kind == "more":
                self.target = self.counts.done + MORE
            elif kind == "keep_only":
                note = f"{self.keep_only(message['source'])} labels are set aside; their pairs are asked again."
            elif kind == "change":
                note = self._change(message)
            elif kind == "review":
                extra = {"review": self.review(message["first"], message["count"])}
            elif kind == "renew":
                queue.renew(self.store, self.name, LEASE_SECONDS)
            if not self.finished_by_synthetic:
                queue.add_due_repeat(self.store, self.run, self.labeler, self.repeats)
            state = self._state(have, front)
            gone += self._not_open(have)
        acks = [message["id"]] if kind in ("answer", "undo", "change") else []
        return {**state, **extra, "note": note, "acks": acks, "gone": gone}

    def next(self, count: int = 1) -> list[Question]:
        """Up to `count` questions to ask now, reserved for this session; none once the target is reached."""
        done = self.counts.done
        questions = queue.lease(self.store, self.run, self.labelers, self.name, count, LEASE_SECONDS)
        repeats = [question for question in questions if question.repeat_of]
        fresh = [question for question in questions if not question.repeat_of]
        return ([] if self.finished_by_synthetic else repeats) + fresh[:max(0, self.target - done)]

    @property
    def finished_by_synthetic(self) -> bool:
        """Whether the target is reached with the help of the synthetic labeler: then no pair is asked again."""
        return self.counts.done >= self.target and self._done_by(SCRIPTED) > 0

    def answer_synthetic(self, target: int | None = None) -> int:
        """Let the synthetic labeler answer until `target` (default: the session's) are answered; returns how many."""
        return sum(1 for _ in self._synthetic_answers(self.target if target is None else target))

    def _synthetic_answers(self, target: int) -> Iterator[int]:
        """Each question that the synthetic labeler has answered, as soon as its answer is on the disk."""
        while self.counts.done < target:
            questions = [question for question in queue.lease(self.store, self.run, (SCRIPTED, self.labeler),
                                                               self.name, 20) if not question.repeat_of]
            for question in questions[:target - self.counts.done]:
                answer = ({"ranks": synthetic_ranks(self.synthetic, question.shown)} if question.ranking
                          else {"choice": synthetic_choice(self.synthetic, *question.shown)})
                filed = self.store.answer(question.question_id, **answer, labeler=SCRIPTED, source="scripted",
                                          session=self.name, together=self.labelers)
                if filed == "saved":
                    yield question.question_id
            if not questions:
                return

    def _synthetic_batch(self, count: int | None) -> dict:
        """Let the synthetic labeler answer `count` more; how many it did, and in words what stopped it."""
        target = self.target if count is None else min(self.target, self.counts.done + count)
        answered = 0
        try:
            for _ in self._synthetic_answers(target):
                answered += 1
        except sqlite3.Error:                      # the label file's fault, not the function's
            raise
        except Exception as error:                 # the notebook's own function may raise whatever it likes
            return {"answered": answered, "stopped": said_by(error)}
        return {"answered": answered, "stopped": ""}

    def keep_only(self, source: str) -> int:
        """Set the labels of the other source aside, in the rounds not yet used for training; returns how many pairs.

        source: "human" or "scripted". The pairs are open again; the label file keeps the labels and says why.
        """
        if source not in SOURCES:
            raise CourseError(f'There are two sources: keep_only("human") or keep_only("scripted"), not {source!r}.')
        [other] = set(SOURCES) - {source}
        return self.store.take_back_all(self.run, self.labelers, other, after_round=self.used_rounds(),
                                        reason=f"only the {source} labels are kept")

    def mixture(self) -> dict | None:
        """How many labels are a person's and how many the synthetic labeler's, where the run holds both; else None.

        "again": how many pairs are open again when only the person's are kept; 0 where some of the others are used.
        """
        found = self.store.sources(self.run, self.labelers, self.used_rounds())
        count = {source: sum(row["preferences"] for row in found if row["source"] == source) for source in SOURCES}
        if not all(count.values()):
            return None
        synthetic = {row["later"]: row["answers"] for row in found if row["source"] == "scripted"}
        return {**count, "used": synthetic.get(0, 0), "again": 0 if 0 in synthetic else synthetic[1]}

    def review(self, first: int, count: int) -> dict:
        """This person's answers of their latest round, `count` of them from place `first` (from 0) on.

        Pairs that were asked twice come first, then the others as they were added. "stays" is empty, or says why none
        of them can be changed any more.
        """
        last = self.store.last_answer(self.run, self.labeler)
        if last is None:
            return {"first": 0, "total": 0, "answers": [], "stays": ""}
        asked = set(self.store.questions_of(self.run, last["round"]))
        given: dict[int, list[Label]] = {}
        for label in self.store.labels(self.run):
            if label.labeler == self.labeler and label.question_id in asked:
                given.setdefault(label.question_id, []).append(label)
        twice = {pair["original"]: pair for pair in queue.repeats(self.store, self.run, [self.labeler])}
        said_first = queue.first_answers(self.store, self.run, [self.labeler])
        names = sorted(given, key=lambda name: (name not in twice, name))
        answers = []
        for name in names[first:first + count]:
            [label, *_], question = given[name], self.store.question(name)
            changed = said_first[name]["event_id"] != label.event_id
            answers.append({"event": label.event_id, "question": on_the_wire(question), "choice": label.choice,
                            "confidence": label.confidence, "twice": twice.get(name),
                            "ranks": self._ranks(question) if question.ranking else None,
                            "was": said_first[name]["choice"] if changed else None})
        return {"first": first, "total": len(names), "answers": answers, "stays": self._stays(last["round"])}

    def summary(self) -> dict:
        """What one wants to know at the end: counts, ties, sides, pace, agreement with oneself, sources, the file."""
        counts, twice = self.counts, queue.repeats(self.store, self.run, self.labelers)
        times = {label.event_id: label.response_ms for label in self.store.labels(self.run, repeats=True)
                 if label.labeler == self.labeler and label.response_ms is not None}.values()
        return {"left": counts.left, "right": counts.right, "equal": counts.equal, "skip": counts.skip,
                "rankings": counts.rankings, "repeats": twice, "same": sum(pair["same"] for pair in twice),
                "seconds": round(statistics.median(times) / 1000, 1) if times else None, "mixture": self.mixture(),
                "file": str(self.store.path)}

    def _done_by(self, labeler: str) -> int:
        return self.store.counts(self.run, [labeler]).done

    def _not_open(self, have: list[int]) -> list[int]:
        """Which of the questions that a front end holds should not be asked any more."""
        if self.finished_by_synthetic:
            return have
        return queue.answered(self.store, have, self.labelers)

    def _undo(self, message: Mapping) -> tuple[str, int | None]:
        """Take one answer back: the question to ask again, or None and a sentence that says why there is none."""
        last = self.store.last_answer(self.run, self.labeler, message.get("event"))
        if last and (stays := self._stays(last["round"])):
            return stays, None
        back = self.store.undo(self.run, self.labeler, event_id=message.get("event"), undo_id=message["id"])
        if back is not None and not queue.answered(self.store, [back], self.labelers):
            return "", back
        if self._done_by(SCRIPTED) and not self._done_by(self.labeler):
            return "There is nothing of yours to take back: the synthetic labeler answered.", None
        return "There is nothing to take back.", None

    def _stays(self, round: int) -> str:
        """Why the answers of this round cannot be changed any more; empty where they can."""
        used = round <= self.used_rounds()
        return f"The answers of round {round} are already used for training; they stay." if used else ""

    def _change(self, message: Mapping) -> str:
        """Put another answer in the place of a past one, as an undo and a new answer would; the log keeps both."""
        last = self.store.last_answer(self.run, self.labeler, message["event"])
        if last and (stays := self._stays(last["round"])):
            return stays
        if last:                                   # else the same message came twice, or the answer is gone
            self.store.take_back(message["event"], reason=queue.CHANGED)
        return self._answer(message)

    def _ranks(self, question: Question) -> list[int]:
        """The ranks that this person gave a ranking's items, from left to right, 0 the best; all 0 where skipped."""
        beaten = [row["sigma2"] if row["mu"] == 1 else row["sigma1"] for row in self.store.preference_rows(self.run)
                  if row["group"] == question.question_id and row["labeler"] == self.labeler and row["mu"] != 0.5]
        return [beaten.count(item.item_id) for item in question.shown]

    def _answer(self, message: Mapping) -> str:
        """File one answer; returns a sentence when there is something to say about it."""
        filed = self.store.answer(
            message["question"], message.get("choice"), ranks=message.get("ranks"), labeler=self.labeler,
            event_id=message["id"], session=self.name, confidence=message.get("confidence"),
            shown_at=message.get("shown_at"), answered_at=message.get("answered_at"),
            response_ms=message.get("response_ms"), plays=message.get("plays"), together=self.labelers)
        if filed == "set aside":
            return ("That pair had been answered before, in another window or by the synthetic labeler. "
                    "The first answer counts.")
        twice = queue.repeat_of_answer(self.store, self.run, self.labelers, message["question"])
        if twice is None:
            return ""
        compared = "the same answer as before" if twice["same"] else "a different answer than before"
        return f"That was pair {twice['pair']} again, with the sides swapped: {compared}."

    def _state(self, have: Iterable[int], front: Iterable[int]) -> dict:
        counts = self.counts
        questions = self.next(PREFETCH + 1)
        held = set(have)
        state = {"type": "state", "store": self.store.store_id, "run": self.run, "labeler": self.labeler,
                 "title": self.title, "scale": self.scale, "lock_ms": LOCK_MS,
                 "has_synthetic": self.synthetic is not None, "done": counts.done,
                 "own": self._done_by(self.labeler), "scripted": self._done_by(SCRIPTED),
                 "target": min(self.target, counts.total), "total": counts.total,
                 "questions": [on_the_wire(question) for question in questions if question.question_id not in held],
                 "front": [on_the_wire(self.store.question(name)) for name in front]}
        if counts.done >= state["target"]:
            state["summary"] = self.summary()
        return state


def synthetic_choice(better: SyntheticAnswer, left: Item, right: Item) -> str:
    """What the function says about two items. Raises ValueError when it is none of the four words."""
    choice = better(left, right)
    if choice not in CHOICES:
        raise ValueError(f'the function returned {choice!r}; it should return "left", "right", "equal" or "skip"')
    return choice


def synthetic_ranks(better: SyntheticAnswer, items: tuple[Item, ...]) -> list[int]:
    """Ranks from comparisons: an item's rank is the number of others that beat it."""
    return [sum(synthetic_choice(better, other, item) == "left" for other in items if other is not item)
            for item in items]


def said_by(error: BaseException) -> str:
    """An error of a function of the notebook, in a line: its kind and its words."""
    if isinstance(error, CourseError):
        return str(error)
    return f"{type(error).__name__}: {error}." if str(error) else f"{type(error).__name__}."


def on_the_wire(question: Question) -> dict:
    """The question as a front end reads it: text as text, a clip as a base64 PNG with its measures."""
    return {"id": question.question_id, "prompt": question.prompt, "extra": question.repeat_of is not None,
            "items": [_item_on_the_wire(item) for item in question.shown]}


def _item_on_the_wire(item: Item) -> dict:
    if item.kind == "text":
        return {"kind": "text", "text": item.text}
    measures = {name: item.info[name] for name in ("fps", "frames", "width", "height", "columns", "alt")}
    return {"kind": "clip", "mime": item.mime, "data": base64.b64encode(item.media).decode(), **measures}


FULL = ("SQLITE_FULL", "SQLITE_IOERR_WRITE")
READ_ONLY = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")
DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


def in_words(error: BaseException, path: Path) -> str:
    """What happened to the label file at `path` and what the reader can do about it."""
    if isinstance(error, CourseError):
        return str(error)
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(FULL):
            return f"The disk is full, so {path.name} cannot take more answers. Free some space (the file is {path})."
        if name.startswith(READ_ONLY):
            return f"{path} cannot be written. Check that the folder is there and that the file is yours."
        if name.startswith(DAMAGED):
            return f"{path} is damaged. Run `course labels check` in a terminal: it saves what can be read."
        if name.startswith("SQLITE_BUSY"):
            return f"Another program has kept {path.name} busy for a while. Close other notebooks that use it."
        return f"{path.name} could not be used ({error}). Run `course labels check` in a terminal."
    return f"{type(error).__name__}: {error}. This looks like a bug in the course or in the notebook's own function."
