"""Upserts: the digest of key and value, and merging the fields of two rows.

Values are not decoded but copied as text, so that a number of forty digits or a float written as
``1.10`` stays as it was pushed.
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
    """Return 16 bytes that identify an upsert key and value by their text: ``1`` is not ``1.0``."""
    raw_key = key.encode("utf-8", "surrogatepass")
    hasher = hashlib.blake2b(len(raw_key).to_bytes(8, "big"), digest_size=DIGEST_BYTES)
    hasher.update(raw_key)
    hasher.update(value.encode("utf-8", "surrogatepass"))
    return hasher.digest()


def merge(stored: bytes, *pushed: bytes) -> bytes:
    """Return the JSON object ``stored`` updated with the members of each of ``pushed`` in turn.

    Existing members keep their order, new ones are appended. Each object is decoded once.
    """
    try:
        fields = _decoder.decode(stored)
        for data in pushed:
            fields |= _decoder.decode(data)
        return msgspec.json.encode(fields)
    except msgspec.DecodeError:
        # The decoder rejects escaped lone surrogates, which are valid JSON.
        members = _members(stored)
        for data in pushed:
            members |= _members(data)
        return b"{" + b",".join(_key(k) + b":" + value for k, value in members.items()) + b"}"


def _key(text: str) -> bytes:
    try:
        return json.dumps(text, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(text).encode()


def _members(data: bytes) -> dict[str, bytes]:
    """The members of a JSON object, values as text. ``data`` is valid JSON."""
    members: dict[str, bytes] = {}
    depth, key, start = 0, "", 0
    for token in _TOKEN.finditer(data):
        symbol = token.group()
        if symbol in b"{[":
            depth += 1
            start = token.end() if depth == 1 else start
            continue
        if depth == 1 and symbol == b":":
            key, start = json.loads(data[start : token.start()]), token.end()
        elif depth == 1 and symbol in b",}":
            if value := data[start : token.start()].strip():
                members[key] = value
            start = token.end()
        if symbol in b"}]":
            depth -= 1
    return members
