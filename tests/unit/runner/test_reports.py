"""Counters are reported when they have changed, at intervals, and again until delivered."""

from __future__ import annotations

from fyke.model.attempt import SiteTraffic
from fyke.runner.reports import EVERY_SECONDS, Reports


def test_a_change_is_reported_once_and_not_before_the_interval_is_over() -> None:
    now: list[SiteTraffic] = []
    reports = Reports(lambda: tuple(now), ())
    assert reports.due(0) is None, "nothing yet"
    now.append(SiteTraffic("a.example", requests=1))
    first = reports.due(1)
    assert first == tuple(now)
    reports.confirm(first)
    now[0] = SiteTraffic("a.example", requests=2)
    assert reports.due(1 + EVERY_SECONDS - 0.1) is None, "too soon"
    second = reports.due(1 + EVERY_SECONDS)
    assert second == tuple(now)
    reports.confirm(second)
    assert reports.due(100) is None, "unchanged"
    reports.confirm(None)
    assert reports.due(200) is None


def test_the_last_of_frequent_changes_is_reported() -> None:
    now = [0]
    reports: Reports[int] = Reports(lambda: now[0], 0, 8)
    sent = []
    for second in range(31):
        now[0] = min(second, 25)
        if (report := reports.due(second)) is not None:
            sent.append(report)
            reports.confirm(report)
    assert sent == [1, 9, 17, 25]


def test_an_undelivered_report_is_retried() -> None:
    reports = Reports(lambda: (SiteTraffic("a.example"),), ())
    lost = reports.due(0)
    assert lost is not None
    assert reports.due(1) is None
    assert reports.due(EVERY_SECONDS) == lost
