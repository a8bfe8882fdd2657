"""The start of a response as printable text."""

from __future__ import annotations

import pytest

from fyke.notify.response import KEPT_CHARACTERS, response_start

PLAIN = b"HTTP/1.1 200 OK\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "body", "text"),
    [
        (PLAIN, b"", ""),
        (PLAIN, b" ok\r\nyes \n", "ok\nyes"),
        (PLAIN, "grün".encode(), "grün"),
        (PLAIN, b"\xff\x00\x1b[31m", "\ufffd\ufffd\ufffd[31m"),
        (PLAIN, b"x" * 5000, "x" * KEPT_CHARACTERS),
        (CHUNKED, b"4\r\nWiki\r\n6;a=b\r\npedia \r\n0\r\n\r\n", "Wikipedia"),
        (CHUNKED, b"a\r\nonly a par", "only a par"),
        (CHUNKED, b"no chunk", ""),
    ],
)
def test_the_start_of_a_response_is_readable_text(head: bytes, body: bytes, text: str) -> None:
    assert response_start(head, body) == text
