"""Sends requests, and waits for their answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import IO, TYPE_CHECKING, TypeVar

from fyke_client._events import LineSplitter
from fyke_client._http import Server, response_of
from fyke_client._loopback import LoopbackHttp, is_loopback, is_plain
from fyke_client._requests import Request, Response, data_of
from fyke_client.errors import Unreachable

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")


class Http:
    """The connections to one server. Plain requests to this machine go by ``http.client``."""

    def __init__(self, server: Server, transport: httpx2.BaseTransport | None) -> None:
        self.server = server
        self._transport = transport
        self._making = threading.Lock()
        self._made: httpx2.Client | None = None
        self._loopback = (
            LoopbackHttp(server.url) if transport is None and is_plain(server.url) else None
        )

    @property
    def _httpx(self) -> httpx2.Client:
        with self._making:  # several threads may come at once
            if self._made is None:
                self._made = self._make()
            return self._made

    def _make(self) -> httpx2.Client:
        import httpx2

        # Proxies in the environment are not used for a server on this machine.
        return httpx2.Client(
            timeout=self.server.timeout,
            trust_env=not is_loopback(self.server.url),
            transport=self._transport,
        )

    def close(self) -> None:
        if self._made is not None:
            self._made.close()

    def send(self, request: Request) -> Response:
        """The answer to ``request``. Raises ``Unreachable``."""
        if self._loopback is not None and request.files is None:
            return self._send_loopback(self._loopback, request)
        seconds = self.server.seconds_for(request)
        with self.server.errors(seconds):
            return response_of(
                self._httpx.request(
                    request.method,
                    self.server.url + request.path,
                    headers=self.server.headers_of(request),
                    content=request.body or None,
                    data=request.form,
                    files=request.files,
                    timeout=seconds,
                )
            )

    def _send_loopback(self, loopback: LoopbackHttp, request: Request) -> Response:
        headers = self.server.headers_of(request)
        timeout = self.server.seconds_for(request)
        try:
            return loopback.request(request.method, request.path, headers, request.body, timeout)
        except Unreachable as error:
            raise self.server.unreachable(error.__cause__ or error, sent=False) from error.__cause__
        except TimeoutError as error:
            raise self.server.too_slow(timeout) from error
        except (OSError, HTTPException) as error:
            raise self.server.unreachable(error) from error
        except ValueError as error:  # a header that cannot be sent
            raise self.server.unreachable(error, temporary=False) from error

    @contextmanager
    def lines(self, request: Request) -> Iterator[Iterator[str] | None]:
        """The lines of an answer that arrives over time; None for 204. Raises like ``send``, and
        ``ApiError``.
        """
        with (
            self.server.errors(),
            self._httpx.stream(
                request.method,
                self.server.url + request.path,
                headers=self.server.headers_of(request),
            ) as response,
        ):
            if response.status_code not in (200, 204):
                response.read()
                data_of(response_of(response), self.server.url)
            yield _lines_of(response) if response.status_code == 200 else None

    def download(self, url: str, file: IO[bytes]) -> int:
        """Write the content of ``url`` to ``file``; return the number of bytes.

        The key is not sent, because links need none and may point to another server.
        """
        size = 0
        with self.server.errors(), self._httpx.stream("GET", url) as response:
            if response.status_code != 200:
                response.read()
                data_of(response_of(response), url)
                raise Unreachable(f"{url} answered {response.status_code} instead of a file")
            for chunk in response.iter_bytes():
                size += file.write(chunk)
        return size

    def aside(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function that uses files."""
        return function(*arguments)

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)


def _lines_of(response: httpx2.Response) -> Iterator[str]:
    lines = LineSplitter()
    for part in response.iter_bytes():
        yield from lines.feed(part)
