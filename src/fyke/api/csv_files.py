"""Tables as CSV files, sent while they are read; nothing of them is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import Response

from fyke.api.downloads import Stream, started
from fyke.api.media import Media

CSV = "text/csv; charset=utf-8"
CSV_MEDIA = Media("text/csv", {"type": "string"}, "id,at\r\n")


async def csv_file(pieces: AsyncIterator[bytes], name: str) -> Response:
    """The download; what fails before its first piece fails as an error."""
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    return Stream(await started(pieces), 200, headers, CSV)
