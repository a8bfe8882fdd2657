"""CSV downloads, which are streamed and not stored."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import Response

from fyke.api.downloads import Stream, after_first_chunk
from fyke.api.media import Media

CSV = "text/csv; charset=utf-8"
CSV_MEDIA = Media("text/csv", {"type": "string"}, "id,at\r\n")


async def csv_file(chunks: AsyncIterator[bytes], name: str) -> Response:
    """The download. Raises what ``chunks`` raises before its first chunk."""
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    return Stream(await after_first_chunk(chunks), 200, headers, CSV)
