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
_NEWLINE = re.compile(r"\r\n|\r|\n")
_REMOVED = re.compile(r"[\t\r\n]")  # by a browser from an address
_UNICODE = re.compile(r"\\u([0-9a-f]{4})")
_PERCENT = re.compile(r"%[0-9A-F]{2}")
# of templates: Python's, those of Jinja and Go, of Mustache, of XML
_ENTITIES = tuple(
    {ord(character): entity for character, entity in zip("&<>\"'/`=", names.split(), strict=False)}
    for names in (
        "&amp; &lt; &gt; &quot; &#x27;",
        "&amp; &lt; &gt; &#34; &#39;",
        "&amp; &lt; &gt; &quot; &#39; &#x2F; &#x60; &#x3D;",
        "&amp; &lt; &gt; &quot; &apos;",
    )
)
_LINE_ENTITIES = tuple(
    {ord("\n"): newline, ord("\r"): ret}
    for newline, ret in (("&#10;", "&#13;"), ("&#xA;", "&#xD;"), ("&#xa;", "&#xd;"))
)
_TEXT = {ord("&"): "&amp;", ord("\xa0"): "&nbsp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_QUOTE = {ord('"'): "&quot;"}
_HTML = (  # of a browser: a text, and an attribute of a newer and of an older one
    _TEXT,
    _TEXT | _QUOTE,
    {ord("&"): "&amp;", ord("\xa0"): "&nbsp;"} | _QUOTE,
)
# JSON within HTML
_IN_SCRIPTS = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}
_IN_ATTRIBUTES = _IN_SCRIPTS | {ord("'"): "\\u0027"}


def encodings(value: str) -> set[str]:
    """All texts to search for, each at least as long as the shortest allowed value. They include
    the longest lines of a value of several lines, because a log has single lines. In those of
    addresses that were escaped several times, ``%`` stands for ``%25``, ``%2525`` and so on.
    """
    lines = {line.strip() for line in _LINE_ENDS.split(value)}
    texts = set(sorted(lines, key=len)[-MAX_LINES:])
    for secret in {value, *_with_newlines(value.strip())}:
        texts |= {secret, *_escaped(secret), *_encoded(secret.encode())}
    return {text for text in texts if len(text) >= MIN_VALUE_CHARS}


def password_encodings(password: str) -> set[str]:
    """The password as it is, and in base64 behind any user name. It needs no other encoding if its
    characters are not escaped anywhere.
    """
    data = password.encode()
    return {password, *(_base64_core(base64.b64encode, data, before) for before in range(3))}


def _with_newlines(text: str) -> set[str]:
    """The text as it is, with the line ends of forms, and with those of pages."""
    return {text, _NEWLINE.sub("\r\n", text), _NEWLINE.sub("\n", text)}


def _escaped(text: str) -> Iterator[str]:
    yield from _in_json(text)
    yield from _in_html(text)
    once = set(_in_addresses(text))
    twice = {again.replace("%25", "%") for one in once for again in _in_addresses(one)}
    for escaped in once | twice:
        yield escaped
        yield _PERCENT.sub(lambda match: match[0].lower(), escaped)


def _in_json(text: str) -> Iterator[str]:
    yield repr(text)[1:-1]
    for plain in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        for escaped in (plain, plain.translate(_IN_SCRIPTS), plain.translate(_IN_ATTRIBUTES)):
            for one in (escaped, _UNICODE.sub(lambda match: f"\\u{match[1].upper()}", escaped)):
                yield one
                yield one.replace("/", "\\/")


def _in_html(text: str) -> Iterator[str]:
    yield html.escape(text, quote=False)
    for entities in (*_ENTITIES, *_HTML):
        escaped = text.translate(entities)
        yield escaped
        for line_entities in _LINE_ENTITIES:
            yield escaped.translate(line_entities)


def _in_addresses(text: str) -> Iterator[str]:
    yield quote(text)
    yield quote(text, safe="")
    yield quote_plus(text)
    yield quote_plus(text, safe="*").replace("~", "%7E")  # a browser's forms
    yield quote(text, safe="-_.!~*'()")  # encodeURIComponent
    yield quote(text, safe="-_.!~*'();/?:@&=+$,#")  # encodeURI
    part = _REMOVED.sub("", text)
    yield quote(part, safe="!$%&()*+,-./:;=?@[\\]^_`{|}~")  # what a browser leaves in a query
    yield quote(part, safe="!$%&'()*+,-./:;=@[\\]_|~")  # and in a path


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
