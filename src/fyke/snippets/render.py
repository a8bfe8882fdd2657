"""Renders the programs, and keeps hostile text inside their literals.

Every program contains the body of the request as JSON text, since no language changes numbers in
it. The text is a literal without escapes (a quoted here-document, a raw string). Characters that
could end the literal are written as JSON escapes, so the JSON keeps its value. Only Java's text
blocks have escapes: there each backslash is doubled, and non-ASCII characters are JSON escapes.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

MAX_INLINE = 16_000  # characters of JSON; a longer body is read from a file
FILE = "body.json"
KEY = "FYKE_KEY"  # environment variable with the API key

# ends a literal or inserts a value in at least one of the languages
_SPECIAL = re.compile("['`$]")
_INVISIBLE = ("C", "Zl", "Zp")  # categories: control and format characters, line separators


@dataclass(frozen=True, slots=True)
class SnippetLanguage:
    """A language: ``id`` is also the name of its template."""

    id: str
    name: str
    file: str  # suggested file name


LANGUAGES: tuple[SnippetLanguage, ...] = (
    SnippetLanguage("curl", "curl", "start.sh"),
    SnippetLanguage("python", "Python", "start.py"),
    SnippetLanguage("node", "Node.js", "start.mjs"),
    SnippetLanguage("java", "Java", "Start.java"),
    SnippetLanguage("php", "PHP", "start.php"),
    SnippetLanguage("go", "Go", "start.go"),
)
IDS = tuple(item.id for item in LANGUAGES)


@dataclass(frozen=True, slots=True)
class Start:
    """The start of a run. ``origin`` is scheme and host of the server; an empty ``version`` or
    ``callback_url`` is left out.
    """

    origin: str
    owner: str
    name: str
    input: Mapping[str, Any]
    version: str = ""
    callback_url: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path of the request."""
        worker = f"{quote(self.owner, safe='')}~{quote(self.name, safe='')}"
        return f"/api/v2/workers/{worker}/runs"

    @property
    def body(self) -> dict[str, Any]:
        """The body of the request."""
        body: dict[str, Any] = {"is_async": True}
        if self.version:
            body["version"] = self.version
        if self.callback_url:
            body["callback_url"] = self.callback_url
        return {**body, **self.more, "input": self.input}


def body_text(start: Start) -> str:
    """Return the body as indented JSON."""
    return json.dumps(start.body, ensure_ascii=False, indent=2)


def snippet(language: str, start: Start) -> str:
    """Return the program in this language. Raise ``KeyError`` for an unknown id."""
    if language not in IDS:
        raise KeyError(language)
    text = body_text(start)
    inline = len(text) <= MAX_INLINE
    return (
        _environment()
        .get_template(f"{language}.j2")
        .render(
            url=_url(start),
            body=literal(text, language) if inline else "",
            inline=inline,
            file=FILE,
            key=KEY,
        )
    )


def literal(text: str, language: str) -> str:
    """Return JSON text as the content of a literal of the language."""
    ascii_only = language == "java"
    escaped = _SPECIAL.sub(lambda match: _escape(match.group()), text)
    content = "".join(_visible(char, ascii_only=ascii_only) for char in escaped)
    return content.replace("\\", "\\\\") if ascii_only else content


def _visible(char: str, *, ascii_only: bool) -> str:
    if char == "\n" or (char.isascii() and char.isprintable()):
        return char
    hidden = unicodedata.category(char).startswith(_INVISIBLE)
    return _escape(char) if ascii_only or hidden else char


def _escape(char: str) -> str:
    """The JSON escape of a character; only characters in strings are escaped."""
    return json.dumps(char)[1:-1] if not char.isascii() else f"\\u{ord(char):04x}"


def _url(start: Start) -> str:
    """The address, with everything quoted that could end a literal."""
    return quote(start.origin, safe=":/[]") + start.path


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("fyke.snippets"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - programs, not pages; literal() keeps text inside them
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
