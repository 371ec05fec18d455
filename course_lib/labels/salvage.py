"""Every row that can still be found in a damaged SQLite file, read from its pages without the help of SQLite.

SQLite reaches a row by way of other pages, and gives up where one of them is damaged. Here each page is looked at for
itself: a leaf of a table holds whole rows, whatever has become of the pages that lead to it. What the write-ahead log
holds from finished transactions comes first. The format: sqlite.org/fileformat2.html. Taught in lesson 04.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

LEAF = 0x0D                        # the first byte of a page with rows of a table
ENTRIES = 0x0A                     # of a page with entries of an index
SIZES = (4096, 1024, 8192, 16384, 32768, 65536, 2048, 512)
MOST_COLUMNS = 64

Row = tuple[int, int, list]        # number of the page, rowid, values


class Unreadable(ValueError):
    """A cell that does not hold what a cell must."""


def rows(path: Path) -> Iterator[Row]:
    """(page, rowid, values) of every row of every table in the file and its log, in the order of the pages.

    Rows of pages that are no longer in use may be among them, and a row may come twice.
    """
    pages = _pages_of(path)
    for number in range(1, pages.last + 1):
        yield from _rows_of(pages, number)


def entries(path: Path) -> Iterator[list]:
    """The entries of the file's indexes, as far as they fit on a page: they name rows that may be lost themselves."""
    pages = _pages_of(path)
    for number in range(1, pages.last + 1):
        page = pages[number]
        if len(page) < 8 or page[0] != ENTRIES:
            continue
        cells = int.from_bytes(page[3:5], "big")
        for place in range(8, min(8 + 2 * cells, len(page) - 1), 2):
            try:
                length, start = _varint(page, int.from_bytes(page[place:place + 2], "big"))
                yield _values(page[start:start + length])
            except (Unreadable, IndexError, struct.error, UnicodeDecodeError, OverflowError):
                continue


def page_size(content: bytes) -> int:
    """The size of the file's pages: as its head says, or, where that is lost, the one that yields most leaves."""
    told = int.from_bytes(content[16:18], "big")
    told = 65536 if told == 1 else told
    if content.startswith(b"SQLite format 3\x00") and told in SIZES:
        return told
    leaves = {size: sum(_could_be_leaf(content[place:place + size]) for place in range(0, len(content), size))
              for size in SIZES}                           # too large a size misses every second one
    return max(SIZES, key=lambda size: leaves[size])


