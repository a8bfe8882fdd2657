"""Parquet, in groups of rows that are sent as soon as they are complete.

Each group has one page for each column: a bit for each row that says whether it has a value, then
the values one after another (PLAIN), compressed with zstd. The description of all groups is at the
end of the file. Specification: the repository apache/parquet-format; numbers in comments are those
of its fields. What describes the file is written in the compact protocol of Thrift.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from typing import Any

import msgspec

from fyke.domain.results.export.column_types import BOOLEAN, DOUBLE, INT64, TEXT
from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.export.values import Column, TableReader, Value, text_of
from fyke.kit.zstd import zstd_module
from fyke.model.results import Header, RowBlock

# each column, and its name, takes memory in the description of each group
PARQUET_COLUMNS = 1024
PARQUET_KEY_CHARACTERS = 64 * 2**10  # of all names together

_MAGIC = b"PAR1"
_GROUP_ROWS = 2**17
_GROUP_CELLS = 2**22
_GROUP_BYTES = 8 * 2**20  # of JSON
_LEVEL = 3
_PLAIN, _RLE, _ZSTD, _OPTIONAL, _UTF8 = 0, 3, 6, 1, 0
_BINARY, _LIST, _STRUCT = 8, 9, 12
_END = b"\x00"  # of a struct
_I32, _I64 = 5, 6
_PHYSICAL = {BOOLEAN: 0, INT64: 2, DOUBLE: 5}  # all others are texts
_BYTES = 6
_LENGTHS = [size.to_bytes(4, "little") for size in range(512)]
_DIGITS = bytes.maketrans(b"\x00\x01", b"01")

_encode = msgspec.json.Encoder().encode
_Field = tuple[int, int, bytes]


class ParquetWriter:
    """Writes one Parquet file. The format of a column is its type, see ``column_types``; columns of
    all other formats are written as JSON text.
    """

    def __init__(self, columns: list[Header], meta: ExportMeta) -> None:
        self._columns = [_Column(column) for column in columns]
        self._read = TableReader([column.key for column in columns])
        self._compress = zstd_module().ZstdCompressor(level=_LEVEL)
        self._written = 0  # bytes so far
        self._rows = self._bytes = 0  # in the group
        self._most_rows = max(1, min(_GROUP_ROWS, _GROUP_CELLS // max(1, len(columns))))
        self._groups: list[bytes] = []
        self._all_rows = 0

    def head(self) -> bytes:
        return self._sent(_MAGIC)

    def page(self, block: RowBlock) -> bytes:
        if not self._columns:
            self._all_rows += len(block)
            return b""
        groups, sizes = [], list(map(len, block.texts()))
        for columns in self._read.columns(block):
            begin, count = 0, len(columns[0])
            while begin < count:
                end = begin + self._fitting(sizes[begin:count])
                for column, values in zip(self._columns, columns, strict=True):
                    column.add(values[begin:end])
                self._rows += end - begin
                self._bytes += sum(sizes[begin:end])
                if self._is_full():
                    groups.append(self._group())
                begin = end
            del sizes[:count]
        return b"".join(groups)

    def tail(self) -> bytes:
        last = self._group() if self._rows else b""
        root = _struct((4, _BINARY, _text("schema")), (5, _I32, _number(len(self._columns))))
        schema = [root, *(column.schema() for column in self._columns)]
        described = [
            _fields(
                (1, _I32, _number(1)),
                (2, _LIST, _list(_STRUCT, schema)),
                (3, _I64, _number(self._all_rows)),
                (4, _LIST, _list_head(_STRUCT, len(self._groups))),
            ),
            *self._groups,  # may be large: copied once
            _fields((6, _BINARY, _text("Fyke")), before=4),
            _END,
        ]
        size = sum(map(len, described)).to_bytes(4, "little")
        return b"".join([last, *described, size, _MAGIC])

    def _fitting(self, sizes: list[int]) -> int:
        """How many rows of these sizes fill the group: not more than are needed, so that groups do
        not depend on how the rows were read.
        """
        filled = bisect_left(list(accumulate(sizes, initial=self._bytes)), _GROUP_BYTES)
        return min(max(1, filled), self._most_rows - self._rows, len(sizes))

    def _is_full(self) -> bool:
        return self._rows >= self._most_rows or self._bytes >= _GROUP_BYTES

    def _group(self) -> bytes:
        begin = self._written
        chunks, pages, uncompressed = [], [], 0
        for column in self._columns:
            content = column.take(self._rows)
            page = self._compress.compress(content, self._compress.FLUSH_FRAME)
            head = _page_header(self._rows, len(content), len(page))
            size = len(head) + len(content)
            chunks.append(column.chunk(self._rows, self._written, size, len(head) + len(page)))
            pages += [self._sent(head), self._sent(page)]
            uncompressed += size
        self._groups.append(
            _struct(
                (1, _LIST, _list(_STRUCT, chunks)),
                (2, _I64, _number(uncompressed)),
                (3, _I64, _number(self._rows)),
                (5, _I64, _number(begin)),
                (6, _I64, _number(self._written - begin)),
            )
        )
        self._all_rows += self._rows
        self._rows = self._bytes = 0
        return b"".join(pages)

    def _sent(self, data: bytes) -> bytes:
        self._written += len(data)
        return data


class _Column:
    """The values of one column in the group."""

    def __init__(self, header: Header) -> None:
        self._name = header.key.encode("utf-8", "replace")
        self._physical = _PHYSICAL.get(header.format, _BYTES)
        self._bytes_of = _BYTES_OF.get(header.format, _json)
        self._present: list[bytes] = []  # a byte for each row: 0 or 1
        self._values: list[bytes] = []

    def add(self, column: Column) -> None:
        if None in column:
            self._present.append(bytes([value is not None for value in column]))
            column = [value for value in column if value is not None]
        else:
            self._present.append(b"\x01" * len(column))
        if column:
            self._values.append(self._bytes_of(column))

    def take(self, rows: int) -> bytes:
        """The content of the page; the column is empty then."""
        present, values = b"".join(self._present), b"".join(self._values)
        self._present, self._values = [], []
        if 0 in present:
            groups = -(-rows // 8)
            levels = _varint(groups << 1 | 1) + _bits(present)
        else:
            levels = _varint(rows << 1) + b"\x01"
        if self._physical == _PHYSICAL[BOOLEAN]:
            values = _bits(values)
        return len(levels).to_bytes(4, "little") + levels + values

    def chunk(self, rows: int, begin: int, uncompressed: int, compressed: int) -> bytes:
        meta = _struct(
            (1, _I32, _number(self._physical)),
            (2, _LIST, _list(_I32, [_number(_PLAIN), _number(_RLE)])),
            (3, _LIST, _list(_BINARY, [_bytes(self._name)])),
            (4, _I32, _number(_ZSTD)),
            (5, _I64, _number(rows)),
            (6, _I64, _number(uncompressed)),
            (7, _I64, _number(compressed)),
            (9, _I64, _number(begin)),
        )
        return _struct((2, _I64, _number(begin)), (3, _STRUCT, meta))

    def schema(self) -> bytes:
        fields = [
            (1, _I32, _number(self._physical)),
            (3, _I32, _number(_OPTIONAL)),
            (4, _BINARY, _bytes(self._name)),
        ]
        if self._physical == _BYTES:
            string = _struct((1, _STRUCT, _struct()))
            fields += [(6, _I32, _number(_UTF8)), (10, _STRUCT, string)]
        return _struct(*fields)


def _booleans(column: Column) -> bytes:
    return bytes(column)  # type: ignore[arg-type]


def _integers(column: Column) -> bytes:
    return _little_endian(array("q", column))


def _doubles(column: Column) -> bytes:
    return _little_endian(array("d", map(float, column)))  # type: ignore[arg-type]


def _little_endian(numbers: array[Any]) -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _texts(column: Sequence[str]) -> bytes:
    texts = [text.encode("utf-8", "replace") for text in column]
    sizes = list(map(len, texts))
    if max(sizes) < len(_LENGTHS):
        lengths = map(_LENGTHS.__getitem__, sizes)
    else:
        lengths = (size.to_bytes(4, "little") for size in sizes)  # type: ignore[assignment]
    return b"".join(chain.from_iterable(zip(lengths, texts, strict=True)))


def _json(column: Column) -> bytes:
    return _texts(list(map(_json_text, column)))


def _json_text(value: Value) -> str:
    if type(value) is str:
        return _encode(value.encode("utf-8", "replace").decode()).decode()
    return text_of(value)


_BYTES_OF: dict[str, Callable[[Any], bytes]] = {
    BOOLEAN: _booleans,
    INT64: _integers,
    DOUBLE: _doubles,
    TEXT: _texts,
}


def _bits(flags: bytes) -> bytes:
    """A bit for each byte, 0 or 1, the first in the lowest bit of the first byte."""
    if not flags:
        return b""
    number = int(flags.translate(_DIGITS)[::-1], 2)
    return number.to_bytes(-(-len(flags) // 8), "little")


def _page_header(rows: int, uncompressed: int, compressed: int) -> bytes:
    data = _struct(
        (1, _I32, _number(rows)),
        (2, _I32, _number(_PLAIN)),
        (3, _I32, _number(_RLE)),
        (4, _I32, _number(_RLE)),
    )
    return _struct(
        (1, _I32, _number(0)),  # a page of data
        (2, _I32, _number(uncompressed)),
        (3, _I32, _number(compressed)),
        (5, _STRUCT, data),
    )


def _struct(*fields: _Field) -> bytes:
    """A Thrift struct."""
    return _fields(*fields) + _END


def _fields(*fields: _Field, before: int = 0) -> bytes:
    """Fields of a struct with rising numbers, none more than 15 after the one before."""
    parts = []
    for number, kind, value in fields:
        parts += [bytes([(number - before) << 4 | kind]), value]
        before = number
    return b"".join(parts)


def _list(kind: int, items: Sequence[bytes]) -> bytes:
    return b"".join([_list_head(kind, len(items)), *items])


def _list_head(kind: int, count: int) -> bytes:
    return bytes([count << 4 | kind]) if count < 15 else bytes([0xF0 | kind]) + _varint(count)


def _number(value: int) -> bytes:
    return _varint(value << 1)  # zigzag; none is negative


def _text(value: str) -> bytes:
    return _bytes(value.encode())


def _bytes(value: bytes) -> bytes:
    return _varint(len(value)) + value


def _varint(value: int) -> bytes:
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])
