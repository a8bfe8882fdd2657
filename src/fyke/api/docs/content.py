"""Cacheable content with an ``ETag``, compressed once."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from fyke.api.encodings import accepted_encoding

_PACKED = frozenset({"font/woff2"})  # types that are compressed already
REVALIDATE = "public, no-cache"  # may be stored, but must be revalidated each time
FOREVER = "public, max-age=31536000, immutable"  # its address contains the digest


class Content:
    """Bytes with a type; ``digest`` is the beginning of their SHA-256, in hexadecimal."""

    def __init__(self, body: bytes, media_type: str) -> None:
        self.body = body
        self.media_type = media_type
        self.digest = hashlib.sha256(body).hexdigest()[:16]
        self._compressed: bytes | None = None

    async def answer(
        self, request: Request, caching: str, headers: Mapping[str, str] | None = None
    ) -> Response:
        """The content, or 304 for a client that already has it."""
        etag = f'W/"{self.digest}"'  # weak: the compressed form has the same tag
        common = {"cache-control": caching, "etag": etag, "vary": "accept-encoding"}
        common |= headers or {}
        if _has_tag(request.headers.get("if-none-match", ""), self.digest):
            return Response(status_code=304, headers=common)
        body = self.body
        smaller = self.media_type not in _PACKED
        if smaller and accepted_encoding(request.headers.get("accept-encoding"), ("gzip",)):
            if self._compressed is None:
                self._compressed = await asyncio.to_thread(gzip.compress, body, 6, mtime=0)
            body = self._compressed
            common["content-encoding"] = "gzip"
        return Response(body, headers=common, media_type=self.media_type)


def _has_tag(if_none_match: str, digest: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return f'"{digest}"' in tags or "*" in tags
