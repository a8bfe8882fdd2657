"""Upserts: which row is meant, and how the new fields go over the old ones.

Values are never decoded. They are cut out of the text and put together again, so that a number
of forty digits or a float written as ``1.10`` comes back as it came.
"""

from __future__ import annotations

import hashlib
import json
import re

import msgspec

DIGEST_BYTES = 16

_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]', re.DOTALL)


def digest(key: str, value: str) -> bytes:
    """Sixteen bytes that identify an upsert key and value by text: ``1`` is not ``1.0``."""
    raw_key = key.encode("utf-8", "surrogatepass")
    hasher = hashlib.blake2b(len(raw_key).to_bytes(8, "big"), digest_size=DIGEST_BYTES)
    hasher.update(raw_key)
    hasher.update(value.encode("utf-8", "surrogatepass"))
    return hasher.digest()


def merge(stored: bytes, pushed: bytes) -> bytes:
    """The object ``stored`` with the fields of the object ``pushed`` over it.

    Old fields keep their place, new ones are appended.
    """
    try:
        return msgspec.json.encode(_decoder.decode(stored) | _decoder.decode(pushed))
    except msgspec.DecodeError:
        # The decoder refuses escaped lone surrogates, which JSON's grammar allows.
        members = _members(stored) | _members(pushed)
        return b"{" + b",".join(_key(k) + b":" + value for k, value in members.items()) + b"}"


def _key(text: str) -> bytes:
    try:
        return json.dumps(text, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(text).encode()


def _members(data: bytes) -> dict[str, bytes]:
    """The members of a JSON object, values as they are written. ``data`` is valid JSON."""
    members: dict[str, bytes] = {}
    depth, key, start = 0, "", 0
    for token in _TOKEN.finditer(data):
        mark = token.group()
        if mark in b"{[":
            depth += 1
            start = token.end() if depth == 1 else start
            continue
        if depth == 1 and mark == b":":
            key, start = json.loads(data[start : token.start()]), token.end()
        elif depth == 1 and mark in b",}":
            if value := data[start : token.start()].strip():
                members[key] = value
            start = token.end()
        if mark in b"}]":
            depth -= 1
    return members
