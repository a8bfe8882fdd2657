"""The texts of the console: English in the source, other languages from catalogues.

A page is rendered in one language, which ``speak`` sets for the current context; ``gettext`` in
templates and in Python looks it up there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from gettext import NullTranslations
from importlib.resources import files
from io import BytesIO

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations


@dataclass(frozen=True, slots=True)
class ConsoleLanguage:
    """A language of the console. ``tag`` is what HTML and preferences call it."""

    tag: str
    locale: str  # as Babel and the folders of catalogues call it
    name: str  # in the language itself


ENGLISH = ConsoleLanguage("en", "en", "English")
LANGUAGES = (ENGLISH, ConsoleLanguage("zh-Hans", "zh_Hans_CN", "简体中文"))

_current: ContextVar[ConsoleLanguage] = ContextVar("language", default=ENGLISH)


def language_named(tag: str) -> ConsoleLanguage | None:
    """The language of this tag, None when the console does not have it."""
    return next((each for each in LANGUAGES if each.tag == tag), None)


def choose(preferred: str, accepted: str) -> ConsoleLanguage:
    """The language for a visitor: the chosen one, else that of the browser."""
    chosen = language_named(preferred)
    if chosen is not None:
        return chosen
    for entry in accepted.split(","):
        tag = entry.partition(";")[0].strip().lower()
        if tag.startswith("en"):
            return ENGLISH
        if tag in ("zh", "zh-cn", "zh-sg", "zh-hans") or tag.startswith("zh-hans"):
            return LANGUAGES[1]
    return ENGLISH


@contextmanager
def speak(language: ConsoleLanguage) -> Iterator[None]:
    """Within this, texts are in ``language``."""
    token = _current.set(language)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> ConsoleLanguage:
    return _current.get()


def locale() -> Locale:
    """The current language as a Babel locale, for dates and numbers."""
    return _locale(current().locale)


def gettext(message: str) -> str:
    """``message`` in the current language."""
    return _catalogue(current().locale).gettext(message)


def pgettext(context: str, message: str) -> str:
    """``message`` in the current language, where it has several meanings."""
    return str(_catalogue(current().locale).pgettext(context, message))


def ngettext(singular: str, plural: str, n: int) -> str:
    """The form of the message that fits ``n``."""
    return _catalogue(current().locale).ngettext(singular, plural, n)


@cache
def _locale(name: str) -> Locale:
    return Locale.parse(name)


@cache
def _catalogue(name: str) -> NullTranslations:
    """Read from its text when the language is first asked for: there is no step that builds it."""
    if name == ENGLISH.locale:
        return NullTranslations()
    text = (files(__package__) / "locale" / f"{name}.po").read_bytes()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(text), locale=name))
    compiled.seek(0)
    return Translations(compiled)
