"""Which entries of Chromium's HTTP cache another login may get.

An entry is one file: a head, its key, the body, an end record, the stored head of the response
and another end record (``disk_cache/simple`` in Chromium, version 5 of its format; all numbers are
little-endian). It has no request headers, so nothing says whether a login was sent; but the answer
says whether a cache that several users share may keep it (RFC 9111, section 5.2.2).

A hijacked browser may have written anything: what is not understood is not shared.
"""

from __future__ import annotations

import os
import re

_MAGIC = (0xF4FA6F45970D41D8).to_bytes(8, "little")
_END = 24  # bytes of an end record: the magic, flags, a checksum, the length of the stream
_HAS_DIGEST = 2  # flag: SHA-256 of the key precedes the record
_DIGEST = 32
_MAX_HEAD = 16 * 1024  # bytes of a stored head that are read
_MAX_START = 64  # bytes before the status line: a length, flags and times
_STATUS = re.compile(rb"HTTP/\d\.\d 200\b")
# the headers that are read; in C, since a hijacked browser may fill a head with anything
_FIELDS = re.compile(rb"\0[ \t]*(cache-control|content-type|vary)[ \t]*:([^\0]*)", re.IGNORECASE)
_SECONDS = re.compile(r"s-maxage=\"?0*[1-9]")
# scripts, styles, pictures and fonts: most of the bytes of a page, and never its content. Answers
# with documents or data may be personal even when a site has marked them by mistake
_TYPES = re.compile(
    r"(text|application)/(x-)?(java|ecma)script|text/css|application/wasm|image/.+"
    r"|font/.+|application/(x-)?font-.+|application/vnd\.ms-fontobject"
)
_LOGIN = frozenset(("*", "authorization", "cookie"))


def may_be_shared(head: bytes) -> bool:
    """Whether an answer, by its ``stored_head``, is a file that any user would have got."""
    fields: dict[bytes, list[str]] = {b"cache-control": [], b"content-type": [], b"vary": []}
    for name, value in _FIELDS.findall(head):
        fields[name.lower()].append(value.decode("latin-1").lower())
    rules = _words(fields[b"cache-control"])
    is_public = "public" in rules or any(map(_SECONDS.match, rules))
    is_private = any(rule.startswith(("private", "no-store")) for rule in rules)
    # of several types any may count
    kinds = [word.partition(";")[0].strip() for word in _words(fields[b"content-type"])]
    return (
        is_public
        and not is_private
        and _LOGIN.isdisjoint(_words(fields[b"vary"]))
        and bool(kinds)
        and all(map(_TYPES.fullmatch, kinds))
    )


def _words(values: list[str]) -> set[str]:
    return {word.strip() for value in values for word in value.split(",")}


def stored_head(entry: int) -> bytes:
    """The status line and the headers of a 200, separated by NUL, at most 16 KiB of an entry, by a
    descriptor of its file; empty when there are none.
    """
    size = os.fstat(entry).st_size
    end = os.pread(entry, _END, size - _END) if size >= _END else b""
    if end[:8] != _MAGIC:
        return b""
    flags, length = (int.from_bytes(end[at : at + 4], "little") for at in (8, 16))
    start = size - _END - (_DIGEST if flags & _HAS_DIGEST else 0) - length
    if start < 0:
        return b""
    stored = os.pread(entry, min(length, _MAX_HEAD), start)
    found = _STATUS.search(stored, 0, _MAX_START)
    if found is None or found.start() < 4:
        return b""
    at = found.start()
    text = stored[at : at + int.from_bytes(stored[at - 4 : at], "little")]
    return text if text.endswith(b"\0\0") else b""
