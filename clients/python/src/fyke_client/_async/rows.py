"""Methods of the client for the rows of a run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Unpack

import msgspec

from fyke_client import types
from fyke_client._async.connection import AsyncConnection
from fyke_client._files import new_file
from fyke_client._rows import (
    ExportSelection,
    RowSelection,
    exported,
    pandas_frame,
    polars_frame,
    row_of,
)

if TYPE_CHECKING:
    import pandas
    import polars

ROWS_PATH = "/api/v1/run/result/list"
ROWS_PAGE = 1000


class AsyncRowCalls:
    """The rows of a run: one by one, as a page, a file or a data frame."""

    _connection: AsyncConnection

    async def rows(
        self,
        run: str,
        *,
        fields: Sequence[str] = (),
        sort: str = "",
        filter: Sequence[str] = (),
        clean: bool = False,
        flatten: bool = False,
        failed_rows: bool = False,
        page_size: int | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """The rows that a run has now, in order, requested in pages as they are needed.

        ``fields``: only these; ``sort``: a field, ``-field`` to descend; ``filter``: conditions
        ``field:operator:value``; ``clean``: without empty members; ``flatten``: nested members as
        ``a.b``; ``failed_rows``: also the hidden rows of subtasks that have failed.
        ``page_size``: rows for each request, by default 1000; less for very large rows.
        """
        query = types.v1.ResultList(
            run_slug=run,
            fields=tuple(fields),
            sort=sort,
            filter=tuple(filter),
            clean=clean,
            flatten=flatten,
            failed_rows=failed_rows,
            page_size=page_size or ROWS_PAGE,
            cursor="*",
        )
        async for text in self._rows_from(query):
            yield row_of(text)

    async def raw_rows(self, run: str, *, failed_rows: bool = False) -> AsyncIterator[msgspec.Raw]:
        """The JSON text of all rows with their ids, every digit as it was pushed."""
        query = types.v1.ResultList(
            run_slug=run, failed_rows=failed_rows, page_size=ROWS_PAGE, cursor="*"
        )
        async for text in self._rows_from(query):
            yield text

    async def _rows_from(self, query: types.v1.ResultList) -> AsyncIterator[msgspec.Raw]:
        while True:
            page = await self._connection.read(ROWS_PATH, types.rows.ResultPage, query)
            for text in page.items:
                yield text
            # The pages of a running run have no end, but a page that is not full is the last now.
            if not page.next_cursor or len(page.items) < query.page_size:
                return
            query.cursor = page.next_cursor

    async def results(
        self, run: str, page_index: int = 1, page_size: int = 10, *, failed_rows: bool = False
    ) -> types.rows.ResultPage:
        """A page of rows as JSON text, with its columns."""
        query = types.v1.ResultList(
            run_slug=run, page_index=page_index, page_size=page_size, failed_rows=failed_rows
        )
        return await self._connection.read(ROWS_PATH, types.rows.ResultPage, query)

    async def to_pandas(self, run: str, **selection: Unpack[RowSelection]) -> pandas.DataFrame:
        """All rows as a data frame; ``selection`` as for ``rows``. Needs the extra ``pandas``."""
        return pandas_frame([row async for row in self.rows(run, **selection)])

    async def to_polars(self, run: str, **selection: Unpack[RowSelection]) -> polars.DataFrame:
        """All rows as a data frame; ``selection`` as for ``rows``. Needs the extra ``polars``."""
        return polars_frame([row async for row in self.rows(run, **selection)])

    async def export(
        self,
        run: str,
        format: str = "csv",
        keys: Sequence[str] = (),
        **selection: Unpack[ExportSelection],
    ) -> str:
        """A temporary link to a file with the rows; see ``download`` and ``export_to``.

        ``keys``: the columns; ``safe`` and ``bom``: for spreadsheets, of CSV; the others as for
        ``rows``.
        """
        body = types.v1.Export(
            run_slug=run, format=format, filter_keys=[*keys], **exported(selection)
        )
        path = "/api/v1/run/result/export"
        return (await self._connection.read(path, types.rows.Download, body)).download_url

    async def download(self, url: str, file: IO[bytes]) -> int:
        """Write the content of a link to ``file``; return the number of bytes. After an error the
        file is incomplete.
        """
        return await self._connection.download(url, file)

    async def export_to(
        self,
        run: str,
        path: str | PathLike[str],
        format: str = "",
        keys: Sequence[str] = (),
        **selection: Unpack[ExportSelection],
    ) -> Path:
        """Write the rows to a file, whose suffix is the format unless one is given; see ``export``.
        The file is complete or does not appear.
        """
        name = format or Path(path).suffix.removeprefix(".").lower() or "csv"
        link = await self.export(run, name, keys, **selection)
        with new_file(path) as file:
            await self._connection.download(link, file, again=True)
        return Path(path)
