"""Traffic by site is reported when it has changed, seldom, and again when it did not arrive."""

from __future__ import annotations

from fyke.contracts.egress import SiteTraffic
from fyke.runner.site_reports import EVERY_SECONDS, SiteReports


def test_a_change_is_reported_once_and_not_at_once_again() -> None:
    now: list[SiteTraffic] = []
    reports = SiteReports(lambda: tuple(now))
    assert reports.due(0) is None, "nothing yet"
    now.append(SiteTraffic("a.example", requests=1))
    first = reports.due(1)
    assert first == tuple(now)
    reports.confirmed(first)
    now[0] = SiteTraffic("a.example", requests=2)
    assert reports.due(1 + EVERY_SECONDS - 0.1) is None, "too soon"
    second = reports.due(1 + EVERY_SECONDS)
    assert second == tuple(now)
    reports.confirmed(second)
    assert reports.due(100) is None, "unchanged"
    reports.confirmed(None)
    assert reports.due(200) is None


def test_a_report_that_did_not_arrive_is_due_again() -> None:
    reports = SiteReports(lambda: (SiteTraffic("a.example"),))
    lost = reports.due(0)
    assert lost is not None
    assert reports.due(1) is None
    assert reports.due(EVERY_SECONDS) == lost
