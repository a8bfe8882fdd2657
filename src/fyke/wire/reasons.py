"""The code and the parameters of a reason in an answer."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from fyke.reasons import Reason, machine_name, machine_names

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
    return {name: _as_read(name, value) for name, value in reason.params.items()} if reason else {}


def _as_read(name: str, value: Any) -> Any:
    if name == "nodes" and isinstance(value, list):
        return machine_names(value)
    return machine_name(value) if name == "node" and isinstance(value, str) else value
