"""Masking secrets and passwords in the output of a run: log, rows, error messages.

A masker belongs to one attempt. It searches for each encoding with Python's own search, which is
the fastest for a few texts; the slow, exact path runs only if one is found. So a row without a
secret costs one search per encoding. A text with ``%25`` is searched again for each time that an
address in it may have been escaped: an address in an address, as sign-in pages have it. Whatever a
text contains, its percent signs are counted once for each such time, and not for each encoding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from fyke.domain.secrets.encodings import encodings, password_encodings

_decode = msgspec.json.Decoder().decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_AGAIN = "%25"  # what a percent sign is in an address within an address
_MAX_AGAIN = 3  # how often an address that was escaped is escaped again
_SIGNS = re.compile("%(?:25)+")
_NUMBER = re.compile(r"-?[0-9][0-9.eE+-]*")
_TOKEN = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'  # a string
    rb"|-?[0-9][0-9.eE+-]*+",  # a number
    re.DOTALL,
)


class _Found(NamedTuple):
    """An encoding in a text: it is from ``start`` to before ``end``."""

    start: int
    end: int
    mark: str


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
        self._escaped = tuple((text, mark) for text, mark in self._marks if "%" in text)
        used = set("".join(text for text, _ in self._escaped))
        # replaces what was found, which is searched no more
        self._blank = next(one for one in map(chr, range(0x110000)) if one not in used)
        self._escaped_in_json = tuple(text for text in self._in_json if b"%" in text)
        sizes = (len(text) + (len(_AGAIN) - 1) * _MAX_AGAIN * text.count("%") for text in marks)
        self.longest = max(sizes, default=0)  # characters
        self.weight = 1 + len(marks) // 8  # the cost, relative to reading a row

    def text(self, text: str) -> str:
        """Mask secrets in a text."""
        for encoding, mark in self._marks:
            if encoding in text:
                text = text.replace(encoding, mark)
        return self._text_escaped_again(text) if _AGAIN in text else text

    def _text_escaped_again(self, text: str) -> str:
        for times, less_escaped in enumerate(_less_escaped(text), 1):
            if any(encoding in less_escaped for encoding, _ in self._escaped):
                text = self._masked_again(text, times)
        return text

    def _masked_again(self, text: str, times: int) -> str:
        """Mask encodings wherever they were escaped ``times`` more."""
        parts: list[str] = []
        done, place_of = 0, _Places(text, times)
        for found in self._found(place_of.less_escaped):
            parts += [text[done : place_of(found.start)], found.mark]
            done = place_of(found.end)
        return "".join([*parts, text[done:]])

    def _found(self, text: str) -> list[_Found]:
        """The escaped encodings in a text, in order. They do not overlap."""
        found: list[_Found] = []
        for encoding, mark in self._escaped:
            start, size = text.find(encoding), len(encoding)
            if start < 0:
                continue
            while start >= 0:
                found.append(_Found(start, start + size, mark))
                start = text.find(encoding, start + size)
            text = text.replace(encoding, self._blank * size)
        return sorted(found)

    def host(self, name: str) -> str:
        """Mask secrets in a host name, where they are in lower case."""
        for encoding, mark in self._lower_marks:
            if encoding in name:
                name = name.replace(encoding, mark)
        return name

    def finds(self, text: str) -> bool:
        """Whether ``text`` or ``host`` would change a text."""
        return self.host(self.text(text)) != text

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
        has_escapes = b"\\" in data
        normalized = _encode(_decode(data)) if has_escapes else data  # one form for each character
        if any(text in normalized for text in self._in_json):
            return True
        if _AGAIN.encode() in normalized and any(
            text in less_escaped
            for less_escaped in map(str.encode, _less_escaped(normalized.decode()))
            for text in self._escaped_in_json
        ):
            return True
        return has_escapes and any(number in data for number in self._numbers)

    def _mask_token(self, match: re.Match[bytes]) -> bytes:
        token = match[0]
        before = _decode_text(token) if token[:1] == b'"' else token.decode()
        after = self.text(before)
        return token if after == before else _encode(after)


def _less_escaped(text: str) -> Iterator[str]:
    """The text with its addresses escaped once less, twice less and so on."""
    for _ in range(_MAX_AGAIN):
        if _AGAIN not in text:
            return
        text = text.replace(_AGAIN, "%")
        yield text


class _Places:
    """Where in ``text`` the places of a text that is escaped ``times`` less are; ``less_escaped``
    is that one. Called with places in rising order.
    """

    def __init__(self, text: str, times: int) -> None:
        self.less_escaped = text
        for _ in range(times):
            self.less_escaped = self.less_escaped.replace(_AGAIN, "%")
        self._most = times * (len(_AGAIN) - 1)  # characters by which a sign is longer
        self._signs = _SIGNS.finditer(text)
        self._sign = next(self._signs, None)
        self._shift = 0

    def __call__(self, place: int) -> int:
        while self._sign is not None and self._sign.start() - self._shift < place:
            self._shift += min(self._sign.end() - self._sign.start() - 1, self._most)
            self._sign = next(self._signs, None)
        return place + self._shift


def _mark(name: str, encoding: str) -> str:
    mark = f"***{name}***"
    return mark if len(mark) <= len(encoding) else "***"
