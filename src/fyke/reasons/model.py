"""Reason, detail and hint: a code with its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from fyke.reasons.codes import DetailCode, HintCode, ReasonCode

Value: TypeAlias = str | int | float | bool | list[str]
Params: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Detail:
    """The exact cause within a reason, or the finding of a check."""

    code: DetailCode
    params: Params = field(default_factory=dict)

    @classmethod
    def of(cls, code: DetailCode, **params: Value | None) -> Detail:
        """A detail with the parameters that have a value."""
        return cls(code, _without_empty(params))

    def mapped(self, change: Callable[[str], str]) -> Detail:
        """A copy with ``change``, such as masking, applied to every text of the parameters."""
        return replace(self, params=_mapped_params(self.params, change))


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason of an end, a refusal, a wait or an alert. ``params`` are plain JSON values; a name
    ends with its unit, if any:
    ``_micros`` are millionths of a dollar, ``_bytes`` bytes (shown as KiB, MiB or GiB, but
    ``traffic_bytes`` as MB of 10^6), ``_mb`` MiB, ``_ms`` milliseconds, ``_percent`` per cent.
    ``detail`` is the output of a tool; with ``detail_code`` it is the English sentence of that
    ``DetailCode``, whose parameters are among the others. ``reason`` and ``reason_code`` are the
    same for a reason within this one.
    """

    code: ReasonCode
    params: Params = field(default_factory=dict)

    @classmethod
    def of(cls, code: ReasonCode, **params: Value | None) -> Reason:
        """A reason with the parameters that have a value."""
        return cls(code, _without_empty(params))

    def mapped(self, change: Callable[[str], str]) -> Reason:
        """A copy with ``change``, such as masking, applied to every text of the parameters."""
        return replace(self, params=_mapped_params(self.params, change))


@dataclass(frozen=True, slots=True)
class Hint:
    """Advice for the reader about an end; the code has the texts of cause and next step."""

    code: HintCode
    params: Params = field(default_factory=dict)

    @classmethod
    def of(cls, code: HintCode, **params: Value | None) -> Hint:
        return cls(code, _without_empty(params))


def _without_empty(params: Mapping[str, Value | None]) -> Params:
    return {name: value for name, value in params.items() if value is not None and value != ""}


def _mapped_params(params: Params, change: Callable[[str], str]) -> Params:
    return {name: _mapped(value, change) for name, value in params.items()}


def _mapped(value: Value, change: Callable[[str], str]) -> Value:
    if isinstance(value, str):
        return change(value)
    return [change(text) for text in value] if isinstance(value, list) else value
