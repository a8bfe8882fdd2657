"""Reads an uploaded form: text fields, and one file with an archive."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from fyke.api.decode import read_body
from fyke.api.errors import Refusal
from fyke.api.members import decode, members_of
from fyke.errors import InvalidFields, InvalidRequest
from fyke.wire.fields import Request as Shape

FORM_TYPE = "multipart/form-data"
MAX_ARCHIVE_BYTES = 50 * 2**20
# The archive, plus boundaries and text fields.
MAX_UPLOAD_BYTES = MAX_ARCHIVE_BYTES + 2**20
MAX_UPLOAD_SECONDS = 300.0
_MAX_FIELDS = 64

S = TypeVar("S", bound=Shape)


@dataclass(frozen=True, slots=True)
class FormFile:
    """The file of a form: how it is called, an example of it for curl, and its largest size."""

    noun: str
    example: str
    max_bytes: int

    @property
    def max_form_bytes(self) -> int:
        """With the boundaries and text fields."""
        return self.max_bytes + 2**20


ARCHIVE = FormFile("the archive", "scraper_file=@worker.zip", MAX_ARCHIVE_BYTES)


async def read_form(
    request: Request, shape: type[S], *, strict: bool = False, file: FormFile = ARCHIVE
) -> S:
    """The form in the body as ``shape``; a file is ``bytes``.

    The first value of a field counts, unless ``shape`` marks it as repeated. ``strict`` refuses
    unknown fields, and more than one value.

    Raises ``Refusal`` for a body that is too large or too slow, ``InvalidRequest`` for one that is
    not a form, ``InvalidFields`` for its fields.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM_TYPE:
        raise InvalidFields(
            f"the body must be a form: send {FORM_TYPE}, as curl does with -F {file.example}"
        )
    repeated = frozenset(name for item in members_of(shape) if item.repeated for name in item.names)
    form = await _parse(request, file)
    try:
        return decode(shape, await _values(form, repeated, strict, file), strict=strict)
    finally:
        await form.close()


class _FormParser(MultiPartParser):
    ended = False

    def on_end(self) -> None:
        """Called at the last boundary."""
        self.ended = True


async def _parse(request: Request, file: FormFile) -> FormData:
    body = await read_body(request, file.max_form_bytes, MAX_UPLOAD_SECONDS)

    async def chunks() -> Any:
        yield body
        yield b""

    parser = _FormParser(
        request.headers, chunks(), max_files=1, max_fields=_MAX_FIELDS, max_part_size=2**20
    )
    try:
        async with asyncio.timeout(MAX_UPLOAD_SECONDS):
            form = await parser.parse()
    except (MultiPartException, ClientDisconnect, KeyError, ValueError, TimeoutError):
        raise InvalidRequest(
            f"the form could not be read: it must be {FORM_TYPE} with one file, "
            f"and at most {_MAX_FIELDS} fields"
        ) from None
    if parser.ended:
        return form
    await form.close()
    raise InvalidRequest(
        "the form ended early: its last line, the closing boundary, is missing; send it whole"
    )


async def _values(
    form: FormData, repeated: frozenset[str], strict: bool, file: FormFile
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in form.multi_items():
        content = await _content(value, file)
        if name in repeated:
            values.setdefault(name, []).append(content)
        elif strict and name in values:
            raise InvalidFields("is given more than once", field=name, remedy="send it once")
        else:
            values.setdefault(name, content)
    return values


async def _content(value: UploadFile | str, file: FormFile) -> bytes | str:
    if isinstance(value, str):
        return value
    data = await value.read()
    if len(data) > file.max_bytes:
        raise Refusal(413, f"{file.noun} must be at most {file.max_bytes // 2**20} MiB")
    return data
