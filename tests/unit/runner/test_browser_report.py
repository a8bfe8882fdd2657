"""Secrets are masked in what a browser did."""

from __future__ import annotations

from fyke.domain.secrets.masking import Masker
from fyke.model.attempt import OTHER_SITES, SiteTraffic
from fyke.model.browser import (
    MAX_LINE,
    MAX_READ_TEXT,
    OTHER_HOSTS,
    BrowserActivity,
    BrowserReport,
    ConsoleLevel,
    ConsoleLine,
)
from fyke.runner.browser_report import masked_report, sites_with_answers

SECRET = "Hunter2Hunter2"
MASKER = Masker({"TOKEN": SECRET}, {"PROXY_AUTH": "passwordpassword"})


def masked(text: str, masker: Masker = MASKER) -> tuple[str, str, str]:
    """A text after masking as a line, as its source, and as a URL."""
    line = ConsoleLine(1, ConsoleLevel.INFO, text, text)
    report = masked_report(BrowserReport(BrowserActivity(urls=(text,), lines=(line,))), masker)
    [found] = report.activity.lines
    return found.text, found.source, report.activity.urls[0]


def test_secrets_are_masked_in_lines_sources_and_addresses() -> None:
    assert set(masked(f"https://a.example/?key={SECRET}")) == {"https://a.example/?key=***TOKEN***"}
    assert set(masked(f"https://{SECRET.lower()}.example/")) == {"https://***TOKEN***.example/"}
    assert set(masked("x passwordpassword")) == {"x ***PROXY_AUTH***"}


def test_a_text_becomes_one_line_and_is_cut() -> None:
    text, _, _ = masked("TypeError: no\n   at f\tg\r\n")
    assert text == "TypeError: no at f g"
    assert len(masked("x" * MAX_READ_TEXT)[0]) == MAX_LINE


def test_no_part_of_a_secret_remains_where_the_gateway_cut_it() -> None:
    secret = "".join(chr(ord("a") + n % 26) for n in range(700))
    long = Masker({"TOKEN": secret})
    cut = ("https://a.example/" + secret)[:MAX_READ_TEXT]
    assert len(cut) < MAX_READ_TEXT and masked(cut, long)[0] == "https://a.example/***TOKEN***"
    cut = ("x" * 400 + secret)[:MAX_READ_TEXT]
    assert len(cut) == MAX_READ_TEXT
    assert "abcdef" not in masked(cut, long)[0]


def test_numbers_stay() -> None:
    report = BrowserReport(BrowserActivity({"image": 1}, pages=2), starts=3, is_open=True)
    assert masked_report(report, MASKER) == report


def test_answers_to_a_browser_are_part_of_the_traffic_by_site() -> None:
    activity = BrowserActivity(
        sites={
            "a.example": {"200": 3},
            f"{SECRET.lower()}.example": {"403": 1},
            OTHER_HOSTS: {"200": 5},
        }
    )
    report = BrowserReport(activity)
    sites = (SiteTraffic("a.example", 2, 10, 20, statuses={"200": 1, "404": 1}),)
    assert sites_with_answers(sites, report, MASKER) == (
        SiteTraffic("a.example", 2, 10, 20, statuses={"200": 4, "404": 1}),
        SiteTraffic("***TOKEN***.example", statuses={"403": 1}),
        SiteTraffic(OTHER_SITES, statuses={"200": 5}),
    )
    assert sites_with_answers(sites, None, MASKER) == sites
    assert masked_report(report, MASKER).activity.sites == {}
