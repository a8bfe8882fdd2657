"""The gateway's connection to the first process of a browser sandbox, which starts Chromium inside,
and connections to the ports of Chromium.

The process is ours, but shares a user with Chromium, so nothing that it sends is trusted.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass

from fyke.contracts.browser import BrowserProgram
from fyke.kit.frames import Frame, FrameClient, FramesEnded

SHARED = 0  # the instance that all connections without one of their own use
_PATH = re.compile(r"/devtools/browser/[0-9A-Za-z-]{1,64}")
MAX_ERROR = 2000  # characters
MAX_INSTANCES = 64
MAX_NAMES = 64
_SWITCH = re.compile(r"[a-z0-9-]{1,40}")
_ENDED = "the sandbox of the browser has ended: {error}"


class HostFailed(Exception):
    """The process inside could not do it, or answered what is not allowed."""


class PortClosed(HostFailed):
    """Nothing accepts connections at a port inside."""


@dataclass(frozen=True, slots=True)
class DevtoolsEndpoint:
    """Where a Chromium inside accepts connections; ``path`` is that of its browser WebSocket."""

    instance: int
    port: int
    path: str


class BrowserHost:
    """``on_started`` gets the number of a Chromium that accepts connections, ``on_ended`` that of
    one that ended and its status. ``on_lost`` is called once when the sandbox has ended or breaks
    the protocol, unless ``close`` was called. ``endpoints`` are those of the Chromiums that live.
    """

    def __init__(
        self,
        control: socket.socket,
        on_started: Callable[[int], None],
        on_ended: Callable[[int, int | None], None],
        on_lost: Callable[[str], None],
        on_dropped: Callable[[list[str]], None],
    ) -> None:
        self._on_started = on_started
        self._on_ended = on_ended
        self._on_lost = on_lost
        self._on_dropped = on_dropped
        self._starting: set[int] = set()
        self._ended_early: dict[int, int | None] = {}
        self.endpoints: dict[int, DevtoolsEndpoint] = {}
        self._frames = FrameClient(control, self._event, on_lost)

    async def start(
        self,
        instance: int,
        program: BrowserProgram,
        *,
        own_sandbox: bool,
        timeout: float,
        arguments: tuple[str, ...] = (),
    ) -> DevtoolsEndpoint:
        """Start a Chromium. Raise ``HostFailed``."""
        self._starting.add(instance)
        try:
            answer = await self._ask(
                "start",
                timeout,
                instance=instance,
                program=program.value,
                arguments=list(arguments),
                own_sandbox=own_sandbox,
            )
        finally:
            self._starting.discard(instance)
            ended_early = instance in self._ended_early
            status = self._ended_early.pop(instance, None)
        endpoint = _endpoint(instance, answer)
        if endpoint is None:
            raise HostFailed("Chromium has no address")
        if ended_early:
            raise HostFailed(f"Chromium ended at once with status {status}")
        self._add(endpoint)
        return endpoint

    async def driver(self, program: BrowserProgram, timeout: float) -> int:
        """The port of chromedriver, which is started unless it runs, and starts ``program``. Raise
        ``HostFailed``.
        """
        port = (await self._ask("driver", timeout, program=program.value)).get("port")
        if type(port) is not int or not 0 < port < 2**16:
            raise HostFailed("chromedriver has no port")
        return port

    async def dial(self, port: int, timeout: float) -> socket.socket:
        """A connection to a port inside. Raise ``HostFailed``."""
        try:
            return await self._frames.connect(port, timeout)
        except FramesEnded as error:
            raise HostFailed(_ENDED.format(error=error)) from None
        except TimeoutError:
            raise HostFailed(f"port {port} does not accept connections") from None
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise PortClosed(f"port {port}: {reason}") from None

    async def stop(self, instance: int, timeout: float) -> None:
        """End a Chromium that does not end by itself. Raise ``HostFailed``."""
        await self._ask("stop", timeout, instance=instance)

    def close(self) -> None:
        """Close the control socket, which ends the sandbox."""
        self._frames.close()

    async def _ask(self, request: str, timeout: float, **fields: object) -> Frame:
        """The answer to a request. Raise ``HostFailed``."""
        try:
            answer = await self._frames.ask(request, timeout, **fields)
        except FramesEnded as error:
            raise HostFailed(_ENDED.format(error=error)) from None
        except TimeoutError:
            raise HostFailed(
                f"the sandbox of the browser did not answer in {timeout:g} s"
            ) from None
        except ValueError as error:
            raise HostFailed(str(error)) from None
        if answer["type"] == "failed":
            raise HostFailed(_line(answer.get("error")) or "it failed")
        return answer

    def _event(self, frame: Frame) -> None:
        instance = frame.get("instance")
        if type(instance) is not int:
            return
        if frame["type"] == "dropped":
            given = frame.get("arguments")
            names = [name for name in given if _is_switch(name)] if isinstance(given, list) else []
            if names:
                self._on_dropped(names[:MAX_NAMES])
            return
        given = frame.get("status")
        status = given if type(given) is int and -(2**31) <= given < 2**31 else None
        if frame["type"] == "ended" and instance in self.endpoints:
            del self.endpoints[instance]
            self._on_ended(instance, status)
        elif frame["type"] == "ended" and instance in self._starting:
            self._ended_early[instance] = status
        elif frame["type"] == "driven" and instance not in self.endpoints:
            endpoint = _endpoint(instance, frame)
            if endpoint is not None and instance != SHARED and len(self.endpoints) < MAX_INSTANCES:
                self._add(endpoint)

    def _add(self, endpoint: DevtoolsEndpoint) -> None:
        self.endpoints[endpoint.instance] = endpoint
        self._on_started(endpoint.instance)


def _line(text: object) -> str:
    """A text from inside as one line of limited length."""
    shown = str(text)[:MAX_ERROR]
    return "".join(character if character.isprintable() else " " for character in shown).strip()


def _is_switch(name: object) -> bool:
    return isinstance(name, str) and _SWITCH.fullmatch(name) is not None


def _endpoint(instance: int, frame: Frame) -> DevtoolsEndpoint | None:
    """Where a Chromium accepts connections, if the frame says it properly."""
    port, path = frame.get("port"), frame.get("path")
    if type(port) is not int or not 0 < port < 2**16:
        return None
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        return None
    return DevtoolsEndpoint(instance, port, path)
