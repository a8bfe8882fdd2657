"""Reading an uploaded archive: the raw body, or the one file of a form."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from fyke.api.decode import read_body
from fyke.api.errors import Refusal
from fyke.errors import InvalidRequest

MAX_ARCHIVE_BYTES = 50 * 2**20
# Boundaries and the text fields of a form come on top of the archive.
MAX_UPLOAD_BYTES = MAX_ARCHIVE_BYTES + 2**20
MAX_UPLOAD_SECONDS = 300.0
_MAX_FIELDS = 16


async def read_upload(request: Request) -> tuple[bytes, Mapping[str, Any]]:
    """The archive, and the text fields that came with it in a form.

    Raise ``Refusal`` for a body that is too large or too slow, ``InvalidRequest`` for one without
    an archive.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        data = await read_body(request, MAX_UPLOAD_BYTES, MAX_UPLOAD_SECONDS)
        fields: Mapping[str, Any] = {}
    else:
        data, fields = await _read_form(request)
    if not data:
        raise InvalidRequest(
            "file is required: send the ZIP as the body with application/zip, "
            'or in a form as the field "file"'
        )
    if len(data) > MAX_ARCHIVE_BYTES:
        raise Refusal(413, f"the archive must be at most {MAX_ARCHIVE_BYTES // 2**20} MiB")
    return data, fields


async def _read_form(request: Request) -> tuple[bytes, Mapping[str, Any]]:
    body = await read_body(request, MAX_UPLOAD_BYTES, MAX_UPLOAD_SECONDS)

    async def whole() -> Any:
        yield body
        yield b""

    parser = MultiPartParser(
        request.headers, whole(), max_files=1, max_fields=_MAX_FIELDS, max_part_size=2**20
    )
    try:
        async with asyncio.timeout(MAX_UPLOAD_SECONDS):
            form = await parser.parse()
    except (MultiPartException, ClientDisconnect, KeyError, ValueError, TimeoutError):
        raise InvalidRequest(
            "the form could not be read: it must be multipart/form-data with one file, "
            f"and at most {_MAX_FIELDS} fields"
        ) from None
    try:
        data = b""
        fields: dict[str, Any] = {}
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                data = await value.read()
            else:
                fields[name] = value
        return data, fields
    finally:
        await form.close()
