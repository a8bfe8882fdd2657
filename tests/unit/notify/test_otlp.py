"""Spans as a collector of OpenTelemetry gets them."""

from __future__ import annotations

import logging

import pytest

from fyke.model.trace import SpanKind, TraceSpan
from fyke.notify import otlp
from fyke.notify.otlp import OtlpExporter
from support.collector import attributes_of, collector

pytestmark = pytest.mark.anyio
TRACE, ID, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
SPAN = TraceSpan(
    "fyke.run", TRACE, ID, PARENT, 1000, 2500, SpanKind.SERVER, {"fyke.rows": 3}, "timeout"
)


async def test_a_span_is_sent_with_its_ids_times_and_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of-mine")
    with collector() as there:
        exporter = OtlpExporter(f"{there.url}/", "server-2")
        assert await exporter.send([SPAN]) == ""
    [span] = there.spans
    assert there.paths == ["/v1/traces"]
    assert there.headers[0]["authorization"] == "Bearer of-mine"
    assert (span.name, span.kind) == ("fyke.run", 2)
    assert (span.trace_id.hex(), span.span_id.hex()) == (TRACE, ID)
    assert span.parent_span_id.hex() == PARENT
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (10**9, 2_500_000_000)
    assert (span.status.code, span.status.message) == (2, "timeout")
    assert attributes_of(span) == {"fyke.rows": 3}
    assert there.resources[0]["service.name"] == "fyke"
    assert there.resources[0]["service.instance.id"] == "server-2"


async def test_many_spans_are_sent_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "MAX_SPANS", 2)
    with collector() as there:
        assert await OtlpExporter(there.url, "server").send([SPAN] * 5) == ""
    assert (len(there.paths), len(there.spans)) == (3, 5)


async def test_a_collector_that_refuses_or_is_away_is_no_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "SECONDS", 0.2)
    with collector(status=401) as there:
        exporter = OtlpExporter(there.url, "server")
        assert "401" in await exporter.send([SPAN])
    with caplog.at_level(logging.DEBUG, "opentelemetry"):
        assert await exporter.send([SPAN]) != ""
    exporter.close()
    assert await exporter.send([SPAN]) != ""
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
