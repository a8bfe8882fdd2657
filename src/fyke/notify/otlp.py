"""Sends traces to a collector of OpenTelemetry: OTLP over HTTP, by the official SDK.

Imported only if the setting ``otlp_endpoint`` is set, because its packages are an extra.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.trace import SpanKind as OtelKind
from opentelemetry.trace.status import Status, StatusCode

from fyke import __version__
from fyke.model.trace import SpanKind, TraceSpan

SECONDS = 5.0  # for one request, with its retries
MAX_SPANS = 2000  # of one request, about 1 MiB
MAX_PROBLEM = 400  # characters
PATH = "/v1/traces"
_NS = 1_000_000  # of a millisecond
_KINDS = {
    SpanKind.SERVER: OtelKind.SERVER,
    SpanKind.CLIENT: OtelKind.CLIENT,
    SpanKind.INTERNAL: OtelKind.INTERNAL,
}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_SCOPE = InstrumentationScope("fyke", __version__)


class _FirstMessage(logging.Handler):
    """Keeps the first message of the SDK about a request, which says why it could not be sent."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = self.text or record.getMessage()[:MAX_PROBLEM]


class OtlpExporter:
    """Implements ``SpanExporter``. ``endpoint`` is the address of the collector, without the path
    of traces. Headers and certificates are those of the variables ``OTEL_EXPORTER_OTLP_*``.
    """

    def __init__(self, endpoint: str, server: str) -> None:
        """``server`` is the name of this process."""
        self._exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + PATH, timeout=SECONDS)
        self._resource = Resource(
            {
                "service.name": "fyke",
                "service.version": __version__,
                "service.instance.id": server,
            }
        )
        # without this the SDK would log each failed request, and each of its retries
        self._problem = _FirstMessage()
        logger = logging.getLogger("opentelemetry")
        logger.handlers = [self._problem]
        logger.propagate = False

    async def send(self, spans: Sequence[TraceSpan]) -> str:
        """See ``SpanExporter.send``."""
        return await asyncio.to_thread(self._send, spans)

    def _send(self, spans: Sequence[TraceSpan]) -> str:
        for first in range(0, len(spans), MAX_SPANS):
            self._problem.text = ""
            part = [self._readable(span) for span in spans[first : first + MAX_SPANS]]
            try:
                result = self._exporter.export(part)
            except Exception as error:  # of the SDK or its transport: the spans are lost
                return str(error) or type(error).__name__
            if result is not SpanExportResult.SUCCESS:
                return self._problem.text or "the collector has not accepted them"
        return ""

    def close(self) -> None:
        """End the request that is being made, if any, without another retry."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # of the SDK

    def _readable(self, span: TraceSpan) -> ReadableSpan:
        parent = _context(span.trace_id, span.parent_id) if span.parent_id else None
        status = Status(StatusCode.ERROR, span.error) if span.error else Status()
        return ReadableSpan(
            name=span.name,
            context=_context(span.trace_id, span.id),
            parent=parent,
            resource=self._resource,
            attributes=span.attributes,
            kind=_KINDS[span.kind],
            status=status,
            start_time=span.start * _NS,
            end_time=span.end * _NS,
            instrumentation_scope=_SCOPE,
        )


def _context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=_SAMPLED)
