"""Traces of runs: which one a run belongs to, and its spans, from the times that the state has.

Nothing is recorded while a run goes on but the trace that it belongs to. The ids of spans follow
from those of runs and attempts, so that a Worker can be given the id of its span before there is
one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from ulid import ULID

from fyke.contracts.state import Transaction
from fyke.model.callback import Delivery, DeliveryAttempt, DeliveryState
from fyke.model.run import Attempt, Outcome, Run
from fyke.model.trace import RunTrace, SpanKind, TraceSpan

# of a run that have spans
MAX_ATTEMPTS, MAX_DELIVERIES, MAX_TRIES = 1000, 100, 1000
CALLBACK_MS = 60_000  # how long after the end of a run its callbacks are waited for
OLD_MS = 3600_000  # after that an ended run is not sent any more
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class TracedRequest:
    """The request that starts a run. ``trace_id`` and ``parent_id`` are those that its client has
    named, else empty. ``is_sampled``: whether the client wants its trace to be kept.
    ``received_at`` is in ms since the epoch.
    """

    received_at: int
    trace_id: str = ""
    parent_id: str = ""
    is_sampled: bool = True


# of the request that is being answered: it is the same for everything that the request starts
REQUEST: ContextVar[TracedRequest | None] = ContextVar("traced_request", default=None)


def read_request(header: str | None, received_at: int) -> TracedRequest:
    """The request with this header ``traceparent`` (W3C Trace Context), which is ignored if it is
    not valid.
    """
    found = _TRACEPARENT.fullmatch(header.strip()) if header else None
    if found is None:
        return TracedRequest(received_at)
    version, trace_id, parent_id, flags, more = found.groups()
    is_valid = version != "ff" and int(trace_id, 16) and int(parent_id, 16)
    if not is_valid or (version == "00" and more):
        return TracedRequest(received_at)
    return TracedRequest(received_at, trace_id, parent_id, bool(int(flags, 16) & _SAMPLED))


def trace_of_start(run_id: str, request: TracedRequest | None) -> RunTrace | None:
    """The trace of a new run; None if its client does not want one."""
    if request is None:
        return RunTrace(run_id, _own_trace(run_id))
    if not request.is_sampled:
        return None
    trace_id = request.trace_id or _own_trace(run_id)
    return RunTrace(run_id, trace_id, request.parent_id, request.received_at)


def _own_trace(run_id: str) -> str:
    return ULID.from_str(run_id).hex


def span_id(kind: str, name: str) -> str:
    """The id of a span, by what it is of."""
    return hashlib.sha256(f"fyke {kind} {name}".encode()).hexdigest()[:16]


def traceparent(trace: RunTrace, attempt_id: str) -> str:
    """What a Worker is given: the trace, and the span in which it runs."""
    return f"00-{trace.trace_id}-{span_id('worker', attempt_id)}-01"


# --- spans -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TracedRun:
    """An ended run with what its spans are made of."""

    trace: RunTrace
    run: Run
    worker: str  # its name without that of its account, "" when it was deleted
    attempts: Sequence[Attempt]
    deliveries: Sequence[Delivery]
    tries: Mapping[str, Sequence[DeliveryAttempt]]


def has_ended(tx: Transaction) -> bool:
    """Whether ``take_ended`` would find one."""
    return bool(tx.traces.of_ended_runs(tx.now - CALLBACK_MS, 1))


def take_ended(tx: Transaction, limit: int) -> list[RunTrace]:
    """Take the traces of at most ``limit`` ended runs whose callbacks have been delivered, or have
    taken too long.
    """
    found = tx.traces.of_ended_runs(tx.now - CALLBACK_MS, limit)
    return [trace for trace in found if tx.traces.take(trace.run_id)]


def read_run(tx: Transaction, trace: RunTrace) -> TracedRun | None:
    """What the spans of an ended run are made of; None if it was deleted, or has ended too long
    ago.
    """
    run = tx.runs.get(trace.run_id)
    if run is None or tx.now - run.finished_at > OLD_MS:
        return None
    worker = tx.workers.get(run.worker_id)
    deliveries = tx.outbox.of_run(run.id, MAX_DELIVERIES)
    return TracedRun(
        trace,
        run,
        worker.name if worker is not None else "",
        tx.runs.attempts_between(run.id, 0, MAX_ATTEMPTS - 1, MAX_ATTEMPTS),
        deliveries,
        tx.outbox.tries_of([one.id for one in deliveries], MAX_TRIES),
    )


def spans_of(traced: TracedRun) -> list[TraceSpan]:
    """The spans of a run, those that contain others first."""
    run = traced.run
    began = traced.trace.received_at or run.created_at
    last = max([run.finished_at, *(one.ended_at for one in traced.deliveries)])
    make = _Maker(traced.trace.trace_id)
    root = make(
        "run",
        run.id,
        traced.trace.parent_id,
        (min(began, run.created_at), last),
        error=_error(run.outcome, run),
        attributes={
            "fyke.run": run.id,
            "fyke.worker": traced.worker,
            "fyke.version": run.version,
            "fyke.pool": run.pool,
            "fyke.origin": run.origin.value,
            "fyke.state": run.state.value,
            "fyke.subtasks": run.subtasks,
            "fyke.rows": run.results,
            "fyke.traffic_bytes": run.traffic_bytes,
        },
    )
    spans = [root]
    if traced.trace.received_at:
        times = min(began, run.created_at), run.created_at
        spans.append(make("start", run.id, root.id, times, kind=SpanKind.SERVER))
    waits_since: dict[int, int] = {}
    for attempt in traced.attempts:
        since = waits_since.get(attempt.ordinal, run.created_at)
        spans += _of_attempt(make, root, attempt, since)
        waits_since[attempt.ordinal] = attempt.finished_at
    for delivery in traced.deliveries:
        spans += _of_delivery(make, root, delivery, traced.tries.get(delivery.id, ()))
    return spans


@dataclass(frozen=True, slots=True)
class _Maker:
    trace_id: str

    def __call__(
        self,
        kind_of_span: str,
        name: str,
        parent_id: str,
        times: tuple[int, int],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, str | int | float | bool] | None = None,
        error: str = "",
    ) -> TraceSpan:
        start, end = times
        return TraceSpan(
            f"fyke.{kind_of_span}",
            self.trace_id,
            span_id(kind_of_span, name),
            parent_id,
            start,
            max(start, end),
            kind,
            attributes or {},
            error,
        )


def _of_attempt(make: _Maker, root: TraceSpan, attempt: Attempt, since: int) -> list[TraceSpan]:
    """The wait in the queue, and the attempt with its parts: the lease, the start of the sandbox,
    the Worker, and the end, in which the rows are sealed.
    """
    ended = attempt.finished_at or root.end
    # the clock of the process that has leased it may differ from that of the database
    leased = min(max(_leased_at(attempt.id), since), attempt.started_at or ended)
    facts: dict[str, str | int | float | bool] = {
        "fyke.attempt": attempt.id,
        "fyke.subtask": attempt.ordinal,
        "fyke.machine": attempt.node,
    }
    used: dict[str, str | int | float | bool] = {
        "fyke.rows": attempt.rows,
        "fyke.traffic_bytes": attempt.traffic_bytes,
        "fyke.cpu_ms": attempt.cpu_ms,
        "fyke.memory_peak_bytes": attempt.memory_peak_bytes,
        "fyke.outcome": attempt.outcome.value if attempt.outcome else "",
    }
    queue = make("queue", attempt.id, root.id, (since, leased), attributes=facts)
    whole = make(
        "attempt",
        attempt.id,
        root.id,
        (leased, ended),
        attributes=facts | used,
        error=_error(attempt.outcome, attempt),
    )
    started = attempt.started_at
    spans = [queue, whole]
    if not started:
        return [*spans, make("sandbox", attempt.id, whole.id, (leased, ended))]
    stopped = min(started + attempt.busy_ms, ended)
    return [
        *spans,
        make("sandbox", attempt.id, whole.id, (leased, started)),
        make("worker", attempt.id, whole.id, (started, stopped), error=whole.error),
        make("rows", attempt.id, whole.id, (stopped, ended)),
    ]


def _leased_at(attempt_id: str) -> int:
    """The time in the id, which is made with the lease."""
    try:
        return int(ULID.from_str(attempt_id).milliseconds)
    except ValueError:
        return 0


def _of_delivery(
    make: _Maker, root: TraceSpan, delivery: Delivery, tries: Sequence[DeliveryAttempt]
) -> Iterator[TraceSpan]:
    """The delivery of a callback, and each time that it was sent."""
    is_bad = delivery.state not in (DeliveryState.DELIVERED, DeliveryState.SUPERSEDED)
    whole = make(
        "callback",
        delivery.id,
        root.id,
        (delivery.created_at, delivery.ended_at or root.end),
        attributes={"fyke.kind": delivery.kind.value, "fyke.state": delivery.state.value},
        error=delivery.state.value if is_bad else "",
    )
    yield whole
    for one in tries:
        yield make(
            "request",
            f"{delivery.id} {one.at}",
            whole.id,
            (one.at, one.at + one.duration_ms),
            kind=SpanKind.CLIENT,
            attributes={
                "http.request.method": "POST",
                "http.response.status_code": one.status,
                "server.address": delivery.host,
            },
            error=_request_error(one),
        )


def _request_error(one: DeliveryAttempt) -> str:
    """A fixed word or the status: the sentence may have an address or text of a receiver."""
    if not one.status:
        return "no_response"
    return "" if 200 <= one.status < 300 else f"status {one.status}"


def _error(outcome: Outcome | None, of: Run | Attempt) -> str:
    """The code of the reason: the sentence may have text of users."""
    if outcome is None or outcome is Outcome.SUCCEEDED:
        return ""
    return of.reason.code.value if of.reason else outcome.value
