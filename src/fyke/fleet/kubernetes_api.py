"""The few requests to the API server of Kubernetes that the fleet needs, over HTTPS.

Kubernetes gives each pod a token, which it replaces every hour, and the certificate authority of
the API server. Both are read again: the token for each request, the authority after a failure.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from fyke.errors import (
    Conflict,
    Forbidden,
    FykeError,
    InvalidRequest,
    NotFound,
    RateLimited,
    Unavailable,
)

if TYPE_CHECKING:
    import httpx2

TIMEOUT_SECONDS = 20.0
PAGE = 500  # objects
MAX_PAUSE_SECONDS = 300
MAX_TEXT = 300  # of what the API server says is wrong
MERGE = "application/merge-patch+json"

T = TypeVar("T")


class ListMeta(msgspec.Struct, rename="camel"):
    next: str | None = msgspec.field(default=None, name="continue")


class ObjectList(msgspec.Struct, rename="camel"):
    metadata: ListMeta
    items: list[msgspec.Raw] | None = None


class ApiStatus(msgspec.Struct, rename="camel"):
    """What the API server says about a request that it refuses."""

    message: str = ""
    reason: str = ""


class Expired(Unavailable):
    """A list that was read in parts has changed too much: it has to be read from its beginning."""

    key = "expired"


class KubernetesApi:
    """``url`` without a path; ``folder`` has the files ``token`` and ``ca.crt``. Methods raise
    ``Forbidden``, ``NotFound``, ``Conflict``, ``InvalidRequest``, ``RateLimited`` and
    ``Unavailable``.
    """

    def __init__(self, url: str, folder: Path, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self._url = url
        self._folder = folder
        self._timeout = timeout
        self._http: httpx2.Client | None = None

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def get(self, path: str, kind: type[T]) -> T:
        return _decoded(self._request("GET", path), kind)

    def read_all(self, path: str, kind: type[T], selector: str = "") -> list[T]:
        """All objects at a path with these labels. One that changes meanwhile is there once."""
        query = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        try:
            return self._pages(path, kind, query)
        except Expired:
            return self._pages(path, kind, query)

    def patch(self, path: str, change: Mapping[str, Any]) -> None:
        """Merge a change into an object; with ``metadata.resourceVersion`` only into that state of
        it, else ``Conflict``.
        """
        self._request("PATCH", path, change, content_type=MERGE)

    def delete(self, path: str, options: Mapping[str, Any]) -> None:
        self._request("DELETE", path, options)

    def _pages(self, path: str, kind: type[T], query: Mapping[str, str]) -> list[T]:
        found: list[T] = []
        more: dict[str, str] = {}
        while True:
            page = _decoded(self._request("GET", path, query={**query, **more}), ObjectList)
            found.extend(_decoded(item, kind) for item in page.items or ())
            if not page.metadata.next:
                return found
            more = {"continue": page.metadata.next}

    def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        import httpx2

        try:
            headers = {"authorization": f"Bearer {self._token()}", "content-type": content_type}
            answer = self._client().request(
                method,
                self._url + path,
                params=query,
                content=b"" if body is None else msgspec.json.encode(body),
                headers=headers,
            )
        except (httpx2.HTTPError, OSError) as error:
            self.close()
            text = str(error) or type(error).__name__
            raise Unavailable(f"The API server of Kubernetes does not answer: {text}") from None
        if answer.status_code < HTTPStatus.BAD_REQUEST:
            return answer.content
        raise _error(method, path, answer)

    def _token(self) -> str:
        return (self._folder / "token").read_text().strip()

    def _client(self) -> httpx2.Client:
        if self._http is None:
            import httpx2

            context = ssl.create_default_context(cafile=str(self._folder / "ca.crt"))
            self._http = httpx2.Client(
                verify=context, timeout=self._timeout, trust_env=False, follow_redirects=False
            )
        return self._http


def _error(method: str, path: str, answer: httpx2.Response) -> FykeError:
    status = answer.status_code
    text = f"Kubernetes refuses {method} {path} with status {status}: {_message(answer.content)}"
    pause = answer.headers.get("retry-after", "")
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status >= 500 and pause):
        seconds = int(pause) if pause.isascii() and pause.isdecimal() else 1
        return RateLimited(min(seconds, MAX_PAUSE_SECONDS), text)
    known: dict[int, type[FykeError]] = {
        HTTPStatus.UNAUTHORIZED: Forbidden,
        HTTPStatus.FORBIDDEN: Forbidden,
        HTTPStatus.NOT_FOUND: NotFound,
        HTTPStatus.CONFLICT: Conflict,
        HTTPStatus.GONE: Expired,
        HTTPStatus.UNPROCESSABLE_ENTITY: InvalidRequest,
        HTTPStatus.BAD_REQUEST: InvalidRequest,
    }
    return known.get(status, Unavailable)(text)


def _message(body: bytes) -> str:
    try:
        text = msgspec.json.decode(body, type=ApiStatus).message
    except msgspec.MsgspecError:
        text = body.decode(errors="replace")
    return text[:MAX_TEXT] or "no reason given"


def _decoded(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise Unavailable(f"The answer of Kubernetes cannot be read: {error}") from None
