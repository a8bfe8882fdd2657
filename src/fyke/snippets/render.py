"""The programs, and how hostile text is kept inside of their literals.

Every program contains the body of the request as JSON text, because that is the one form in which
no language changes a number. The text goes into a literal that has no escapes of its own (a
quoted here-document, a raw string) and ends where the JSON never ends: what could end it early is
written as an escape of JSON, so the literal has the very same value. Only Java's text blocks have
escapes; there each backslash is doubled, and everything beyond ASCII is an escape of JSON.
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
KEY = "FYKE_KEY"  # the environment variable that holds the key

# what ends a literal of one of the languages, and what stands for a value inside of it
_ENDINGS = re.compile("['`$]")
_UNSEEN = ("C", "Zl", "Zp")  # control, format (those that turn the direction), line separators


@dataclass(frozen=True, slots=True)
class SnippetLanguage:
    """A language: ``id`` is also the name of its template."""

    id: str
    name: str
    file: str  # what a file of it may be called


LANGUAGES: tuple[SnippetLanguage, ...] = (
    SnippetLanguage("curl", "curl", "start.sh"),
    SnippetLanguage("python", "Python", "start.py"),
    SnippetLanguage("node", "Node.js", "start.mjs"),
    SnippetLanguage("java", "Java", "Start.java"),
    SnippetLanguage("php", "PHP", "start.php"),
    SnippetLanguage("go", "Go", "start.go"),
)
IDS = tuple(each.id for each in LANGUAGES)


@dataclass(frozen=True, slots=True)
class Start:
    """The start of a run. ``origin`` is scheme and host of the server; no ``version`` and no
    ``callback_url`` leaves them to the server.
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
        found: dict[str, Any] = {"is_async": True}
        if self.version:
            found["version"] = self.version
        if self.callback_url:
            found["callback_url"] = self.callback_url
        return {**found, **self.more, "input": self.input}


def body_text(start: Start) -> str:
    """Return the body as JSON for people."""
    return json.dumps(start.body, ensure_ascii=False, indent=2)


def snippet(language: str, start: Start) -> str:
    """Return the program in the language of this id. Raise ``KeyError`` for another one."""
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
    """Return JSON text as it stands between the delimiters of the language's literal."""
    ascii_only = language == "java"
    plain = _ENDINGS.sub(lambda match: _escape(match.group()), text)
    seen = "".join(_visible(char, ascii_only=ascii_only) for char in plain)
    return seen.replace("\\", "\\\\") if ascii_only else seen


def _visible(char: str, *, ascii_only: bool) -> str:
    if char == "\n" or (char.isascii() and char.isprintable()):
        return char
    hidden = unicodedata.category(char).startswith(_UNSEEN)
    return _escape(char) if ascii_only or hidden else char


def _escape(char: str) -> str:
    """The character as JSON escapes it: all that is escaped stands inside of a string of JSON."""
    return json.dumps(char)[1:-1] if not char.isascii() else f"\\u{ord(char):04x}"


def _url(start: Start) -> str:
    """The address: of an origin and a quoted path nothing is left that a literal could end at."""
    return quote(start.origin, safe=":/[]") + start.path


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("fyke.snippets"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - programs, not pages; literal() keeps text inside of them
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
