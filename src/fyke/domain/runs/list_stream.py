"""Live updates of a list of runs: changes of the shown runs, and the number of new ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from fyke.contracts.signals import Signals, output_topic, run_topic
from fyke.domain.results.output_signals import OutputFollower
from fyke.domain.runs.lists import RunLists, RunRow
from fyke.model.account import Caller
from fyke.model.run_list import ListCursor, RunSearch

ACTIVE_POLL_SECONDS = 2.0  # the figures of active runs grow without a notification
IDLE_POLL_SECONDS = 5.0
BATCH_SECONDS = 0.3  # changes within this time are sent together
MAX_NEW = 99


@dataclass(frozen=True, slots=True)
class ListUpdate:
    """Rows that have changed since they were sent, ids of removed runs, and the number of newer
    matching runs, up to ``MAX_NEW``. An update without changes is a keep-alive.
    """

    rows: list[RunRow]
    removed: list[str]
    new_count: int


class ListStream:
    """Streams the updates of a list of runs."""

    def __init__(self, lists: RunLists, signals: Signals) -> None:
        self._lists = lists
        self._signals = signals

    async def follow(
        self, caller: Caller, search: RunSearch, run_ids: Sequence[str], top: ListCursor | None
    ) -> AsyncIterator[ListUpdate]:
        """Yield updates forever. ``run_ids`` are the active runs of the list; ``top`` is the cursor
        of its newest run, or None if new runs are not counted.
        """
        sent: dict[str, tuple[object, ...]] = {}
        open_ids = list(dict.fromkeys(run_ids))
        follower = OutputFollower(self._signals)
        async with self._signals.listen() as listener:
            while True:
                rows = await self._lists.rows(caller, open_ids)
                new_count = await self._lists.newer(caller, search, top, MAX_NEW) if top else 0
                changed = [row for row in rows if sent.get(row.line.id) != _figures(row)]
                sent |= {row.line.id: _figures(row) for row in rows}
                existing = {row.line.id for row in rows}
                removed = [run_id for run_id in open_ids if run_id not in existing]
                yield ListUpdate(changed, removed, new_count)
                open_ids = [row.line.id for row in rows if not row.line.state.terminal]
                follower.follow(open_ids)
                topics = frozenset(
                    topic for ref in open_ids for topic in (run_topic(ref), output_topic(ref))
                )
                await listener.wait(topics, ACTIVE_POLL_SECONDS if open_ids else IDLE_POLL_SECONDS)
                await asyncio.sleep(BATCH_SECONDS)


def _figures(row: RunRow) -> tuple[object, ...]:
    return (
        row.line.state,
        row.line.err_msg,
        row.results,
        row.usage_micros,
        row.traffic_bytes,
        row.duration_ms // 1000,
    )
