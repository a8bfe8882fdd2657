"""Which requests are kept."""

from __future__ import annotations

from typing import Any

from fyke.api.hot.repeated import MAX_REQUEST_BYTES, MAX_REQUESTS, HotRequest, RepeatedRequests


def _request(request_id: str = "") -> HotRequest:
    unread: Any = None
    return HotRequest(unread, unread, "", None, request_id, secure=False)


def test_the_oldest_request_is_dropped_when_there_are_more() -> None:
    requests, request = RepeatedRequests(), _request()
    sent = [b"%d" % number for number in range(MAX_REQUESTS + 1)]
    for data in (*sent[:-1], sent[1], sent[-1]):
        requests.put(data, request)
    assert [data for data in sent if requests.get(data) is None] == sent[:1]


def test_long_requests_and_those_with_an_id_are_not_kept() -> None:
    requests = RepeatedRequests()
    requests.put(b"a", _request("id"))
    for size in (MAX_REQUEST_BYTES, MAX_REQUEST_BYTES + 1):
        requests.put(b"b" * size, _request())
    assert requests.get(b"a") is None
    assert requests.get(b"b" * MAX_REQUEST_BYTES) is not None
    assert requests.get(b"b" * (MAX_REQUEST_BYTES + 1)) is None
