"""Pictures of pages, which are sent once and not stored."""

from __future__ import annotations

from starlette.responses import Response

from fyke.api.media import Media

JPEG = "image/jpeg"
JPEG_MEDIA = Media(JPEG, {"type": "string", "format": "binary"})
_HEADERS = {
    "content-disposition": 'attachment; filename="page.jpg"',
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
}


def picture_file(jpeg: bytes) -> Response:
    """The answer; the picture comes from a browser that may have been taken over by a page."""
    return Response(jpeg, media_type=JPEG, headers=_HEADERS)
