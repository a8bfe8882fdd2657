"""The counters of sites: rows, their limit, and shared memory."""

from __future__ import annotations

import os

import pytest

from fyke.egress import meter
from fyke.egress import site_counters as sites
from fyke.egress.meter import DOWN, UP
from fyke.egress.site_counters import MAX_SITES, SharedSiteCounters, SiteCounters, map_sites
from fyke.model.attempt import OTHER_SITES, SiteTraffic
from fyke.model.statuses import MAX_STATUSES, OTHER_STATUS


def test_hosts_have_rows_in_the_order_of_their_first_connection() -> None:
    counters = SiteCounters()
    first = counters.for_host("b.example")
    first.connected()
    first.cells[UP] += 3
    first.cells[DOWN] += 2**40
    counters.for_host("a.example").failed()
    counters.for_host("b.example").refused()
    assert counters.read() == (
        SiteTraffic("b.example", 1, 3, 2**40, 0, 1),
        SiteTraffic("a.example", failures=1),
    )


def test_hosts_after_the_first_200_share_one_row() -> None:
    counters = SiteCounters()
    for number in range(MAX_SITES + 3):
        counters.for_host(f"{number}.example").connected()
    rows = counters.read()
    assert len(rows) == MAX_SITES + 1
    assert rows[-1] == SiteTraffic(OTHER_SITES, requests=3)
    assert all(row.requests == 1 for row in rows[:-1])


def test_the_longest_name_fits() -> None:
    counters = SiteCounters()
    name = ".".join(["a" * 63] * 3 + ["b" * 61])
    assert len(name) == 253
    counters.for_host(name).connected()
    assert counters.read() == (SiteTraffic(name, requests=1),)


def test_the_next_process_continues_with_the_same_rows() -> None:
    descriptor = meter.make_shared(sites.SHARED_SIZE)
    reader, first = map_sites(descriptor), map_sites(descriptor)
    first.for_host("a.example").connected()
    first.others.connected()
    second = map_sites(descriptor)
    second.for_host("a.example").connected()
    second.for_host("b.example").failed()
    os.close(descriptor)
    assert reader.read() == (
        SiteTraffic("a.example", requests=2),
        SiteTraffic("b.example", failures=1),
        SiteTraffic(OTHER_SITES, requests=1),
    )


def test_answers_are_counted_by_status_and_survive_the_process() -> None:
    descriptor = meter.make_shared(sites.SHARED_SIZE)
    for counters in (map_sites(descriptor), map_sites(descriptor)):
        site = counters.for_host("a.example")
        for status in (200, 200, 429):
            site.answered(status)
    reader = map_sites(descriptor)
    os.close(descriptor)
    assert reader.read() == (SiteTraffic("a.example", statuses={"200": 4, "429": 2}),)


def test_statuses_beyond_twelve_are_counted_together_and_what_is_not_http_as_unseen() -> None:
    counters = SiteCounters()
    site = counters.for_host("a.example")
    for status in (*range(400, 400 + MAX_STATUSES), 500, 501, 400, 0, 99, 600):
        site.answered(status)
    [traffic] = counters.read()
    assert traffic.statuses["400"] == 2
    assert traffic.statuses[OTHER_STATUS] == 2
    assert len(traffic.statuses) == MAX_STATUSES + 1
    assert traffic.unseen == 3


def test_memory_that_is_too_small_is_refused() -> None:
    descriptor = meter.make_shared()
    with pytest.raises(ValueError, match="too small"):
        map_sites(descriptor)
    os.close(descriptor)


def test_the_counters_of_recently_ended_attempts_are_readable() -> None:
    shared = SharedSiteCounters()
    for number in range(300):
        counters = SiteCounters()
        counters.for_host("a.example").connected()
        shared.add(str(number), counters)
        assert shared.read(str(number)) == (SiteTraffic("a.example", requests=1),)
        shared.end(str(number))
    assert shared.read("0") == ()
    assert shared.read("299") == (SiteTraffic("a.example", requests=1),)
    shared.add("never opened", SiteCounters())
    shared.drop("never opened")
    assert shared.read("never opened") == ()
