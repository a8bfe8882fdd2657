"""Sending the files of last pages, which sites have written: nothing in them may run."""

from __future__ import annotations

from starlette.responses import Response

from fyke.domain.runs.last_pages import PageData
from fyke.model.last_page import PageFileKind

_TEXT = "text/plain; charset=utf-8"
_TYPES = {
    PageFileKind.SCREENSHOT: "image/jpeg",
    PageFileKind.HTML: _TEXT,
    PageFileKind.HAR: "application/json",
    PageFileKind.CONSOLE: _TEXT,
}
_HEADERS = {
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "cache-control": "private, no-store",
}


def page_file(file: PageData, *, inline: bool = False) -> Response:
    """The answer with a file; only a picture may be shown ``inline``, by a page of ours."""
    is_shown = inline and file.kind is PageFileKind.SCREENSHOT
    disposition = "inline" if is_shown else "attachment"
    headers = _HEADERS | {"content-disposition": f'{disposition}; filename="{file.name}"'}
    return Response(file.data, headers=headers, media_type=_TYPES[file.kind])
