"""The gateway's end of a runner's connection.

A connection owns the attempts that were opened over it. When it ends, the runner has ended, and
everything of its attempts is closed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable

from fyke.browser.attempt import BrowserUnavailable
from fyke.browser.gateway import Gateway
from fyke.browser.messages import (
    AttachBrowser,
    CloseGateway,
    FinishGateway,
    OpenGateway,
    RefuseWanted,
    Reply,
    Request,
    decode_request,
    encode,
    encode_page,
)
from fyke.contracts.browser import GatewayGrant
from fyke.kit.requests import RequestDone, ServedChannel, adopt

_log = logging.getLogger(__name__)


class RunnerSession:
    """One runner. Requests are executed one after the other, in order of arrival."""

    def __init__(
        self, sock: socket.socket, gateway: Gateway, on_end: Callable[[RunnerSession], None]
    ) -> None:
        self._gateway = gateway
        self._attempts: set[str] = set()
        self._finishing: set[asyncio.Task[None]] = set()
        self._channel = ServedChannel(
            sock, decode_request, self._execute, self._close_attempts, lambda: self._end(on_end)
        )

    def close(self) -> None:
        """End the connection and all its attempts."""
        self._channel.close()

    def _end(self, on_end: Callable[[RunnerSession], None]) -> None:
        self._close_attempts()  # one may have been opened after the connection was lost
        on_end(self)

    def _close_attempts(self) -> None:
        for attempt_id in self._attempts:
            self._gateway.close(attempt_id, final=False)
        self._attempts.clear()

    async def _execute(self, request: Request, descriptors: list[int]) -> None:
        error = ""
        try:
            if isinstance(request, FinishGateway):
                self._finish_later(request, descriptors)
                return
            await self._action(request, descriptors)
        except (ValueError, OSError) as caught:
            error = str(caught) or type(caught).__name__
        self._reply(RequestDone(request.seq, error))

    async def _action(
        self,
        request: OpenGateway | AttachBrowser | RefuseWanted | CloseGateway,
        descriptors: list[int],
    ) -> None:
        attempt_id = request.attempt_id
        if isinstance(request, OpenGateway):
            await self._open(request, descriptors)
        elif isinstance(request, CloseGateway):
            if attempt_id in self._attempts:
                self._attempts.discard(attempt_id)
                self._gateway.close(attempt_id, final=request.final)
        elif attempt_id not in self._attempts:
            raise ValueError(f"attempt {attempt_id} has no gateway")
        elif isinstance(request, RefuseWanted):
            self._gateway.refuse(attempt_id, request.status, request.text, request.retry_after)
        else:
            self._attach(request, descriptors)

    async def _open(self, request: OpenGateway, descriptors: list[int]) -> None:
        if not descriptors:
            raise ValueError("opening a gateway needs at least one listener")
        listeners: list[socket.socket] = []
        try:
            listeners += [adopt(descriptor) for descriptor in descriptors]
            grant = GatewayGrant(
                request.attempt_id, request.secret, request.block, keep=request.keep
            )
            refusal = BrowserUnavailable(request.refused_status, request.refused_text)
            await self._gateway.open(
                listeners, grant, self._reply, refusal if refusal.status else None
            )
        except BaseException:
            for listener in listeners:
                listener.close()
            raise
        self._attempts.add(request.attempt_id)

    def _attach(self, request: AttachBrowser, descriptors: list[int]) -> None:
        if len(descriptors) != 1:
            raise ValueError("attaching a browser needs one socket")
        control = adopt(descriptors[0])
        try:
            self._gateway.attach(
                request.attempt_id,
                control,
                request.generation,
                request.program,
                own_sandbox=request.own_sandbox,
                display=request.display,
            )
        except BaseException:
            control.close()
            raise

    def _finish_later(self, request: FinishGateway, descriptors: list[int]) -> None:
        """Take the last page while other requests are executed."""
        if request.attempt_id not in self._attempts:
            raise ValueError(f"attempt {request.attempt_id} has no gateway")
        if len(descriptors) != 1:
            raise ValueError("the last page needs one file")
        task = asyncio.create_task(self._finish(request, os.dup(descriptors[0])))
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def _finish(self, request: FinishGateway, file: int) -> None:
        error = ""
        try:
            page = await self._gateway.finish(request.attempt_id)
            if page is not None:
                with os.fdopen(os.dup(file), "wb") as writer:
                    writer.write(encode_page(page))
        except Exception as caught:
            _log.exception("the last page of attempt %s was not taken", request.attempt_id)
            error = str(caught) or type(caught).__name__
        finally:
            os.close(file)
        self._reply(RequestDone(request.seq, error))

    def _reply(self, reply: Reply) -> None:
        self._channel.send(encode(reply))
