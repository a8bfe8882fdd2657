"""Which entries of an HTTP cache subtasks with other logins get."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fyke.sandbox.process.cache_entries import may_be_shared, stored_head
from support.cache_entries import MAGIC, PUBLIC, end_record, entry, number

SCRIPT = "content-type: text/javascript; charset=utf-8"


def shared(path: Path, content: bytes) -> bool:
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return may_be_shared(stored_head(descriptor))
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (["Cache-Control: public"], True),
        (["CACHE-CONTROL: max-age=9,PUBLIC"], True),
        (["cache-control: max-age=9", "cache-control: public"], True),
        (["cache-control: s-maxage=60"], True),
        (['cache-control: s-maxage="60"'], True),
        (["cache-control: s-maxage=0, max-age=60"], False),
        (["cache-control: max-age=60"], False),
        (["cache-control: max-age=60, immutable"], False),
        (["cache-control: private, max-age=60"], False),
        (["cache-control: public, private"], False),
        (["cache-control: public", "cache-control: Private"], False),
        (['cache-control: public, private="set-cookie"'], False),
        (["cache-control: public, no-store"], False),
        (["cache-control: not-public, public-key"], False),
        (["x-note: public"], False),
        (["expires: Fri, 01 Jan 2100 00:00:00 GMT"], False),
        ([], False),
        (["cache-control: public", "vary: Accept-Encoding"], True),
        (["cache-control: public", "vary: Accept, Cookie"], False),
        (["cache-control: public", "vary: accept", "Vary: AUTHORIZATION"], False),
        (["cache-control: public", "vary: *"], False),
        (["cache-control : public", " vary\t: cookie"], False),
        (["cache-control: public", "x-vary: *", "vary-x: *", "x: vary: *"], True),
    ],
)
def test_the_site_has_to_allow_it(tmp_path: Path, rules: list[str], expected: bool) -> None:
    content = entry(SCRIPT, *rules, body=b"1")
    assert shared(tmp_path / "entry", content) is expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("application/javascript", True),
        ("application/x-javascript", True),
        ("text/css", True),
        ("IMAGE/svg+xml", True),
        ("font/woff2", True),
        ("application/x-font-ttf", True),
        ("application/wasm", True),
        ("text/html", False),
        ("application/json", False),
        ("text/plain", False),
        ("application/pdf", False),
        ("text/html, image/png", False),
        ("image/png, text/html", False),
        ("image/png; a=b, text/html", False),
        ("image/png; a=b\0content-type: text/html", False),
        ("image/png; a=b\0content-type: text/css", True),
        ("", False),
    ],
)
def test_documents_and_data_are_not_shared(tmp_path: Path, kind: str, expected: bool) -> None:
    content = entry(f"content-type: {kind}", "cache-control: public")
    assert shared(tmp_path / "entry", content) is expected
    assert not shared(tmp_path / "entry", entry("cache-control: public"))


@pytest.mark.parametrize("digest", [True, False])
def test_only_whole_answers_are_shared(tmp_path: Path, digest: bool) -> None:
    path = tmp_path / "entry"
    assert shared(path, entry(*PUBLIC, digest=digest))
    assert shared(path, entry(*PUBLIC, status="200", digest=digest))
    for status in ("206 Partial Content", "301 Moved", "404 Not Found", "2000"):
        assert not shared(path, entry(*PUBLIC, status=status, digest=digest))


def test_what_is_not_understood_is_not_shared(tmp_path: Path) -> None:
    whole = entry(*PUBLIC, body=b"x" * 100)
    at = whole.index(b"HTTP/")
    length = int.from_bytes(whole[at - 4 : at], "little")
    for broken in (
        b"",
        b"HTTP/1.1 200 OK\0\0",
        whole[:-1],
        whole[:-24],
        whole[:-24] + end_record(3, 2**32 - 1),
        whole[:-24] + end_record(3, 0),
        whole.replace(MAGIC, b"x" * 8),
        whole[: at - 4] + number(length - 1) + whole[at:],
        whole[: at - 4] + number(2**32 - 1) + whole[at:],
        entry(*PUBLIC, f"x: {'x' * 20_000}"),  # longer than what is read of a head
    ):
        assert not shared(tmp_path / "entry", broken), broken[-100:]
    assert shared(tmp_path / "entry", whole)
