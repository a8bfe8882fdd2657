"""Sends the traces of ended runs to the collector of the setting ``otlp_endpoint``."""

from __future__ import annotations

import asyncio

import structlog

from fyke.contracts.state import Storage
from fyke.contracts.traces import SpanExporter
from fyke.domain.runs.traces import has_ended, read_run, spans_of, take_ended
from fyke.errors import Unavailable
from fyke.model.trace import RunTrace

log = structlog.get_logger()

BATCH = 100  # traces that are taken in one transaction


class TraceTimer:
    """Each pass takes the traces of all runs that have ended, and sends them. They are taken first:
    those that cannot be sent are lost, with all others that are due, and cost nothing more. The log
    says so when the first is lost, and when the collector answers again.
    """

    seconds = 3.0

    def __init__(self, storage: Storage, exporter: SpanExporter) -> None:
        self._storage = storage
        self._exporter = exporter
        self._lost = 0

    async def tick(self) -> None:
        while await self._storage.read(has_ended):
            taken = await self._storage.write(lambda tx: take_ended(tx, BATCH))
            for count, trace in enumerate(taken):
                if problem := await self._send(trace):
                    await self._note_lost(problem, len(taken) - count)
                    return

    async def _send(self, trace: RunTrace) -> str:
        """Send the spans of one run; return why the collector has not accepted them. A run that
        cannot be read, such as one that a newer release has stored, is left out.
        """
        try:
            run = await self._storage.read(lambda tx: read_run(tx, trace))
            spans = await asyncio.to_thread(spans_of, run) if run is not None else []
        except Unavailable:
            raise
        except Exception:
            log.exception("trace_not_made", run=trace.run_id)
            return ""
        if not spans:
            return ""
        problem = await self._exporter.send(spans)
        if not problem and self._lost:
            log.info("traces_sent_again", lost_runs=self._lost)
            self._lost = 0
        return problem

    async def _note_lost(self, problem: str, count: int) -> None:
        """Drop all that are due; ``count`` were taken and not sent."""
        if not self._lost:
            log.warning("traces_lost", problem=problem)
        self._lost += count + await self._storage.write(lambda tx: tx.traces.drop_ended())
