"""The texts of the console: English in the source, other languages from catalogues.

``use_language`` sets the language of the current context, in which ``gettext`` looks texts up, in
templates and in Python.
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
    """A language of the console. ``tag`` is its BCP 47 tag, in HTML and in preferences."""

    tag: str
    locale: str  # the name of the language in Babel, and of its catalogue
    name: str  # the name of the language in itself


ENGLISH = ConsoleLanguage("en", "en", "English")
LANGUAGES = (ENGLISH, ConsoleLanguage("zh-Hans", "zh_Hans_CN", "简体中文"))

_language: ContextVar[ConsoleLanguage] = ContextVar("language", default=ENGLISH)


def language_named(tag: str) -> ConsoleLanguage | None:
    """The language of this tag, or None."""
    return next((language for language in LANGUAGES if language.tag == tag), None)


def choose_language(preferred: str, accepted: str) -> ConsoleLanguage:
    """The visitor's language: the preferred one, else the first of ``accept-language`` that the
    console has, else English.
    """
    language = language_named(preferred)
    if language is not None:
        return language
    for entry in accepted.split(","):
        tag = entry.partition(";")[0].strip().lower()
        if tag.startswith("en"):
            return ENGLISH
        if tag in ("zh", "zh-cn", "zh-sg", "zh-hans") or tag.startswith("zh-hans"):
            return LANGUAGES[1]
    return ENGLISH


@contextmanager
def use_language(language: ConsoleLanguage) -> Iterator[None]:
    """Use ``language`` for texts within the context."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def current_language() -> ConsoleLanguage:
    return _language.get()


def locale() -> Locale:
    """The current language as a Babel locale, for dates and numbers."""
    return _locale(current_language().locale)


def gettext(message: str) -> str:
    """``message`` in the current language."""
    return _catalogue(current_language().locale).gettext(message)


def pgettext(context: str, message: str) -> str:
    """``message`` in the current language; ``context`` distinguishes its meanings."""
    return str(_catalogue(current_language().locale).pgettext(context, message))


def ngettext(singular: str, plural: str, n: int) -> str:
    """The form of the message that fits ``n``."""
    return _catalogue(current_language().locale).ngettext(singular, plural, n)


@cache
def _locale(name: str) -> Locale:
    return Locale.parse(name)


@cache
def _catalogue(name: str) -> NullTranslations:
    """The catalogue, compiled from its ``.po`` file on first use: there is no build step."""
    if name == ENGLISH.locale:
        return NullTranslations()
    text = (files(__package__) / "locale" / f"{name}.po").read_bytes()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(text), locale=name))
    compiled.seek(0)
    return Translations(compiled)
