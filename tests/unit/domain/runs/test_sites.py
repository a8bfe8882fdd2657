"""Traffic by site: sums within limits, and why a site was refused."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.domain.runs.site_sums import MAX_SITES, sum_sites
from fyke.domain.runs.sites import _lines
from fyke.model.attempt import OTHER_SITES, SiteTraffic
from fyke.model.run import BlockedSite
from fyke.model.statuses import MAX_STATUSES, OTHER_STATUS


def site(domain: str, **counts: Any) -> SiteTraffic:
    return SiteTraffic(domain, **counts)


def test_counters_of_attempts_are_summed_by_domain() -> None:
    one = [site("a.example", requests=1, bytes_up=2, bytes_down=3), site("b.example", refused=1)]
    two = [site("c.example", failures=4), site("a.example", requests=5, bytes_up=6, failures=1)]
    assert sum_sites(one, two) == (
        site("a.example", requests=6, bytes_up=8, bytes_down=3, failures=1),
        site("b.example", refused=1),
        site("c.example", failures=4),
    )


def test_statuses_are_summed_and_those_beyond_twelve_counted_together() -> None:
    many = {str(n): 1 for n in range(200, 200 + MAX_STATUSES)}
    one = site("a.example", statuses={"200": 3}, unseen=1)
    [found] = sum_sites([one], [site("a.example", statuses={**many, "599": 5}, unseen=2)])
    assert found.unseen == 3
    assert found.statuses == {**many, "200": 4, OTHER_STATUS: 5}
    [line] = _lines([found], None, ())
    assert line.answers[0] == ("200", 4)
    assert line.answers[-1] == (OTHER_STATUS, 5)
    [line] = _lines([site("a.example", statuses={"200": 9, "404": 2, "503": 1})], None, ())
    assert line.errors == 3


def test_sites_over_the_limit_are_counted_together_and_nothing_is_lost() -> None:
    first = [site(f"{n}.example", requests=1) for n in range(MAX_SITES)]
    second = [site(f"x{n}.example", requests=1) for n in range(10)]
    other = [site(OTHER_SITES, requests=7), site("3.example", requests=1)]
    found = sum_sites(sum_sites(first, second), other)
    assert len(found) == MAX_SITES + 1
    assert {one.domain: one.requests for one in found}[OTHER_SITES] == 17
    assert sum(one.requests for one in found) == MAX_SITES + 10 + 8
    assert len(sum_sites([site(OTHER_SITES, requests=1)], first)) == MAX_SITES + 1


@pytest.mark.parametrize(
    ("domain", "declared", "why"),
    [
        ("a.example", None, BlockedSite.RULE),
        ("a.example", ("b.example",), BlockedSite.UNDECLARED),
        ("a.example", (), BlockedSite.UNDECLARED),
        ("www.a.example", ("a.example:443",), BlockedSite.RULE),
        ("10.0.0.1", None, BlockedSite.NOT_PUBLIC),
        ("fd00::1", ("a.example",), BlockedSite.NOT_PUBLIC),
        ("8.8.8.8", ("a.example",), BlockedSite.UNDECLARED),
        (OTHER_SITES, ("a.example",), BlockedSite.RULE),
    ],
)
def test_a_refused_site_has_a_block_reason(
    domain: str, declared: tuple[str, ...] | None, why: BlockedSite
) -> None:
    [line] = _lines([site(domain, refused=1)], declared, ())
    assert line.block_reason is why
    [line] = _lines([site(domain, requests=1)], declared, ())
    assert line.block_reason is None


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        (("a.example",), BlockedSite.UNDECLARED),
        (("127.0.0.1",), BlockedSite.NOT_PUBLIC),  # another port than that of the run
        (None, BlockedSite.NOT_PUBLIC),
    ],
)
def test_a_private_address_that_the_run_may_reach_must_be_declared_too(
    declared: tuple[str, ...] | None, why: BlockedSite
) -> None:
    for opened in ("127.0.0.1:8000", "localhost:8000"):
        [line] = _lines([site("127.0.0.1", refused=1)], declared, ("10.0.0.1:1", opened))
        assert line.block_reason is why


def test_a_site_to_which_no_connection_was_made_has_a_reason() -> None:
    [line] = _lines([site("none.example", failures=3)], None, ())
    assert line.block_reason is BlockedSite.UNREACHABLE
    [line] = _lines([site("none.example", failures=3, requests=1)], None, ())
    assert line.block_reason is None
    [line] = _lines([site("none.example", failures=3, refused=1)], None, ())
    assert line.block_reason is BlockedSite.RULE


def test_sites_with_most_traffic_come_first() -> None:
    found = [
        site("b.example", requests=2),
        site("a.example", requests=2),
        site("c.example", bytes_up=1),
        site("d.example", bytes_down=5),
    ]
    order = [line.traffic.domain for line in _lines(found, None, ())]
    assert order == ["d.example", "c.example", "a.example", "b.example"]
