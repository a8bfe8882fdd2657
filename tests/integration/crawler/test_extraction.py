"""Extraction from valid and invalid pages."""

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
found = [vars(extract(base64.b64decode(body), *more)) for body, *more in given]
"""


# a search from each element through all those around it takes minutes
NESTED = "<body><noscript>" + "<x>" * 60_000 + "%s</noscript>"


def extract_all(python: Path, *pages: tuple[str | bytes, ...]) -> list[dict[str, Any]]:
    """Extract pages in one process; a page is a body, the declared charset and the language."""
    arguments = []
    for body, *charset_and_language in pages:
        raw = body.encode() if isinstance(body, str) else body
        arguments.append(
            [base64.b64encode(raw).decode(), "http://site/dir/page", *charset_and_language]
        )
    extracted = evaluate(python, _EXTRACT, arguments)
    assert len(extracted) == len(pages)
    return list(extracted)


def extract(python: Path, body: str | bytes) -> dict[str, Any]:
    return extract_all(python, (body,))[0]


def test_layout_tables_become_text_and_line_breaks_are_kept(python: Path) -> None:
    row = f"<tr><td>&nbsp;</td><td><dl><dt>first</dt><dd>{PROSE}<br>next line</dd></dl></td></tr>"
    page = extract(python, f"<html><body><table>{row}{row}</table></body></html>")
    assert "| --- |" not in page["markdown"]
    assert "\nnext line" in page["text"]


def test_links_are_absolute_distinct_and_in_order(python: Path) -> None:
    anchors = "".join(
        f"<a href='{href}'>x</a>"
        for href in ("b", "/c?q=1&amp;r", "B#top", "b", "HTTP://Other:80/", "javascript:x", "//n/")
    )
    page = extract(python, f"<base href='/other/'><body>{anchors}</body>")
    assert page["links"] == [
        "http://site/other/b", "http://site/c?q=1&r", "http://site/other/B", "http://other/",
        "http://n/",
    ]  # fmt: skip


def test_frames_are_links_unless_they_replace_scripts(python: Path) -> None:
    frames = "<noscript><iframe src='/counter'></iframe></noscript><iframe src='inner'></iframe>"
    page = extract(python, f"<body><a href='/a'>x</a>{frames}<iframe></iframe>")
    assert page["links"] == ["http://site/a", "http://site/dir/inner"]
    assert extract(python, NESTED % ("<iframe src='/counter'></iframe>" * 60_000))["links"] == []
    page = extract(python, "<frameset cols='*,*'><frame src=menu><frame src=/main></frameset>")
    assert page["links"] == ["http://site/dir/menu", "http://site/main"]


def test_a_page_may_lead_to_another_after_a_moment(python: Path) -> None:
    contents = {
        "0;url=/b": "http://site/b",
        " 5.5 ; URL = '/b?x=1;y' ": "http://site/b?x=1;y",
        "0,b": "http://site/dir/b",
        "1 url=http://other/": "http://other/",
        "6; url=/b": None,  # to be read first
        "300": None,
        "0;url=": None,
        "0;url=javascript:x": None,
        ";": None,
        "0;url='/b' more": "http://site/b",
        "0;url='/b": "http://site/b",
        "0;url=''": None,
        f"0;x{' ' * 400_000}x": None,  # a quadratic search takes minutes
    }
    pages = [(f'<meta http-equiv=REFRESH content="{content}">',) for content in contents]
    pages.append(("<noscript><meta http-equiv=refresh content='0;url=/b'></noscript>",))
    pages.append((NESTED % ("<meta http-equiv=refresh content='0;url=/b'>" * 60_000),))
    found = [page["refresh"] for page in extract_all(python, *pages)]
    assert found == [*contents.values(), None, None]


def test_the_language_is_declared_or_detected(python: Path) -> None:
    extracted = extract_all(
        python,
        ("<html lang='pt_BR'><body>x",),
        (f"<body><p>{GERMAN}</p>",),
        ("<body>too short",),
        ("<body>x", "", "fr, en"),
    )
    assert [page["language"] for page in extracted] == ["pt-BR", "de", None, "fr"]


def test_encodings_are_detected(python: Path) -> None:
    russian = "Город лежит между двумя холмами, и большую часть года там ветер. " * 5
    extracted = extract_all(
        python,
        ("<p>Größe".encode("cp1252"), ""),
        ("<p>Größe".encode("cp1252"), "utf-8"),
        ("<p>Größe", "iso-8859-1"),
        ("\ufeff<p>Größe".encode("utf-16-le"), ""),
        ("<meta charset=iso-8859-1><p>Größe".encode("latin-1"), ""),
        ("<p>Größe".encode("utf-16-be"), "utf-16-be"),
        ("<p>Größe", "no-such-charset"),
        (f"<p>{russian}".encode("cp1251"), ""),
    )
    assert [page["text"] for page in extracted] == ["Größe"] * 7 + [russian.strip()]


@pytest.mark.parametrize("share", [0.1, pytest.param(1, marks=pytest.mark.long)])
def test_only_the_beginning_of_a_huge_page_is_read(python: Path, share: float) -> None:
    """With a fraction of the limits, because the full limits take 8 seconds."""
    program = """
from crawler import extract
for name in ("MAX_READ", "MAX_CONTENT"):
    setattr(extract, name, tuple(int(most * given) for most in getattr(extract, name)))
page = extract.extract(b"<p>x" * 700_000, "http://site/")
# not ru_maxrss, which a process inherits from its parent
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
found = [len(page.text), int(peak.split()[1]) // 1024]
"""
    characters, megabytes = evaluate(python, program, share)
    assert characters > 10_000
    assert megabytes < 400


def test_hostile_pages_do_not_crash_the_extraction(python: Path) -> None:
    bodies = [
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
    ]
    extracted = extract_all(python, *((body,) for body in bodies))
    for page in extracted:
        json.dumps(page, ensure_ascii=False).encode()
    assert extracted[2]["text"] == "plain text only"
    assert extracted[9]["text"] == ""
    assert "half" in extracted[10]["text"]
