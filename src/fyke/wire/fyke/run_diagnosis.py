"""What the archive that explains a run contains."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from fyke.wire.fields import Boolean, Request


class DiagnosisQuery(Request):
    picture: Annotated[
        Boolean,
        Meta(description="whether it contains the picture of the last page, with secrets on it"),
    ] = True
