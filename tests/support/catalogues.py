"""The texts of the console and of the reasons, and their translations: ``script/translate``."""

from __future__ import annotations

import re
import sys
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

import fyke.console
import fyke.reasons
from fyke.console.texts import ENGLISH, LANGUAGES

CONSOLE = Path(fyke.console.__file__).parent
REASONS = Path(fyke.reasons.__file__).parent
_TEMPLATES = "templates/**.html"
_OPTIONS = {
    "trim_blocks": "true",
    "lstrip_blocks": "true",
    "extensions": "jinja2.ext.do",
    "silent": "false",
    "newstyle_gettext": "true",
}
_PLACE = re.compile(r"%\(\w+\)s|%%")
_HEADER = """\
msgid ""
msgstr ""
"Language: {locale}\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


@cache
def texts() -> Catalog:
    """All texts, each with the files that contain it."""
    catalog = Catalog(charset="utf-8")
    for file, message, comments, context in _occurrences():
        catalog.add(message, locations=[(file, 0)], auto_comments=comments, context=context)
    return catalog


@cache
def _occurrences() -> list[tuple[str, Any, list[str], str | None]]:
    methods = [("**.py", "python"), (_TEMPLATES, "jinja2")]
    return [
        (file, message, comments, context)
        for folder in (CONSOLE, REASONS)
        for file, _line, message, comments, context in extract_from_dir(
            folder, method_map=methods, options_map={_TEMPLATES: _OPTIONS}
        )
    ]


def with_two_plurals() -> list[str]:
    """Texts whose plural is not the same at every place. A catalogue has one translation for a
    singular, so the placeholders of the other plural would be missing.
    """
    plurals: dict[tuple[str, str | None], set[str]] = {}
    for _, message, _, context in _occurrences():
        if isinstance(message, tuple):
            plurals.setdefault((message[0], context), set()).add(message[1])
    return [
        f"{singular}: {' and '.join(sorted(found))}"
        for (singular, _), found in plurals.items()
        if len(found) > 1
    ]


def catalogue(locale: str) -> Catalog:
    return read_po(BytesIO(_file(locale).read_bytes()), locale=locale)


def missing(locale: str) -> list[str]:
    """Texts without a translation, or whose translation has different placeholders."""
    known = catalogue(locale)
    return [
        str(message.id)
        for message in texts()
        if message.id and not _translated(message, known.get(message.id, message.context))
    ]


def _translated(message: Message, translation: Message | None) -> bool:
    """Whether every form has the placeholders of the text, or of its plural."""
    if translation is None or not translation.string:
        return False
    text = message.id[-1] if isinstance(message.id, tuple) else message.id
    string = translation.string
    forms = string if isinstance(string, tuple) else (string,)
    return all(form and _places(form) == _places(text) for form in forms)


def _places(text: str) -> set[str]:
    return set(_PLACE.findall(text))


def update(locale: str) -> None:
    """Update the catalogue of ``locale``, in a stable order."""
    catalog = catalogue(locale)
    catalog.update(texts(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    with _file(locale).open("wb") as file:
        file.write(_HEADER.format(locale=locale).encode())
        write_po(file, catalog, omit_header=True, sort_output=True, no_location=True, width=0)


def _file(locale: str) -> Path:
    return CONSOLE / "locale" / f"{locale}.po"


def main(arguments: list[str]) -> int:
    twice = with_two_plurals()
    for text in twice:
        print(f"two plurals for {text}")
    count = len(twice)
    for language in LANGUAGES:
        if language == ENGLISH:
            continue
        if "--check" not in arguments:
            update(language.locale)
        for text in missing(language.locale):
            count += 1
            print(f"{language.name}: {text}")
    return 1 if count and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
