"""The nine formats of an export, and one function that writes them all.

All but one are written block by block. XLS is written to a temporary file first and sent from
there, because its beginning names what follows. The memory needed does not depend on the number of
rows. Rendering happens in a thread, so that a large export does not delay other requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import ExitStack, aclosing, closing
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Protocol
from unicodedata import category
from uuid import uuid4

from fyke.domain.results.export.delimited import CsvWriter
from fyke.domain.results.export.lines import JsonLinesWriter, JsonWriter
from fyke.domain.results.export.markup import HtmlWriter, XmlWriter
from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.export.parquet import (
    PARQUET_COLUMNS,
    PARQUET_KEY_CHARACTERS,
    ParquetWriter,
)
from fyke.domain.results.export.rss import RssWriter
from fyke.domain.results.export.xls import XlsBook
from fyke.domain.results.export.xlsx import XlsxWriter
from fyke.errors import InvalidRequest, Unavailable
from fyke.model.formats import FormatName
from fyke.model.results import Header, RowBlock

PREFIX = "fyke-export-"  # of the folders of workbooks
_BLOCK = 256 * 1024
GENERATED = "exported_result_"  # as names of the original platform begin
MAX_NAME_CHARACTERS = 100
MAX_NAME_BYTES = 240  # of 255 that file systems allow, with the suffix
MAX_COLUMNS = 16_384
MAX_KEY_CHARACTERS = 4 * 2**20


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """``max_columns`` is 0 for formats without a table, which need no list of columns.
    ``max_key_characters``: of the keys of all columns of a table together.
    ``compressed``: the files cannot be compressed any further.
    """

    name: FormatName
    suffix: str
    content_type: str
    max_columns: int = 0
    max_key_characters: int = MAX_KEY_CHARACTERS
    compressed: bool = False


class RowWriter(Protocol):
    """Writes one file. ``head`` once, ``page`` for each block of rows, ``tail`` once."""

    def head(self) -> bytes: ...
    def page(self, block: RowBlock) -> bytes: ...
    def tail(self) -> bytes: ...


_PARQUET_TYPE = "application/vnd.apache.parquet"
_XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

FORMATS: dict[str, ExportFormat] = {
    item.name: item
    for item in (
        ExportFormat("csv", "csv", "text/csv; charset=utf-8", MAX_COLUMNS),
        ExportFormat("json", "json", "application/json"),
        ExportFormat("jsonl", "jsonl", "application/x-ndjson"),
        ExportFormat("xlsx", "xlsx", _XLSX_TYPE, MAX_COLUMNS, compressed=True),
        ExportFormat("xls", "xls", "application/vnd.ms-excel", 256),
        ExportFormat("xml", "xml", "application/xml"),
        ExportFormat("html", "html", "text/html; charset=utf-8", MAX_COLUMNS),
        ExportFormat("rss", "rss", "application/rss+xml"),
        ExportFormat(
            "parquet",
            "parquet",
            _PARQUET_TYPE,
            PARQUET_COLUMNS,
            PARQUET_KEY_CHARACTERS,
            compressed=True,
        ),
    )
}

Columns = list[Header] | None

_TABLES: dict[str, Callable[[list[Header], ExportMeta], RowWriter]] = {
    "csv": CsvWriter,
    "html": HtmlWriter,
    "parquet": ParquetWriter,
    "xlsx": XlsxWriter,
}
_OBJECTS: dict[str, Callable[[Columns, ExportMeta], RowWriter]] = {
    "json": JsonWriter,
    "jsonl": JsonLinesWriter,
    "xml": XmlWriter,
    "rss": RssWriter,
}


def parse_format(name: str | None) -> ExportFormat:
    """Return the format of that name, in upper or lower case; None or empty means csv.

    Raises ``InvalidRequest`` that lists the names.
    """
    parsed = FORMATS.get((name or "csv").strip().lower())
    if parsed is None:
        raise InvalidRequest(f"must be one of {', '.join(FORMATS)}", field="format")
    return parsed


def file_name(format: ExportFormat, requested_name: str = "") -> str:
    """Return the requested name with the suffix of the format, by default a new one like
    ``exported_result_csv_<uuid>.csv``. Spaces around it are removed. Raise ``InvalidRequest`` for a
    name that is not valid on every system.
    """
    if requested_name:
        name = requested_name.strip(" ").removesuffix(f".{format.suffix}").rstrip(" ")
        if not _is_allowed(name):
            raise InvalidRequest(
                "must begin with a letter or digit and contain only letters and digits of any "
                "script, spaces, dots, hyphens and underscores",
                field="name",
            )
        if not _is_short(name):
            raise InvalidRequest(
                f"must have at most {MAX_NAME_CHARACTERS} characters and {MAX_NAME_BYTES} bytes in "
                "UTF-8, where a Chinese character has 3; shorten it",
                field="name",
            )
        return f"{name}.{format.suffix}"
    return f"{GENERATED}{format.name}_{uuid4()}.{format.suffix}"


def _is_allowed(name: str) -> bool:
    # marks are parts of letters, such as the vowels of Hindi
    return name[:1].isalnum() and all(
        char.isalnum() or char in " ._-" or category(char)[0] == "M" for char in name
    )


def _is_short(name: str) -> bool:
    return len(name) <= MAX_NAME_CHARACTERS and len(name.encode()) <= MAX_NAME_BYTES


def readable_name(worker: str, created_at: int, zone: tzinfo) -> str:
    """Return a name without suffix for the file of a run: that of its worker, and the time at which
    the run was created (ms), as ``big-rows_2026-11-27_0507``.
    """
    return f"{worker}_{datetime.fromtimestamp(created_at / 1000, zone):%Y-%m-%d_%H%M}"


async def write(
    format: ExportFormat,
    columns: Columns,
    blocks: AsyncIterator[RowBlock],
    meta: ExportMeta,
    *,
    scratch: Path | None = None,
) -> AsyncGenerator[bytes, None]:
    """Yield the file in chunks.

    ``columns`` are written in their order; formats with a table need them (csv, html, xlsx, xls;
    parquet with their types), the others write each row with its own keys when ``columns`` is None.
    ``scratch`` is the folder for the temporary file of a workbook. Raises ``Unavailable`` before
    the first chunk when there is no space for that file.
    """
    if format.name == "xls":
        # closed explicitly, so that the temporary file is removed when the client disconnects
        async with aclosing(_write_book(columns or [], blocks, scratch)) as chunks:
            async for chunk in chunks:
                yield chunk
        return
    if format.name in _TABLES:
        writer = _TABLES[format.name](columns or [], meta)
    else:
        writer = _OBJECTS[format.name](columns, meta)
    yield await asyncio.to_thread(writer.head)
    async for block in blocks:
        if piece := await asyncio.to_thread(writer.page, block):
            yield piece
    yield await asyncio.to_thread(writer.tail)


async def _write_book(
    columns: list[Header],
    blocks: AsyncIterator[RowBlock],
    scratch: Path | None,
) -> AsyncGenerator[bytes, None]:
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(
                TemporaryDirectory(prefix=PREFIX, dir=scratch, ignore_cleanup_errors=True)
            )
            path = Path(folder) / "book"
            await _fill(columns, path, blocks)
        except OSError as error:
            raise Unavailable(
                f"The workbook could not be written: {error.strerror or error}. Free space on the "
                "disk of the server, or choose a format such as csv or xlsx, which needs none"
            ) from error
        with await asyncio.to_thread(_open, path) as file:
            while chunk := await asyncio.to_thread(file.read, _BLOCK):
                yield chunk


async def _fill(
    columns: list[Header],
    path: Path,
    blocks: AsyncIterator[RowBlock],
) -> None:
    with closing(await asyncio.to_thread(XlsBook, path, columns)) as book:
        async for block in blocks:
            await asyncio.to_thread(book.add, block)
        await asyncio.to_thread(book.save)


def _open(path: Path) -> BinaryIO:
    return path.open("rb")
