"""Which nodes have an environment that is wanted."""

from __future__ import annotations

from fyke.domain.runs.affinity import HOLDERS_FIRST_MS
from fyke.gateway.environment_holders import MAX_WANTED, EnvironmentHolders

LONG = HOLDERS_FIRST_MS / 1000


def test_those_that_have_what_was_wanted_lately() -> None:
    holders: EnvironmentHolders[str] = EnvironmentHolders()
    holders.note("n1", ("a", "b"))
    holders.note("n2", ("b",))
    assert holders.first(0) == set()
    holders.want("a", 0)
    assert holders.first(0) == {"n1"}
    holders.want("b", LONG / 2)
    assert holders.first(LONG / 2) == {"n1", "n2"}
    holders.note("n1", ("a",))
    assert holders.first(LONG) == {"n2"}
    holders.remove("n2")
    assert holders.first(LONG) == set()
    assert holders.first(2 * LONG) == set()
    holders.remove("n1")
    assert (holders._names, holders._nodes, holders._wanted) == ({}, {}, {})


def test_what_is_stored_of_wanted_environments_is_bounded() -> None:
    holders: EnvironmentHolders[str] = EnvironmentHolders()
    holders.note("early", ("0",))
    holders.note("late", (str(MAX_WANTED),))
    for number in range(MAX_WANTED + 1):
        holders.want(str(number), 0)
    assert len(holders._wanted) == MAX_WANTED
    assert holders.first(0) == {"late"}
