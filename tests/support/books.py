"""Writes workbooks with the writers of exports."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from fyke.domain.results.export import xls, xlsx
from fyke.domain.results.export.meta import ExportMeta
from fyke.model.results import Header, RowBlock
from support.exports import RUN

META = ExportMeta(RUN, "Prices", 1773383784438)


def written(
    kind: str, columns: list[Header], blocks: list[RowBlock], folder: Path, **options: Any
) -> bytes:
    """The file of these blocks of rows. ``options`` are those of the writer."""
    if kind == "xlsx":
        writer = xlsx.XlsxWriter(columns, META, **options)
        return b"".join([writer.head(), *map(writer.page, blocks), writer.tail()])
    with closing(xls.XlsBook(folder / "book", columns, **options)) as book:
        for block in blocks:
            book.add(block)
        book.save()
    return (folder / "book").read_bytes()
