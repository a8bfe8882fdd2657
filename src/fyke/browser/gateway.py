"""All attempts of one process. The runner's connection (``control``) and tests use it."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Sequence

from fyke.browser.attempt import AttemptGateway, BrowserUnavailable
from fyke.browser.connection import ExtraRoutes, GatewayConnection
from fyke.browser.limits import GatewayLimits
from fyke.browser.messages import Notice
from fyke.browser.streams import ByteStream
from fyke.contracts.browser import BrowserProgram, GatewayGrant
from fyke.model.last_page import TakenPage

_log = logging.getLogger(__name__)


class Gateway:
    """The gateways of all attempts, by id. ``routes`` are served before the gateway's own."""

    def __init__(
        self, limits: GatewayLimits | None = None, routes: Sequence[ExtraRoutes] = ()
    ) -> None:
        self._limits = limits or GatewayLimits()
        self._routes = routes
        self._attempts: dict[str, AttemptGateway] = {}
        self._empty_since = time.monotonic()

    async def open(
        self,
        listeners: Sequence[socket.socket],
        grant: GatewayGrant,
        notify: Callable[[Notice], None],
        refusal: BrowserUnavailable | None = None,
    ) -> None:
        """Serve and own the listeners; with a ``refusal``, answer it to all connections. Raise
        ``ValueError`` for an attempt that is open.
        """
        if grant.attempt_id in self._attempts:
            raise ValueError(f"attempt {grant.attempt_id} has a gateway already")
        attempt = AttemptGateway(grant, self._limits, notify, self._serve)
        self._attempts[grant.attempt_id] = attempt
        if refusal is not None:
            attempt.refuse(refusal)
        try:
            await attempt.listen(listeners)
        except BaseException:
            self.close(grant.attempt_id, final=False)
            raise

    def attach(
        self,
        attempt_id: str,
        control: socket.socket,
        generation: int,
        program: BrowserProgram,
        *,
        own_sandbox: bool,
        display: bool = False,
    ) -> None:
        """Own and use a browser sandbox. Raise ``ValueError``."""
        self._attempt(attempt_id).attach(
            control, generation, program, own_sandbox=own_sandbox, display=display
        )

    def refuse(self, attempt_id: str, status: int, text: str, retry_after: int) -> None:
        """Answer connections without a browser. Raise ``ValueError`` for an unknown id."""
        self._attempt(attempt_id).refuse(BrowserUnavailable(status, text, retry_after))

    async def finish(self, attempt_id: str) -> TakenPage | None:
        """The last page of an attempt. Raise ``ValueError`` for an unknown id."""
        return await self._attempt(attempt_id).finish()

    def close(self, attempt_id: str, *, final: bool) -> None:
        """End everything of an attempt; an unknown id is ignored."""
        attempt = self._attempts.pop(attempt_id, None)
        if attempt is not None:
            attempt.close(final=final)
            self._empty_since = time.monotonic()

    def find(self, attempt_id: str) -> AttemptGateway | None:
        """The attempt of this id, if it is open."""
        return self._attempts.get(attempt_id)

    async def until_idle(self, seconds: float) -> None:
        """Return when there was no attempt for this time."""
        while True:
            left = self._empty_since + seconds - time.monotonic()
            if left <= 0 and not self._attempts:
                return
            await asyncio.sleep(left if left > 0 else seconds)

    def stop(self) -> None:
        """End all attempts; the runner may open them in another process."""
        for attempt_id in list(self._attempts):
            self.close(attempt_id, final=False)

    def _attempt(self, attempt_id: str) -> AttemptGateway:
        try:
            return self._attempts[attempt_id]
        except KeyError:
            raise ValueError(f"attempt {attempt_id} has no gateway") from None

    def _serve(self, attempt: AttemptGateway, stream: ByteStream) -> asyncio.Task[None]:
        connection = GatewayConnection(attempt, stream, self._routes)
        task = asyncio.get_running_loop().create_task(connection.serve())
        task.add_done_callback(_log_error)
        return task


def _log_error(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a connection to a browser failed", exc_info=error)
