"""Preferences from other programs: JSON lines, or CSV, with prompt, chosen and rejected. Taught in lesson 10.

What the file says beside the texts is kept: weight, group, labeler, source, times. Every line is judged for itself: a
bad one is named with its number and its fault and loses only itself. Reading the same file again adds nothing.
"""

import csv
import hashlib
import io
import json
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.labels.fingerprints import question_key
from course_lib.labels.records import SOURCES
from course_lib.labels.store import PreferenceStore

LONGEST_LINE = 16 * 2**20          # bytes
LONGEST_TEXT = 4 * 2**20           # characters
LONGEST_NAME = 200
TOLD = 1000                        # so many bad lines are told one by one
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


@dataclass
class Imported:
    """What an import brought, in numbers that do not overlap, and what was wrong with the lines that were left out."""

    new: int = 0
    duplicates: int = 0            # the same answer is there already
    conflicts: int = 0             # this person has answered this question otherwise: kept in `set_aside`, not counted
    bad: int = 0                   # lines that cannot be used
    faults: list[str] = field(default_factory=list)        # "line 3: ...", the first thousand


class BadLine(ValueError):
    """What is wrong with a line, in words."""


def read_preferences(store: PreferenceStore, path: Path, run: str, labeler: str) -> Imported:
    """Add each line's preference to the run. labeler: whose they are, where a line does not say.

    Nothing is added where the file cannot be read to its end. Raises `CourseError` for a file without a usable line.
    """
    result = Imported()
    with store.transaction():
        for number, given in _rows(path):
            try:
                row = _checked(given() if callable(given) else given)
            except BadLine as error:
                result.bad += 1
                if result.bad <= TOLD:
                    result.faults.append(f"line {number}: {error}")
                continue
            filed = _file(store, row, run, row["labeler"] or labeler)
            setattr(result, filed, getattr(result, filed) + 1)
    if result.bad and not (result.new or result.duplicates or result.conflicts):
        raise CourseError(f"{path}: none of its {result.bad} lines can be used. {'; '.join(result.faults[:3])}. "
                          'Each line should be like {"prompt": "...", "chosen": "...", "rejected": "..."}.')
    return result


# ---- one preference ------------------------------------------------------------------------------------------------

def _file(store: PreferenceStore, row: dict, run: str, labeler: str) -> str:
    """Put one preference into the store; returns the name of the number in `Imported` that it counts under."""
    better, worse = store.add_text(row["chosen"]), store.add_text(row["rejected"])
    items = sorted((better, worse))                        # whoever was preferred is not always the first
    key, group = question_key(run, row["prompt"], items), row["group"]
    if group == key:
        group = None                                       # it stands alone, as every pair does
    event = row["event_id"] or hashlib.sha256(
        json.dumps([run, labeler, row["prompt"], row["chosen"], row["rejected"]]).encode()).hexdigest()
    said = _said_before(store, event, items)
    if said is not None:
        return "duplicates" if said == better else "conflicts"
    if group is not None:
        key = question_key(run, row["prompt"], items, group)
    shown = random.SystemRandom().sample(items, 2)
    question = store.insert_question(key, run, row["round"] or 0, row["prompt"], items, shown, group=group)
    pair = store._connection.execute("SELECT pair_id, item_1, flip FROM pairs WHERE question_id = ?",
                                     (question,)).fetchone()
    choice = "left" if (pair["item_1"] == better) == (pair["flip"] == 0) else "right"
    first = store._connection.execute("SELECT choice FROM live_labels WHERE pair_id = ? AND labeler = ?",
                                      (pair["pair_id"], labeler)).fetchone()
    if first and first["choice"] == choice:
        return "duplicates"
    strength, now = row["strength"], time.time()
    label = {"event_id": event, "pair_id": pair["pair_id"], "flip": pair["flip"], "choice": choice, "labeler": labeler,
             "source": row["source"] or "human", "shown_at": row["shown_at"], "saved_at": now,
             "answered_at": now if row["answered_at"] is None else row["answered_at"], "plays": row["plays"],
             "response_ms": row["response_ms"],
             "confidence": None if strength is None else 5 - strength if choice == "left" else 5 + strength,
             "weight": None if row["weight"] in (None, strength / 4 if strength else 1.0) else row["weight"]}
    if first:
        store.set_aside("answer", event, "import: this labeller has answered this question already", label)
        return "conflicts"
    store.insert_label(label)
    return "new"


def _said_before(store: PreferenceStore, event: str, items: list[str]) -> str | None:
    """Which of the items the answer of this name preferred ("" for a tie or a skip); None where there is none."""
    row = store._connection.execute(
        "SELECT choice, labels.flip AS flip, item_1, item_2 FROM labels JOIN pairs USING(pair_id) WHERE event_id = ?"
        " AND item_1 IN (?, ?) AND item_2 IN (?, ?)", (event, *items, *items)).fetchone()
    if row is None or row["choice"] not in ("left", "right"):
        return None if row is None else ""
    return row["item_1"] if (row["choice"] == "left") == (row["flip"] == 0) else row["item_2"]


# ---- what a line must be -------------------------------------------------------------------------------------------

