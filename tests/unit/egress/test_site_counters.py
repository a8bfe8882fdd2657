"""The counters of sites: rows, the bound, and what another process finds."""

from __future__ import annotations

import os

import pytest

from fyke.contracts.egress import OTHER_SITES, SiteTraffic
from fyke.egress import meter
from fyke.egress import site_counters as sites
from fyke.egress.meter import DOWN, UP
from fyke.egress.site_counters import MAX_SITES, SharedSiteCounters, SiteCounters, map_sites


def test_each_host_has_a_row_in_the_order_of_coming() -> None:
    counters = SiteCounters()
    first = counters.of("b.example")
    first.connected()
    first.cells[UP] += 3
    first.cells[DOWN] += 2**40
    counters.of("a.example").failed()
    counters.of("b.example").refused()
    assert counters.read() == (
        SiteTraffic("b.example", 1, 3, 2**40, 0, 1),
        SiteTraffic("a.example", failures=1),
    )


def test_beyond_200_hosts_all_are_others() -> None:
    counters = SiteCounters()
    for number in range(MAX_SITES + 3):
        counters.of(f"{number}.example").connected()
    found = counters.read()
    assert len(found) == MAX_SITES + 1
    assert found[-1] == SiteTraffic(OTHER_SITES, requests=3)
    assert all(site.requests == 1 for site in found[:-1])


def test_the_longest_name_fits() -> None:
    counters = SiteCounters()
    name = ".".join(["a" * 63] * 3 + ["b" * 61])
    assert len(name) == 253
    counters.of(name).connected()
    assert counters.read() == (SiteTraffic(name, requests=1),)


def test_the_next_process_goes_on_with_the_same_rows() -> None:
    descriptor = meter.make_shared(sites.SHARED_SIZE)
    reader, first = map_sites(descriptor), map_sites(descriptor)
    first.of("a.example").connected()
    first.others.connected()
    second = map_sites(descriptor)
    second.of("a.example").connected()
    second.of("b.example").failed()
    os.close(descriptor)
    assert reader.read() == (
        SiteTraffic("a.example", requests=2),
        SiteTraffic("b.example", failures=1),
        SiteTraffic(OTHER_SITES, requests=1),
    )


def test_memory_that_is_too_small_is_refused() -> None:
    descriptor = meter.make_shared()
    with pytest.raises(ValueError, match="too small"):
        map_sites(descriptor)
    os.close(descriptor)


def test_the_counters_of_the_last_attempts_stay_readable() -> None:
    shared = SharedSiteCounters()
    for number in range(300):
        counters = SiteCounters()
        counters.of("a.example").connected()
        shared.add(str(number), counters)
        assert shared.read(str(number)) == (SiteTraffic("a.example", requests=1),)
        shared.end(str(number))
    assert shared.read("0") == ()
    assert shared.read("299") == (SiteTraffic("a.example", requests=1),)
    shared.add("never opened", SiteCounters())
    shared.drop("never opened")
    assert shared.read("never opened") == ()
