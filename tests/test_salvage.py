"""What is read of a damaged database, against what SQLite itself reads of a whole one."""

from __future__ import annotations

import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.history import salvage as module
from edge.history.salvage import salvage
from edge.history.store import _SCHEMA, TOTALS

NUMBERS = [1, 2, 127, 128, 2**14, 2**21, 2**28, 2**35, 2**42, 2**47, 2**49, 2**56, 2**62]


def opened(path: Path, size: int = 4096) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute(f"PRAGMA page_size = {size}")
    db.executescript(_SCHEMA)
    return db


def add(db: sqlite3.Connection, number: int, details: str, seat: str | None = "desk") -> None:
    at_unix = [0.0, 1.5, 1.7e9, -2.0, 3.0][number % 5]
    db.execute(
        "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)",
        (number, f"id-{number}", "pickup", "2026-03-05", at_unix, seat, details),
    )


def fill(db: sqlite3.Connection, size: int) -> None:
    for place, number in enumerate(NUMBERS):
        add(db, number, "{}", None if place % 2 else "desk")
        db.execute("INSERT INTO outbox VALUES (?, ?, ?)", (number, number + 1, place * 0.5))
    # Around the length at which a row goes on in pages of its own.
    for place, length in enumerate(
        [*range(size - 90, size - 50, max(1, size // 8192)), 3 * size, 9 * size + 7]
    ):
        add(db, 1000 + place, chr(97 + place % 26) * length)
    for day in range(1, 30):
        figures = [day * 1.5, 0.0, 1.0, -1.0, 255, 70000, 2**33, *[7] * 99][: len(TOTALS)]
        db.execute(
            f"INSERT INTO day VALUES ({', '.join('?' * (2 + len(figures)))})",
            (f"2026-03-{day:02}", "desk", *figures),
        )
    db.execute("INSERT INTO note VALUES ('clock', ?)", ("{}" * 200,))


def told(db: sqlite3.Connection) -> tuple[dict, dict, dict, dict]:
    """What SQLite reads, as `Salvaged` has it."""
    return (
        {row[1]: row for row in db.execute("SELECT * FROM event")},
        {row[1]: row for row in db.execute("SELECT * FROM outbox")},
        {row[:2]: row for row in db.execute("SELECT * FROM day")},
        {row[0]: row for row in db.execute("SELECT * FROM note")},
    )


def found(path: Path) -> tuple[dict, dict, dict, dict]:
    read = salvage(path, totals=len(TOTALS))
    assert len(read) == sum(map(len, (read.events, read.outbox, read.days, read.notes)))
    return read.events, read.outbox, read.days, read.notes


@pytest.mark.parametrize("size", [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536])
def test_of_a_whole_database_everything_is_read_whatever_its_pages(tmp_path, size):
    path = tmp_path / "h.db"
    with closing(opened(path, size)) as db:
        db.execute("BEGIN")
        fill(db, size)
        db.execute("COMMIT")
        wanted = told(db)
    assert found(path) == wanted
    assert len(wanted[0]) > 15


def test_a_row_that_fills_many_pages_is_read_in_their_order(tmp_path):
    path = tmp_path / "h.db"
    with closing(opened(path, 512)) as db:
        add(db, 1, " ".join(map(str, range(1000))))
        wanted = told(db)
    assert found(path) == wanted


def test_a_header_that_lies_about_the_size_of_the_pages_costs_nothing(tmp_path):
    path = tmp_path / "h.db"
    with closing(opened(path)) as db:
        db.execute("BEGIN")
        fill(db, 4096)
        db.execute("COMMIT")
        wanted = told(db)
    for lie in (0, 1, 512, 513, 8192, 65535):
        data = bytearray(path.read_bytes())
        data[16:18] = struct.pack(">H", lie)
        path.write_bytes(data)
        assert found(path) == wanted, lie


@pytest.mark.parametrize("length", [0, 17, 99, 100, 101])
def test_of_next_to_nothing_nothing_is_read(tmp_path, length):
    path = tmp_path / "h.db"
    path.write_bytes(b"SQLite format 3\0".ljust(length, b"\0")[:length])
    assert found(path) == ({}, {}, {}, {})


def test_a_file_that_ends_in_the_middle_of_a_page_is_read_to_its_end(tmp_path):
    path = tmp_path / "h.db"
    with closing(opened(path)) as db:
        db.execute("INSERT INTO note VALUES ('last', 'one')")
        page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'note'").fetchone()[0]
    data = path.read_bytes()
    # The row is at the end of its page, and before it there is nothing.
    cut = data[: page * 4096]
    assert cut[-4:].endswith(b"one")
    path.write_bytes(cut + b"\0" * 11)
    assert found(path)[3] == {"last": ("last", "one")}
    path.write_bytes(cut[:-2])
    assert found(path)[3] == {"last": ("last", "o\0\0")}


def test_what_the_card_cannot_read_is_zeros_and_the_rest_is_read(tmp_path):
    data = bytes(range(1, 251)) * 60  # not a whole number of pages

    class BadFile:
        def __init__(self) -> None:
            self.at = 0

        def __enter__(self) -> BadFile:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def seek(self, at: int, whence: int = 0) -> int:
            self.at = at + (len(data) if whence == 2 else 0)
            return self.at

        def read(self, length: int) -> bytes:
            if 4096 <= self.at < 8192:
                raise OSError("bad sector")
            return data[self.at : self.at + length]

    class BadPath:
        def open(self, *_: object, **__: object) -> BadFile:
            return BadFile()

    read = module._readable(BadPath())  # type: ignore[arg-type]
    assert read == data[:4096] + bytes(4096) + data[8192:]


# ---------------------------------------------------------------- the write-ahead log


def logged(tmp_path: Path, size: int = 4096) -> tuple[Path, list[tuple[dict, ...]]]:
    """A copy of a database whose last transactions are in its log only, and what was so after
    each of them."""
    path, copy = tmp_path / "h.db", tmp_path / "copy.db"
    steps = []
    with closing(opened(path, size)) as db:
        add(db, 1, "{}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        steps.append(told(db))
        for number in (5000, 5001):
            db.execute("BEGIN")
            add(db, number, "x" * 100)
            db.execute("DELETE FROM note")
            db.execute("INSERT INTO note VALUES ('step', ?)", (str(number),))
            db.execute("COMMIT")
            steps.append(told(db))
        shutil.copy(path, copy)
        shutil.copy(f"{path}-wal", f"{copy}-wal")
    return copy, steps


@pytest.mark.parametrize("size", [512, 4096, 65536])
def test_what_is_only_in_the_log_is_read_too(tmp_path, size):
    path, steps = logged(tmp_path, size)
    assert found(path) == steps[-1]


def frames(log: bytes, size: int) -> list[int]:
    """Where each frame begins."""
    return list(range(32, len(log), 24 + size))


def last_of_a_transaction(log: bytes, at: int) -> bool:
    return struct.unpack_from(">I", log, at + 4)[0] > 0


@pytest.mark.parametrize("place", [0, 4, 8, 12, 16, 20, 24, 24 + 4095])
def test_a_log_is_read_as_far_as_its_sums_agree(tmp_path, place):
    path, steps = logged(tmp_path)
    wal = path.with_name(path.name + "-wal")
    log = wal.read_bytes()
    first_end = next(at for at in frames(log, 4096) if last_of_a_transaction(log, at))
    torn = bytearray(log)
    torn[first_end + 24 + 4096 + place] ^= 1  # of the frame behind it
    wal.write_bytes(torn)
    assert found(path) == steps[1]
    torn = bytearray(log)
    torn[first_end + place] ^= 1
    wal.write_bytes(torn)
    assert found(path) == steps[0], "a transaction without its end has never been"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda log: b"\0\0\0\0" + log[4:],
        lambda log: log[:8] + struct.pack(">I", 8192) + log[12:],
        lambda log: log[:31],
        lambda log: b"",
        lambda log: log[:16] + b"\1" + log[17:],
        lambda log: log[: 32 + 24 + 4095],
    ],
    ids=["magic", "page size", "no header", "empty", "salt", "no whole frame"],
)
def test_a_log_that_is_not_of_this_database_is_none(tmp_path, spoil):
    path, steps = logged(tmp_path)
    wal = path.with_name(path.name + "-wal")
    wal.write_bytes(spoil(wal.read_bytes()))
    assert found(path) == steps[0]


def test_the_last_frame_is_read_though_nothing_follows_it(tmp_path):
    path, steps = logged(tmp_path)
    wal = path.with_name(path.name + "-wal")
    wal.write_bytes(wal.read_bytes() + b"\1" * 500)
    assert found(path) == steps[-1]


def sums(data: bytes, order: str, first: int, second: int) -> tuple[int, int]:
    """https://www.sqlite.org/fileformat2.html, 4.2"""
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for place in range(0, len(words), 2):
        first = (first + words[place] + second) % 2**32
        second = (second + words[place + 1] + first) % 2**32
    return first, second


def test_a_log_of_a_machine_of_the_other_kind_is_read_too(tmp_path):
    path, steps = logged(tmp_path)
    wal = path.with_name(path.name + "-wal")
    log = wal.read_bytes()
    magic = struct.unpack_from(">I", log)[0] ^ 1
    order = ">" if magic & 1 else "<"
    head = struct.pack(">I", magic) + log[4:24]
    pair = sums(head, order, 0, 0)
    made = head + struct.pack(">II", *pair)
    for at in frames(log, 4096):
        begin, page = log[at : at + 8], log[at + 24 : at + 24 + 4096]
        pair = sums(begin + page, order, *pair)
        made += begin + log[at + 8 : at + 16] + struct.pack(">II", *pair) + page
    wal.write_bytes(made)
    assert found(path) == steps[-1]


def test_what_was_not_committed_has_never_been(tmp_path):
    path, copy = tmp_path / "h.db", tmp_path / "copy.db"
    with closing(opened(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA cache_size = 1")
        add(db, 1, "{}")
        wanted = told(db)
        db.execute("BEGIN")
        for number in range(2, 200):
            add(db, number, "x" * 1000)
        shutil.copy(path, copy)
        shutil.copy(f"{path}-wal", f"{copy}-wal")
        assert Path(f"{copy}-wal").stat().st_size > 100_000, "it has spilled into the log"
        db.execute("ROLLBACK")
    assert found(copy) == wanted


# ---------------------------------------------------------------- pages and rows


def test_what_was_deleted_stays_deleted(tmp_path):
    path = tmp_path / "h.db"
    with closing(opened(path)) as db:
        db.execute("PRAGMA secure_delete = OFF")
        for number in range(1, 1300):
            add(db, number, "x" * 3000)
        db.execute("DELETE FROM event WHERE number BETWEEN 50 AND 1250")
        wanted = told(db)
        free = db.execute("PRAGMA freelist_count").fetchone()[0]
    assert free > 1022, "so many that their list is longer than a page"
    assert found(path) == wanted
    # A list that is torn names none: rather a row too many than one too few.
    for at, value in ((36, 1), (32, 2**31), (36, free + 1)):
        data = bytearray(path.read_bytes())
        struct.pack_into(">I", data, at, value)
        torn = tmp_path / f"torn-{at}-{value}.db"
        torn.write_bytes(data)
        events = found(torn)[0]
        assert len(events) > len(wanted[0])
        assert events.items() >= wanted[0].items()


def test_a_list_of_free_pages_that_bites_its_tail_ends(tmp_path):
    path = tmp_path / "h.db"
    with closing(opened(path)) as db:
        for number in range(1, 200):
            add(db, number, "x" * 3000)
        db.execute("DELETE FROM event WHERE number > 50")
        wanted = told(db)
    data = bytearray(path.read_bytes())
    trunk = struct.unpack_from(">I", data, 32)[0]
    struct.pack_into(">I", data, (trunk - 1) * 4096, trunk)
    path.write_bytes(data)
    assert found(path)[0].items() >= wanted[0].items()


@pytest.mark.parametrize(("length", "read"), [(1_000_000, True), (1_000_001, False)])
def test_a_row_that_is_longer_than_any_of_this_history_is_none(tmp_path, length, read):
    path = tmp_path / "h.db"
    with closing(opened(path)) as db:
        # Its header, of the two texts, takes five bytes; the name one.
        db.execute("INSERT INTO note VALUES ('n', ?)", ("x" * (length - 6),))
    assert set(found(path)[3]) == ({"n"} if read else set())


def page_of(*cells: bytes, size: int = 512) -> bytes:
    """A leaf of a table."""
    content, places = b"", []
    for cell in cells:
        content = cell + content
        places.append(size - len(content))
    head = b"\x0d\0\0" + struct.pack(">H", len(cells)) + b"\0\0\0"
    head += struct.pack(f">{len(places)}H", *places)
    return head + bytes(size - len(head) - len(content)) + content


def cell(payload: bytes, rowid: int = 1) -> bytes:
    return bytes([len(payload), rowid]) + payload


@pytest.mark.parametrize(
    ("payload", "row"),
    [
        pytest.param(b"\x03\x08\x09", (0, 1), id="nought and one"),
        pytest.param(b"\x02\x01\xff", (-1,), id="one byte"),
        pytest.param(b"\x02\x02\x01\x00", (256,), id="two"),
        pytest.param(b"\x02\x03\x01\x00\x00", (65536,), id="three"),
        pytest.param(b"\x02\x04\x80\x00\x00\x00", (-(2**31),), id="four"),
        pytest.param(b"\x02\x05\x00\x01\x00\x00\x00\x00", (2**32,), id="six"),
        pytest.param(b"\x02\x06" + b"\x7f" + b"\xff" * 7, (2**63 - 1,), id="eight"),
        pytest.param(b"\x02\x07" + struct.pack(">d", 2.5), (2.5,), id="a figure"),
        pytest.param(b"\x02\x07\x00\x01", (None,), id="a figure that is cut off"),
        pytest.param(b"\x03\x00\x0f" + b"a", (None, "a"), id="nothing, then a text"),
        pytest.param(b"\x03\x10\x0f" + b"ab" + b"c", (b"ab", "c"), id="bytes, then a text"),
        pytest.param(b"\x02\x15ab", ("ab",), id="a text that is cut off"),
        pytest.param(b"\x03\x81\x09" + b"x" * 62, ("x" * 62,), id="a length of two bytes"),
        pytest.param(b"\x03\x81\x00" + b"x" * 58, (b"x" * 58,), id="the least of two bytes"),
        pytest.param(b"\x02\x7f" + b"x" * 57, ("x" * 57,), id="the most of one byte"),
        pytest.param(b"\x03\x80\x09", (1,), id="a kind with a byte that says nothing"),
        pytest.param(b"\x03\x01\x81\x05abc", (5, "abc"), id="a last kind that reaches too far"),
    ],
)
def test_a_row_is_read_as_sqlite_writes_it(payload, row):
    page = page_of(cell(payload, 5))
    assert list(module._cells(page, {}, 512)) == [(5, row)]


@pytest.mark.parametrize(
    "payload",
    [b"\x02\x0a", b"\x02\x0b", b"\x29" + b"\x08" * 40, b"\x09", b""],
    ids=["reserved", "reserved too", "too many columns", "no header", "empty"],
)
def test_what_is_no_row_is_passed_over_and_the_next_one_read(payload):
    page = page_of(cell(payload), cell(b"\x02\x09", 2))
    assert list(module._cells(page, {}, 512)) == [(2, (1,))]


def test_a_text_that_claims_to_be_longer_than_its_row_has_nothing_of_the_next_one():
    page = page_of(cell(b"\x02\x09"), cell(b"\x02\x15ab", 2))
    assert list(module._cells(page, {}, 512)) == [(1, (1,)), (2, ("ab",))]


def test_as_many_columns_as_a_day_has_and_some_more_are_a_row():
    (row,) = module._cells(page_of(cell(b"\x28" + b"\x09" * 39)), {}, 512)
    assert row == (1, (1,) * 39)


def test_a_place_beyond_the_page_is_inside_it_with_one_bit_less():
    page = bytearray(page_of(cell(b"\x02\x09", 3)))
    page[8] ^= 0x80
    assert list(module._cells(bytes(page), {}, 512)) == [(3, (1,))]


def test_a_page_that_claims_more_rows_than_fit_is_read_all_the_same():
    page = bytearray(page_of(cell(b"\x02\x09", 3)))
    page[3:5] = b"\xff\xff"
    assert (3, (1,)) in list(module._cells(bytes(page), {}, 512))
    # As many places as there is room for, all of them 258, where a row without columns is.
    page = b"\x0d\0\0\xff\xff\0\0\0" + b"\x01\x02" * 252
    assert list(module._cells(page, {}, 512)) == [(2, ())] * 252


def free_list(following: int, *free: int, count: int | None = None, size: int = 512) -> bytes:
    """A page of the list of free ones (https://www.sqlite.org/fileformat2.html, 1.5)."""
    count = len(free) if count is None else count
    return struct.pack(f">{2 + len(free)}I", following, count, *free).ljust(size, b"\0")


def first_page(trunk: int, total: int) -> bytes:
    return bytes(32) + struct.pack(">II", trunk, total) + bytes(512 - 40)


MANY = range(10, 10 + 126)  # as many as a page of 512 bytes has room for


@pytest.mark.parametrize(
    ("pages", "free"),
    [
        pytest.param({}, set(), id="no page at all"),
        pytest.param({1: first_page(0, 0)}, set(), id="none is free"),
        pytest.param({1: first_page(2, 1), 2: free_list(0)}, {2}, id="one"),
        pytest.param({1: first_page(2, 3), 2: free_list(0, 5, 4)}, {2, 4, 5}, id="three"),
        pytest.param(
            {1: first_page(2, 5), 2: free_list(3, 5, 4), 3: free_list(0, 7)},
            {2, 3, 4, 5, 7},
            id="two pages of them",
        ),
        pytest.param({1: first_page(2, 127), 2: free_list(0, *MANY)}, {2, *MANY}, id="a full page"),
        pytest.param(
            {1: first_page(2, 128), 2: free_list(0, *MANY, count=127)}, set(), id="too many"
        ),
        pytest.param({1: first_page(2, 2), 2: free_list(0, 5, 4)}, set(), id="more than are told"),
        pytest.param({1: first_page(2, 4), 2: free_list(0, 5, 4)}, set(), id="fewer"),
        pytest.param({1: first_page(2, 3), 2: free_list(2, 5, 4)}, set(), id="in a circle"),
        pytest.param({1: first_page(2, 3), 2: free_list(9, 5, 4)}, set(), id="into nothing"),
        pytest.param(
            {1: first_page(2, 3), 2: free_list(0, 5, 4)[:511]}, set(), id="a page that is cut off"
        ),
    ],
)
def test_which_pages_are_free_is_what_their_list_says_as_a_whole(pages, free):
    assert module._free(pages, 512) == free


def overflow(following: int, content: bytes) -> bytes:
    return struct.pack(">I", following) + content


REST = bytes(range(256)) * 4


@pytest.mark.parametrize(
    ("pages", "read"),
    [
        pytest.param({}, b"", id="into nothing"),
        pytest.param({7: overflow(9, REST[:508])}, REST[:508], id="only the first of two"),
        pytest.param(
            {7: overflow(9, REST[:508]), 9: overflow(0, REST[508:1016])}, REST[:1000], id="both"
        ),
        pytest.param({7: overflow(0, REST[:508]), 9: REST}, REST[:508], id="an end before the end"),
        pytest.param({7: overflow(7, REST[:508])}, REST[:508] + REST[:492], id="in a circle"),
        pytest.param({7: overflow(7, b"")}, b"", id="in a circle of nothing"),
        pytest.param({7: overflow(9, b"a"), 9: overflow(7, b"b")}, b"ab" * 500, id="byte by byte"),
        pytest.param({7: b"\0\0\7"}, b"", id="not even a number"),
    ],
)
def test_what_did_not_fit_into_a_page_is_read_as_far_as_it_can_be_found(pages, read):
    # Of 1,039 bytes 39 are kept in a page of 512, as (1039 - 39) % 508 of them would be too many.
    assert (512 - 12) * 32 // 255 - 23 == 39
    page = b"\1" * 60 + b"k" * 39 + overflow(7, bytes(409))
    assert module._payload(page, 60, 1039, pages, 512) == b"k" * 39 + read


@pytest.mark.parametrize(
    ("length", "kept"),
    [  # of a page of 512 bytes: at most 477, at least 39, and the rest fills pages of 508
        (476, 476), (477, 477), (478, 39), (546, 39), (547, 39), (548, 40), (984, 476), (985, 477),
        (986, 39), (1054, 39), (1055, 39), (1056, 40),
    ],
)  # fmt: skip
def test_of_a_long_row_a_page_keeps_what_the_format_says(length, kept):
    page = b"k" * kept + bytes(600)  # no page follows
    assert module._payload(page, 0, length, {}, 512) == b"k" * kept


def sorted_in(*rows: tuple[int, tuple]) -> module.Salvaged:
    found = module.Salvaged()
    for rowid, row in rows:
        module._sort(found, rowid, row, 2)
    return found


def test_a_row_belongs_where_its_shape_says_and_the_first_of_a_name_stays():
    assert sorted_in(
        (7, (None, "a", "pickup", "2026", 1.5, "desk", "{}")),
        (8, (None, "a", "putdown", "2027", 2.5, "desk", "{}")),
        (9, (b"x", "b", None, None, None, None, None)),
        (10, (None, 3, "pickup", "2026", 1.5, "desk", "{}")),
        (11, (None, "c", "pickup", "2026", 1.5, "desk")),
        (4, (None, 7, 2.5)),
        (5, (None, 7, 3.5)),
        (6, (None, "8", 3.5)),
        (1, ("clock", "{}")),
        (2, ("clock", "[]")),
        (3, ("clock", None)),
        (1, ("2026-03-05", "desk", 1.5, 2)),
        (2, ("2026-03-06", "desk", "x", None)),
        (3, ("2026-03-07", "desk", 1.5)),
        (4, ("2026-03-07", "desk", 1.5, 2, 3)),
        (5, ("2026-03-07", None, 1.5, 2)),
        (6, ()),
    ) == module.Salvaged(
        events={
            "a": (7, "a", "pickup", "2026", 1.5, "desk", "{}"),
            "b": (9, "b", "", "", 0.0, None, ""),
        },
        outbox={7: (4, 7, 2.5)},
        days={
            ("2026-03-05", "desk"): ("2026-03-05", "desk", 1.5, 2),
            ("2026-03-06", "desk"): ("2026-03-06", "desk", 0.0, 0.0),
        },
        notes={"clock": ("clock", "[]")},
    )


@given(st.integers(-(2**63), 2**63 - 1), st.binary(max_size=3))
@example(-(2**63), b"")
def test_a_number_of_any_length_is_read(number, before):
    bits = number % 2**64
    if bits < 2**56:
        digits = [bits >> shift & 0x7F for shift in range(0, 56, 7)]
        while len(digits) > 1 and digits[-1] == 0:
            digits.pop()
        made = bytes(each | 0x80 for each in digits[:0:-1]) + bytes([digits[0]])
    else:
        made = bytes(bits >> 8 + shift & 0x7F | 0x80 for shift in range(49, -1, -7))
        made += bytes([bits & 0xFF])
    assert module._varint(before + made + b"\x55", len(before)) == (
        number,
        len(before) + len(made),
    )
