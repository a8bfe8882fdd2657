"""Bodies other than envelopes, and request headers, for the declarations of operations."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fyke.wire.fields import Request

SAMPLE_ULID = "01KJXSR49GEMBEZZ5FZDPVNBWK"


@dataclass(frozen=True, slots=True)
class Media:
    """A body: media type, schema or shape of a form, and an example."""

    type: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    example: Any = None
    form: builtins.type[Request] | None = None


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """A header that an operation reads; without a pattern any text is valid."""

    text: str
    pattern: str = ""
    example: str = ""

    @property
    def schema(self) -> dict[str, str]:
        return {"type": "string"} | ({"pattern": self.pattern} if self.pattern else {})
