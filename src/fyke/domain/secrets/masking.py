"""Masking secrets and passwords in the output of a run: log, rows, error messages.

A masker belongs to one attempt. It searches for each encoding with Python's own search, which is
the fastest for a few texts; the slow, exact path runs only if one is found. So a row without a
secret costs one search per encoding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from fyke.domain.secrets.encodings import encodings, password_encodings

_decode = msgspec.json.Decoder().decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_NUMBER = re.compile(r"-?[0-9][0-9.eE+-]*")
_TOKEN = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'  # a string
    rb"|-?[0-9][0-9.eE+-]*+",  # a number
    re.DOTALL,
)


class Masker:
    """Replaces the values of secrets by ``***NAME***``, or by ``***`` when the value is shorter
    than that: a masked text is never longer than the original, so it exceeds no limit.
    """

    def __init__(
        self, values: Mapping[str, str], passwords: Mapping[str, str] | None = None
    ) -> None:
        """``values``: value by name. ``passwords``: those of basic authentication, of plain
        characters; they are searched for as they are and in base64, which costs less.
        """
        texts = [(name, text) for name, value in values.items() for text in encodings(value)]
        for name, password in (passwords or {}).items():
            texts += [(name, text) for text in password_encodings(password)]
        marks = {text: _mark(name, text) for name, text in texts}
        # the longest first: one value may contain another
        self._marks = tuple(sorted(marks.items(), key=lambda item: (-len(item[0]), item[0])))
        self._lower_marks = tuple((text.lower(), mark) for text, mark in self._marks)
        self._in_json = tuple(dict.fromkeys(_encode(text)[1:-1] for text in marks))
        self._numbers = tuple(text.encode() for text in marks if _NUMBER.fullmatch(text))
        self.longest = max(map(len, marks), default=0)  # characters
        self.weight = 1 + len(marks) // 8  # the cost, relative to reading a row

    def text(self, text: str) -> str:
        """Mask secrets in a text."""
        for encoding, mark in self._marks:
            if encoding in text:
                text = text.replace(encoding, mark)
        return text

    def host(self, name: str) -> str:
        """Mask secrets in a host name, where they are in lower case."""
        for encoding, mark in self._lower_marks:
            if encoding in name:
                name = name.replace(encoding, mark)
        return name

    def row(self, data: bytes) -> bytes:
        """Mask secrets in keys and values of a JSON object at every depth. It stays valid JSON; a
        number that contains a secret becomes a string.
        """
        if not self._may_contain_secret(data):
            return data
        masked = _TOKEN.sub(self._mask_token, data)
        # keys that differed may be equal after masking
        return masked if masked == data else _encode(_decode_fields(masked))

    def _may_contain_secret(self, data: bytes) -> bool:
        if b"\\" not in data:  # then no character is escaped
            return any(text in data for text in self._in_json)
        normalized = _encode(_decode(data))  # one form for each escaped character
        if any(text in normalized for text in self._in_json):
            return True
        return any(number in data for number in self._numbers)

    def _mask_token(self, match: re.Match[bytes]) -> bytes:
        token = match[0]
        before = _decode_text(token) if token[:1] == b'"' else token.decode()
        after = self.text(before)
        return token if after == before else _encode(after)


def _mark(name: str, encoding: str) -> str:
    mark = f"***{name}***"
    return mark if len(mark) <= len(encoding) else "***"
