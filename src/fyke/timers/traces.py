"""Sends the traces of ended runs to the collector of the setting ``otlp_endpoint``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from fyke.contracts.state import Storage
from fyke.contracts.traces import SpanExporter
from fyke.domain.runs.traces import TracedRun, has_ended, spans_of, take_ended

log = structlog.get_logger()

BATCH = 100  # runs that are read in one transaction


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
            runs = await self._storage.write(lambda tx: take_ended(tx, BATCH))
            if runs and not await self._send(runs):
                return

    async def _send(self, runs: Sequence[TracedRun]) -> bool:
        spans = await asyncio.to_thread(lambda: [span for run in runs for span in spans_of(run)])
        problem = await self._exporter.send(spans)
        if not problem:
            if self._lost:
                log.info("traces_sent_again", lost_runs=self._lost)
            self._lost = 0
            return True
        if not self._lost:
            log.warning("traces_lost", problem=problem)
        self._lost += len(runs) + await self._storage.write(lambda tx: tx.traces.drop_ended())
        return False
