"""Traces of runs, as they are sent to a collector of OpenTelemetry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class SpanKind(StrEnum):
    SERVER = "server"  # a request that this installation has answered
    CLIENT = "client"  # a request that it has made
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class RunTrace:
    """The trace that a run belongs to. ``trace_id`` has 32 hexadecimal digits. ``parent_id`` is the
    span of the client that has started the run, 16 digits, "" if it named none. ``received_at`` is
    when its request came (ms since the epoch), 0 if there was none.
    """

    run_id: str
    trace_id: str
    parent_id: str = ""
    received_at: int = 0


@dataclass(frozen=True, slots=True)
class TraceSpan:
    """A part of a trace, from ``start`` to ``end`` (ms since the epoch). ``error`` says why it has
    failed, "" if it has not.
    """

    name: str
    trace_id: str
    id: str
    parent_id: str
    start: int
    end: int
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    error: str = ""
