"""The two operations of the original web console that publishing scripts call."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from fyke.wire.fields import Answer, DocumentedAs, FieldError, ParsedBy, Request
from fyke.wire.v2.workers import NewVersion


def to_picture(value: object) -> bytes:
    """The content of an uploaded picture, which must not be empty."""
    if not isinstance(value, bytes):
        raise FieldError("must be a file with a name, as in -F file=@icon.png")
    if not value:
        raise FieldError("must not be empty: send the picture")
    return value


class IconUpload(Request):
    file: Annotated[
        bytes,
        ParsedBy(to_picture),
        DocumentedAs(Annotated[str, Meta(min_length=1, extra_json_schema={"format": "binary"})]),
        Meta(description="a PNG, JPEG, GIF or WebP of at most 1 MiB and 2,048 x 2,048 pixels"),
    ]


class UploadedIcon(Answer):
    file_path: Annotated[str, Meta(description="the URL of the picture, for the field `icon`")]


class NewWorker(NewVersion, kw_only=True):
    """The page and the project of a new worker, which is named after its title."""
