"""When a request is sent again, and with which pause."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest

from fyke_client import ApiError, ClientError, Fyke, Unreachable
from fyke_client._requests import (
    Request,
    json_request,
    may_repeat,
    new_idempotency_key,
    pause_before,
    with_query,
)

READ = Request("GET", "/x", repeatable=True)
CHANGE = json_request("POST", "/x", {})
START = json_request("POST", "/x", {}, idempotency_key="k")
SUCCESS = b'{"code":0,"message":"success","data":{"run_slug":"R1","version":"1"}}'
REFUSED = b'{"code":5000,"message":"away","data":null}'


def api_error(status: int, key: str = "", retry_after: int = 0) -> ApiError:
    return ApiError(status, 5000, "x", key=key, retry_after=retry_after)


@pytest.mark.parametrize(
    ("error", "read", "change", "start"),
    [
        (Unreachable("refused", sent=False), True, True, True),
        (Unreachable("broken"), True, False, True),
        (Unreachable("a page of a proxy", status=502), True, False, True),
        (Unreachable("another program", status=200, temporary=False), False, False, False),
        (api_error(429), True, True, True),
        (api_error(503), True, True, True),
        (api_error(503, "outcome_unknown"), True, False, True),
        (api_error(500), False, False, False),
        (api_error(404), False, False, False),
    ],
)
def test_only_what_cannot_happen_twice_is_repeated(
    error: ClientError, read: bool, change: bool, start: bool
) -> None:
    repeated = [may_repeat(error, request) for request in (READ, CHANGE, START)]
    assert repeated == [read, change, start]


def test_pauses_grow_and_follow_the_server() -> None:
    broken = Unreachable("x")
    for attempt, longest in enumerate((0.5, 1, 2, 4, 8, 8), 1):
        pauses = [pause_before(attempt, broken) for _ in range(50)]
        assert all(pause is not None and longest / 2 <= pause <= longest for pause in pauses)
        assert len(set(pauses)) > 1
    assert pause_before(1, api_error(429, retry_after=30)) == 30
    assert pause_before(1, api_error(429, retry_after=61)) is None


def test_queries_and_keys() -> None:
    assert with_query("/x", {"a": "b c", "n": 1}) == "/x?a=b+c&n=1"
    assert with_query("/x", {}) == "/x"
    assert len({new_idempotency_key() for _ in range(9)}) == 9


class Server:
    """Answers in turn, and records the requests and pauses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: object) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []
        self.pauses: list[float] = []
        monkeypatch.setattr("fyke_client._sync_http.time.sleep", self.pauses.append)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            raise answer("", request=request)  # type: ignore[operator]
        status, content = answer  # type: ignore[misc]
        return httpx2.Response(status, content=content)

    def client(self, retries: int = 3) -> Fyke:
        return Fyke("http://fyke.test", "k", retries=retries, transport=httpx2.MockTransport(self))


def test_a_read_is_repeated_until_it_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, (503, REFUSED), httpx2.ReadTimeout, (502, b"<p>"), (200, SUCCESS))
    assert server.client().version() == "1"
    assert len(server.requests) == 4
    assert len(server.pauses) == 3


def test_a_start_without_an_answer_is_sent_again_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server(monkeypatch, httpx2.ReadTimeout, (200, SUCCESS), (200, SUCCESS))
    client = server.client()
    assert client.start("owner/hello", {"n": 1}) == "R1"
    first, second = server.requests
    assert first.content == second.content
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] != ""
    client.start("owner/hello", {"n": 1})
    assert server.requests[2].headers["idempotency-key"] != first.headers["idempotency-key"]


def test_a_change_without_an_answer_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, httpx2.ReadTimeout)
    with pytest.raises(Unreachable, match="within 30 s"):
        server.client().request("POST", "/x", body={})
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (200, b'{"code":0,"message":"success","data":{"version":1}}'),
        (200, b"<p>a page of a proxy"),
        httpx2.UnsupportedProtocol,
        httpx2.LocalProtocolError,
        httpx2.DecodingError,
    ],
)
def test_what_cannot_change_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    server = Server(monkeypatch, answer)
    with pytest.raises(Unreachable) as caught:
        server.client().version()
    assert (caught.value.temporary, len(server.requests)) == (False, 1)


def test_a_wait_does_not_repeat_what_cannot_change(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, (200, b'{"code":0,"message":"success","data":{}}'))
    with pytest.raises(Unreachable, match="cannot read"):
        server.client().wait("R1")
    assert (len(server.requests), server.pauses) == (1, [])


def test_the_last_error_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, *[(503, REFUSED)] * 3)
    with pytest.raises(ApiError, match="away"):
        server.client(retries=2).version()
    assert len(server.requests) == 3


def test_an_error_shows_code_and_request_in_a_traceback() -> None:
    error = ApiError(400, 4000, "Invalid", ["url is missing"], request_id="r1")
    assert str(error) == "Invalid"
    assert error.__notes__ == ["HTTP 400, code 4000, request r1", "url is missing"]
