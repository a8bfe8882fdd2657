"""What an answer to one of many machines costs."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from typing import Any, ClassVar

from fyke.domain.nodes.site_sharing import SitesView, StoredPause, StoredRunner, StoredUse
from fyke.model.sites import MAX_OWN_PAUSES, MAX_PAUSES, MAX_SHARED_SITES, SiteUse

MACHINES = 1000


def view_of(*uses: StoredUse) -> SitesView:
    """Of machines m0, m1, ... with these uses."""
    return SitesView({f"r{n}": StoredRunner(f"m{n}", "", use) for n, use in enumerate(uses)}, 0)


@dataclass
class CountedPause:
    """A ``StoredPause`` that counts how often its end is looked at."""

    site: str
    end: int
    number: int = 1
    status: int = 429
    looks: ClassVar[int] = 0

    @property
    def until(self) -> int:
        CountedPause.looks += 1
        return self.end


def test_sites_that_all_machines_use_are_counted_without_a_copy_of_the_machines() -> None:
    sites = tuple(f"{n}.example" for n in range(MAX_SHARED_SITES))
    view = view_of(*[StoredUse(sites)] * MACHINES)
    use = SiteUse(sites)
    tracemalloc.start()
    try:
        shares = view.shares("r7", use)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert shares.machines == MACHINES
    assert set(shares.sharers.values()) == {MACHINES}
    assert peak < 20_000  # bytes; a set of the machines alone has 32 KiB


def test_a_site_that_many_machines_pause_is_looked_at_once_or_twice() -> None:
    pauses: list[Any] = [CountedPause("x", 1000 + n) for n in range(MACHINES)]
    view = view_of(*(StoredUse(pauses=(pause,)) for pause in pauses))
    last = MACHINES - 1
    for runner, seconds in (("r0", 1 + last / 1000), (f"r{last}", 1 + (last - 1) / 1000)):
        CountedPause.looks = 0
        [told] = view.shares(runner, SiteUse()).pauses
        assert (told.site, told.seconds) == ("x", seconds)  # the last one of another machine
        assert CountedPause.looks <= 4


def test_pauses_of_other_sites_do_not_displace_those_of_the_sites_that_are_used() -> None:
    """A machine that lies may name as many, for as long, as it likes."""
    lies = [
        tuple(StoredPause(f"{machine}-{n}", 10**9) for n in range(MAX_OWN_PAUSES))
        for machine in range(4)
    ]
    honest = StoredUse(pauses=(StoredPause("x", 5000), StoredPause("y", 5000)))
    view = view_of(honest, *(StoredUse(pauses=pauses) for pauses in lies))
    told = view.shares("r1", SiteUse(("y", "x", "z"))).pauses
    assert [pause.site for pause in told[:2]] == ["y", "x"]
    assert len(told) == len({pause.site for pause in told}) == MAX_PAUSES


def test_a_pause_that_is_over_is_not_told() -> None:
    view = view_of(
        StoredUse(pauses=(StoredPause("x", 9000), StoredPause("y", 400))),
        StoredUse(pauses=(StoredPause("x", 500),)),
        StoredUse(pauses=(StoredPause("z", 700),)),
    )
    assert [pause.site for pause in view.shares("r0", SiteUse(("x", "y"))).pauses] == ["x", "z"]
    assert [pause.site for pause in view.shares("r0", SiteUse(("x",)), 600).pauses] == ["z"]
    assert [pause.site for pause in view.shares("r2", SiteUse(("y",)), 600).pauses] == ["x"]
