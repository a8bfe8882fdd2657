"""Appending to segments: all or nothing, also when the disk fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from fyke.errors import Unavailable
from fyke.model.results import AttemptBatch, PushedRow
from fyke.storage.sql.results.journal import writer as module
from fyke.storage.sql.results.journal.segments import read_segment
from fyke.storage.sql.results.journal.writer import JournalWriter

STORE = bytes(16)


def batch(text: str) -> AttemptBatch:
    return AttemptBatch("r", "a", [PushedRow(b'{"t":"%s"}' % text.encode())])


def rows(folder: Path) -> list[list[bytes]]:
    return [
        [record.batch.rows[0].data for record in read_segment(path).records]
        for path in sorted(folder.iterdir())
    ]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 256)


def full(*_: Any) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.usefixtures("small")
def test_a_full_segment_is_followed_by_another(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, STORE, 5)
    for text in ("a" * 100, "b" * 20, "c" * 100, "d" * 1000):
        writer.append([(1, batch(text))])
    lengths = [[len(data) for data in segment] for segment in rows(tmp_path)]
    assert lengths == [[108, 28], [108], [1008]]
    assert writer.segment == 7
    assert [path.name for path in writer.take_before(7)] == ["00000005.journal", "00000006.journal"]


def test_nothing_is_written_when_there_is_no_room_for_a_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter(tmp_path, STORE, 1)
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        with pytest.raises(Unavailable, match="No space left"):
            writer.append([(1, batch("x"))])
        assert list(tmp_path.iterdir()) == []
    writer.append([(1, batch("y"))])
    assert rows(tmp_path) == [[b'{"t":"y"}']]


def test_after_a_write_that_fails_half_way_nothing_is_written_to_its_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter(tmp_path, STORE, 1)
    writer.append([(1, batch("first"))])
    pwritev = os.pwritev

    def most(descriptor: int, parts: list[bytes], position: int) -> int:
        return pwritev(descriptor, [b"".join(parts)[:-1]], position)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwritev", most)
        patched.setattr(os, "pwrite", full)
        size, is_written = writer.append([(2, batch("whole")), (3, batch("torn"))])
        assert size > 0
        assert not is_written
    # another process may have read the record that is whole: nothing is written in its place
    writer.append([(4, batch("next"))])
    assert rows(tmp_path) == [[b'{"t":"first"}', b'{"t":"whole"}'], [b'{"t":"next"}']]
    with pytest.raises(OSError, match="could not be written"):
        writer.sync()


def test_a_flush_during_a_write_does_not_count_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter(tmp_path, STORE, 1)
    writer.append([(1, batch("a"))])
    flushed: list[int] = []
    pwritev, fdatasync = os.pwritev, os.fdatasync

    def flush_and_write(descriptor: int, parts: list[bytes], position: int) -> int:
        writer.sync()  # as in the thread of flushes
        return pwritev(descriptor, parts, position)

    def count(descriptor: int) -> None:
        flushed.append(descriptor)
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", count)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwritev", flush_and_write)
        writer.append([(2, batch("b"))])
    assert len(flushed) == 1
    writer.sync()
    assert len(flushed) == 2


def test_a_segment_that_a_failed_start_has_left_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "00000003.journal").write_bytes(b"")
    writer = JournalWriter(tmp_path, STORE, 3)
    writer.append([(1, batch("a"))])
    assert writer.segment == 4
    assert rows(tmp_path) == [[], [b'{"t":"a"}']]


def test_a_failed_flush_is_not_forgotten_until_its_segment_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter(tmp_path, STORE, 1)
    writer.append([(1, batch("a"))])
    writer.sync()
    writer.append([(2, batch("b"))])
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", full)
        with pytest.raises(OSError, match="No space"):
            writer.sync()
    with pytest.raises(OSError, match="could not be written"):
        writer.sync()
    writer.begin_segment()
    writer.append([(3, batch("c"))])
    with pytest.raises(OSError, match="could not be written"):
        writer.sync()
    writer.take_before(writer.segment)
    writer.sync()


@pytest.mark.usefixtures("small")
def test_without_room_nothing_is_written_unless_a_segment_may_be_begun(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, STORE, 1)
    assert writer.append([(1, batch("a"))], begin=False) == (0, False)
    assert list(tmp_path.iterdir()) == []
    assert writer.append([(1, batch("a"))])[1]
    assert writer.append([(2, batch("b"))], begin=False)[1]
    assert writer.append([(3, batch("c" * 200))], begin=False) == (0, False)
    assert rows(tmp_path) == [[b'{"t":"a"}', b'{"t":"b"}']]


def test_many_records_are_one_write(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, STORE, 1)
    size, _ = writer.append([(n, batch(str(n))) for n in range(1, 2001)])
    content = read_segment(tmp_path / "00000001.journal")
    assert [record.number for record in content.records] == list(range(1, 2001))
    assert size == sum(24 + len(module.encode_body(record.batch)) for record in content.records)
