"""Entries of an HTTP cache as Chromium writes them, and bytes that are none."""

from __future__ import annotations

import hashlib

MAGIC = (0xF4FA6F45970D41D8).to_bytes(8, "little")
PUBLIC = ("Content-Type: text/javascript", "Cache-Control: public, max-age=600")
KEY = b"1/0/_dk_http://site.test http://site.test http://site.test/script.js"


def number(value: int) -> bytes:
    return value.to_bytes(4, "little")


def end_record(flags: int, size: int) -> bytes:
    return MAGIC + number(flags) + number(0) + number(size) + number(0)


def entry(
    *headers: str, body: bytes = b"", status: str = "200 OK", digest: bool = True, size: int = 0
) -> bytes:
    """One file; ``size`` is its length, to which its body is filled up."""
    text = "\0".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1")
    stored = number(3) + number(1) + bytes(24) + number(len(text)) + text + bytes(-len(text) % 4)
    stored = number(len(stored)) + stored + b"a certificate"
    head = (0xFCFB6D1BA7725C30).to_bytes(8, "little") + number(5) + number(len(KEY)) + number(0)
    start = head + number(0) + KEY
    rest = stored + (hashlib.sha256(KEY).digest() if digest else b"")
    rest += end_record(3 if digest else 1, len(stored))
    body += bytes(max(0, size - len(start) - len(body) - len(rest) - 24))
    return start + body + end_record(1, len(body)) + rest
