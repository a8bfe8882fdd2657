"""Sums of HTTP statuses."""

from __future__ import annotations

from fyke.model.browser import MAX_HOSTS, OTHER_HOSTS, BrowserActivity, sum_activities
from fyke.model.statuses import MAX_STATUSES, OTHER_STATUS, sum_statuses


def test_statuses_beyond_twelve_are_counted_together() -> None:
    first = {str(n): 1 for n in range(200, 200 + MAX_STATUSES)}
    assert sum_statuses(first, {"200": 2, "404": 3, OTHER_STATUS: 4}) == {
        **first, "200": 3, OTHER_STATUS: 7,
    }  # fmt: skip
    assert sum_statuses({}, {}) == {}


def test_answers_to_several_browsers_are_summed_by_host() -> None:
    one = BrowserActivity(sites={"a.example": {"200": 1}})
    two = BrowserActivity(sites={"a.example": {"200": 2, "403": 1}, "b.example": {"200": 1}})
    total = sum_activities([one, two])
    assert total.sites == {"a.example": {"200": 3, "403": 1}, "b.example": {"200": 1}}


def test_hosts_beyond_the_limit_are_counted_together() -> None:
    hosts = {f"{n}.example": {"200": 1} for n in range(MAX_HOSTS + 7)}
    total = sum_activities([BrowserActivity(sites=hosts), BrowserActivity(sites=hosts)])
    assert len(total.sites) == MAX_HOSTS + 1
    assert total.sites[OTHER_HOSTS] == {"200": 14}
