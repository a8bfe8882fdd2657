"""Which trace a run belongs to, and its spans."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.domain.runs.traces import (
    TracedRequest,
    TracedRun,
    read_request,
    span_id,
    spans_of,
    trace_of_start,
    traceparent,
)
from fyke.model.callback import DeliveryAttempt, DeliveryState
from fyke.model.run import Attempt, Outcome, RunState
from fyke.model.trace import RunTrace, SpanKind, TraceSpan
from fyke.reasons import Reason, ReasonCode
from support import records

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
RUN = "01KJXSR49GMEMBEZZ5FZDPVNBW"
LEASED = "01KJXSR49G0000000000000000"  # the id of an attempt
LEASED_AT = 1_772_674_093_360  # the time in it


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"00-{TRACE}-{PARENT}-01", TracedRequest(5, TRACE, PARENT)),
        (f" 00-{TRACE}-{PARENT}-00 ", TracedRequest(5, TRACE, PARENT, False)),
        (f"cc-{TRACE}-{PARENT}-01-of-a-later-version", TracedRequest(5, TRACE, PARENT)),
        (None, TracedRequest(5)),
        ("", TracedRequest(5)),
        (f"00-{TRACE}-{PARENT}-01-more", TracedRequest(5)),
        (f"ff-{TRACE}-{PARENT}-01", TracedRequest(5)),
        (f"00-{'0' * 32}-{PARENT}-01", TracedRequest(5)),
        (f"00-{TRACE}-{'0' * 16}-01", TracedRequest(5)),
        (f"00-{TRACE.upper()}-{PARENT}-01", TracedRequest(5)),
        ("nonsense", TracedRequest(5)),
    ],
)
def test_a_header_is_read_as_the_standard_says(header: str | None, expected: TracedRequest) -> None:
    assert read_request(header, 5) == expected


def test_a_run_belongs_to_the_trace_of_its_client_or_begins_one() -> None:
    assert trace_of_start(RUN, TracedRequest(5, TRACE, PARENT)) == RunTrace(RUN, TRACE, PARENT, 5)
    assert trace_of_start(RUN, TracedRequest(5, TRACE, PARENT, is_sampled=False)) is None
    own, other = trace_of_start(RUN, None), trace_of_start(RUN, TracedRequest(7))
    assert own is not None and other == replace(own, received_at=7)
    assert len(own.trace_id) == 32 and int(own.trace_id, 16)


def attempt(**changes: object) -> Attempt:
    base = Attempt(
        LEASED, RUN, 0, "7", "r", 1, 0, Outcome.SUCCEEDED, "", 3, 100, 20, 10,
        started_at=LEASED_AT + 400, finished_at=LEASED_AT + 2000, busy_ms=1500, node="n1",
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def traced(**changes: object) -> TracedRun:
    run = records.run(
        "A", "W",
        id=RUN, state=RunState.SUCCEEDED, outcome=Outcome.SUCCEEDED, results=3,
        created_at=LEASED_AT - 1000, started_at=LEASED_AT + 400, finished_at=LEASED_AT + 2010,
    )  # fmt: skip
    trace = RunTrace(RUN, TRACE, PARENT, LEASED_AT - 1020)
    base = TracedRun(trace, run, "reader", [attempt()], [], {})
    return replace(base, **changes)  # type: ignore[arg-type]


def by_name(spans: list[TraceSpan]) -> dict[str, tuple[int, int]]:
    """Start and end of each span, from the lease."""
    return {span.name: (span.start - LEASED_AT, span.end - LEASED_AT) for span in spans}


def test_the_spans_are_the_parts_of_a_run_one_after_the_other() -> None:
    spans = spans_of(traced())
    assert by_name(spans) == {
        "fyke.run": (-1020, 2010),
        "fyke.start": (-1020, -1000),
        "fyke.queue": (-1000, 0),
        "fyke.attempt": (0, 2000),
        "fyke.sandbox": (0, 400),
        "fyke.worker": (400, 1900),
        "fyke.rows": (1900, 2000),
    }
    named = {span.name: span for span in spans}
    root, whole = named["fyke.run"], named["fyke.attempt"]
    assert (root.parent_id, named["fyke.start"].kind) == (PARENT, SpanKind.SERVER)
    for name in ("start", "queue", "attempt"):
        assert named[f"fyke.{name}"].parent_id == root.id
    for name in ("sandbox", "worker", "rows"):
        assert named[f"fyke.{name}"].parent_id == whole.id
    assert {span.trace_id for span in spans} == {TRACE}
    assert len({span.id for span in spans}) == len(spans)
    assert whole.attributes["fyke.machine"] == "n1"
    assert root.attributes["fyke.worker"] == "reader"
    assert not any(span.error for span in spans)


def test_a_worker_is_given_the_span_that_it_runs_in() -> None:
    [worker] = [span for span in spans_of(traced()) if span.name == "fyke.worker"]
    assert traceparent(traced().trace, LEASED) == f"00-{TRACE}-{worker.id}-01"
    assert worker.id == span_id("worker", LEASED)


def test_a_second_attempt_waits_from_the_end_of_the_first() -> None:
    lost = attempt(outcome=Outcome.RUNNER_LOST, reason=Reason(ReasonCode.RUNNER_LOST))
    later = attempt(
        id="01KJXSR6SG0000000000000000", started_at=0, finished_at=LEASED_AT + 9000, busy_ms=0
    )
    spans = spans_of(traced(attempts=[lost, later]))
    queues = [span for span in spans if span.name == "fyke.queue"]
    assert [span.start - LEASED_AT for span in queues] == [-1000, 2000]
    errors = [span.error for span in spans if span.name == "fyke.attempt"]
    assert errors == ["runner_lost", ""]
    # the Worker of the second has not started: the sandbox is all that there was
    assert [span.name for span in spans].count("fyke.worker") == 1


def test_clocks_that_differ_make_no_negative_span() -> None:
    early = attempt(started_at=LEASED_AT - 5000, finished_at=LEASED_AT - 4000)
    for span in spans_of(traced(attempts=[early])):
        assert span.start <= span.end


def test_a_callback_has_a_span_for_each_time_that_it_was_sent() -> None:
    end = LEASED_AT + 2010
    delivery = records.delivery(
        "A", RUN, state=DeliveryState.DELIVERED, created_at=end, ended_at=end + 900,
        receiver="https://hooks.example.com:443",
    )  # fmt: skip
    tries = [
        DeliveryAttempt(delivery.id, end + 10, 500, "", 20),
        DeliveryAttempt(delivery.id, end + 700, 0, "hooks.example.com: refused", 50),
        DeliveryAttempt(delivery.id, end + 800, 200, "", 50),
    ]
    spans = spans_of(traced(deliveries=[delivery], tries={delivery.id: tries}))
    [callback] = [span for span in spans if span.name == "fyke.callback"]
    assert (callback.start, callback.end, callback.error) == (end, end + 900, "")
    requests = [span for span in spans if span.name == "fyke.request"]
    assert [(span.parent_id, span.error) for span in requests] == [
        (callback.id, "status 500"),
        (callback.id, "no_response"),
        (callback.id, ""),
    ]
    assert requests[1].attributes["server.address"] == "hooks.example.com"
    assert spans[0].end == end + 900  # the run contains it


def test_an_error_is_named_by_its_code_and_not_by_its_sentence() -> None:
    reason = Reason.of(ReasonCode.TIMEOUT, seconds=1)
    failed = records.run(
        "A", "W", id=RUN, state=RunState.FAILED, outcome=Outcome.TIMEOUT, reason=reason,
        err_msg="text of a user", created_at=1, finished_at=9,
    )  # fmt: skip
    [root, *_] = spans_of(traced(run=failed, attempts=[]))
    assert root.error == "timeout"
