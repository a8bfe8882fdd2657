"""Masking secrets in the output of a run: log, rows, error messages.

A masker belongs to one attempt. It searches for each encoding with Python's own search, which is
the fastest for a few texts; the slow and exact path is only taken where one is found. So a row
without a secret costs one search per encoding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from fyke.domain.secrets.encodings import encodings

_decode = msgspec.json.Decoder().decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_NUMBER = re.compile(r"-?[0-9][0-9.eE+-]*")
_TOKEN = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'  # a text
    rb"|-?[0-9][0-9.eE+-]*+",  # a number
    re.DOTALL,
)


class Masker:
    """Replaces the values of secrets by ``***NAME***``, or by ``***`` when the value is shorter: a
    masked text is never longer, so it exceeds no limit.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        """``values``: value by name."""
        marks = {
            spelling: _mark(name, spelling)
            for name, value in values.items()
            for spelling in encodings(value)
        }
        # the longest first: one value may contain another
        self._marks = tuple(sorted(marks.items(), key=lambda each: (-len(each[0]), each[0])))
        self._in_json = tuple(dict.fromkeys(_encode(text)[1:-1] for text in marks))
        self._numbers = tuple(text.encode() for text in marks if _NUMBER.fullmatch(text))
        self.longest = max(map(len, marks), default=0)  # characters
        self.weight = 1 + len(marks) // 8  # the cost, relative to reading a row

    def text(self, text: str) -> str:
        """Mask secrets in a text."""
        for spelling, mark in self._marks:
            if spelling in text:
                text = text.replace(spelling, mark)
        return text

    def host(self, name: str) -> str:
        """Mask secrets in a host name, where they are in lower case."""
        for spelling, mark in self._marks:
            if spelling.lower() in name:
                name = name.replace(spelling.lower(), mark)
        return name

    def row(self, data: bytes) -> bytes:
        """Mask secrets in keys and values of a JSON object at every depth. It stays valid; a number
        that contains a secret becomes text.
        """
        if not self._may_hold_one(data):
            return data
        masked = _TOKEN.sub(self._masked_token, data)
        # two keys that were masked may be the same one now
        return masked if masked == data else _encode(_decode_fields(masked))

    def _may_hold_one(self, data: bytes) -> bool:
        if b"\\" not in data:  # then no text is escaped
            return any(map(data.__contains__, self._in_json))
        plain = _encode(_decode(data))  # every character escaped in the same way
        found = any(map(plain.__contains__, self._in_json))
        return found or any(map(data.__contains__, self._numbers))

    def _masked_token(self, match: re.Match[bytes]) -> bytes:
        token = match[0]
        before = _decode_text(token) if token[:1] == b'"' else token.decode()
        after = self.text(before)
        return token if after == before else _encode(after)


def _mark(name: str, spelling: str) -> str:
    mark = f"***{name}***"
    return mark if len(mark) <= len(spelling) else "***"
