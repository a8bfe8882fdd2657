"""The two members of an answer that say why, for programs."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fyke.reasons import Reason

ReasonCodeText = Annotated[
    str, Field(description="stays the same over versions; empty without one, as in older releases")
]
ReasonParams = Annotated[
    dict[str, Any], Field(description="what the reason speaks of, by name: plain JSON values")
]


def reason_members(reason: Reason | None) -> dict[str, Any]:
    """``reason_code`` and ``reason_params`` of an answer."""
    return {
        "reason_code": reason.code.value if reason else "",
        "reason_params": reason.params if reason else {},
    }
