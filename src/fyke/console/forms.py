"""Submitted forms: pairs in order, limited in size, read before the page's handler runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from fyke.api.errors import Refusal

MAX_FIELDS = 20_000


class PostedForm:
    """The pairs of a form in the order of submission, and its files."""

    def __init__(
        self, pairs: Sequence[tuple[str, str]] = (), files: Mapping[str, UploadFile] | None = None
    ) -> None:
        self.pairs = list(pairs)
        self.files = dict(files or {})

    def get(self, name: str, default: str = "") -> str:
        """The first value of ``name``, unchanged."""
        return next((value for key, value in self.pairs if key == name), default)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def on(self, name: str) -> bool:
        """Whether the checkbox of this name is checked."""
        return any(key == name for key, _ in self.pairs)

    def number(self, name: str, default: int = 0) -> int | None:
        """The whole number, ``default`` when empty, None when invalid."""
        text = self.get(name).strip()
        if not text:
            return default
        return int(text) if text.lstrip("+-").isdecimal() and len(text) < 20 else None

    def values(self) -> dict[str, str]:
        """The first value of each name, for a page that is shown again with errors."""
        values: dict[str, str] = {}
        for name, value in self.pairs:
            values.setdefault(name, value)
        return values


async def read_form(request: Request, limit: int) -> PostedForm:
    """The form of the request, of at most ``limit`` bytes. Raise ``Refusal``."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await read_body(request, limit)
    if kind in ("application/x-www-form-urlencoded", ""):
        try:
            pairs = parse_qsl(
                body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"
            )
        except ValueError:
            raise Refusal(400, "the form is not readable, or has too many fields") from None
        return PostedForm(pairs)
    if kind == "multipart/form-data":
        return await _multipart(request, body)
    raise Refusal(415, "a page accepts forms only; programs use the REST API")


async def _multipart(request: Request, body: bytes) -> PostedForm:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(
        request.headers,
        stream(),
        max_files=4,
        max_fields=MAX_FIELDS,
        max_part_size=len(body) + 1,
    )
    try:
        data = await parser.parse()
    except MultiPartException as error:
        raise Refusal(400, f"the form is not readable: {error.message}") from None
    pairs = [(name, value) for name, value in data.multi_items() if isinstance(value, str)]
    files = {name: value for name, value in data.items() if not isinstance(value, str)}
    return PostedForm(pairs, files)


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request. Raise ``Refusal`` when it has more than ``limit`` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Refusal(413, f"a form of this page may have at most {limit} bytes")
    return bytes(body)
