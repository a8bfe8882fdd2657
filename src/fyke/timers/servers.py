"""Counts the servers that share a database, so that they can share the rate limits.

Each server sends heartbeats and counts the servers that do. A server that starts or stops sends a
signal, and the other servers count again at once. A killed server still counts for
``SERVER_SILENCE_MS``.
"""

from __future__ import annotations

from collections.abc import Callable

from fyke.contracts.signals import SERVERS, Signals
from fyke.contracts.state import Storage, Transaction
from fyke.kit.ids import new_ulid
from fyke.model.settings_version import SERVER_SILENCE_MS, ServerBeat

HEARTBEAT_SECONDS = 5.0


class ServerTimer:
    """The heartbeat of one server. ``on_count`` is called with the number of servers."""

    seconds = 0.0

    def __init__(
        self,
        storage: Storage,
        signals: Signals,
        on_count: Callable[[int], None],
        *,
        place: str = "",
        settings_version: Callable[[], int] = lambda: 0,
    ) -> None:
        """``place`` is as in ``ServerBeat``; ``settings_version`` returns the number of the newest
        version that this server uses.
        """
        self._storage = storage
        self._signals = signals
        self._on_count = on_count
        self._id = new_ulid()
        self._place = place
        self._settings_version = settings_version

    async def join(self) -> None:
        """Send the first heartbeat and count the servers; called before the first request."""
        await self._heartbeat(notify=True)

    async def leave(self) -> None:
        """Remove this server at once, so that the others get its share."""

        def work(tx: Transaction) -> None:
            tx.servers.drop(self._id)
            tx.notify(SERVERS)

        await self._storage.write(work)

    async def tick(self) -> None:
        """Send heartbeats until cancelled, at once when a server starts or stops."""
        async with self._signals.listen() as listener:
            while True:
                await self._heartbeat(notify=False)
                await listener.wait(frozenset({SERVERS}), HEARTBEAT_SECONDS)

    async def _heartbeat(self, *, notify: bool) -> None:
        def work(tx: Transaction) -> int:
            since = tx.now - SERVER_SILENCE_MS
            tx.servers.drop_silent(since)
            tx.servers.heartbeat(
                ServerBeat(self._id, tx.now, self._place, self._settings_version())
            )
            if notify:
                tx.notify(SERVERS)
            return tx.servers.count_active(since)

        self._on_count(await self._storage.write(work))
