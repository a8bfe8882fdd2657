"""Sends requests without blocking the event loop."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import IO, TYPE_CHECKING, TypeVar

from fyke_client._events import LineSplitter
from fyke_client._http import Server, response_of
from fyke_client._loopback import is_loopback
from fyke_client._requests import Request, Response, data_of
from fyke_client.errors import Unreachable

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

CHUNK = 2**18  # bytes that are written at once


class AsyncHttp:
    """The connections to one server, of one event loop."""

    def __init__(self, server: Server, transport: httpx2.AsyncBaseTransport | None) -> None:
        self.server = server
        self._transport = transport

    @functools.cached_property
    def _httpx(self) -> httpx2.AsyncClient:
        import httpx2

        # Proxies in the environment are not used for a server on this machine.
        return httpx2.AsyncClient(
            timeout=self.server.timeout,
            trust_env=not is_loopback(self.server.url),
            transport=self._transport,
        )

    async def aclose(self) -> None:
        if "_httpx" in self.__dict__:
            await self._httpx.aclose()

    async def send(self, request: Request) -> Response:
        """The answer to ``request``. Raises ``Unreachable``."""
        seconds = self.server.seconds_for(request)
        with self.server.errors(seconds):
            return response_of(
                await self._httpx.request(
                    request.method,
                    self.server.url + request.path,
                    headers=self.server.headers_of(request),
                    content=request.body or None,
                    data=request.form,
                    files=request.files,
                    timeout=seconds,
                )
            )

    @asynccontextmanager
    async def lines(self, request: Request) -> AsyncIterator[AsyncIterator[str] | None]:
        """The lines of an answer that arrives over time; None for 204. Raises like ``send``, and
        ``ApiError``.
        """
        with self.server.errors():
            async with self._httpx.stream(
                request.method,
                self.server.url + request.path,
                headers=self.server.headers_of(request),
            ) as response:
                if response.status_code not in (200, 204):
                    await response.aread()
                    data_of(response_of(response), self.server.url)
                yield _lines_of(response) if response.status_code == 200 else None

    async def download(self, url: str, file: IO[bytes]) -> int:
        """Write the content of ``url`` to ``file``; return the number of bytes.

        The key is not sent, because links need none and may point to another server.
        """
        size = 0
        with self.server.errors():
            async with self._httpx.stream("GET", url) as response:
                if response.status_code != 200:
                    await response.aread()
                    data_of(response_of(response), url)
                    raise Unreachable(f"{url} answered {response.status_code} instead of a file")
                async for chunk in response.aiter_bytes(CHUNK):
                    size += await self.aside(file.write, chunk)
        return size

    async def aside(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function that uses files, without blocking the event loop."""
        return await asyncio.to_thread(function, *arguments)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _lines_of(response: httpx2.Response) -> AsyncIterator[str]:
    lines = LineSplitter()
    async for part in response.aiter_bytes():
        for line in lines.feed(part):
            yield line
