"""The encodings in which a secret may appear in the output of a Worker.

A program rarely prints a secret unchanged: it is part of a URL, of JSON, or of a header of basic
authentication. All of these are searched for. A value that was encrypted, hashed, reversed or split
cannot be found.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

from fyke.domain.workers.secret_rules import MIN_VALUE_CHARS

# Each encoding costs a search through all output, so their number is limited.
MAX_LINES = 40

_LINE_ENDS = re.compile(r"[\r\n\u2028\u2029\x85\x0b\x0c]+")
_PERCENT = re.compile(r"%[0-9A-F]{2}")


def encodings(value: str) -> set[str]:
    """All texts to search for, each at least as long as the shortest allowed value. They include
    the longest lines of a value of several lines, because a log has single lines.
    """
    lines = {line.strip() for line in _LINE_ENDS.split(value)}
    texts = set(sorted(lines, key=len)[-MAX_LINES:])
    for secret in {value, value.strip()}:
        texts |= {secret, *_escaped(secret), *_encoded(secret.encode())}
    return {text for text in texts if len(text) >= MIN_VALUE_CHARS}


def password_encodings(password: str) -> set[str]:
    """The password as it is, and in base64 behind any user name. It needs no other encoding if its
    characters are not escaped anywhere.
    """
    data = password.encode()
    return {password, *(_base64_core(base64.b64encode, data, before) for before in range(3))}


def _escaped(text: str) -> Iterator[str]:
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield json.dumps(text)[1:-1].replace("/", "\\/")
    yield repr(text)[1:-1]
    yield html.escape(text)
    yield html.escape(text, quote=False)
    yield html.escape(text, quote=False).replace('"', "&quot;")  # a browser's attributes
    form = quote_plus(text, safe="*").replace("~", "%7E")  # a browser's forms
    for escaped in (quote(text), quote(text, safe=""), quote_plus(text), form):
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
    """The base64 characters of ``data`` that do not depend on the bytes around it, when the number
    of bytes before it modulo three is ``before``.
    """
    text = encode(b"\0" * before + data).decode().rstrip("=")
    start = (0, 2, 3)[before]
    end = (before + len(data)) * 8 // 6
    return text[start:end]
