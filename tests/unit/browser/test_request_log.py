"""The log of requests: what is kept of them, hidden, and how little a hostile Chromium can fill."""

from __future__ import annotations

import json

from fyke.browser.request_log import MAX_BYTES, MAX_HEADERS, RequestLog
from fyke.model.last_page import MAX_READ_TEXT, MAX_REQUESTS, SeenRequest

HEADERS = {"Accept": "*/*", "COOKIE": "a=b", "Authorization": "Basic x", "X-Long": "y" * 5000}


def send(log: RequestLog, key: object = 1, **more: object) -> None:
    values: dict[str, object] = {"method": "GET", "url": "https://a.example/", "kind": "Document"}
    values |= {"started": 1_700_000_000.5, "at": 10.0, "headers": b"{}"}
    log.sent(key, **(values | more))  # type: ignore[arg-type]


def answer(log: RequestLog, key: object = 1, **more: object) -> None:
    values: dict[str, object] = {"status": 200, "text": "OK", "protocol": "h2"}
    values |= {"media_type": "text/html", "at": 10.25, "headers": b"{}"}
    log.answered(key, **(values | more))  # type: ignore[arg-type]


def test_a_request_is_kept_with_its_times_and_without_what_authenticates() -> None:
    log = RequestLog()
    send(log, headers=json.dumps(HEADERS).encode())
    set_cookie = json.dumps({"Set-Cookie": "s=1", "Server": "x", "proxy-authorization": "y"})
    answer(log, headers=set_cookie.encode())
    answer(log, status=500)  # of another session, or a second one
    log.ended(1, size=900, at=10.75)
    log.ended(1, size=1, at=11)
    assert log.requests() == (
        SeenRequest(
            1_700_000_000.5, "GET", "https://a.example/", "Document", 200, "OK", "h2", "text/html",
            request_headers=(
                ("Accept", "*/*"),
                ("COOKIE", "***"),
                ("Authorization", "***"),
                ("X-Long", "y" * MAX_READ_TEXT),
            ),
            headers=(("Set-Cookie", "***"), ("Server", "x"), ("proxy-authorization", "***")),
            wait_ms=250,
            receive_ms=500,
            size=900,
        ),
    )  # fmt: skip


def test_values_of_headers_whose_name_tells_of_a_secret_are_hidden() -> None:
    hidden = ["X-Auth-Token", "x-api-key", "ApiKey", "X-Client-Secret", "WWW-Authenticate",
              "X-Session-Id", "Cookie2", "X-CSRF-Token", "x_api_key"]  # fmt: skip
    shown = ["Accept", "Content-Type", "X-Key-Count"]
    log = RequestLog()
    send(log, headers=json.dumps(dict.fromkeys(hidden + shown, "value")).encode())
    [request] = log.requests()
    assert [name for name, value in request.request_headers if value == "***"] == hidden
    assert [name for name, value in request.request_headers if value == "value"] == shown


def test_a_redirect_keeps_its_own_place() -> None:
    log = RequestLog()
    send(log)
    answer(log, status=302)
    log.ended(1, size=5, at=10.3)
    send(log, url="https://a.example/2")
    answer(log)
    found = [(one.url, one.status, one.size) for one in log.requests()]
    assert found == [("https://a.example/", 302, 5), ("https://a.example/2", 200, 0)]


def test_a_failure_has_no_status_and_what_is_not_known_changes_nothing() -> None:
    log = RequestLog()
    send(log)
    log.ended(1, size=0, at=10.5, failure="net::ERR_FAILED")
    answer(log)
    answer(log, 7)
    log.ended(7, size=1, at=1)
    [request] = log.requests()
    assert (request.status, request.failure, request.wait_ms) == (0, "net::ERR_FAILED", 500)


def test_what_is_dropped_makes_room() -> None:
    log = RequestLog()
    send(log, 0)
    for number in range(1, 2 * MAX_REQUESTS):
        send(log, number, url="https://a.example/" + "x" * 3000)
        log.drop(number)
    log.drop("unknown")
    assert len(log.requests()) == 1 and not log.is_partial


def test_the_log_is_limited_in_number_and_bytes() -> None:
    log = RequestLog()
    for number in range(MAX_REQUESTS + 5):
        send(log, number)
    assert len(log.requests()) == MAX_REQUESTS and log.is_partial
    big = RequestLog()
    for number in range(400):
        send(big, number, url="https://a.example/" + "é" * 10_000, headers=b" " * MAX_HEADERS)
    kept = len(big.requests())
    assert 0 < kept < MAX_BYTES / MAX_HEADERS and big.is_partial
    for number in range(400):
        send(big, number)
    assert len(big.requests()) <= MAX_REQUESTS


def test_every_text_is_cut_and_weighed() -> None:
    log = RequestLog()
    for number in range(MAX_REQUESTS):
        send(log, number, kind="k" * 64_000)
        answer(log, number, protocol="p" * 64_000)
        log.ended(number, size=0, at=11, failure="f" * 64_000)
    assert {len(one.kind + one.protocol + one.failure) for one in log.requests()} == {600}
    weighed = log._bytes
    assert weighed > 1000 * MAX_REQUESTS
    wide = RequestLog()
    for number in range(MAX_REQUESTS):
        wide_text = "\u00e4" * 200
        send(wide, number, kind=wide_text)
        answer(wide, number, protocol=wide_text)
        wide.ended(number, size=0, at=11, failure=wide_text)
    assert wide._bytes <= MAX_BYTES and wide.is_partial


def test_hostile_values_are_left_out() -> None:
    log = RequestLog()
    send(log, started=1e300, at=float("inf"), headers=b"[" * 5000)
    answer(log, status=-5, at=-1e300, headers=b" " * (MAX_HEADERS + 1))
    log.ended(1, size=0, at=float("nan"))
    [request] = log.requests()
    assert (request.started, request.status, request.wait_ms, request.receive_ms) == (0, 0, 0, 0)
    assert request.request_headers == request.headers == ()
