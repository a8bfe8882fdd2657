"""The archive of an uploaded form, and what becomes of its version."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from fyke.wire.fields import Boolean, DocumentedAs, FieldError, ParsedBy


def to_archive(value: object) -> bytes:
    """The content of an uploaded file, which must not be empty."""
    if not isinstance(value, bytes):
        raise FieldError("must be a file with a name, as in -F name=@worker.zip")
    if not value:
        raise FieldError("must not be empty: send the ZIP of the project")
    return value


Archive = Annotated[
    bytes,
    ParsedBy(to_archive),
    DocumentedAs(Annotated[str, Meta(min_length=1, extra_json_schema={"format": "binary"})]),
    Meta(description="the ZIP of the project"),
]
Promote = Annotated[
    Boolean,
    Meta(description="whether it becomes the current version; the first one always does"),
]
