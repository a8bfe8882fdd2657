"""HTTP requests to one server; they return ``data`` of the envelope."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from fyke.client.errors import ApiError, Unreachable
from fyke.client.loopback import LoopbackAnswer, LoopbackHttp, is_loopback, is_plain
from fyke.kit.typed import decode

if TYPE_CHECKING:
    import httpx2

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
        self._transport = transport
        self._loopback = (
            LoopbackHttp(self.base_url) if transport is None and is_plain(self.base_url) else None
        )

    @functools.cached_property
    def _http(self) -> httpx2.Client:
        import httpx2

        # Proxies in the environment are not used for a server on this machine.
        return httpx2.Client(
            timeout=self._timeout,
            trust_env=not is_loopback(self.base_url),
            transport=self._transport,
        )

    def close(self) -> None:
        if "_http" in self.__dict__:
            self._http.close()

    def get(self, path: str, answer_type: type[T], query: Mapping[str, Any] | None = None) -> T:
        return self._decode_data(answer_type, self._request("GET", _with_query(path, query)))

    def delete(self, path: str, answer_type: type[T], query: Mapping[str, Any] | None = None) -> T:
        return self._decode_data(answer_type, self._request("DELETE", _with_query(path, query)))

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
        return self._send("POST", path, answer_type, body, self._timeout + extra_seconds)

    def _send(
        self,
        method: str,
        path: str,
        answer_type: type[T],
        body: Mapping[str, Any] | Request,
        timeout: float | None = None,
    ) -> T:
        headers = {"content-type": "application/json"}
        return self._decode_data(
            answer_type, self._request(method, path, headers, _encode(body), timeout)
        )

    def _decode_data(self, answer_type: type[T], data: bytes) -> T:
        try:
            return decode(data, answer_type)
        except msgspec.ValidationError as error:
            raise Unreachable(
                f"{self.base_url} sent an answer that this client cannot read ({error}); "
                "use the client of the server's version"
            ) from None

    def call(self, method: str, path: str) -> Any:
        """``data`` of the answer. Raises ``ApiError`` or ``Unreachable``."""
        return _decode(self._request(method, path))

    def post_form(self, path: str, form: Mapping[str, str], files: Mapping[str, Any]) -> Any:
        """``data`` of the answer to a multipart form."""
        with self._errors_of_httpx():
            response = self._http.post(
                self.base_url + path, data=form, files=files, headers=self._headers
            )
        return _decode(
            _data(response.status_code, response.headers, response.content, self.base_url)
        )

    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float | None = None,
    ) -> bytes:
        response = self._answer(method, path, headers, body, timeout)
        return _data(response.status_code, response.headers, response.content, self.base_url)

    def _answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float | None = None,
    ) -> httpx2.Response | LoopbackAnswer:
        headers = {**self._headers, **(headers or {})}
        timeout = timeout or self._timeout
        if self._loopback is None:
            with self._errors_of_httpx():
                return self._http.request(
                    method, self.base_url + path, headers=headers, content=body, timeout=timeout
                )
        try:
            return self._loopback.request(method, path, headers, body, timeout)
        except TimeoutError as error:
            raise self._too_slow() from error
        except (OSError, HTTPException, ValueError) as error:
            raise self._unreachable(error) from error

    def file(self, path: str) -> bytes:
        """The content of a file of the API. Raises ``ApiError`` or ``Unreachable``."""
        response = self._answer("GET", path)
        if response.status_code != 200:
            _data(response.status_code, response.headers, response.content, self.base_url)
            raise Unreachable(f"{path} answered {response.status_code} instead of a file")
        return response.content

    def download(self, url: str, file: IO[bytes]) -> int:
        """Write the content of ``url`` to ``file``; return the number of bytes.

        The key is not sent, because links need none and may point to another server.
        """
        size = 0
        with self._errors_of_httpx(), self._http.stream("GET", url) as response:
            if response.status_code != 200:
                _data(response.status_code, response.headers, response.read(), url)
                raise Unreachable(f"{url} answered {response.status_code} instead of a file")
            for chunk in response.iter_bytes():
                size += file.write(chunk)
        return size

    @contextlib.contextmanager
    def _errors_of_httpx(self) -> Iterator[None]:
        import httpx2

        try:
            yield
        except httpx2.TimeoutException as error:
            raise self._too_slow() from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._unreachable(error) from error

    def _too_slow(self) -> Unreachable:
        return Unreachable(f"{self.base_url} did not answer within {self._timeout:g} s")

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"{self.base_url} cannot be reached: {error or type(error).__name__}")


def segment(text: str) -> str:
    """``text`` as one segment of a path."""
    return quote(text, safe="")


def _with_query(path: str, query: Mapping[str, Any] | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path


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
