"""Taking values out of what a run leaves behind: its log, its rows, its last words.

A masker belongs to one attempt and lives as long. It looks for each spelling with the search of
the language, which is the quickest there is for a few texts; only where one is found, the slow and
exact way is gone. So rows without a secret, which are nearly all, cost one search per spelling.
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
    """Replaces the values of some secrets by ``***NAME***``, or by ``***`` where the value is
    shorter than that: what is masked never grows, so that no limit is passed by it.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        """``values``: value by name."""
        marks = {
            spelling: _mark(name, spelling)
            for name, value in values.items()
            for spelling in encodings(value)
        }
        # the longest first: one value may stand in another
        self._marks = tuple(sorted(marks.items(), key=lambda each: (-len(each[0]), each[0])))
        self._in_json = tuple(dict.fromkeys(_encode(text)[1:-1] for text in marks))
        self._numbers = tuple(text.encode() for text in marks if _NUMBER.fullmatch(text))
        self.longest = max(map(len, marks), default=0)  # characters
        self.weight = 1 + len(marks) // 8  # how many times the work of reading a row it is

    def text(self, text: str) -> str:
        """The text without the values."""
        for spelling, mark in self._marks:
            if spelling in text:
                text = text.replace(spelling, mark)
        return text

    def host(self, name: str) -> str:
        """A host name without the values; there they are in lower case."""
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
        if b"\\" not in data:  # then every text stands there as it is
            return any(map(data.__contains__, self._in_json))
        plain = _encode(_decode(data))  # each character in the one spelling that ours have
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
