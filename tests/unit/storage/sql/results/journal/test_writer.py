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
from fyke.storage.sql.results.journal.records import JournalRecord
from fyke.storage.sql.results.journal.segments import read_segment
from fyke.storage.sql.results.journal.writer import JournalWriter

STORE = bytes(16)


def record(number: int, text: str) -> JournalRecord:
    row = PushedRow(b'{"t":"%s"}' % text.encode())
    return JournalRecord(number, AttemptBatch("r", "a", [row]))


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
        writer.append([record(1, text)])
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
            writer.append([record(1, "x")])
        assert list(tmp_path.iterdir()) == []
    writer.append([record(1, "y")])
    assert rows(tmp_path) == [[b'{"t":"y"}']]


def test_after_a_write_that_fails_half_way_nothing_is_written_until_the_segments_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter(tmp_path, STORE, 1)
    writer.append([record(1, "first")])
    pwritev = os.pwritev

    def most(descriptor: int, parts: list[bytes], position: int) -> int:
        return pwritev(descriptor, [b"".join(parts)[:-1]], position)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwritev", most)
        patched.setattr(os, "pwrite", full)
        size, is_written = writer.append([record(2, "whole"), record(3, "torn")])
        assert size > 0
        assert not is_written
    with pytest.raises(Unavailable, match="not used"):
        writer.append([record(4, "next")])
    writer.take_before(writer.segment + 1)
    writer.failed = False
    assert writer.append([record(4, "next")])[1]
    assert rows(tmp_path) == [[b'{"t":"first"}', b'{"t":"whole"}'], [b'{"t":"next"}']]


def test_durable_records_are_flushed_before_they_count_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter(tmp_path, STORE, 1, durable=True)
    writer.prepare()
    flushed: list[list[list[bytes]]] = []
    monkeypatch.setattr(os, "fdatasync", lambda _: flushed.append(rows(tmp_path)))
    assert writer.append([record(1, "a"), record(2, "b")])[1]
    assert flushed == [[[b'{"t":"a"}', b'{"t":"b"}']]]
    monkeypatch.setattr(os, "fdatasync", full)
    assert not writer.append([record(3, "c")])[1]
    assert writer.failed


def test_a_new_segment_and_its_name_are_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise, after a loss of power, records can be there without the header."""
    flushed: list[object] = []
    folder = tmp_path / "journal"
    folder.mkdir()
    monkeypatch.setattr(os, "fdatasync", lambda _: flushed.append("header"))
    monkeypatch.setattr(module, "flush_folder", flushed.append)
    writer = JournalWriter(folder, STORE, 1)
    writer.prepare()
    assert flushed == ["header", folder, tmp_path]
    writer.append([record(1, "a")])
    assert len(flushed) == 3


def test_a_segment_that_a_failed_start_has_left_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "00000003.journal").write_bytes(b"")
    writer = JournalWriter(tmp_path, STORE, 3)
    writer.append([record(1, "a")])
    assert writer.segment == 4
    assert rows(tmp_path) == [[], [b'{"t":"a"}']]


def test_a_segment_that_cannot_be_created_is_not_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``take_before`` must not take one that is still written."""
    writer = JournalWriter(tmp_path, STORE, 1)
    writer.append([record(1, "a")])
    (tmp_path / "00000002.journal").write_bytes(b"")
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        with pytest.raises(Unavailable, match="No space left"):
            writer.append([record(2, "b" * module.SEGMENT_BYTES)])
    assert writer.segment == 1
    assert writer.take_before(writer.segment) == []


@pytest.mark.usefixtures("small")
def test_without_room_nothing_is_written_unless_a_segment_may_be_begun(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, STORE, 1)
    assert writer.append([record(1, "a")], begin=False) == (0, False)
    assert list(tmp_path.iterdir()) == []
    assert writer.append([record(1, "a")])[1]
    assert writer.append([record(2, "b")], begin=False)[1]
    assert writer.append([record(3, "c" * 200)], begin=False) == (0, False)
    assert rows(tmp_path) == [[b'{"t":"a"}', b'{"t":"b"}']]


def test_many_records_are_one_write(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, STORE, 1)
    size, _ = writer.append([record(n, str(n)) for n in range(1, 2001)])
    content = read_segment(tmp_path / "00000001.journal")
    assert [record.number for record in content.records] == list(range(1, 2001))
    assert size == sum(24 + len(module.encode_body(record.batch)) for record in content.records)
