"""Masks secrets in what a browser did, before it is stored, and adds the answers of sites to their
traffic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fyke.domain.runs.site_sums import sum_sites
from fyke.domain.secrets.masking import Masker
from fyke.model.attempt import OTHER_SITES, SiteTraffic
from fyke.model.browser import (
    MAX_LINE,
    MAX_READ_TEXT,
    MAX_URL,
    OTHER_HOSTS,
    BrowserReport,
    ConsoleLine,
)


def masked_report(report: BrowserReport, masker: Masker) -> BrowserReport:
    """The report without secrets in its texts, each in one line and cut."""
    activity = report.activity
    return replace(
        report,
        activity=replace(
            activity,
            urls=tuple(masked(url, masker, MAX_URL) for url in activity.urls),
            lines=tuple(_masked_line(line, masker) for line in activity.lines),
            sites={},  # they are part of the traffic
        ),
    )


def sites_with_answers(
    sites: Sequence[SiteTraffic], report: BrowserReport | None, masker: Masker
) -> tuple[SiteTraffic, ...]:
    """The traffic with the answers to the browser, by masked host names. A browser asks several
    hosts on one connection, so a site may have answers and no connection of its own.
    """
    answers = report.activity.sites if report is not None else {}
    traffic = [*sites]
    for host, statuses in answers.items():
        name = OTHER_SITES if host == OTHER_HOSTS else host
        traffic.append(SiteTraffic(name, statuses=statuses))
    masked_names = (replace(site, domain=masker.host(site.domain)) for site in traffic)
    return sum_sites((), masked_names)


def _masked_line(line: ConsoleLine, masker: Masker) -> ConsoleLine:
    return replace(
        line,
        text=masked(line.text, masker, MAX_LINE),
        source=masked(line.source, masker, MAX_URL),
    )


def masked(text: str, masker: Masker, most: int, read: int = MAX_READ_TEXT) -> str:
    """A text without secrets, in one line of at most ``most`` characters. The gateway has cut it
    at ``read`` characters.
    """
    shown = masker.host(masker.text(text))
    if len(text) >= read and masker.longest:  # the gateway may have cut a secret
        shown = shown[: max(0, len(shown) - masker.longest + 1)]
    return one_line(shown, most)


def one_line(text: str, most: int) -> str:
    """A text in one line of at most ``most`` characters."""
    return " ".join(text.split())[:most]
