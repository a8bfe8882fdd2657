"""What a runner leaves to machines that have the environment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest

from fyke.domain.runs.affinity import HOLDERS_FIRST_MS, HoldersFirst, share_of_holders
from fyke.model.run import Run
from fyke.model.runner import RunnerInfo, RunnerLoad, load_of
from support import records

NOW = 1_000_000
HOLDER = RunnerInfo("h", "n2", "full", "", 4, 4096, NOW, environments=("other", "env"))


@dataclass(frozen=True)
class Item:
    run: Run
    ordinal: int = 0
    environment: str = "env"
    ready_at: int = NOW - 10

    @property
    def run_id(self) -> str:
        return self.run.id

    @property
    def key(self) -> tuple[str, int]:
        return self.run_id, self.ordinal

    @property
    def load(self) -> RunnerLoad:
        return load_of(self.run.limits)


@dataclass
class Facts:
    """The other runners, and which of this was read."""

    machines: list[RunnerInfo]
    known: dict[str, Run] = field(default_factory=dict)
    loads: dict[str, RunnerLoad] = field(default_factory=dict)
    reads: int = 0

    @property
    def others(self) -> list[RunnerInfo]:
        self.reads += 1
        return self.machines

    def runs(self, ids: Iterable[str]) -> dict[str, Run]:
        return {run_id: self.known[run_id] for run_id in ids}


def left(items: list[Item], facts: Facts, held: tuple[str, ...] = ()) -> tuple[list[int], int]:
    """The places of the subtasks that are left, and after how long the first is for all."""
    facts.known = {item.run_id: item.run for item in items}
    holders = HoldersFirst("r", held, NOW, facts)
    keys = holders.leave(items)
    return [n for n, item in enumerate(items) if item.key in keys], holders.left_ms


def run(**changes: object) -> Run:
    return records.run("A", "W", **changes)


def test_a_new_subtask_is_left_to_a_machine_with_its_environment() -> None:
    assert left([Item(run())], Facts([HOLDER])) == ([0], HOLDERS_FIRST_MS - 10)


@pytest.mark.parametrize(
    "change",
    [
        {"environment": ""},
        {"environment": "unknown"},
        {"ready_at": NOW - HOLDERS_FIRST_MS},
        {"ready_at": NOW + 1},  # the clock was set back
    ],
    ids=str,
)
def test_other_subtasks_are_for_all(change: dict[str, object]) -> None:
    assert left([replace(Item(run()), **change)], Facts([HOLDER])) == ([], 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("machine", "needs"),
    [
        (replace(HOLDER, environments=()), {}),
        (HOLDER, {"labels": {"gpu": "yes"}}),
        (HOLDER, {"cpus": 5.0}),
        (HOLDER, {"region": "DE", "region_of_node": True}),
        (HOLDER, {"browser_required": True}),
        (replace(HOLDER, isolation="no-limits"), {}),
        (replace(HOLDER, pool="eu"), {}),
    ],
    ids=str,
)
def test_nothing_is_left_to_machines_that_cannot_take_it(
    machine: RunnerInfo, needs: dict[str, object]
) -> None:
    assert left([Item(run(**needs))], Facts([machine])) == ([], 0)


def test_nothing_is_left_to_machines_without_room() -> None:
    facts = Facts([HOLDER], loads={"h": RunnerLoad("h", 3.5, 512, attempts=1)})
    assert left([Item(run(cpus=1.0))], facts) == ([], 0)
    assert left([Item(run(cpus=0.5))], facts)[0] == [0]


def test_nothing_is_read_for_environments_that_the_machine_has() -> None:
    facts = Facts([HOLDER])
    assert left([Item(run()), Item(run(), environment="")], facts, ("env",)) == ([], 0)
    assert facts.reads == 0


def test_a_large_run_is_left_only_in_part() -> None:
    """The machine with the environment gets its share, and the others theirs at once."""
    large = run(cpus=0.1)
    items = [Item(large, ordinal) for ordinal in range(24)]
    idle = RunnerInfo("i", "n3", "full", "", 4, 2**20, NOW)
    wide = replace(HOLDER, memory_mb=2**20)
    assert left(items, Facts([wide, idle]))[0] == [*range(8)]
    busy = {"h": RunnerLoad("h", 1, 512, attempts=7)}
    assert left(items, Facts([wide, idle], loads=busy))[0] == [*range(4)]


def test_runs_with_one_environment_share_what_is_left() -> None:
    items = [Item(run(cpus=0.1)) for _ in range(6)]
    assert left(items, Facts([HOLDER]))[0] == [0, 1, 2]


def test_the_first_that_is_for_all_decides_when_to_ask_again() -> None:
    items = [Item(run(), ready_at=NOW - 10), Item(run(), environment="other", ready_at=NOW - 900)]
    assert left(items, Facts([HOLDER])) == ([0, 1], 100)


@pytest.mark.parametrize(
    ("waiting", "own", "others", "holders", "expected"),
    [
        (1, 0, {"a": 0}, "a", 1),
        (1, 0, {"a": 5}, "a", 1),  # the busier one, as long as it has room
        (24, 0, {"a": 0, "b": 0}, "a", 8),
        (24, 0, {"a": 0, "b": 0}, "ab", 16),
        (4, 10, {"a": 0}, "a", 7),
    ],
)
def test_holders_get_at_least_one_and_at_most_their_share(
    waiting: int, own: int, others: dict[str, int], holders: str, expected: int
) -> None:
    loads = [RunnerLoad(name, attempts=count) for name, count in others.items()]
    assert share_of_holders(waiting, own, loads, frozenset(holders)) == expected