def _could_be_leaf(page: bytes) -> bool:
    if len(page) < 512 or page[0] != LEAF or page[7] > 60:
        return False
    cells, start = int.from_bytes(page[3:5], "big"), int.from_bytes(page[5:7], "big") or 65536
    if not (0 < cells < len(page) // 4 and 8 + 2 * cells <= start <= len(page)):
        return False
    return max(struct.unpack(f">{cells}H", page[8:8 + 2 * cells])) < len(page)         # else the page goes on


class _Pages:
    """Pages by number, from 1: what the log holds before what the file holds."""

    def __init__(self, content: bytes, frames: dict[int, bytes], size: int, usable: int) -> None:
        self.content, self.frames, self.size, self.usable = content, frames, size, usable
        self.last = max([-(-len(content) // size), *frames])

    def __getitem__(self, number: int) -> bytes:
        if number in self.frames:
            return self.frames[number]
        return self.content[(number - 1) * self.size:number * self.size]


def _pages_of(path: Path) -> _Pages:
    content = path.read_bytes()
    log = path.with_name(path.name + "-wal")
    frames, logged_size = _finished_frames(log.read_bytes()) if log.is_file() else ({}, 0)
    size = logged_size or page_size(content)
    reserved = content[20] if len(content) > 20 and content.startswith(b"SQLite format 3\x00") else 0
    return _Pages(content, frames, size, size - reserved)


def _rows_of(pages: _Pages, number: int) -> Iterator[Row]:
    page, start = pages[number], 100 if number == 1 else 0       # the first page begins with the file's head
    if len(page) < start + 8 or page[start] != LEAF:
        return
    cells = int.from_bytes(page[start + 3:start + 5], "big")
    for place in range(start + 8, min(start + 8 + 2 * cells, len(page) - 1), 2):
        try:
            rowid, record = _cell(pages, page, int.from_bytes(page[place:place + 2], "big"))
            yield number, rowid, _values(record)
        except (Unreadable, IndexError, struct.error, UnicodeDecodeError, OverflowError):
            continue


def _cell(pages: _Pages, page: bytes, place: int) -> tuple[int, bytes]:
    """The rowid and the record of a cell, with what of it lies on other pages."""
    if not 0 < place < len(page):
        raise Unreadable
    length, place = _varint(page, place)
    rowid, place = _varint(page, place)
    if length > 2**31:
        raise Unreadable
    rowid -= (rowid >> 63) << 64
    most = pages.usable - 35
    if length <= most:
        here = length
    else:
        least = (pages.usable - 12) * 32 // 255 - 23
        here = least + (length - least) % (pages.usable - 4)
        here = here if here <= most else least
    record = page[place:place + here]
    if length > here:
        parts, found = [record], here
        following, seen = int.from_bytes(page[place + here:place + here + 4], "big"), set()
        while following and found < length:
            if following in seen or following > pages.last:
                raise Unreadable
            seen.add(following)
            other = pages[following]
            part = other[4:4 + min(pages.usable - 4, length - found)]
            parts.append(part)
            found += len(part)
            following = int.from_bytes(other[:4], "big")
        record = b"".join(parts)
    if len(record) != length:
        raise Unreadable
    return rowid, record


def _values(record: bytes) -> list:
    """The columns of a record."""
    end, place = _varint(record, 0)
    kinds = []
    while place < end:
        kind, place = _varint(record, place)
        kinds.append(kind)
    if place != end or len(kinds) > MOST_COLUMNS:
        raise Unreadable
    values = []
    for kind in kinds:
        size = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind] if kind < 10 else (kind - 12) // 2
        part = record[place:place + size]
        if kind in (10, 11) or len(part) != size:
            raise Unreadable
        place += size
        if kind == 0:
            values.append(None)
        elif kind < 7:
            values.append(int.from_bytes(part, "big", signed=True))
        elif kind == 7:
            values.append(struct.unpack(">d", part)[0])
        elif kind < 10:
            values.append(kind - 8)
        else:
            values.append(part.decode() if kind % 2 else part)
    if place != len(record):
        raise Unreadable
    return values


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """A number of one to nine bytes, and the place behind it."""
    value = 0
    for count in range(8):
        byte = content[place + count]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + count + 1
    return value << 8 | content[place + 8], place + 9


def _finished_frames(log: bytes) -> tuple[dict[int, bytes], int]:
    """The latest page of each number in the log's finished transactions, and the pages' size. Checksums must fit."""
    if len(log) < 32 or log[:4] not in (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"):
        return {}, 0
    size, order = int.from_bytes(log[8:12], "big"), ">" if log[3] & 1 else "<"
    sums = _checksum(log[:24], (0, 0), order)
    if sums != struct.unpack(">2I", log[24:32]) or size not in SIZES:
        return {}, 0
    finished: dict[int, bytes] = {}
    waiting: dict[int, bytes] = {}
    for place in range(32, len(log) - size - 23, size + 24):
        head, page = log[place:place + 24], log[place + 24:place + 24 + size]
        sums = _checksum(page, _checksum(head[:8], sums, order), order)
        if head[8:16] != log[16:24] or sums != struct.unpack(">2I", head[16:24]):
            break
        waiting[int.from_bytes(head[:4], "big")] = page
        if int.from_bytes(head[4:8], "big"):               # the last page of a transaction
            finished |= waiting
            waiting = {}
    return finished, size if finished else 0


def _checksum(content: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
