"""The start of a response as printable text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from fyke.notify.response import KEPT_CHARACTERS, MAX_WAIT, response_start, retry_after

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


def head(value: str) -> bytes:
    return f"HTTP/1.1 429 Too Many\r\nretry-After: {value}\r\nx: 1\r\n\r\n".encode()


TELEGRAM = '{"ok":false,"error_code":429,"parameters":{"retry_after":35}}'


@pytest.mark.parametrize(
    ("status", "received", "reply", "seconds"),
    [
        (429, head("30"), "", 30),
        (503, head("1.5"), "", 1.5),
        (429, PLAIN, TELEGRAM, 35),
        (429, PLAIN, '{"message":"limited","retry_after":64.57,"global":false}', 64.57),
        (429, head("7"), TELEGRAM, 7),
        (429, head("999999999"), "", MAX_WAIT),
        (429, head("-5"), "", 0),
        (429, head("soon"), '{"retry_after":"x"}', 0),
        (429, head("Mon, 01 Jan 2001 00:00:00 GMT"), "[1]", 0),
        (429, PLAIN, "", 0),
        (429, PLAIN, '{"retry_after":NaN}', 0),
        (429, PLAIN, '{"retry_after":1%s}' % ("0" * 400), MAX_WAIT),
        (429, PLAIN, '{"retry_after":-1%s}' % ("0" * 400), 0),
        (429, PLAIN, '{"retry_after":Infinity}', MAX_WAIT),
        (429, PLAIN, "[" * KEPT_CHARACTERS, 0),
        (429, head("1 Jan 99999999999 00:00:00 +0000"), "", 0),
        (429, head("1 Jan 2001 00:00:00 +99999999999"), "", 0),
        (500, head("30"), TELEGRAM, 0),
    ],
)
def test_a_receiver_says_when_it_may_be_called_again(
    status: int, received: bytes, reply: str, seconds: float
) -> None:
    assert retry_after(status, received, reply) == seconds


def test_the_time_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 80 < retry_after(429, head(later), "") <= 90
