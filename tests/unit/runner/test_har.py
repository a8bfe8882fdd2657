"""Requests as a HAR 1.2 file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.secrets.masking import Masker
from fyke.model.last_page import MAX_READ_TEXT, MAX_TEXT, SeenRequest
from fyke.runner.har import har_file

SECRET = "s3cret"

REQUEST = SeenRequest(
    1_700_000_000.25, "GET", "https://a.example/x?q=s3cret&empty=", "Fetch", 301, "Moved", "h2",
    "text/html", (("Accept", "*/*"),), (("Location", "/s3cret"), ("Set-Cookie", "***")),
    20.5, 10, 900,
)  # fmt: skip


def har(*requests: SeenRequest, limit: int = 10_000) -> tuple[dict[str, Any], bool]:
    data, is_short = har_file(requests, Masker({"KEY": SECRET}), limit)
    assert len(data) <= limit
    return json.loads(data)["log"], is_short


def test_a_request_has_the_members_of_the_format_and_no_secret() -> None:
    log, is_short = har(REQUEST)
    assert (log["version"], log["creator"]["name"], is_short) == ("1.2", "Fyke", False)
    [entry] = log["entries"]
    assert entry == {
        "startedDateTime": "2023-11-14T22:13:20.250+00:00",
        "time": 30.5,
        "request": {
            "method": "GET",
            "url": "https://a.example/x?q=***&empty=",
            "httpVersion": "h2",
            "cookies": [],
            "headers": [{"name": "Accept", "value": "*/*"}],
            "queryString": [{"name": "q", "value": "***"}, {"name": "empty", "value": ""}],
            "headersSize": -1,
            "bodySize": -1,
        },
        "response": {
            "status": 301,
            "statusText": "Moved",
            "httpVersion": "h2",
            "cookies": [],
            "headers": [
                {"name": "Location", "value": "/***"},
                {"name": "Set-Cookie", "value": "***"},
            ],
            "content": {"size": -1, "mimeType": "text/html"},
            "redirectURL": "/***",
            "headersSize": -1,
            "bodySize": -1,
            "_transferSize": 900,
        },
        "cache": {},
        "timings": {"send": 0, "wait": 20.5, "receive": 10},
        "_resourceType": "fetch",
    }


def test_a_secret_in_an_unusual_encoding_is_masked_where_it_is_decoded() -> None:
    log, _ = har(SeenRequest(0, "GET", "https://a.example/?a=%73%33cret", "Fetch"))
    assert log["entries"][0]["request"]["queryString"] == [{"name": "a", "value": "***"}]


def test_a_request_without_a_secret_is_searched_once_and_its_headers_are_limited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    headers = tuple((f"X-{number}", "plain") for number in range(150))
    request = SeenRequest(
        0, "GET", "https://a.example/?a=b", "Fetch", request_headers=headers, headers=headers
    )
    searched: list[str] = []
    masker, search = Masker({"KEY": SECRET}), Masker.text

    def count(self: Masker, text: str) -> str:
        searched.append(text)
        return search(self, text)

    monkeypatch.setattr(Masker, "text", count)
    data, is_short = har_file([request], masker, 100_000)
    [entry] = json.loads(data)["log"]["entries"]
    for message in (entry["request"], entry["response"]):
        assert [one["name"] for one in message["headers"]] == [f"X-{n}" for n in range(100)]
    assert len(searched) == 1 and not is_short


@pytest.mark.parametrize("secret", ["", SECRET])
def test_texts_are_cut_and_in_one_line(secret: str) -> None:
    long = "x" * (MAX_READ_TEXT - 100)
    headers = (("Long", long), ("Lines", " one\ntwo\r\n three"), ("Secret", secret))
    log, _ = har(SeenRequest(0, "GET", f"https://a.example/?q={long}", "Fetch", headers=headers))
    [entry] = log["entries"]
    begin = "https://a.example/?q="
    assert entry["request"]["url"] == (begin + long)[:MAX_TEXT]
    assert entry["request"]["queryString"][0]["value"] == long[: MAX_TEXT - len(begin)]
    values = [one["value"] for one in entry["response"]["headers"]]
    assert values == [long[:MAX_TEXT], "one two three", "***" if secret else ""]


def test_a_part_of_a_secret_at_the_end_of_what_was_read_is_left_out() -> None:
    secret = "abcdef" * 500
    header = ("H", "x" * 1500 + secret[: MAX_READ_TEXT - 1500])
    request = SeenRequest(0, "GET", "https://a.example/", "Fetch", headers=(header,))
    data, _ = har_file([request], Masker({"KEY": secret}), 10_000)
    assert b'"value":""' in data and b"abc" not in data


def test_failures_say_why_and_a_url_that_is_none_has_no_query() -> None:
    log, _ = har(SeenRequest(0, "GET", "https://[a?b=c", "Fetch", failure="net::ERR_FAILED"))
    [entry] = log["entries"]
    assert entry["response"]["_error"] == "net::ERR_FAILED"
    assert (entry["response"]["status"], entry["request"]["queryString"]) == (0, [])


def test_requests_are_in_order_and_the_oldest_are_left_out() -> None:
    requests = [SeenRequest(n, "GET", f"https://a.example/{n}", "Fetch") for n in (3, 1, 2)]
    log, _ = har(*requests)
    assert [one["request"]["url"][-1] for one in log["entries"]] == ["1", "2", "3"]
    log, is_short = har(*requests, limit=1200)
    assert [one["request"]["url"][-1] for one in log["entries"]] == ["2", "3"] and is_short
    assert har(limit=200)[0]["entries"] == []
