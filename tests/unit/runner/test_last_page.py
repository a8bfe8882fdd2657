"""The files of a last page: limits, and secrets that are masked before anything is stored."""

from __future__ import annotations

import json

import pytest

from fyke.domain.secrets.masking import Masker
from fyke.model.browser import ConsoleLevel, ConsoleLine
from fyke.model.last_page import (
    MAX_HTML,
    MAX_READ_HTML,
    MAX_READ_TEXT,
    MAX_TEXT,
    PageFile,
    PageFileKind,
    PageGap,
    SeenRequest,
    TakenPage,
)
from fyke.runner import last_page as module
from fyke.runner.last_page import page_content

SECRET = "correct&horse"
MASKER = Masker({"KEY": SECRET})
SCREENSHOT, HTML, HAR, CONSOLE = PageFileKind


def test_secrets_are_masked_in_all_texts() -> None:
    request = SeenRequest(
        1, "GET", f"https://a.example/?k={SECRET}", "Fetch", 200, request_headers=(("X", SECRET),)
    )
    line = ConsoleLine(1_700_000_000_250, ConsoleLevel.ERROR, f"no {SECRET}\nhere", SECRET)
    content = page_content(
        TakenPage(
            5,
            f"https://a.example/{SECRET}",
            f"Hello {SECRET}",
            b"\xff\xd8\xff" + SECRET.encode(),
            b"<p>correct&amp;horse</p>",
            requests=(request,),
            console=(line,),
        ),
        MASKER,
    )
    page, files = content.page, content.files
    assert (page.at, page.url, page.title) == (5, "https://a.example/***KEY***", "Hello ***KEY***")
    assert files[HTML] == b"<p>***KEY***</p>"
    [entry] = json.loads(files[HAR])["log"]["entries"]
    assert entry["request"]["headers"] == [{"name": "X", "value": "***KEY***"}]
    assert entry["request"]["url"] == "https://a.example/?k=***KEY***"
    assert files[CONSOLE].decode() == (
        "2023-11-14T22:13:20.250+00:00 error no ***KEY*** here (***KEY***)\n"
    )
    assert files[SCREENSHOT].endswith(SECRET.encode())  # a picture cannot be masked
    assert page.files == tuple(PageFile(kind, len(files[kind])) for kind in PageFileKind)


def test_lines_of_a_secret_that_a_form_has_sent_are_masked() -> None:
    secret = "first+line\nsecond/line\n"
    sent = "https://a.example/?key=first%2Bline%0D%0Asecond%2Fline%0D%0A&n=1"
    line = ConsoleLine(1, ConsoleLevel.ERROR, "sent first+line\r\nsecond/line\r\n", sent)
    html = b"<textarea>first+line\nsecond/line\n</textarea><input value='first+line second/line'>"
    request = SeenRequest(1, "GET", sent, "Document", 200)
    taken = TakenPage(5, sent, "", html=html, requests=(request,), console=(line,))
    content = page_content(taken, Masker({"KEY": secret}))
    assert content.page.url == "https://a.example/?key=***KEY***%0D%0A&n=1"
    for kind in (HTML, HAR, CONSOLE):
        assert b"***" in content.files[kind] and b"second" not in content.files[kind], kind


def test_only_what_was_taken_has_a_file() -> None:
    gaps = {SCREENSHOT: PageGap.NO_ANSWER}
    content = page_content(TakenPage(5, html=b"<p>", gaps=gaps), MASKER)
    assert [*content.files] == [HTML] and content.page.gaps == gaps


@pytest.mark.parametrize("is_cut", [False, True])
def test_html_is_cut_between_characters_and_never_shows_a_part_of_a_secret(is_cut: bool) -> None:
    text = "é" * (MAX_HTML // 2 - 4) + SECRET
    content = page_content(TakenPage(5, html=text.encode(), is_cut=is_cut), MASKER)
    html = content.files[HTML].decode()
    assert len(content.files[HTML]) <= MAX_HTML and "correct" not in html
    assert content.page.files == (PageFile(HTML, len(content.files[HTML]), True),)
    # the gateway has cut the secret
    half = b"*" * 100 + SECRET.encode()[:8]
    cut = page_content(TakenPage(5, html=half, is_cut=True), MASKER).files[HTML]
    assert b"correct" not in cut
    assert MAX_READ_HTML - MAX_HTML > 6 * 16 * 1024  # more than any encoding of a secret


def test_texts_that_the_gateway_has_cut_lose_what_may_be_half_a_secret() -> None:
    title = "x" * (MAX_READ_TEXT - 8) + SECRET[:8]
    page = page_content(TakenPage(5, title=title), MASKER).page
    assert page.title == "x" * MAX_TEXT


def test_the_oldest_console_lines_and_requests_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_CONSOLE", 60)
    lines = [ConsoleLine(1_000 * n, ConsoleLevel.INFO, f"line {n}") for n in range(3)]
    request = SeenRequest(1, "GET", "https://a.example/", "Fetch")
    taken = TakenPage(5, console=tuple(lines), requests=(request,), is_partial=True)
    content = page_content(taken, MASKER)
    assert content.files[CONSOLE] == b"1970-01-01T00:00:02.000+00:00 info line 2\n"
    assert [file.truncated for file in content.page.files] == [True, True]
