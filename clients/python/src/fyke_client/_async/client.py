"""The client: one method for each thing that a program wants to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

from fyke_client import types
from fyke_client._async.connection import AsyncConnection
from fyke_client._async.rows import AsyncRowCalls
from fyke_client._async.runs import AsyncRunCalls
from fyke_client._async.tasks import AsyncTaskCalls
from fyke_client._async.workers import AsyncWorkerCalls
from fyke_client._async_http import AsyncHttp
from fyke_client._config import server_from
from fyke_client._requests import Request, json_request, with_query
from fyke_client._rows import RowSelection
from fyke_client.errors import ApiError, RunFailed

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")


class AsyncFyke(AsyncRunCalls, AsyncRowCalls, AsyncWorkerCalls, AsyncTaskCalls):
    """An asynchronous client of one server, which tasks may share.

    ``url`` and ``key`` default to the variables ``FYKE_URL`` and ``FYKE_KEY``, the URL then to the
    server on this machine; an empty key sends none, and an unusable one raises ``ValueError``, as a
    URL with a password does. ``timeout``: seconds for each request, not counting those for which
    the server is asked to wait. ``retries``: how often a request is repeated after a lost
    connection or a temporary refusal; one that might take effect twice is never repeated.

    Every method raises ``ApiError`` for an error answer and ``Unreachable`` without an answer. It
    is a context manager.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 30,
        retries: int = 3,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        http = AsyncHttp(server_from(url, key, timeout), transport)
        self._connection = AsyncConnection(http, retries)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connection.aclose()

    async def run_and_collect(
        self,
        worker: str,
        input: Mapping[str, Any] | None = None,
        *,
        system: Mapping[str, Any] | None = None,
        version: str = "",
        timeout: float | None = None,
        callback_url: str = "",
        idempotency_key: str = "",
        on_start: Callable[[str], None] | None = None,
        **selection: Unpack[RowSelection],
    ) -> list[dict[str, Any]]:
        """Start a run, wait for its end and return its rows; see ``start`` and ``collect``.

        ``on_start`` is called with the slug of the run when it has been started. After a
        ``TimeoutError`` the run goes on; the same ``idempotency_key`` then finds it again.
        """
        began = time.monotonic()
        run = await self.start(
            worker,
            input,
            system=system,
            version=version,
            callback_url=callback_url,
            idempotency_key=idempotency_key,
        )
        if on_start is not None:
            on_start(run)
        left = None if timeout is None else max(0, began + timeout - time.monotonic())
        return await self.collect(run, left, **selection)

    async def collect(
        self, run: str, timeout: float | None = None, **selection: Unpack[RowSelection]
    ) -> list[dict[str, Any]]:
        """Wait for the end of a run and return its rows; ``selection`` as for ``rows``.

        Raises ``RunFailed`` if it did not succeed, and ``TimeoutError`` after ``timeout`` seconds.
        """
        detail = await self.wait(run, timeout)
        if detail.status_name != "succeeded":
            raise RunFailed(detail)
        return [row async for row in self.rows(run, **selection)]

    async def version(self) -> str:
        """The server's version."""
        return (await self._connection.get("/version", types.health.ProductVersion)).version

    async def ready(self) -> bool:
        """Whether the storage answers, a runner is alive, and every process reports."""
        return not await self.not_ready()

    async def not_ready(self) -> str:
        """Why the server is not ready, ``""`` if it is."""
        try:
            await self._connection.data(Request("GET", "/readyz"))
        except ApiError as error:
            if error.status == 503:
                return error.message.partition(": ")[2] or error.message
            raise
        return ""

    async def account_info(self) -> types.v1.AccountInfo:
        """Balance and traffic of the account."""
        return await self._connection.read("/api/v1/account/info", types.v1.AccountInfo, {})

    async def account(self) -> types.fyke.accounts.OwnAccount:
        """The caller's account, with the secret that signs its callbacks."""
        return await self._connection.get("/api/fyke/account", types.fyke.accounts.OwnAccount)

    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, Any] | None = None,
        extra_seconds: float = 0,
        idempotency_key: str = "",
        answer_type: type[T],
    ) -> T: ...

    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, Any] | None = None,
        extra_seconds: float = 0,
        idempotency_key: str = "",
    ) -> Any: ...

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, Any] | None = None,
        extra_seconds: float = 0,
        idempotency_key: str = "",
        answer_type: Any = Any,
    ) -> Any:
        """Any other operation of the API; return ``data`` of its answer, decoded from JSON.

        ``extra_seconds``: how much longer than usual the answer may take; ``idempotency_key``: of a
        start with a ``body``, which may then be sent again.
        """
        path = with_query(path, query)
        if body is None:
            repeatable = method in ("GET", "PUT")
            request = Request(method, path, extra_seconds=extra_seconds, repeatable=repeatable)
        else:
            request = json_request(
                method, path, body, extra_seconds=extra_seconds, idempotency_key=idempotency_key
            )
        return await self._connection.answer(request, answer_type)
