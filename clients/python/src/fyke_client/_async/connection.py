"""Requests to one server; they return ``data`` of the envelope."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import IO, Any, TypeVar

from fyke_client._async_http import AsyncHttp
from fyke_client._requests import (
    Request,
    data_of,
    decoded,
    is_temporary,
    json_request,
    may_repeat,
    pause_before,
    with_query,
)
from fyke_client.errors import ClientError, Unreachable

T = TypeVar("T")


class AsyncConnection:
    """Sends requests, repeats what may be repeated at most ``retries`` times, decodes answers."""

    def __init__(self, http: AsyncHttp, retries: int) -> None:
        self._http = http
        self._retries = retries
        self.url = http.server.url

    async def aclose(self) -> None:
        await self._http.aclose()

    async def get(
        self,
        path: str,
        answer_type: type[T],
        query: Mapping[str, Any] | None = None,
        *,
        extra_seconds: float = 0,
    ) -> T:
        path = with_query(path, query)
        request = Request("GET", path, extra_seconds=extra_seconds, repeatable=True)
        return await self.answer(request, answer_type)

    async def delete(
        self, path: str, answer_type: type[T], query: Mapping[str, Any] | None = None
    ) -> T:
        return await self.answer(Request("DELETE", with_query(path, query)), answer_type)

    async def put(self, path: str, answer_type: type[T], body: object) -> T:
        return await self.answer(json_request("PUT", path, body), answer_type)

    async def post(self, path: str, answer_type: type[T], body: object) -> T:
        return await self.answer(json_request("POST", path, body), answer_type)

    async def read(self, path: str, answer_type: type[T], body: object) -> T:
        """A POST that changes nothing."""
        return await self.answer(json_request("POST", path, body, repeatable=True), answer_type)

    async def answer(self, request: Request, answer_type: type[T]) -> T:
        """``data`` of the answer as ``answer_type``. Raises ``ApiError`` or ``Unreachable``."""
        return decoded(await self.data(request), answer_type, self.url)

    async def data(self, request: Request) -> bytes:
        """``data`` of the answer as JSON."""
        return await self._repeating(request, in_envelope=True)

    async def file(self, path: str) -> bytes:
        """The content of a file of the API. Raises ``ApiError`` or ``Unreachable``."""
        return await self._repeating(Request("GET", path, repeatable=True), in_envelope=False)

    async def _repeating(self, request: Request, *, in_envelope: bool) -> bytes:
        attempt = 0
        retries = self._retries if request.retries is None else request.retries
        while True:
            try:
                response = await self._http.send(request)
                if response.status == 200 and not in_envelope:
                    return response.content
                data = data_of(response, self.url)
                if in_envelope:
                    return data
                raise Unreachable(
                    f"{request.path} answered {response.status} instead of a file", temporary=False
                )
            except ClientError as error:
                attempt += 1
                seconds = pause_before(attempt, error)
                if attempt > retries or seconds is None or not may_repeat(error, request):
                    raise
            await self._http.pause(seconds)

    @asynccontextmanager
    async def lines(self, request: Request) -> AsyncIterator[AsyncIterator[str] | None]:
        """The lines of an answer that arrives over time; None for 204."""
        async with self._http.lines(request) as lines:
            yield lines

    async def download(self, url: str, file: IO[bytes], *, again: bool = False) -> int:
        """Write the content of ``url`` to ``file``, ``again`` from its beginning after a temporary
        error.
        """
        attempt = 0
        while True:
            try:
                return await self._http.download(url, file)
            except ClientError as error:
                attempt += 1
                seconds = pause_before(attempt, error)
                repeat = again and attempt <= self._retries and is_temporary(error)
                if not repeat or seconds is None:
                    raise
            await self._http.pause(seconds)
            file.seek(0)
            file.truncate()

    async def aside(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function that uses files."""
        return await self._http.aside(function, *arguments)

    async def pause(self, seconds: float) -> None:
        await self._http.pause(seconds)
