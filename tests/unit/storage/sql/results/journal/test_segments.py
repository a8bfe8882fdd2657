"""What is valid in a segment after a crash, at every byte."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, Header, PushedRow
from fyke.storage.sql.results.journal import segments
from fyke.storage.sql.results.journal.records import (
    HEAD,
    JournalRecord,
    encode_body,
    encode_head,
)
from fyke.storage.sql.results.journal.segments import HEADER, MAGIC, parse, read_segment, this_boot
from fyke.storage.sql.results.journal.writer import JournalWriter

SALT = 12345
STORE = bytes(range(1, 17))
OTHER_BOOT = bytes(range(16))
BATCHES = [
    AttemptBatch("run", "a", [PushedRow(b'{"n":1}')]),
    AttemptBatch("run", "b", [PushedRow(b'{"n":2}'), PushedRow(b"{}")]),
    AttemptBatch("run", "a", headers=[Header("l", "k", "text")], log=[NewLogEntry(2, "g", "c", 9)]),
]


def segment(*synced: int, boot: bytes | None = None) -> tuple[bytes, list[int]]:
    """A segment with ``BATCHES`` and zeros after them, and the starts of its records."""
    data = HEADER.pack(MAGIC, SALT, this_boot() if boot is None else boot, STORE)
    starts = []
    for number, batch in enumerate(BATCHES, 1):
        starts.append(len(data))
        body = encode_body(batch)
        data += encode_head(number, body, SALT, synced[number - 1] if synced else 0) + body
    return data + bytes(100), starts


def numbers(data: bytes) -> tuple[list[int], list[int]]:
    content = parse(data)
    return [record.number for record in content.records], content.damaged


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, STORE, 1)
    writer.append([JournalRecord(7, BATCHES[0])])
    writer.append([JournalRecord(n, batch) for n, batch in enumerate(BATCHES[1:], 1)])
    content = read_segment(tmp_path / "00000001.journal")
    assert [record.batch for record in content.records] == BATCHES
    assert [record.number for record in content.records] == [7, 1, 2]
    assert content.damaged == []
    assert content.store_id == STORE


def test_a_last_record_that_is_cut_at_any_byte_is_left_out() -> None:
    data, starts = segment()
    whole = data.rstrip(b"\0")
    for length in range(starts[-1], len(whole)):
        assert numbers(data[:length]) == ([1, 2], []), length
        torn = data[:length].ljust(len(data), b"\0")
        if torn != data:
            assert numbers(torn) == ([1, 2], []), length
    assert numbers(whole) == ([1, 2, 3], [])


def test_a_changed_byte_before_the_last_record_is_damage_and_the_rest_is_kept() -> None:
    data, starts = segment()
    for at in range(starts[1], starts[2]):
        changed = bytearray(data)
        changed[at] ^= 0x40
        assert numbers(bytes(changed)) == ([1, 3], [starts[1]]), at


def test_a_segment_without_a_header_is_empty() -> None:
    data, _ = segment()
    for length in range(HEADER.size):
        assert numbers(data[:length]) == ([], [])
    assert numbers(bytes(4096)) == ([], [])
    assert numbers(b"something else" * 9) == ([], [0])
    assert numbers(bytes([data[0] ^ 1]) + data[1:]) == ([], [0])


def test_after_a_loss_of_power_a_gap_is_the_end_of_what_was_not_flushed() -> None:
    data, starts = segment(boot=OTHER_BOOT)
    gap = bytes(starts[2] - starts[1])
    lost = data[: starts[1]] + gap + data[starts[2] :]
    assert numbers(lost) == ([1], [])


@pytest.mark.parametrize("boot", [OTHER_BOOT, None])
def test_a_gap_in_what_was_flushed_is_damage(boot: bytes | None) -> None:
    _, starts = segment()
    data, _ = segment(0, 0, starts[2], boot=boot)
    lost = data[: starts[1]] + bytes(starts[2] - starts[1]) + data[starts[2] :]
    assert numbers(lost) == ([1, 3], [starts[1]])


def test_a_row_cannot_contain_a_record(tmp_path: Path) -> None:
    """Not even one that was copied from the file of another segment."""
    data, starts = segment()
    copied = data[starts[0] : starts[1]]
    writer = JournalWriter(tmp_path, STORE, 1)
    writer.append([JournalRecord(1, AttemptBatch("r", "a", [PushedRow(copied * 3)]))])
    written = (tmp_path / "00000001.journal").read_bytes()
    torn = written[: HEADER.size] + bytes(HEAD.size) + written[HEADER.size + HEAD.size :]
    assert numbers(torn) == ([], [])


def test_a_record_that_appears_while_the_segment_is_read_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, starts = segment()
    file = tmp_path / "1.journal"
    file.write_bytes(data)
    half = data[: starts[1]] + bytes(starts[2] - starts[1]) + data[starts[2] :]
    answers = [half, data]
    monkeypatch.setattr(segments.Path, "read_bytes", lambda path: answers.pop(0))
    assert read_segment(file).damaged == []


class BadBlock:
    """A disk that does not return one block of a file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, start: int) -> None:
        self._start, self._pread = start, os.pread
        monkeypatch.setattr(segments.Path, "read_bytes", lambda _: self.read_all())
        monkeypatch.setattr(os, "pread", self.read)

    def read_all(self) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    def read(self, descriptor: int, length: int, start: int) -> bytes:
        if start <= self._start < start + length:
            raise OSError(errno.EIO, "Input/output error")
        return self._pread(descriptor, length, start)


def test_a_block_that_cannot_be_read_is_damage_and_the_rest_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter(tmp_path, STORE, 1)
    for number in (1, 2, 3):
        row = PushedRow(b'{"t":"%s"}' % (b"x" * 9000))
        writer.append([JournalRecord(number, AttemptBatch("r", "a", [row]))])
    BadBlock(monkeypatch, 13_000)
    content = read_segment(tmp_path / "00000001.journal")
    assert [record.number for record in content.records] == [1, 3]
    assert len(content.damaged) == 1
    assert 9000 < content.damaged[0] < 13_000


@pytest.mark.parametrize("start", [0, 2**20])
def test_a_block_without_records_that_cannot_be_read_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: int
) -> None:
    """It may have contained some."""
    JournalWriter(tmp_path, STORE, 1).append([JournalRecord(1, BATCHES[0])])
    BadBlock(monkeypatch, start)
    assert read_segment(tmp_path / "00000001.journal").damaged == [start]
