"""The two members of an answer that say why, for programs."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from fyke.reasons import Reason

ReasonCodeText = Annotated[
    str, Meta(description="stays the same over versions; empty without one, as in older releases")
]
ReasonParams = Annotated[
    dict[str, Any], Meta(description="what the reason speaks of, by name: plain JSON values")
]


def code_of(reason: Reason | None) -> str:
    """The code, empty without a reason."""
    return reason.code.value if reason else ""


def params_of(reason: Reason | None) -> dict[str, Any]:
    """The parameters, none without a reason."""
    return dict(reason.params) if reason else {}
