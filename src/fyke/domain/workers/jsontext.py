"""Reads JSON files written by hand, within limits, and finds the line of every value.

Findings need a position, so ``Lines`` maps a path inside the document to its line. It descends only
as deep as a path can be and leaves deeper values to the C decoder, so a hostile schema cannot make
it slow.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from json import decoder
from typing import Any, NoReturn

MAX_BYTES = 500_000
MAX_DEPTH = 32
MAX_NODES = 20_000
MAX_DIGITS = 4300  # of an integer; the default limit of Python

Path = tuple[str | int, ...]

# the C reader of one JSON string: (text, index after the quote, strict) -> (value, end)
_scan_string: Callable[[str, int, bool], tuple[str, int]] = decoder.scanstring  # type: ignore[attr-defined]

_SURROGATE = re.compile(r"\\u[dD][89abcdefABCDEF]")
_SPACE = re.compile(r"[ \t\n\r]*")


class BadJson(ValueError):
    """The text cannot be used; ``line`` is 1-based, 0 when it concerns the whole file."""

    def __init__(self, rule: str, line: int = 0, remedy: str = "") -> None:
        super().__init__(f"{rule}; {remedy}" if remedy else rule)
        self.rule = rule
        self.line = line


def decode_text(data: bytes) -> str:
    """Return the text of a file, without a leading byte order mark. Raise ``BadJson``."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        rule = f"byte {error.start} is not UTF-8"
        raise BadJson(rule, line, "save the file as UTF-8") from None


def loads(text: str) -> Any:
    """Decode one JSON document within the limits of size, depth and number of values.

    Strict: no NaN, no trailing text. Integers keep every digit. Raise ``BadJson``.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise BadJson(f"the file is larger than {MAX_BYTES:,} bytes")
    try:
        value = json.loads(text.removeprefix("\ufeff"), parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BadJson(f"{error.msg} (column {error.colno})", error.lineno) from None
    except RecursionError:
        raise BadJson(f"values are nested deeper than {MAX_DEPTH} levels") from None
    except BadJson:
        raise
    except ValueError:  # the only other cause is an integer with too many digits
        rule = f"a number has more than {MAX_DIGITS:,} digits"
        raise BadJson(rule, remedy="shorten it, or write it as text") from None
    _measure(value)
    if _SURROGATE.search(text):
        _refuse_lone_surrogates(value)
    return value


def repeated_keys(text: str) -> list[str]:
    """The keys that occur more than once in the object of a document that ``loads`` has accepted;
    of their values the last one counts.
    """
    counts: Counter[str] = Counter()

    def count(pairs: list[tuple[str, Any]]) -> None:
        nonlocal counts
        counts = Counter(key for key, _ in pairs)  # the outermost object comes last

    json.loads(text.removeprefix("\ufeff"), object_pairs_hook=count)
    return [key for key, times in counts.items() if times > 1]


def _no_constant(name: str) -> NoReturn:
    raise BadJson(f"{name} is not a JSON value")


def _refuse_lone_surrogates(value: Any) -> None:
    """Refuse half of a surrogate pair, which databases and other JSON encoders reject."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        rule = "a \\u escape is half of a surrogate pair"
        raise BadJson(rule, remedy="write the character itself") from None


def _measure(value: Any) -> None:
    level, depth, nodes = [value], 0, 0
    while level:
        depth += 1
        nodes += len(level)
        if depth > MAX_DEPTH:
            raise BadJson(f"values are nested deeper than {MAX_DEPTH} levels")
        if nodes > MAX_NODES:
            raise BadJson(f"the file has more than {MAX_NODES:,} values")
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        level = below


class Lines:
    """The lines of the values in a JSON text that ``loads`` has accepted.

    ``depth`` is the length of the longest path that is looked up.
    """

    def __init__(self, text: str, depth: int = 6) -> None:
        self._text = text.removeprefix("\ufeff")
        self._depth = depth
        self._ends: list[int] | None = None
        self._offsets: dict[Path, int] = {}
        self._decoder = json.JSONDecoder()

    def line_of(self, *path: str | int) -> int:
        """Return the 1-based line of the value at ``path``, or of its nearest existing ancestor."""
        if self._ends is None:
            self._ends = [m.start() for m in re.finditer("\n", self._text)]
            self._value(self._skip(0), ())
        while path not in self._offsets:
            path = path[:-1]
        return bisect_right(self._ends, self._offsets[path] - 1) + 1

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return match.end() if match else at

    def _value(self, at: int, path: Path) -> int:
        """Record the offset of the value at ``at`` and return where it ends."""
        self._offsets.setdefault(path, at)
        opening = self._text[at]
        if opening not in "{[" or len(path) >= self._depth:
            return self._decoder.raw_decode(self._text, at)[1]
        return self._object(at + 1, path) if opening == "{" else self._array(at + 1, path)

    def _object(self, at: int, path: Path) -> int:
        at = self._skip(at)
        while self._text[at] != "}":
            start = at
            key, at = _scan_string(self._text, at + 1, True)
            self._offsets[(*path, key)] = start  # of duplicate keys the last one counts
            at = self._skip(self._skip(at) + 1)
            at = self._next(self._value(at, (*path, key)))
        return at + 1

    def _array(self, at: int, path: Path) -> int:
        at, index = self._skip(at), 0
        while self._text[at] != "]":
            at = self._next(self._value(at, (*path, index)))
            index += 1
        return at + 1

    def _next(self, at: int) -> int:
        at = self._skip(at)
        return self._skip(at + 1) if self._text[at] == "," else at
