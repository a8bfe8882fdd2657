"""The eight formats of an export: what each is called, and one way to write them all.

The six text formats are written page by page as rows come. The two workbook formats need a file
that can be gone over twice, so they are written to a temporary file first and sent from there.
Either way the memory taken does not depend on the number of rows (see ``books`` for the one
exception and its limit). Rendering happens in a thread: a large export must not delay others.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Protocol
from uuid import uuid4

from fyke.domain.results.export.books import Book, XlsBook, XlsxBook
from fyke.domain.results.export.delimited import CsvWriter
from fyke.domain.results.export.lines import JsonLinesWriter, JsonWriter
from fyke.domain.results.export.markup import HtmlWriter, XmlWriter
from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.export.rss import RssWriter
from fyke.errors import InvalidRequest, Unavailable
from fyke.model.results import FormatName, Header, Row

_BLOCK = 256 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MAX_COLUMNS = 16_384


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """``max_columns`` is 0 for formats without a table, which need not know their columns."""

    name: FormatName
    suffix: str
    content_type: str
    max_columns: int = 0


class RowWriter(Protocol):
    """Writes one file. ``head`` once, ``page`` for each page of rows, ``tail`` once."""

    def head(self) -> bytes: ...
    def page(self, rows: list[Row]) -> bytes: ...
    def tail(self) -> bytes: ...


_XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

FORMATS: dict[str, ExportFormat] = {
    each.name: each
    for each in (
        ExportFormat("csv", "csv", "text/csv; charset=utf-8", MAX_COLUMNS),
        ExportFormat("json", "json", "application/json"),
        ExportFormat("jsonl", "jsonl", "application/x-ndjson"),
        ExportFormat("xlsx", "xlsx", _XLSX_TYPE, MAX_COLUMNS),
        ExportFormat("xls", "xls", "application/vnd.ms-excel", 256),
        ExportFormat("xml", "xml", "application/xml"),
        ExportFormat("html", "html", "text/html; charset=utf-8", MAX_COLUMNS),
        ExportFormat("rss", "rss", "application/rss+xml"),
    )
}

Columns = list[Header] | None

_TABLES: dict[str, Callable[[list[Header], ExportMeta], RowWriter]] = {
    "csv": CsvWriter,
    "html": HtmlWriter,
}
_OBJECTS: dict[str, Callable[[Columns, ExportMeta], RowWriter]] = {
    "json": JsonWriter,
    "jsonl": JsonLinesWriter,
    "xml": XmlWriter,
    "rss": RssWriter,
}
_BOOKS: dict[str, type[XlsxBook] | type[XlsBook]] = {"xlsx": XlsxBook, "xls": XlsBook}


def format_named(name: str | None) -> ExportFormat:
    """Return the format of that name, whatever its case; None or empty means csv.

    Raises ``InvalidRequest`` that lists the names.
    """
    found = FORMATS.get((name or "csv").strip().lower())
    if found is None:
        raise InvalidRequest(f"must be one of {', '.join(FORMATS)}", field="format")
    return found


def file_name(format: ExportFormat, wanted: str = "") -> str:
    """Return the wanted name with the format's ending, or a fresh one such as
    ``exported_result_csv_<uuid>.csv``. Raise ``InvalidRequest`` for a name that not every system
    takes.
    """
    if wanted:
        name = wanted.removesuffix(f".{format.suffix}")
        if not _NAME.fullmatch(name):
            raise InvalidRequest(
                "must begin with a letter or digit and contain only letters from A to Z, digits, "
                "dots, hyphens and underscores, at most 100 of them",
                field="name",
            )
        return f"{name}.{format.suffix}"
    return f"exported_result_{format.name}_{uuid4()}.{format.suffix}"


async def write(
    format: ExportFormat,
    columns: Columns,
    pages: AsyncIterator[list[Row]],
    meta: ExportMeta,
    *,
    scratch: Path | None = None,
) -> AsyncGenerator[bytes, None]:
    """Yield the file in pieces.

    ``columns`` are written in their order; formats with a table need them (csv, html, xlsx, xls),
    the others write every row with its own keys when ``columns`` is None. ``scratch`` is where
    the workbook formats keep their temporary file. Raises ``Unavailable`` when there is no room
    for that file, before the first piece.
    """
    if format.name in _BOOKS:
        # Closed by name: a reader who leaves must not leave the temporary file behind.
        begin = partial(_BOOKS[format.name], columns=columns or [], at=meta.at)
        book = _write_book(begin, pages, scratch)
        async with aclosing(book) as pieces:
            async for piece in pieces:
                yield piece
        return
    if format.name in _TABLES:
        writer = _TABLES[format.name](columns or [], meta)
    else:
        writer = _OBJECTS[format.name](columns, meta)
    yield writer.head()
    async for rows in pages:
        yield await asyncio.to_thread(writer.page, rows)
    yield writer.tail()


async def _write_book(
    begin: Callable[[Path], Book],
    pages: AsyncIterator[list[Row]],
    scratch: Path | None,
) -> AsyncGenerator[bytes, None]:
    with TemporaryDirectory(prefix="fyke-export-", dir=scratch) as folder:
        path = Path(folder) / "book"
        try:
            await _fill(begin, path, pages)
        except OSError as error:
            raise Unavailable(f"The export could not be written: {error.strerror}") from error
        with await asyncio.to_thread(_open, path) as file:
            while piece := await asyncio.to_thread(file.read, _BLOCK):
                yield piece


async def _fill(
    begin: Callable[[Path], Book],
    path: Path,
    pages: AsyncIterator[list[Row]],
) -> None:
    book = await asyncio.to_thread(begin, path)
    async for rows in pages:
        await asyncio.to_thread(book.add, rows)
    await asyncio.to_thread(book.save)


def _open(path: Path) -> BinaryIO:
    return path.open("rb")