def _checked(row: object) -> dict:
    """The fields of a line that are used, absent ones as None. Raises `BadLine`."""
    if not isinstance(row, dict):
        raise BadLine("it should be an object with prompt, chosen and rejected")
    found = {"prompt": _text(row, "prompt", may_be_empty=True), "chosen": _text(row, "chosen"),
             "rejected": _text(row, "rejected")}
    if found["chosen"] == found["rejected"]:
        raise BadLine("chosen and rejected are the same text")
    for name in ("labeler", "event_id", "group"):
        found[name] = _name(row, name)
    found["source"] = row.get("source")
    if found["source"] not in (*SOURCES, None):
        raise BadLine(f"the source {_shown(found['source'])} is unknown: it is human or scripted")
    for name, low, high in (("weight", 1e-6, 1e6), ("answered_at", 0, 1e11), ("shown_at", 0, 1e11)):
        found[name] = _number(row, name, low, high, float)
    for name, high in (("strength", 4), ("response_ms", 2**53), ("plays", 2**31), ("round", 2**31)):
        found[name] = _number(row, name, 0, high, int)
    return found


def _text(row: dict, name: str, may_be_empty: bool = False) -> str:
    text = row.get(name)
    if not isinstance(text, str):
        raise BadLine(f"{name} is missing" if text is None else f"{name} should be a text, not {_shown(text)}")
    if not may_be_empty and not text.strip():
        raise BadLine(f"{name} is empty: there would be nothing to read")
    return _sound(name, text, LONGEST_TEXT)


def _name(row: dict, name: str) -> str | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    if name == "group" and isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 2**63 else ""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise BadLine(f"{name} should be a short text without control characters, not {_shown(value)}")
    return _sound(name, value, LONGEST_NAME)


def _sound(name: str, text: str, longest: int) -> str:
    if len(text) > longest:
        raise BadLine(f"{name} has {len(text):,} characters: at most {longest:,} are taken")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadLine(f"{name} holds half a character (a lone surrogate), which no file can keep") from None
    return text


def _number(row: dict, name: str, low: float, high: float, kind: type) -> float | int | None:
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadLine(f"{name} should be a number, not {_shown(value)}")
    if isinstance(value, float) and not math.isfinite(value) or not low <= value <= high or kind(value) != value:
        what = "a whole number" if kind is int else "a number"
        raise BadLine(f"{name} should be {what} from {low:g} to {high:g}, not {_shown(value)}")
    return kind(value)


def _shown(value: object) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    try:
        said = repr(value)
    except ValueError:                                     # an integer of thousands of digits
        return "a huge number"
    return said if len(said) <= 40 else said[:37] + "..."


# ---- from bytes to lines -------------------------------------------------------------------------------------------

def _rows(path: Path) -> Iterator[tuple[int, Callable[[], object] | dict]]:
    """(number, what makes the row or raises BadLine) for each line that is not blank."""
    with path.open("rb") as file:
        start = file.read(4096)
        mark = next((encoding for mark, encoding in MARKS.items() if start.startswith(mark)), None)
        file.seek(0)
        if path.suffix.lower() == ".csv" or _like_csv(start.decode(mark or "utf-8", "replace")):
            yield from _csv_rows(file.read(), mark or "utf-8")
            return
        if mark == "utf-16":
            try:
                file = io.BytesIO(file.read().decode(mark).encode())
            except UnicodeDecodeError:
                raise CourseError(f"{path} begins as UTF-16 and does not go on so. Save it as UTF-8.") from None
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if not line.endswith(b"\n") and len(line) == LONGEST_LINE:
                while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass
                yield number, _too_long
            elif line.strip(b" \t\r\n\x00\xef\xbb\xbf"):
                yield number, lambda line=line, number=number: _parsed(line.removeprefix(
                    b"\xef\xbb\xbf" if number == 1 else b""))


def _too_long() -> object:
    raise BadLine(f"it is longer than {LONGEST_LINE // 2**20} MB")


def _parsed(line: bytes) -> object:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise BadLine("it is not UTF-8: save the file as UTF-8") from None
    if "\x00" in text:
        raise BadLine("it holds zero bytes, as UTF-16 does: save the file as UTF-8")
    try:
        return json.loads(text, parse_constant=_no_number)
    except BadLine:
        raise
    except RecursionError:
        raise BadLine("it is nested too deeply") from None
    except ValueError as error:
        raise BadLine(f"it is not JSON ({error})") from None


def _no_number(name: str) -> None:
    raise BadLine(f"{name} is not a number")


def _like_csv(start: str) -> bool:
    """Whether the file begins with a line of column names instead of an object."""
    first = start.lstrip("\ufeff").partition("\n")[0]
    return "{" not in first and {"chosen", "rejected"} <= {word.strip(' "\r') for word in first.split(",")}


def _csv_rows(content: bytes, encoding: str) -> Iterator[tuple[int, Callable[[], object] | dict]]:
    """The lines of a CSV file with a header; numbers are read as JSON reads them."""
    lines = content.decode(encoding, "surrogateescape").removeprefix("\ufeff").splitlines(keepends=True)
    reader = csv.DictReader(lines, strict=True)
    texts = {"prompt", "chosen", "rejected", "labeler", "event_id", "group", "source"}
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, lambda error=error: _bad(f"it is not CSV ({error})")
            return
        row = {str(name): value for name, value in row.items()}
        yield reader.line_num, lambda row=row: {"prompt": ""} | {
            name: value if name in texts else _cell(value) for name, value in row.items() if value not in (None, "")}


def _bad(words: str) -> object:
    raise BadLine(words)


def _cell(value: object) -> object:
    try:
        return json.loads(value, parse_constant=_no_number)
    except (ValueError, TypeError, RecursionError):
        return value
