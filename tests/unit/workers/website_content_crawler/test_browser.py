"""Which pages need a browser."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest
from crawler.browser import MIN_TEXT, Browser, _Visit, needs_browser
from crawler.fetch import Answer
from devtools import BrowserEnded, BrowserError, Download, PageCrashed, Refused

PROGRAM = b"<html><script src=x></script>"


@pytest.mark.parametrize(
    ("body", "needed"),
    [
        (PROGRAM, True),
        (b"<SCRIPT>x()</SCRIPT>", True),
        (b"<script type=module src=x>", True),
        (b"<script async type='text/javascript'>", True),
        (b"<script type='application/javascript; charset=utf-8'>", False),
        (b"<script type=application/ld+json>{}</script>", False),
        (b"<script type=application/json>{}</script><script type='text/template'>", False),
        (b"<script type=application/json>{}</script><script>x()</script>", True),
        (b"<p>short</p>", False),
        (b"<scripture>", False),
        pytest.param(b"<script type=a " * 200_000, False, id="tags without an end"),
    ],
)
def test_a_page_with_little_text_and_a_program_needs_one(body: bytes, needed: bool) -> None:
    assert needs_browser(body, "Loading") == needed


def test_a_page_with_text_needs_none() -> None:
    assert needs_browser(PROGRAM, "x" * (MIN_TEXT - 1))
    assert not needs_browser(PROGRAM, "x" * MIN_TEXT)


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (BrowserEnded("x"), True),
        (PageCrashed("x"), False),  # it would crash again
        (Download("x"), False),
        (BrowserError("x"), True),  # no connection
        (Refused("x", by_rule=True), False),
        (Refused("x", by_rule=False), True),
    ],
)
def test_what_may_succeed_later_is_retried(
    monkeypatch: pytest.MonkeyPatch, error: BrowserError, retried: bool
) -> None:
    tab = MagicMock()
    tab.__enter__.return_value.open.side_effect = error
    monkeypatch.setattr("crawler.browser.Tab", lambda *_: tab)
    answer = Browser("ws://127.0.0.1:1", pytest.fail, "", 1.0).get("https://example.com/")
    assert (answer.error.endswith("x"), answer.retry) == (True, retried)


def test_any_error_of_a_page_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.browser.Tab", lambda *_: {}["sessionId"])
    answer = Browser("ws://127.0.0.1:1", pytest.fail, "", 1.0).get("https://example.com/")
    assert answer.error == "the browser could not read it: KeyError: 'sessionId'"
    assert not answer.retry


@pytest.mark.parametrize(("stay", "location"), [(False, "https://a.example/2"), (True, "")])
def test_a_page_that_leads_on_is_the_answer_only_where_it_stays(stay: bool, location: str) -> None:
    answer = Answer("https://a.example/1")
    visit = _Visit(answer, stay)
    assert visit.on_request("https://a.example/1")
    assert not visit.on_request("https://a.example/2")
    assert (answer.location, visit.is_over) == (location, not stay)
