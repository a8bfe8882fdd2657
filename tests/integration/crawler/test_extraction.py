"""What is read out of pages as they are written, and as nobody should write them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from support.crawled_site import GERMAN, PROSE
from support.crawler import evaluate

_EXTRACT = """
import base64
from crawler.extract import extract
found = vars(extract(base64.b64decode(given.pop(0)), *given))
"""


def extract(python: Path, body: str | bytes, *more: str) -> dict[str, Any]:
    raw = body.encode() if isinstance(body, str) else body
    given = [base64.b64encode(raw).decode(), "http://site/dir/page", *more]
    found = evaluate(python, _EXTRACT, given)
    assert isinstance(found, dict)
    return found


def test_layout_tables_are_unfolded_and_lines_kept(python: Path) -> None:
    row = f"<tr><td>&nbsp;</td><td><dl><dt>first</dt><dd>{PROSE}<br>next line</dd></dl></td></tr>"
    found = extract(python, f"<html><body><table>{row}{row}</table></body></html>")
    assert "| --- |" not in found["markdown"]
    assert "\nnext line" in found["text"]


def test_links_are_absolute_once_and_in_order(python: Path) -> None:
    anchors = "".join(
        f"<a href='{href}'>x</a>"
        for href in ("b", "/c?q=1&amp;r", "B#top", "b", "HTTP://Other:80/", "javascript:x", "//n/")
    )
    found = extract(python, f"<base href='/other/'><body>{anchors}</body>")
    assert found["links"] == [
        "http://site/other/b", "http://site/c?q=1&r", "http://site/other/B", "http://other/",
        "http://n/",
    ]  # fmt: skip


def test_language_is_declared_or_recognised(python: Path) -> None:
    assert extract(python, "<html lang='pt_BR'><body>x")["language"] == "pt-BR"
    assert extract(python, f"<body><p>{GERMAN}</p>")["language"] == "de"
    assert extract(python, "<body>too short")["language"] is None
    assert extract(python, "<body>x", "", "fr, en")["language"] == "fr"


@pytest.mark.parametrize(
    ("body", "declared"),
    [
        ("<p>Größe".encode("cp1252"), ""),
        ("<p>Größe".encode("cp1252"), "utf-8"),
        ("<p>Größe".encode(), "iso-8859-1"),
        ("\ufeff<p>Größe".encode("utf-16-le"), ""),
        ("<meta charset=iso-8859-1><p>Größe".encode("latin-1"), ""),
        ("<p>Größe".encode("utf-16-be"), "utf-16-be"),
        ("<p>Größe".encode(), "no-such-charset"),
    ],
    ids=["plain", "not-utf-8", "not-latin", "mark", "meta", "wide", "unknown"],
)
def test_encodings(python: Path, body: bytes, declared: str) -> None:
    assert extract(python, body, declared)["text"] == "Größe"


def test_a_longer_text_without_a_word_about_its_encoding(python: Path) -> None:
    russian = "Город лежит между двумя холмами, и большую часть года там ветер. " * 5
    assert extract(python, f"<p>{russian}".encode("cp1251"))["text"] == russian.strip()


def test_of_a_page_made_to_fill_memory_only_the_beginning_is_read(python: Path) -> None:
    program = """
import resource
from crawler.extract import extract
page = extract(b"<p>x" * 2_500_000, "http://site/")
found = [len(page.text), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024]
"""
    characters, megabytes = evaluate(python, program, None)
    assert characters > 10_000
    assert megabytes < 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\x01\x02",
        b"plain text only",
        b"<div>" * 5000 + b"deep" + b"</div>" * 5000,
        b"<table><tr><td>x" * 20_000,
        b"<nav><footer><header><aside>x" * 500,
        b"<body>" + b"<a href='javascript:x'>x</a><img src='data:x'>" * 15_000,
        b"<a href='http://[::'>x</a><img src='http://[::'><base href='http://[::'>broken",
        b"<html>" + b"<p>x</p>" * 10_000,
        b"<body><script>only()</script>",
        "<p>\ud800 half</p>".encode("utf-8", "surrogatepass"),
    ],
    ids=[
        "nothing",
        "zeros",
        "text",
        "deep",
        "tables",
        "nested-noise",
        "no-links",
        "addresses",
        "long",
        "script",
        "surrogate",
    ],
)
def test_hostile_pages_are_survived(python: Path, body: bytes) -> None:
    found = extract(python, body)
    assert isinstance(found["text"], str)
    json.dumps(found, ensure_ascii=False).encode()
