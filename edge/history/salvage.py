"""What can still be read of a damaged database, page by page, without asking SQLite.

SQLite gives up a whole table for one bad byte of the schema. The rows are still there: a leaf page
of a table says by itself which rows it has, and the rows of this history are told apart by their
shape. Source: https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

Value = int | float | str | bytes | None
Row = tuple[Value, ...]

PAGE_BYTES = 4096  # what SQLite makes, and what is assumed when the header does not say
_MAGICS = {0x377F0682: "<", 0x377F0683: ">"}  # of a write-ahead log: the order of its checksum
_WAL_HEADER_BYTES, _FRAME_BYTES = 32, 24
_SCHEMA_PAGE = 1  # the header of the file and the schema: no row of a history
_OF_AN_INDEX = (b"\x02", b"\x0a")  # pages without rows
_LONGEST_HEADER_BYTES = 40  # a day has thirteen columns
_LONGEST_BYTES = 1_000_000  # no row of this history is longer


@dataclass(slots=True)
class Salvaged:
    """Rows as the tables have them: events by their id, what waits by the number of its event.

    Not by the number of the row: a bad card may have given two the same.
    """

    events: dict[str, Row] = field(default_factory=dict)
    outbox: dict[int, Row] = field(default_factory=dict)
    days: dict[tuple[str, str], Row] = field(default_factory=dict)
    notes: dict[str, Row] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.events) + len(self.outbox) + len(self.days) + len(self.notes)


def salvage(path: Path, *, totals: int) -> Salvaged:
    """Read a database and its write-ahead log. `totals`: how many figures a day has.

    Raises nothing for what the files contain; OSError when the database cannot be opened.
    """
    data = _readable(path)
    log_path = path.with_name(path.name + "-wal")
    log = _readable(log_path) if log_path.exists() else b""
    given = int.from_bytes(data[16:18], "big")
    given = 65536 if given == 1 else given
    sizes = {PAGE_BYTES, given} & {PAGE_BYTES, 512, 1024, 2048, 8192, 16384, 32768, 65536}
    found = [_rows(_pages(data, log, size), size, totals) for size in sizes]
    return max(found, key=len)


def _readable(path: Path) -> bytes:
    """The file, with zeros where the card cannot read it."""
    pieces = []
    with path.open("rb", buffering=0) as file:
        size = file.seek(0, 2)
        for start in range(0, size, PAGE_BYTES):
            try:
                file.seek(start)
                piece = file.read(PAGE_BYTES) or b""
            except OSError:
                piece = b""
            pieces.append(piece.ljust(min(PAGE_BYTES, size - start), b"\0"))
    return b"".join(pieces)


def _pages(data: bytes, log: bytes, size: int) -> dict[int, bytes]:
    """Pages by number, from 1, in their newest committed version."""
    pages = {
        number + 1: data[number * size : (number + 1) * size]
        for number in range(-(-len(data) // size))
    }
    uncommitted: dict[int, bytes] = {}
    for number, last, page in _frames(log, size):
        uncommitted[number] = page
        if last:
            pages |= uncommitted
            uncommitted = {}
    for number in _free(pages, size):
        pages.pop(number, None)
    return pages


def _frames(log: bytes, size: int) -> Iterator[tuple[int, bool, bytes]]:
    """(page, whether it ends a transaction, content), as far as the checksums agree."""
    if len(log) < _WAL_HEADER_BYTES:
        return
    magic, _, log_size, _, salt1, salt2, *_ = struct.unpack_from(">8I", log)
    order = _MAGICS.get(magic)
    if order is None or log_size != size:
        return
    sums = _checksum(log[: _WAL_HEADER_BYTES - 8], order, (0, 0))
    for start in range(_WAL_HEADER_BYTES, len(log) - _FRAME_BYTES - size + 1, _FRAME_BYTES + size):
        number, total, one, two, *given = struct.unpack_from(">6I", log, start)
        page = log[start + _FRAME_BYTES : start + _FRAME_BYTES + size]
        sums = _checksum(log[start : start + 8] + page, order, sums)
        if (one, two) != (salt1, salt2) or sums != tuple(given):
            return
        yield number, total > 0, page


def _checksum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


def _free(pages: dict[int, bytes], size: int) -> set[int]:
    """Pages that belong to nobody: what is deleted stays deleted. None when their list is torn."""
    free: set[int] = set()
    trunk = _u32(pages.get(1, b""), 32)
    while trunk:
        page = pages.get(trunk, b"")
        count = _u32(page, 4)
        if trunk in free or len(page) < size or count > size // 4 - 2:
            return set()
        leaves = struct.unpack_from(f">{count}I", page, 8)
        free |= {trunk, *leaves}
        trunk = _u32(page, 0)
    return set() if len(free) != _u32(pages.get(1, b""), 36) else free


def _u32(page: bytes, at: int) -> int:
    return int.from_bytes(page[at : at + 4], "big")


def _rows(pages: dict[int, bytes], size: int, totals: int) -> Salvaged:
    found = Salvaged()
    for number in sorted(pages):
        if number == _SCHEMA_PAGE or pages[number][:1] in _OF_AN_INDEX:
            continue
        for rowid, row in _cells(pages[number], pages, size):
            _sort(found, rowid, row, totals)
    return found


def _sort(found: Salvaged, rowid: int, row: Row, totals: int) -> None:
    """Put a row where its shape says that it belongs. Its number of columns says it: one of them
    may be damaged, and the others still tell of something."""
    match row:
        case (_, str(id_), type_, at, at_unix, seat, details):
            words = (type_ or "", at or "", 0.0 if at_unix is None else at_unix, seat)
            found.events.setdefault(id_, (rowid, id_, *words, details or ""))
        case (_, int(number), since_s):
            found.outbox.setdefault(number, (rowid, number, since_s))
        case (str(name), str()):
            found.notes[name] = row
        case (str(date), str(seat), *figures) if len(figures) == totals:
            numbers = (each if isinstance(each, int | float) else 0.0 for each in figures)
            found.days[date, seat] = (date, seat, *numbers)


def _cells(page: bytes, pages: dict[int, bytes], size: int) -> Iterator[tuple[int, Row]]:
    """Every row that reads as one. A page is hardly asked what it is: its first byte may lie."""
    if len(page) < size:
        page = page.ljust(size, b"\0")
    count = min(int.from_bytes(page[3:5], "big"), size // 2 - 4)
    for at in struct.unpack_from(f">{count}H", page, 8):
        try:
            # Beyond the page is inside it with one bit less, as SQLite has it too.
            length, at_rowid = _varint(page, at & (size - 1))
            rowid, at_payload = _varint(page, at_rowid)
            if 0 < length <= _LONGEST_BYTES:
                yield rowid, _record(_payload(page, at_payload, length, pages, size))
        except (IndexError, ValueError, struct.error):
            continue


def _payload(page: bytes, at: int, length: int, pages: dict[int, bytes], size: int) -> bytes:
    """The content of a row, with what did not fit into its page."""
    most, least = size - 35, (size - 12) * 32 // 255 - 23
    if length <= most:
        return page[at : at + length]
    local = least + (length - least) % (size - 4)
    if local > most:
        local = least
    content = page[at : at + local]
    following = _u32(page, at + local)
    while len(content) < length and following in pages:
        overflow = pages[following]
        content += overflow[4 : 4 + length - len(content)]
        following = _u32(overflow, 0)
        if len(overflow) <= 4:
            break
    return content


def _record(payload: bytes) -> Row:
    """Raises IndexError, ValueError, struct.error for what is no row."""
    header_bytes, at = _varint(payload, 0)
    if header_bytes > _LONGEST_HEADER_BYTES:
        raise ValueError("too many columns")
    kinds = []
    while at < header_bytes:
        kind = payload[at]
        if kind < 0x80:
            at += 1
        else:
            kind, at = _varint(payload, at)
        kinds.append(kind)
    at = header_bytes  # whatever its last entry claims
    values: list[Value] = []
    for kind in kinds:
        value, at = _value(payload, at, kind)
        values.append(value)
    return tuple(values)


_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind in (8, 9):
        return kind - 8, at
    if kind == 7:
        content = payload[at : at + 8]
        (figure,) = struct.unpack(">d", content) if len(content) == 8 else (None,)
        return figure, at + 8
    if kind in (10, 11):
        raise ValueError("a reserved kind")
    length = _INTEGER_BYTES.get(kind, (kind - 12) // 2)
    content = payload[at : at + length]  # less, when the length is damaged: that is read too
    if kind in _INTEGER_BYTES:
        return int.from_bytes(content, "big", signed=True), at + length
    return (content.decode(errors="replace") if kind % 2 else content), at + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of up to nine bytes, and where the next thing begins."""
    value = 0
    for offset in range(8):
        byte = data[at + offset]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + offset + 1
    value = value << 8 | data[at + 8]
    return value - (1 << 64) if value >= 1 << 63 else value, at + 9
