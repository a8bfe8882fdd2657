"""One connection to one server: requests out, ``data`` of the envelope back."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx2
import msgspec

from fyke.client.errors import ApiError, Unreachable
from fyke.kit.typed import decode
from fyke.wire.fields import Request

T = TypeVar("T")

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Connection:
    """Sends requests with the key, keeps connections open, turns answers into data or errors."""

    def __init__(
        self, base_url: str, key: str, timeout: float, transport: httpx2.BaseTransport | None
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._timeout = timeout
        # Proxy variables are for the web; a server on this machine is not reached through them.
        self._http = httpx2.Client(
            timeout=timeout, trust_env=not _is_loopback(self.base_url), transport=transport
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, into: type[T], query: Mapping[str, Any] | None = None) -> T:
        return self._read(into, self._ask("GET", path, params=_texts(query)))

    def delete(self, path: str, into: type[T], query: Mapping[str, Any] | None = None) -> T:
        return self._read(into, self._ask("DELETE", path, params=_texts(query)))

    def put(self, path: str, into: type[T], body: Request) -> T:
        return self._send("PUT", path, into, body)

    def patch(self, path: str, into: type[T], body: Request) -> T:
        return self._send("PATCH", path, into, body)

    def post(
        self,
        path: str,
        into: type[T],
        body: Mapping[str, Any] | Request,
        *,
        extra_seconds: float = 0,
    ) -> T:
        return self._send("POST", path, into, body, timeout=self._timeout + extra_seconds)

    def _send(
        self, method: str, path: str, into: type[T], body: Mapping[str, Any] | Request, **more: Any
    ) -> T:
        headers = {"content-type": "application/json"}
        data = self._ask(method, path, content=_encode(body), headers=headers, **more)
        return self._read(into, data)

    def _read(self, into: type[T], data: bytes) -> T:
        try:
            return decode(data, into)
        except msgspec.ValidationError as error:
            raise Unreachable(
                f"{self.base_url} answered what this client does not know ({error}); "
                "use the client of the server's version"
            ) from None

    def call(self, method: str, path: str, **more: Any) -> Any:
        """``data`` of the answer; raise ``ApiError`` or ``Unreachable``."""
        return _decode(self._ask(method, path, **more))

    def _ask(self, method: str, path: str, **more: Any) -> bytes:
        headers = {**self._headers, **more.pop("headers", {})}
        try:
            answer = self._http.request(method, self.base_url + path, headers=headers, **more)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._unreachable(error) from error
        return _data(answer.status_code, answer.headers, answer.content, self.base_url)

    def download(self, url: str, path: Path) -> int:
        """Stream ``url`` into ``path``, whole or not at all; return the number of bytes.

        The key stays here: a link needs none, and may lead to another server.
        """
        part = path.with_name(f".{path.name}.part-{os.getpid()}")
        size = 0
        try:
            with self._http.stream("GET", url) as answer:
                if answer.status_code != 200:
                    _data(answer.status_code, answer.headers, answer.read(), url)
                    raise Unreachable(f"{url} answered {answer.status_code}, not with a file")
                with part.open("wb") as file:
                    for piece in answer.iter_bytes():
                        size += file.write(piece)
            part.replace(path)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._unreachable(error) from error
        finally:
            part.unlink(missing_ok=True)
        return size

    def _unreachable(self, error: Exception) -> Unreachable:
        if isinstance(error, httpx2.TimeoutException):
            return Unreachable(f"{self.base_url} did not answer within {self._timeout:g} s")
        return Unreachable(f"{self.base_url} cannot be reached: {error or type(error).__name__}")


def segment(text: str) -> str:
    """``text`` as one segment of a path."""
    return quote(text, safe="")


def _texts(query: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (query or {}).items()}


class _Envelope(msgspec.Struct):
    """What stands around every answer."""

    code: int
    message: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    details: list[str] | None = None


def _data(status: int, headers: Mapping[str, str], content: bytes, source: str) -> bytes:
    try:
        answer = decode(content, _Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreachable(f"{source} answered {status}, but not as a Fyke server does") from None
    if status == 200 and answer.code == 0:
        return bytes(answer.data)
    retry_after = headers.get("retry-after", "")
    raise ApiError(
        status,
        answer.code,
        answer.message,
        answer.details or (),
        key=headers.get("x-fyke-error", ""),
        request_id=headers.get("x-request-id", ""),
        retry_after=int(retry_after) if retry_after.isdecimal() else 0,
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
