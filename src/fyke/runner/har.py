"""The requests of a page as a HAR 1.2 file, without bodies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from fyke import __version__
from fyke.domain.secrets.masking import Masker
from fyke.model.last_page import MAX_READ_TEXT, MAX_TEXT, SeenRequest
from fyke.runner.browser_report import masked, one_line

Mask = Callable[[str], str]

_HEAD = {"version": "1.2", "creator": {"name": "Fyke", "version": __version__}}
_MAX_QUERY = 100  # parameters of a URL
_MAX_HEADERS = 100  # of a request or an answer; more are left out
_encode = msgspec.json.Encoder().encode


def har_file(requests: Sequence[SeenRequest], masker: Masker, limit: int) -> tuple[bytes, bool]:
    """The file, of at most ``limit`` bytes and without secrets, and whether the oldest requests
    were left out. Its texts are cut, each in one line.
    """
    in_order = sorted(requests, key=lambda request: request.started)
    begin = b'{"log":' + _encode(_HEAD)[:-1] + b',"entries":['
    end = b"]}}\n"
    left = limit - len(begin) - len(end)
    entries: list[bytes] = []
    for request in reversed(in_order):
        entry = _encode(_masked_entry(request, masker))
        left -= len(entry) + 1
        if left < 0:
            break
        entries.append(entry)
    return begin + b",".join(reversed(entries)) + end, len(entries) < len(in_order)


def _masked_entry(request: SeenRequest, masker: Masker) -> dict[str, Any]:
    """The entry without secrets. A search costs the more the more texts there are: all are searched
    at once, and each alone only if there is a secret in them, or a part of one.
    """
    texts: list[str] = []

    def collect(text: str) -> str:
        texts.append(text)
        return one_line(text, MAX_TEXT)

    entry = _entry(request, collect)
    longest = max(map(len, texts))
    if longest < MAX_READ_TEXT and not masker.finds("\n".join(texts)):
        return entry
    return _entry(request, partial(masked, masker=masker, most=MAX_TEXT, read=MAX_READ_TEXT))


def _entry(request: SeenRequest, mask: Mask) -> dict[str, Any]:
    url = mask(request.url)
    headers = _headers(request.headers, mask)
    version = mask(request.protocol)
    entry: dict[str, Any] = {
        "startedDateTime": datetime.fromtimestamp(request.started, UTC).isoformat(
            timespec="milliseconds"
        ),
        "time": round(request.wait_ms + request.receive_ms, 3),
        "request": {
            "method": mask(request.method),
            "url": url,
            "httpVersion": version,
            "cookies": [],
            "headers": _headers(request.request_headers, mask),
            "queryString": _query(url, mask),
            "headersSize": -1,
            "bodySize": -1,
        },
        "response": {
            "status": request.status,
            "statusText": mask(request.status_text),
            "httpVersion": version,
            "cookies": [],
            "headers": headers,
            "content": {"size": -1, "mimeType": mask(request.media_type)},
            "redirectURL": next((h["value"] for h in headers if _is_location(h["name"])), ""),
            "headersSize": -1,
            "bodySize": -1,
            "_transferSize": request.size,
        },
        "cache": {},
        "timings": {"send": 0, "wait": request.wait_ms, "receive": request.receive_ms},
        "_resourceType": mask(request.kind).lower(),
    }
    if request.failure:
        entry["response"]["_error"] = mask(request.failure)
    return entry


def _headers(headers: Sequence[tuple[str, str]], mask: Mask) -> list[dict[str, str]]:
    return [{"name": mask(name), "value": mask(value)} for name, value in headers[:_MAX_HEADERS]]


def _is_location(name: str) -> bool:
    return name.lower() == "location"


def _query(url: str, mask: Mask) -> list[dict[str, str]]:
    try:
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return []
    return [{"name": mask(name), "value": mask(value)} for name, value in pairs[:_MAX_QUERY]]
