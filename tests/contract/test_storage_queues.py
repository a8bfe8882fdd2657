"""The contract of the state: which machines get the waiting subtasks of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import ProgrammingError

from fyke.contracts.state import Transaction
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.model.account import Plan
from fyke.model.browser import NO_BROWSER
from fyke.model.placement import ANYTHING, Placement, PoolDemand
from fyke.model.run import Run, RunState
from fyke.model.runner import Capacity, Lease, RunnerInfo
from fyke.reasons import Detail, DetailCode, ReasonCode, reason_with_detail
from fyke.storage.sql.state.check import check
from fyke.storage.sql.state.runs import leases
from support import records
from support.leases import WIDE, leased, seeded
from support.statements import executed

pytestmark = pytest.mark.anyio
State = Any
EU = Placement("eu")
GPU = Placement(labels=(("disk", "ssd"), ("gpu", "yes")))
FAULT = reason_with_detail(ReasonCode.NOT_STARTED, Detail(DetailCode.STORE_AWAY))


async def taken(
    state: State, placement: Placement, room: Capacity = WIDE, node: str = "n1"
) -> list[str]:
    """The runs whose subtasks a runner leases, in order."""

    def lease(tx: Transaction) -> list[Lease]:
        return tx.runs.lease(f"r of {node}", room, 100, node=node, placement=placement)

    return [lease.run.id for lease in await state.write(lease)]


async def ids(state: State, *runs: dict[str, Any]) -> list[str]:
    return [(await seeded(state, **changes)).id for changes in runs]


async def test_a_runner_leases_what_waits_in_its_pool(state: State) -> None:
    first, eu, last = await ids(state, {}, {"pool": "eu"}, {})
    assert await taken(state, EU) == [eu]
    assert await taken(state, EU) == []
    assert await taken(state, ANYTHING) == [first, last]
    stored = await state.read(lambda tx: tx.runs.get(eu))
    assert (stored.pool, stored.pool_asked) == ("eu", False)
    assert check(state.storage.engine) == []


async def test_a_pool_with_a_full_plan_holds_up_no_other_run(state: State) -> None:
    def work(tx: Transaction) -> list[Run]:
        owner, worker = records.seed(tx)
        other, of_other = records.seed(tx)
        tx.accounts.set_plan(owner, Plan.FREE)
        limited = [records.seed_run(tx, owner, worker, pool="eu") for _ in range(3)]
        elsewhere = records.seed_run(tx, owner, worker)
        return [*limited, elsewhere, records.seed_run(tx, other, of_other, pool="eu")]

    first, second, _, _, free = await state.write(work)
    assert await taken(state, EU) == [first.id, second.id, free.id]
    assert await taken(state, ANYTHING) == []


async def test_runs_with_labels_are_for_machines_that_have_all_of_them(state: State) -> None:
    both = {"gpu": "yes", "disk": "ssd"}
    first, plain, one, other = await ids(
        state, {"labels": both}, {}, {"labels": {"gpu": "yes"}}, {"labels": {"gpu": "no"}}
    )
    stored = await state.read(lambda tx: tx.runs.get(first))
    assert stored.labels == both
    assert await taken(state, ANYTHING, replace(WIDE, slots=1)) == [plain]
    assert await taken(state, ANYTHING) == []
    assert await taken(state, GPU) == [first, one]
    assert await taken(state, Placement(labels=(("gpu", "no"),))) == [other]


async def test_the_queue_is_read_again_only_for_labels_that_the_machine_lacks(state: State) -> None:
    async def reads(placement: Placement) -> int:
        with executed() as statements:
            assert len(await taken(state, placement, replace(WIDE, slots=1))) == 1
        return sum("FROM subtasks s" in sql for sql, _ in statements)

    await seeded(state, 2)
    assert await reads(ANYTHING) == 1
    assert await reads(GPU) == 1
    await seeded(state, 2, labels={"gpu": "yes"})
    assert await reads(GPU) == 1
    await seeded(state)
    assert await reads(ANYTHING) == 2


async def test_labels_of_many_runs_are_read_in_one_statement(state: State) -> None:
    """Each run may ask for other ones, that no machine has."""
    for number in range(30):
        await seeded(state, labels={"x": str(number)})
    mine = await seeded(state, labels={"gpu": "yes"})
    for narrow in (replace(WIDE, slots=1), WIDE):
        with executed() as statements:
            assert await taken(state, ANYTHING, narrow) == []
        assert sum("FROM subtasks s" in sql for sql, _ in statements) == 2

        def startable(tx: Transaction, placement: Placement) -> bool:
            return tx.runs.has_startable(None, placement)

        with executed() as statements:
            assert not await state.read(lambda tx: startable(tx, ANYTHING))
        assert sum("FROM subtasks s" in sql for sql, _ in statements) <= 3
    assert await taken(state, GPU) == [mine.id]


async def test_a_runner_without_limits_leases_only_the_operators_workers(state: State) -> None:
    theirs, own = await ids(state, {}, {"operators_worker": True})
    assert await taken(state, Placement(operators_only=True)) == [own]
    assert await taken(state, ANYTHING) == [theirs]


async def test_the_region_of_nodes_is_that_of_their_label(state: State) -> None:
    of_node, any_machine = await ids(
        state, {"region": "DE", "region_of_node": True}, {"region": "DE"}
    )
    assert await taken(state, Placement(labels=(("region", "FR"),))) == [any_machine]
    assert await taken(state, ANYTHING) == []
    assert await taken(state, Placement(labels=(("region", "DE"),))) == [of_node]


@pytest.mark.parametrize(
    ("placement", "startable"),
    [
        (ANYTHING, False),
        (EU, False),
        (GPU, True),
        (replace(GPU, operators_only=True), False),
        (replace(GPU, pool="eu"), False),
    ],
)
async def test_a_run_for_other_machines_does_not_count_as_startable(
    state: State, placement: Placement, startable: bool
) -> None:
    await seeded(state, labels={"gpu": "yes"})
    await seeded(state, labels={"gpu": "no"})
    found = await state.read(lambda tx: tx.runs.has_startable(NO_BROWSER, placement))
    assert found is startable


async def test_subtasks_ahead_are_those_of_the_same_pool(state: State) -> None:
    await seeded(state, 3)
    await seeded(state, 2, pool="eu")
    run = await seeded(state)

    def ahead(tx: Transaction) -> list[int]:
        return [tx.admission.count_ahead(run.id, 9, pool=pool) for pool in ("default", "eu", "us")]

    assert await state.read(ahead) == [3, 2, 0]


# --- what other machines could take -----------------------------------------------------------

OTHER = RunnerInfo("r2", "n2", "full", "", 8, 10_000, 0)
WITH_LABELS = replace(OTHER, labels={"gpu": "yes", "region": "DE"})


@pytest.mark.parametrize(
    ("other", "needs", "left"),
    [
        (replace(OTHER, pool="eu"), {}, False),
        (OTHER, {"labels": {"gpu": "yes"}}, False),
        (WITH_LABELS, {}, True),
        (WITH_LABELS, {"labels": {"gpu": "yes"}}, True),
        (WITH_LABELS, {"labels": {"gpu": "no"}}, False),
        (replace(OTHER, isolation="no-limits"), {}, False),
        (replace(OTHER, isolation="no-limits"), {"operators_worker": True}, True),
        (replace(OTHER, isolation="none"), {"operators_worker": True}, False),
        (OTHER, {"region": "DE", "region_of_node": True}, False),
        (WITH_LABELS, {"region": "DE", "region_of_node": True}, True),
    ],
)
@pytest.mark.parametrize("kind", ["returned", "large"])
async def test_only_machines_that_may_take_a_run_are_waited_for(
    state: State, other: RunnerInfo, needs: dict[str, Any], left: bool, kind: str
) -> None:
    await state.write(lambda tx: tx.runs.put_runner(replace(other, heartbeat_at=tx.now)))
    own = {**(needs.get("labels") or {}), "region": "DE"}
    placement = Placement(labels=tuple(sorted(own.items())))
    if kind == "large":
        run = await seeded(state, cpus=6, **needs)
        room = replace(WIDE, total=(4.0, 2**20))
        assert await taken(state, placement, room) == ([] if left else [run.id])
        return
    run = await seeded(state, **needs)
    now = await state.read(lambda tx: tx.now)

    def give_back(tx: Transaction) -> None:
        [lease] = tx.runs.lease("r1", WIDE, 100, node="n1", placement=placement)
        tx.runs.return_attempt(lease.attempt.key, "away", FAULT, 7, unstarted_only=False)
        tx.runs.return_subtask(run.id, 0, now - 1)

    await state.write(give_back)
    assert await taken(state, placement) == ([] if left else [run.id])


async def test_other_runners_keep_their_pool_and_labels(state: State) -> None:
    info = replace(OTHER, pool="eu", labels={"gpu": "yes"})
    await state.write(lambda tx: tx.runs.put_runner(info))
    assert await state.read(lambda tx: tx.runs.runners(0)) == [info]
    assert await leased(state) == []


# --- spread over the machines of a pool -------------------------------------------------------


async def spread(state: State, node: str, room: Capacity = WIDE, **options: Any) -> int:
    def lease(tx: Transaction) -> list[Lease]:
        return tx.runs.lease(f"r of {node}", room, 100, node=node, spread=True, **options)

    return len(await state.write(lease))


async def active(state: State, *nodes: str, cpus: float = 64, **changes: Any) -> None:
    def put(tx: Transaction) -> None:
        for node in nodes:
            info = RunnerInfo(f"r of {node}", node, "full", "", cpus, 2**20, tx.now)
            tx.runs.put_runner(replace(info, **changes))

    await state.write(put)


async def test_the_machines_of_a_pool_get_equal_shares(state: State) -> None:
    await active(state, "n1", "n2", "n3")
    await seeded(state, 24)
    room = replace(WIDE, slots=16)
    assert [await spread(state, f"n{number}", room) for number in (1, 2, 3, 1, 2, 3)] == [
        *(6, 8, 8),  # the first one sees 16 of them
        *(2, 0, 0),
    ]


async def test_a_busy_machine_takes_at_least_one_and_an_idle_one_the_rest(state: State) -> None:
    await active(state, "n1", "n2")
    await seeded(state, 10)
    assert await spread(state, "n1", replace(WIDE, slots=1)) == 1
    await state.write(lambda tx: tx.runs.drop_runner("r of n2"))
    assert await spread(state, "n1", replace(WIDE, slots=6)) == 6
    await active(state, "n2")
    assert await spread(state, "n1") == 1
    assert await spread(state, "n2") == 2


async def test_of_many_machines_the_next_ones_are_compared(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "COMPARED", 3)
    await active(state, *(f"n{number}" for number in range(6)))
    await seeded(state, 24)
    room = replace(WIDE, slots=16)
    assert [await spread(state, f"n{number}", room) for number in (4, 5, 0, 1)] == [4] * 4
    assert await spread(state, "n2", room) == 4  # of 8, beside one without and two with four


@pytest.mark.parametrize(
    ("changes", "shares"),
    [
        ({}, True),
        ({"cpus": 0.5}, False),  # it has no room
        ({"draining": True}, False),
        ({"pool": "eu"}, False),
        ({"heartbeat_at": 1}, False),
        ({"trouble": Detail(DetailCode.STORE_AWAY)}, False),
    ],
)
async def test_only_machines_with_room_get_a_share(
    state: State, changes: dict[str, Any], shares: bool
) -> None:
    await active(state, "n1")
    await active(state, "n2", **changes)
    await seeded(state, 10)
    assert await spread(state, "n1") == (5 if shares else 10)


async def test_only_machines_with_the_labels_of_a_run_get_a_share(state: State) -> None:
    await active(state, "n1", "n2", labels={"gpu": "yes"})
    await active(state, "n3")
    await seeded(state, 10, labels={"gpu": "yes"})
    assert await spread(state, "n1", placement=Placement(labels=(("gpu", "yes"),))) == 5


async def test_other_runners_are_read_only_to_share_several_subtasks(state: State) -> None:
    async def reads(subtasks: int, *, share: bool) -> int:
        await active(state, "n1")
        await seeded(state, subtasks)
        with executed() as statements:
            taken_now = await (spread(state, "n1") if share else len_taken(state))
        assert taken_now == subtasks
        return sum("FROM runners" in sql or "count(" in sql for sql, _ in statements)

    async def len_taken(state: State) -> int:
        return len(await taken(state, ANYTHING))

    assert await reads(3, share=False) == 0
    assert await reads(1, share=True) == 0
    assert await reads(3, share=True) == 2


async def test_a_report_says_how_many_others_of_the_pool_take_attempts_and_on_how_many_machines(
    state: State,
) -> None:
    info = RunnerInfo("r1", "n1", "full", "", 8, 10_000, 100_000)
    others = [
        replace(info, id="r2"),
        replace(info, id="r3", draining=True),
        replace(info, id="r4", pool="eu"),
        replace(info, id="r5", heartbeat_at=100_000 - RUNNER_SILENCE_MS - 1),
        replace(info, id="r6", heartbeat_at=100_000 - RUNNER_SILENCE_MS),
    ]

    def put(tx: Transaction) -> list[tuple[int, int]]:
        first = tx.runs.put_runner(info)
        for other in others:
            tx.runs.put_runner(other)
        tx.runs.put_runner(replace(info, id="r7", node="n2", draining=True))
        return [first, tx.runs.put_runner(info)]

    assert await state.write(put) == [(0, 0), (2, 1)]  # all but r7 are on the same machine


# --- demand ------------------------------------------------------------------------------------


async def test_the_demand_of_a_pool_is_what_waits_and_what_runs(state: State) -> None:
    browser = {"browser_cpus": 1.0, "browser_memory_mb": 1024}
    await seeded(state, 2, cpus=0.5, memory_mb=512, pool="eu", **browser)
    assert len(await taken(state, EU, replace(WIDE, slots=1))) == 1
    await seeded(state, 3, cpus=2, memory_mb=1024)
    ended = await seeded(state, cpus=4, pool="us", state=RunState.ABORTING)
    [returned] = await state.write(lambda tx: tx.runs.lease("r", replace(WIDE, slots=1), 100))
    now = await state.read(lambda tx: tx.now)

    def give_back(tx: Transaction) -> None:
        key = returned.attempt.key
        tx.runs.return_attempt(key, "away", FAULT, 7, unstarted_only=False)
        tx.runs.return_subtask(key.run_id, key.ordinal, now + 30_000)

    await state.write(give_back)
    assert ended.pool == "us"
    assert await state.read(lambda tx: tx.admission.demand()) == [
        PoolDemand("default", 2, 0, 4.0, 0.0, 2048, 0, 0, 0),
        PoolDemand("eu", 1, 1, 0.5, 0.5, 512, 512, 1, 1),
    ]


async def test_the_query_for_scalers_answers_without_demand_too(state: State) -> None:
    """As the page about nodes advises."""
    await seeded(state, cpus=2, pool="eu")
    query = "SELECT COALESCE(SUM(waiting_cpus + running_cpus), 0) FROM demand WHERE pool = '{}'"
    with state.storage.engine.connect() as connection:
        found = [connection.exec_driver_sql(query.format(pool)).scalar() for pool in ("eu", "us")]
    assert found == [2, 0]


async def test_a_role_may_read_the_view_alone(state: State) -> None:
    """As the page about nodes advises for programs that scale them."""
    if state.storage.engine.dialect.name == "sqlite":
        pytest.skip("a file has no roles")
    await seeded(state, pool="eu")
    with state.storage.engine.connect() as connection:
        for sql in (
            "CREATE ROLE fyke_demand_reader",
            "GRANT SELECT ON demand TO fyke_demand_reader",
            "SET LOCAL ROLE fyke_demand_reader",
        ):
            connection.exec_driver_sql(sql)
        assert connection.exec_driver_sql("SELECT pool FROM demand").scalars().all() == ["eu"]
        with pytest.raises(ProgrammingError, match="permission denied"):
            connection.exec_driver_sql("SELECT * FROM runs")
        connection.rollback()
