"""The code and the parameters of a reason in an answer."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from fyke.reasons import Reason

ReasonCodeText = Annotated[
    str, Meta(description="the same in all releases; empty without a reason, and for older records")
]
ReasonParams = Annotated[
    dict[str, Any], Meta(description="the values in the sentence of the reason, by name")
]


def code_of(reason: Reason | None) -> str:
    """The code of ``reason``, empty for None."""
    return reason.code.value if reason else ""


def params_of(reason: Reason | None) -> dict[str, Any]:
    """The parameters of ``reason``, empty for None."""
    return dict(reason.params) if reason else {}
