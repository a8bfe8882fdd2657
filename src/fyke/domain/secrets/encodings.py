"""The ways in which a value may come out of a Worker again.

A program that prints or pushes a value seldom prints it bare: it stands in a URL, in JSON, in a
header of basic authentication. All of these are looked for. What is not: a value that was
encrypted, hashed, reversed or taken apart. No search can find that.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

from fyke.domain.workers.secret_rules import LEAST_VALUE

# Each spelling is a search through all that a Worker says, so that there must not be thousands.
MOST_LINES = 40

_LINE_ENDS = re.compile(r"[\r\n\u2028\u2029\x85\x0b\x0c]+")
_PERCENT = re.compile(r"%[0-9A-F]{2}")


def encodings(value: str) -> set[str]:
    """Every text to look for, each at least as long as the shortest value. A value of several
    lines is also looked for line by line, because a log has lines: its longest ones, as they are.
    """
    found = set(sorted({line.strip() for line in _LINE_ENDS.split(value)}, key=len)[-MOST_LINES:])
    for whole in {value, value.strip()}:
        found |= {whole, *_escaped(whole), *_encoded(whole.encode())}
    return {each for each in found if len(each) >= LEAST_VALUE}


def _escaped(text: str) -> Iterator[str]:
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield json.dumps(text)[1:-1].replace("/", "\\/")
    yield repr(text)[1:-1]
    yield html.escape(text)
    yield html.escape(text, quote=False)
    for escaped in (quote(text), quote(text, safe=""), quote_plus(text)):
        yield escaped
        yield _PERCENT.sub(lambda match: match[0].lower(), escaped)
    yield quote(text, safe="-_.!~*'()")  # encodeURIComponent
    yield quote(text, safe="-_.!~*'();/?:@&=+$,#")  # encodeURI


def _encoded(data: bytes) -> Iterator[str]:
    yield data.hex()
    yield data.hex().upper()
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield _base64_core(encode, data, before)


def _base64_core(encode: Callable[[bytes], bytes], data: bytes, before: int) -> str:
    """The characters that ``data`` has in base64 whatever stands around it, when the number of
    bytes before it leaves the remainder ``before`` by three.
    """
    text = encode(b"\0" * before + data).decode().rstrip("=")
    first = (0, 2, 3)[before]
    whole = (before + len(data)) * 8 // 6
    return text[first:whole]
