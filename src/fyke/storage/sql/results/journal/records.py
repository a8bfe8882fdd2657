"""The bytes of a record: one batch of an attempt, which is stored as a whole or not at all.

======== ===== =======================================================================
part     bytes content
======== ===== =======================================================================
marker       4 ``MARKER``, which occurs in no body
checksum     4 CRC-32 of all that follows, started with the salt of the segment
length       4 of the body
synced       4 up to which position the segment was on disk when the record was written
number       8 1, 2, 3, ... within the attempt
body           MessagePack: run, attempt, rows (the data of each), headers, log
======== ===== =======================================================================

The salt is random, so no row can contain a valid record. A batch with upserts is never a record.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import msgspec

from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, Header, PushedRow
from fyke.storage.sql.dialects import to_storable_text

# Bodies consist of UTF-8, lengths and times. Two bytes of 0xFF and 0xFE in turn occur in none.
MARKER = b"\xff\xfe\xff\xfe"
HEAD = struct.Struct("<4sIIIQ")
_CHECKED = struct.Struct("<IIQ")
_FIXED = HEAD.size - _CHECKED.size  # marker and checksum


class _RecordBody(msgspec.Struct, array_like=True, frozen=True):
    run_id: str
    attempt_id: str
    rows: list[bytes]
    headers: list[tuple[str, str, str]] | None
    log: list[tuple[int, str, str, int]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_RecordBody).decode


@dataclass(slots=True)
class JournalRecord:
    """A batch and its number within its attempt."""

    number: int
    batch: AttemptBatch


@dataclass(frozen=True, slots=True)
class Found:
    """A valid record in a segment: its position, that after it, and ``synced``."""

    start: int
    end: int
    synced: int
    record: JournalRecord


def encode_body(batch: AttemptBatch) -> bytes:
    """Encode a batch without upserts. Texts that no store accepts are replaced as in the tables."""
    return _encode(
        (
            batch.run_id,
            batch.attempt_id,
            [row.data for row in batch.rows],
            None if batch.headers is None else [_header(header) for header in batch.headers],
            [_line(entry) for entry in batch.log] if batch.log else (),
        )
    )


def encode_head(number: int, body: bytes, salt: int, synced: int) -> bytes:
    """The head of a record with this body."""
    checked = _CHECKED.pack(len(body), synced, number)
    checksum = zlib.crc32(body, zlib.crc32(checked, salt))
    return MARKER + checksum.to_bytes(4, "little") + checked


def record_at(data: memoryview, start: int, salt: int) -> Found | None:
    """The record at a position of a segment's content, None if none is valid there."""
    if start + HEAD.size > len(data):
        return None
    marker, checksum, length, synced, number = HEAD.unpack_from(data, start)
    end = start + HEAD.size + length
    if marker != MARKER or end > len(data):
        return None
    if zlib.crc32(data[start + _FIXED : end], salt) != checksum:
        return None
    try:
        body = _decode(data[start + HEAD.size : end])
    except msgspec.MsgspecError:
        return None
    return Found(start, end, synced, JournalRecord(number, _batch(body)))


def _batch(body: _RecordBody) -> AttemptBatch:
    headers = body.headers
    return AttemptBatch(
        body.run_id,
        body.attempt_id,
        [PushedRow(data) for data in body.rows],
        None if headers is None else [Header(*header) for header in headers],
        [NewLogEntry(*entry) for entry in body.log],
    )


def _header(header: Header) -> tuple[str, str, str]:
    return (
        to_storable_text(header.label),
        to_storable_text(header.key),
        to_storable_text(header.format),
    )


def _line(entry: NewLogEntry) -> tuple[int, str, str, int]:
    return (
        int(entry.type),
        to_storable_text(entry.group),
        to_storable_text(entry.content),
        entry.timestamp,
    )
