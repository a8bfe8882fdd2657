"""HTTP requests to one server; they return ``data`` of the envelope."""

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
    """Sends requests with the key and decodes the answers."""

    def __init__(
        self, base_url: str, key: str, timeout: float, transport: httpx2.BaseTransport | None
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._timeout = timeout
        # Proxies in the environment are not used for a server on this machine.
        self._http = httpx2.Client(
            timeout=timeout, trust_env=not _is_loopback(self.base_url), transport=transport
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, answer_type: type[T], query: Mapping[str, Any] | None = None) -> T:
        return self._decode_data(answer_type, self._request("GET", path, params=_texts(query)))

    def delete(self, path: str, answer_type: type[T], query: Mapping[str, Any] | None = None) -> T:
        return self._decode_data(answer_type, self._request("DELETE", path, params=_texts(query)))

    def put(self, path: str, answer_type: type[T], body: Request) -> T:
        return self._send("PUT", path, answer_type, body)

    def patch(self, path: str, answer_type: type[T], body: Request) -> T:
        return self._send("PATCH", path, answer_type, body)

    def post(
        self,
        path: str,
        answer_type: type[T],
        body: Mapping[str, Any] | Request,
        *,
        extra_seconds: float = 0,
    ) -> T:
        return self._send("POST", path, answer_type, body, timeout=self._timeout + extra_seconds)

    def _send(
        self,
        method: str,
        path: str,
        answer_type: type[T],
        body: Mapping[str, Any] | Request,
        **more: Any,
    ) -> T:
        headers = {"content-type": "application/json"}
        data = self._request(method, path, content=_encode(body), headers=headers, **more)
        return self._decode_data(answer_type, data)

    def _decode_data(self, answer_type: type[T], data: bytes) -> T:
        try:
            return decode(data, answer_type)
        except msgspec.ValidationError as error:
            raise Unreachable(
                f"{self.base_url} sent an answer that this client cannot read ({error}); "
                "use the client of the server's version"
            ) from None

    def call(self, method: str, path: str, **more: Any) -> Any:
        """``data`` of the answer. Raises ``ApiError`` or ``Unreachable``."""
        return _decode(self._request(method, path, **more))

    def _request(self, method: str, path: str, **more: Any) -> bytes:
        headers = {**self._headers, **more.pop("headers", {})}
        try:
            response = self._http.request(method, self.base_url + path, headers=headers, **more)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._unreachable(error) from error
        return _data(response.status_code, response.headers, response.content, self.base_url)

    def download(self, url: str, path: Path) -> int:
        """Download ``url`` to ``path`` atomically; return the number of bytes.

        The key is not sent, because links need none and may point to another server.
        """
        partial = path.with_name(f".{path.name}.part-{os.getpid()}")
        size = 0
        try:
            with self._http.stream("GET", url) as response:
                if response.status_code != 200:
                    _data(response.status_code, response.headers, response.read(), url)
                    raise Unreachable(f"{url} answered {response.status_code} instead of a file")
                with partial.open("wb") as file:
                    for chunk in response.iter_bytes():
                        size += file.write(chunk)
            partial.replace(path)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._unreachable(error) from error
        finally:
            partial.unlink(missing_ok=True)
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
    """The envelope of every answer, in both dialects."""

    code: int
    message: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    details: list[str] | None = None


def _data(status: int, headers: Mapping[str, str], content: bytes, source: str) -> bytes:
    try:
        envelope = decode(content, _Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreachable(f"{source} answered {status}, but is not a Fyke server") from None
    if status == 200 and envelope.code == 0:
        return bytes(envelope.data)
    retry_after = headers.get("retry-after", "")
    raise ApiError(
        status,
        envelope.code,
        envelope.message,
        envelope.details or (),
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
