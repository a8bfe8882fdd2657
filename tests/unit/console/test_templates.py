"""Templates contain only translatable texts, and nothing that the content policy forbids."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import Environment

import fyke.console

FOLDER = Path(fyke.console.__file__).parent / "templates"
TEMPLATES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.html"))

# Names, units and words of a protocol, which are the same in every language.
NAMES = frozenset(
    """
    API CHANGELOG CPU CSV Ctrl DELETE Enter Fyke GB GET Git Go HTTP HTTPS JSON Java KeyError MB
    Markdown Node OpenAPI PATCH PHP POST PUT Postman Python README SDK SSH Swagger TXT UI URL USD
    XLSX ZIP cron curl http https id input js json kB llms md ms name narrow null output owner
    schema txt xlsx
    """.split()  # noqa: SIM905 - a list of one word a line would hide the rest
)
_UNTRANSLATED = re.compile(r"<(code|kbd|svg|pre)[ >].*?</\1>", re.S)
_ATTRIBUTE_TEXT = re.compile(r'\b(?:aria-label|title|placeholder|alt)="([^"{]*)"')


def bare(template: str) -> str:
    """The text of the template outside of Jinja's tags, which become a space."""
    source = (FOLDER / template).read_text(encoding="utf-8")
    for other in (
        r"{#.*?#}",
        r"{% trans.*?{% endtrans %}",
        r"{% block \w+_(class|more) %}.*?{% endblock %}",
    ):
        source = re.sub(other, " ", source, flags=re.S)
    environment = Environment(extensions=["jinja2.ext.i18n", "jinja2.ext.do"])
    return "".join(
        text if kind == "data" else " \x00 " if kind.endswith("_begin") else ""
        for _, kind, text in environment.lex(source)
        if kind not in ("comment", "comment_begin", "comment_end")
    )


def words(text: str) -> list[str]:
    return [item for item in re.findall(r"[A-Za-z][A-Za-z]+", text) if item not in NAMES]


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_text_is_translatable(template: str) -> None:
    if template == "base.html":
        return
    text = bare(template)
    in_attributes = [word for value in _ATTRIBUTE_TEXT.findall(text) for word in words(value)]
    shown = _UNTRANSLATED.sub(" ", text)
    shown = re.sub(r"<!--.*?-->|<[^>]*>", " ", shown, flags=re.S)
    shown = re.sub(r"&\w+;|[\w-]+=\"[^\"]*\"", " ", shown)  # a macro may write an attribute
    assert in_attributes + words(shown) == []


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_template_violates_the_content_policy(template: str) -> None:
    source = (FOLDER / template).read_text(encoding="utf-8")
    for banned in (
        "hx-on",
        "js:",
        "javascript:",
        "<style",
        " style=",
        "onclick",
        "onload=",
        "|safe",
        "| safe",
    ):
        assert banned not in source, banned
    assert not re.search(r"<script(?![^>]*\bsrc=)", source)


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_line_is_too_long(template: str) -> None:
    one_text = re.compile(r'{{ _\("(?:[^"\\]|\\.)*"\) }}')  # a text may be longer
    lines = one_text.sub("", (FOLDER / template).read_text(encoding="utf-8")).splitlines()
    assert [line for line in lines if len(line) > 200] == []


@pytest.mark.parametrize("template", TEMPLATES)
def test_password_fields_are_masked_and_filled_by_password_managers(template: str) -> None:
    source = (FOLDER / template).read_text(encoding="utf-8")
    for field in re.findall(r"<input[^>]*name=\"(?:password|old|new)\"[^>]*>", source):
        raise AssertionError(f"use the macro of parts/problems.html: {field}")
    for field in re.findall(r"<input[^>]*type=\"password\"[^>]*>", source, re.S):
        assert "autocomplete=" in field, field
    for call in re.findall(r"\bpassword\(\"\w+\", [^}]{1,80}", source):
        assert re.search(r"\"(current|new)-password\"", call), call
