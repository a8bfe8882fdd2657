"""The client's handling of invalid answers and of addresses."""

from __future__ import annotations

import contextlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from fyke_client import ApiError, FykeAdmin, Unreachable
from fyke_client._http import Server
from fyke_client._requests import segment
from fyke_client._sync_http import Http


def _client(status: int, body: bytes, headers: dict[str, str] | None = None) -> FykeAdmin:
    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=body, headers=headers)

    return FykeAdmin("http://fyke.test", "k", retries=0, transport=httpx2.MockTransport(answer))


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"code":0}', b'{"code":"x","message":""}', b"\xff"]
)
def test_an_answer_without_an_envelope_is_refused(body: bytes) -> None:
    with pytest.raises(Unreachable, match="is not a Fyke server"):
        _client(502, body).version()


def test_an_error_has_code_details_and_retry_time() -> None:
    body = b'{"code":4290,"message":"Too many","data":null,"details":["a"]}'
    fyke = _client(429, body, {"retry-after": "7", "x-request-id": "r1", "x-fyke-reason": "plan"})
    with pytest.raises(ApiError) as caught:
        fyke.account_info()
    error = caught.value
    assert (error.status, error.code, str(error)) == (429, 4290, "Too many")
    assert (error.details, error.retry_after, error.request_id) == (["a"], 7, "r1")
    assert (error.key, error.reason) == ("", "plan")


def test_a_code_other_than_zero_is_an_error_for_any_status() -> None:
    with pytest.raises(ApiError):
        _client(200, b'{"code":5000,"message":"x","data":null}').version()


def test_a_timeout_has_a_readable_error() -> None:
    def slow(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("", request=request)

    transport = httpx2.MockTransport(slow)
    fyke = FykeAdmin("http://fyke.test", "", timeout=3, retries=0, transport=transport)
    with pytest.raises(Unreachable, match="within 3 s"):
        fyke.version()


def test_the_key_is_not_sent_to_download_links() -> None:
    headers: list[httpx2.Headers] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        headers.append(request.headers)
        return httpx2.Response(200, content=b'{"code":0,"message":"success","data":null}')

    fyke = FykeAdmin("http://fyke.test", "secret", transport=httpx2.MockTransport(answer))
    fyke.abort("x")
    fyke.download("http://elsewhere.test/f", io.BytesIO())
    assert headers[0]["authorization"] == "Bearer secret"
    assert "authorization" not in headers[1]


def test_threads_share_one_pool_of_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second thread arrives while the first makes the pool."""
    made: list[httpx2.Client] = []
    http = Http(Server("http://fyke.test", {}, 1), None)
    both = threading.Barrier(2)
    real = httpx2.Client

    def make(**options: Any) -> httpx2.Client:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.5)  # passes only when two threads are here
        made.append(real(**options))
        return made[-1]

    monkeypatch.setattr(httpx2, "Client", make)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: http._httpx, range(2)))
    assert (len(made), found[0]) == (1, found[1])
    http.close()
    assert made[0].is_closed


def test_segments_are_percent_encoded() -> None:
    assert segment("a/../b?c#d") == "a%2F..%2Fb%3Fc%23d"
