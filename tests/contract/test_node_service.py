"""What an installation does for a runner, over the stores of both databases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.signals import SITES, STOP, WORK
from fyke.contracts.state import Transaction
from fyke.domain.nodes.reminder import LeaseReminder
from fyke.domain.nodes.service import NodeService, NodeStores, RunnerName
from fyke.domain.nodes.settings_versions import sealed
from fyke.domain.nodes.site_sharing import SiteExchange
from fyke.domain.runs import affinity
from fyke.domain.runs.traces import traceparent
from fyke.domain.secrets.inject import secret_location
from fyke.errors import Conflict, Forbidden, InvalidRequest, NotStorable, StaleLease
from fyke.kit.clock import ManualClock
from fyke.kit.sealing import Sealer
from fyke.model.attempt import AfterAttempt, AttemptEnd, AttemptReport
from fyke.model.billing import Prices
from fyke.model.log import LogType, NewLogEntry
from fyke.model.node import (
    ContactState,
    EgressPolicy,
    NodeState,
    OrderedWorker,
    Registered,
    RunnableVersion,
)
from fyke.model.node_registry import Node
from fyke.model.results import AttemptBatch, PushedRow, RunTotals
from fyke.model.run import (
    SUCCESS,
    AttemptKey,
    Outcome,
    Run,
    RunLimits,
    RunState,
    SpendingBound,
)
from fyke.model.runner import AttemptUsage, Capacity, RunnerInfo
from fyke.model.secret import SealedSecret
from fyke.model.settings_version import SettingsVersion
from fyke.model.sites import SiteShares, SiteUse
from fyke.model.trace import RunTrace
from fyke.model.worker import EnvironmentState, VersionEnvironment
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode
from fyke.storage.blobs.filesystem import FilesystemBlobs
from support.given_signals import GivenSignals
from support.records import account, seed_run, version, worker
from support.run_endings import CALLBACK, Setup
from support.statements import executed

pytestmark = pytest.mark.anyio
ROOM = Capacity(cpus=100, memory_mb=10**6, slots=100)
INFO = RunnerInfo("", "", "full", "", 2, 1024, 0)
AWAY = Detail(DetailCode.STORE_AWAY)
ENDED = AttemptEnd(SUCCESS, AttemptUsage(cpu_ms=7))
NOW = 1_700_000_000_000


@dataclass
class Place:
    """An installation, and the runners that it serves."""

    setup: Setup
    stores: NodeStores

    def service(
        self, runner_id: str = "r1", place: str = "here", node: str = "n", *, joined: bool = False
    ) -> NodeService:
        return NodeService(RunnerName(runner_id, node, place), self.stores, joined=joined)

    async def publish(self) -> tuple[Any, Any]:
        """A Worker of a new account, and its version."""
        owner = account()
        made = worker(owner.id)
        published = version(made.id)

        def work(tx: Transaction) -> None:
            tx.accounts.add(owner)
            tx.workers.add(made)
            tx.workers.add_version(published)

        await self.setup.storage.write(work)
        return made, published

    async def run(self, parts: int = 1, number: str = "1.0.0", **changes: Any) -> Run:
        made, _ = await self.publish()

        def work(tx: Transaction) -> Run:
            return seed_run(
                tx,
                made.account_id,
                made.id,
                parts,
                version=number,
                callback_url=CALLBACK,
                **changes,
            )

        run: Run = await self.setup.storage.write(work)
        return run

    async def log(self, run: Run) -> list[str]:
        return [line.content for line in await self.stores.results.log_tail(run.id, 100)]

    async def active(self, runner_id: str) -> list[str]:
        found = await self.setup.storage.read(lambda tx: tx.runs.active_attempts(runner_id))
        return [attempt.id for attempt in found]


@pytest.fixture
def place(setup: Setup, tmp_path: Path) -> Place:
    silent: Any = None
    blobs = FilesystemBlobs(tmp_path / "blobs", durable=False)
    stores = NodeStores(
        setup.storage,
        setup.results,
        blobs,
        silent,
        setup.rules,
        Sealer(b"master"),
        ManualClock(NOW),
        15.0,
        SiteExchange(setup.storage),
    )
    return Place(setup, stores)


async def leased(place: Place, parts: int = 1) -> tuple[NodeService, Run, list[AttemptKey]]:
    service, run = place.service(), await place.run(parts)
    return service, run, [order.key for order in await service.lease(ROOM, idle=True)]


# --- orders ------------------------------------------------------------------------------------


async def test_an_order_has_all_that_a_runner_needs(place: Place) -> None:
    made, published = await place.publish()
    known = VersionEnvironment(published.id, EnvironmentState.READY)

    def work(tx: Transaction) -> Run:
        tx.environments.put(known)
        return seed_run(tx, made.account_id, made.id, version=published.number, region="DE")

    run: Run = await place.setup.storage.write(work)
    [order] = await place.service().lease(ROOM, idle=True)
    subtask = (await place.setup.storage.read(lambda tx: tx.runs.subtasks(run.id)))[0]
    assert (order.key.run_id, order.key.number) == (run.id, subtask.number)
    assert (order.input_json, order.limits, order.region) == (subtask.input_json, run.limits, "DE")
    assert order.version == RunnableVersion.of(published)
    assert order.worker == OrderedWorker.of(made, is_operators=False)
    assert (order.environment, order.is_empty, order.run_subtasks) == (known, True, 1)


async def test_a_worker_is_given_the_trace_of_its_run(place: Place) -> None:
    run = await place.run(2)
    trace = RunTrace(run.id, "0af7651916cd43dd8448eb211c80319c")
    await place.setup.storage.write(lambda tx: tx.traces.add(trace))
    place = Place(place.setup, replace(place.stores, traces=True))
    first, second = await place.service().lease(ROOM, idle=True)
    assert first.traceparent == traceparent(trace, first.key.id)
    assert second.traceparent not in ("", first.traceparent)
    await place.run()
    [without] = await place.service().lease(ROOM, idle=True)
    assert without.traceparent == ""


async def test_a_run_of_several_subtasks_may_have_rows(place: Place) -> None:
    run = await place.run(2)
    orders = await place.service().lease(ROOM, idle=True)
    assert [(order.is_empty, order.key.run_id) for order in orders] == [(False, run.id)] * 2


async def test_an_attempt_without_its_version_ends_and_the_others_are_leased(place: Place) -> None:
    gone, there = await place.run(number="9.9.9"), await place.run()
    service = place.service()
    [order] = await service.lease(ROOM, idle=True)
    assert order.key.run_id == there.id
    assert not service.saw_all  # there may be more
    ended = await place.setup.stored(gone)
    assert (ended.state, ended.reason) == (RunState.FAILED, Reason(ReasonCode.VERSION_MISSING))


async def test_the_last_order_says_whether_nothing_else_fits(place: Place) -> None:
    service = place.service()
    await place.run(3)
    for slots, lasts in ((1, [False]), (2, [False, False]), (9, [])):  # by the places, not the room
        orders = await service.lease(replace(ROOM, slots=slots), idle=False)
        assert [order.is_last for order in orders] == lasts
        assert service.left_none is (not lasts)
    run = await place.run(3)
    orders = await service.lease(ROOM, idle=False)
    assert [order.is_last for order in orders] == [False, False, True]
    assert service.left_none
    await place.run(3)
    room = replace(ROOM, cpus=2.5 * run.limits.cpus)
    assert [order.is_last for order in await service.lease(room, idle=False)] == [False, True]
    assert not service.left_none
    assert await service.lease(replace(room, cpus=0.0), idle=False) == []
    assert not service.left_none


async def test_what_needs_a_place_for_a_browser_is_left_by_a_lease_without_one(
    place: Place,
) -> None:
    service = place.service()
    limits = replace(RunLimits(0.125, 512, 1800, 0, 0), browser_cpus=1.0, browser_memory_mb=512)
    room = replace(ROOM, browser_ready=True, browsers=0)
    await place.run(limits=limits)
    assert await service.lease(room, idle=False) == []
    assert not service.left_none
    await place.run()
    [order] = await service.lease(room, idle=False)
    assert order.is_last and not service.left_none
    [order] = await service.lease(replace(room, browsers=2), idle=False)
    assert order.is_last and service.left_none


async def test_what_only_a_larger_machine_should_take_is_left(place: Place) -> None:
    small = place.service()
    await small.register(INFO)
    await place.service("r2", "there", "n2").register(replace(INFO, cpus=8, memory_mb=8192))
    await place.run(limits=RunLimits(4.0, 4096, 1800, 0, 0))
    room = Capacity(2, 1024, 4, total=(2, 1024))
    assert await small.lease(room, idle=True) == []
    assert not small.left_none


async def test_an_empty_queue_is_read_once(place: Place) -> None:
    service = place.service()
    await service.register(INFO)
    with executed() as statements:
        assert await service.lease(ROOM, idle=True) == []
    assert sum("FROM subtasks" in sql for sql, _ in statements) == 1
    assert service.saw_all and service.left_none


async def test_a_runner_knows_the_attempts_of_a_lease_without_an_answer(place: Place) -> None:
    service, _, keys = await leased(place, 2)
    assert sorted(await place.service().active(), key=lambda key: key.id) == sorted(
        keys, key=lambda key: key.id
    )
    assert await place.service("r2").active() == []
    for key in keys:
        after = await place.service().give_back(key, AWAY, unstarted_only=True)
        assert after == AfterAttempt(is_run_over=False, pause_ms=1000)
    assert await service.active() == []


# --- start -------------------------------------------------------------------------------------


async def test_a_start_returns_the_secrets_of_the_account(place: Place) -> None:
    service, run, [key] = await leased(place)
    name = SealedSecret(run.account_id, run.worker_id, "TOKEN", "k", "", "me", 1)
    sealed = place.stores.sealer.seal(secret_location(name), "hunter2")
    secret = replace(name, sealed=sealed)
    await place.setup.storage.write(lambda tx: tx.secrets.put(secret))
    for runner in (service, place.service()):  # also from another process, and again
        assert (await runner.start(key)).environment == {"TOKEN": "hunter2"}


@pytest.mark.parametrize(
    "lie", [{"token": 99}, {"run_id": "another"}, {"id": "another"}], ids=["token", "run", "id"]
)
async def test_other_attempts_are_not_started_ended_or_closed(
    place: Place, lie: dict[str, Any]
) -> None:
    service, run, [key] = await leased(place)
    await service.start(key)
    wrong = replace(key, **lie)
    for other, asked in ((service, wrong), (place.service("r2"), key)):
        with pytest.raises(StaleLease):
            await other.start(asked)
        with pytest.raises(StaleLease):
            await other.note_environment(asked, None, None)
        assert await other.end(asked, ENDED) is None
        assert await other.give_back(asked, AWAY) is None
    assert await service.rows.commit([AttemptBatch(run.id, key.id, [PushedRow(b"{}")])]) == [True]
    other = AttemptBatch(run.id, key.id, [PushedRow(b"{}")])
    assert await place.service("r2").rows.commit([other]) == [False]
    assert await place.log(run) == []
    if "run_id" not in lie:  # the gateway takes that from the lease
        orders = await service.report([AttemptReport(wrong, AttemptUsage())])
        assert orders.lost == {wrong.id}


# --- ends --------------------------------------------------------------------------------------


async def test_the_last_line_of_a_run_is_written_once(place: Place) -> None:
    service, run, keys = await leased(place, 2)
    for key in keys:
        await service.start(key)
        await service.rows.commit([AttemptBatch(run.id, key.id, [PushedRow(b"{}")], number=1)])
    assert await service.end(keys[0], ENDED) == AfterAttempt(is_run_over=False)
    assert await place.log(run) == []
    for again in (service, service, place.service()):  # the answer was lost
        assert await again.end(keys[1], ENDED) == AfterAttempt(is_run_over=True)
    lines = await place.log(run)
    assert len(lines) == 1 and "All subtasks have completed execution!" in lines[0]
    now = await place.setup.check_ended_once(run)
    assert (now.state, now.results) == (RunState.SUCCEEDED, 2)
    assert await service.rows.commit([AttemptBatch(run.id, keys[1].id, [PushedRow(b"{}")])]) == [
        False
    ]


async def test_a_return_is_said_once_in_the_log(place: Place) -> None:
    service, run, [key] = await leased(place)
    line = NewLogEntry(LogType.INFO, key.number, "preparing", NOW)
    await service.rows.commit([AttemptBatch(run.id, key.id, log=[line], number=1)])
    for again in (service, service, place.service()):
        after = await again.give_back(key, AWAY)
        assert after is not None and not after.is_run_over
    lines = await place.log(run)
    assert lines[0] == "preparing" and len(lines) == 2
    assert "The Worker could not be started: " in lines[1]
    assert lines[1].endswith("(attempt 1; tried again in 1 s)")
    assert await service.end(key, ENDED) is None
    assert (await place.setup.stored(run)).state is RunState.READY


async def test_a_line_that_is_refused_does_not_keep_an_attempt_from_being_returned(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, run, [key] = await leased(place)

    async def refuse(_: object) -> list[bool]:
        raise NotStorable

    monkeypatch.setattr(service.rows, "commit", refuse)
    assert await service.give_back(key, AWAY) == AfterAttempt(is_run_over=False, pause_ms=1000)
    assert (await place.setup.stored(run)).state is RunState.READY


async def test_an_unstarted_attempt_is_returned_and_a_started_one_is_not(place: Place) -> None:
    service, _, (first, second) = await leased(place, 2)
    await service.start(first)
    assert await service.give_back(first, AWAY, unstarted_only=True) is None
    assert await service.give_back(second, AWAY, unstarted_only=True) is not None
    assert await place.active("r1") == [first.id]


async def test_the_rows_of_a_run_are_counted_over_its_attempts(place: Place) -> None:
    service, run, keys = await leased(place, 2)
    for key in keys:
        await service.rows.commit([AttemptBatch(run.id, key.id, [PushedRow(b'{"n":1}')], number=1)])
    assert await service.rows.totals(run.id) == RunTotals(2, 14)
    assert await service.rows.close(keys[0].id) == 1


async def test_rows_of_an_attempt_that_is_not_open_have_to_be_committed(place: Place) -> None:
    """It was opened by another process of the installation."""
    service, run, [key] = await leased(place)
    batch = AttemptBatch(run.id, key.id, [PushedRow(b"{}")], number=1)
    assert await service.rows.append(batch) is None
    assert await service.rows.commit([batch]) == [True]
    assert await service.rows.totals(run.id) == RunTotals(1, 2)


async def test_an_ended_attempt_of_a_deleted_run_brings_nothing_back(place: Place) -> None:
    service, run, [key] = await leased(place)
    batch = AttemptBatch(run.id, key.id, [PushedRow(b"{}")], number=1)
    assert await service.rows.commit([batch]) == [True]
    assert await service.end(key, ENDED) is not None
    await place.stores.results.delete_run(run.id)
    for again in (service, place.service()):
        assert await again.rows.commit([replace(batch, number=2)]) == [False]
        assert await again.end(key, ENDED) is not None
        assert await again.give_back(key, AWAY) is None
    assert await service.rows.totals(run.id) == RunTotals(0, 0)
    assert await place.log(run) == []


async def test_a_repeated_end_closes_no_rows(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """That would make a runner beside the server look whether its own are closed."""
    service, _, (first, second) = await leased(place, 2)
    await service.end(first, ENDED)
    await service.give_back(second, AWAY)

    async def close(_attempt_id: str) -> int:
        raise AssertionError

    monkeypatch.setattr(place.stores.results, "close_attempt", close)
    assert await service.end(first, ENDED) == AfterAttempt(is_run_over=False)
    assert await service.give_back(second, AWAY) == AfterAttempt(is_run_over=False, pause_ms=1000)


async def test_a_limit_ends_the_run(place: Place) -> None:
    service, run, (first, second) = await leased(place, 2)
    await service.start(first)
    end = replace(SUCCESS, outcome=Outcome.ROW_CAP, reason=Reason(ReasonCode.ROW_CAP))
    with pytest.raises(StaleLease):
        await service.limit_reached(replace(first, token=99), end)
    assert (await place.setup.stored(run)).state is RunState.RUNNING
    for _ in range(2):
        await service.limit_reached(first, end)
    assert (await place.setup.stored(run)).state is RunState.ENDING
    reports = [AttemptReport(key, AttemptUsage()) for key in (first, second)]
    assert {*(await service.report(reports)).stop} == {first.id, second.id}


# --- the runner --------------------------------------------------------------------------------


async def test_a_runner_is_known_by_what_the_installation_knows(place: Place) -> None:
    lying = replace(INFO, id="x", node="x", place="x", heartbeat_at=1)
    assert await place.service().register(lying) == Registered(NodeState.READY, 15.0)
    [known] = await place.setup.storage.read(lambda tx: tx.runs.runners(0))
    assert (known.id, known.node, known.place) == ("r1", "n", "here")
    assert known.heartbeat_at > 1
    await place.service().leave()
    assert await place.setup.storage.read(lambda tx: tx.runs.runners(0)) == []


@pytest.mark.parametrize("state", NodeState)
@pytest.mark.parametrize("drains_itself", [False, True])
async def test_a_node_learns_what_the_operator_has_decided_and_the_runner_shows_it(
    place: Place, state: NodeState, drains_itself: bool
) -> None:
    def decide(tx: Transaction) -> None:
        node = Node("n", "eu", {}, "", "J1", False, tx.now, state=state)
        tx.nodes.add(replace(node, drain_until=tx.now + 60_000))

    await place.setup.storage.write(decide)
    info = replace(INFO, draining=drains_itself)
    found = await place.service(joined=True).register(info)
    assert (found.state, found.lease_seconds) == (state, 15.0)
    if state is NodeState.DRAINING:
        assert found.drain_ms is not None and 0 < found.drain_ms <= 60_000
    else:
        assert found.drain_ms is None
    [known] = await place.setup.storage.read(lambda tx: tx.runs.runners(0))
    assert known.draining is (drains_itself or state is not NodeState.READY)


@pytest.mark.parametrize("state", NodeState)
async def test_a_node_gets_attempts_only_while_it_is_ready(place: Place, state: NodeState) -> None:
    """Its runner learns of the decision some seconds later."""
    node = Node("n", "eu", {}, "", "J1", False, 1, state=state)
    await place.setup.storage.write(lambda tx: tx.nodes.add(node))
    await place.run(pool="eu")
    service = place.service(joined=True)
    orders = await service.lease(ROOM, idle=True)
    assert len(orders) == (state is NodeState.READY)
    await service.lease(ROOM, idle=True)
    assert service.saw_all is (state is NodeState.READY)


@pytest.mark.parametrize(
    "changes",
    [{}, {"join_id": "J2"}, {"runner_id": "r2"}, None],
    ids=["the same", "joined again", "another runner", "forgotten"],
)
async def test_a_node_gets_attempts_only_while_it_has_its_name(
    place: Place, changes: dict[str, str] | None
) -> None:
    def change(tx: Transaction) -> None:
        node = Node("n", "eu", {}, "", "J1", False, 1)
        if changes is not None:
            tx.nodes.add(replace(node, **{"runner_id": "r1", **changes}))

    await place.setup.storage.write(change)
    run = await place.run(pool="eu")
    name = RunnerName("r1", "n", "node/n", join_id="J1")
    service = NodeService(name, place.stores, joined=True)
    if not changes and changes is not None:
        [order] = await service.lease(ROOM, idle=True)
        assert order.key.run_id == run.id
        return
    with pytest.raises(Forbidden):
        await service.lease(ROOM, idle=True)
    assert not service.saw_all and await place.active("r1") == []


async def test_a_lease_reads_the_row_of_a_node_once(place: Place) -> None:
    node = Node("n", "default", {}, "", "J1", False, 1, runner_id="r1")
    await place.setup.storage.write(lambda tx: tx.nodes.add(node))
    name = RunnerName("r1", "n", "node/n", join_id="J1")
    service = NodeService(name, place.stores, joined=True)
    with executed() as statements:
        await service.lease(ROOM, idle=True)
    assert sum("FROM nodes" in sql for sql, _ in statements) == 1


async def test_pool_and_labels_are_those_that_the_installation_knows(place: Place) -> None:
    node = Node("n", "eu", {"gpu": "yes"}, "", "J1", False, 1)
    await place.setup.storage.write(lambda tx: tx.nodes.add(node))
    lying = replace(INFO, pool="default", labels={"gpu": "no"})
    service = place.service(joined=True)
    await service.register(lying)
    [known] = await place.setup.storage.read(lambda tx: tx.runs.runners(0))
    assert (known.pool, known.labels) == ("eu", {"gpu": "yes"})
    await place.run()
    await place.run(pool="eu", labels={"gpu": "no"})
    mine = await place.run(pool="eu", labels={"gpu": "yes"})
    assert [order.key.run_id for order in await service.lease(ROOM, idle=True)] == [mine.id]


async def test_the_runner_of_the_installation_has_the_pool_of_the_settings(place: Place) -> None:
    name = RunnerName("r1", "n", "here", "small", {"disk": "ssd"})
    service = NodeService(name, place.stores)
    await service.register(INFO)
    await place.run()
    mine = await place.run(pool="small", labels={"disk": "ssd"})
    assert [order.key.run_id for order in await service.lease(ROOM, idle=True)] == [mine.id]


@pytest.mark.parametrize(
    ("isolation", "unsafe", "leases"),
    [
        ("full", False, ["theirs", "own"]),
        ("no-limits", False, ["own"]),
        ("none", True, ["theirs", "own"]),
        ("none", False, []),
    ],
)
async def test_a_runner_gets_no_attempts_that_it_must_not_run(
    place: Place, isolation: str, unsafe: bool, leases: list[str]
) -> None:
    service = place.service()
    await service.register(replace(INFO, isolation=isolation, unsafe=unsafe))
    runs = {"theirs": await place.run(), "own": await place.run(operators_worker=True)}
    orders = await service.lease(ROOM, idle=True)
    assert [order.key.run_id for order in orders] == [runs[name].id for name in leases]


async def test_a_runner_gets_the_settings_until_it_has_them(place: Place) -> None:
    url = "http://u:hunter2@a.example:1"
    values = {
        "egress_upstreams": {"US": url},
        "egress_allow": ["10.0.0.1:80"],
        "site_rate": 5.0,
        "gateway_addresses": ["10.0.0.2", "10.0.0.3:9"],
    }
    config, secrets = sealed(values, ("egress_upstreams",), place.stores.sealer)
    version = SettingsVersion(3, config, secrets, (), "host", "place", 1)
    await place.setup.storage.write(lambda tx: tx.settings.add(version))
    policy = EgressPolicy(allow=("10.0.0.1:80",), upstreams={"US": url}, site_rate=5.0)
    service = place.service()
    gateways = ("10.0.0.2", "10.0.0.3:9")
    expected = Registered(
        NodeState.READY, 15.0, settings_version=3, egress=policy, gateways=gateways
    )
    assert await service.register(INFO) == expected
    assert await service.register(replace(INFO, settings_version=2)) == expected
    known = await service.register(replace(INFO, settings_version=3))
    assert known == replace(expected, egress=None, gateways=None)
    assert "hunter2" not in config and "hunter2" not in repr(expected)


async def test_the_time_of_a_drain_is_over_and_not_negative(place: Place) -> None:
    draining = Node("n", "eu", {}, "", "J1", False, 1, state=NodeState.DRAINING, drain_until=5)
    await place.setup.storage.write(lambda tx: tx.nodes.add(draining))
    found = await place.service(joined=True).register(INFO)
    assert found == Registered(NodeState.DRAINING, 15.0, drain_ms=0)


async def test_what_is_decided_about_a_node_does_not_count_for_others(place: Place) -> None:
    cordoned = Node("n", "eu", {}, "", "J1", False, 1, state=NodeState.CORDONED)
    await place.setup.storage.write(lambda tx: tx.nodes.add(cordoned))
    ready = Registered(NodeState.READY, 15.0)
    assert await place.service().register(INFO) == ready  # the server's own, of the same name
    found = await place.service("r2", node="m", joined=True).register(INFO)  # forgotten
    assert found == replace(ready, machines=2)


async def test_a_node_that_an_engine_made_forgets_itself_and_nothing_else(place: Place) -> None:
    """The name may belong to another machine by then."""
    storage, owner = place.setup.storage, replace(account(), operator=True)
    other = Node("m", "eu", {}, "", "J2", True, 1, runner_id="r2")

    def work(tx: Transaction) -> None:
        if tx.accounts.operator() is None:
            tx.accounts.add(owner)
        tx.nodes.add(Node("n", "eu", {}, "", "J1", True, 1, runner_id="r1"))
        tx.nodes.add(other)

    await storage.write(work)
    await place.service("r1", joined=True).leave()
    await place.service("r2", joined=True).leave(forget=True)  # not the runner of n
    await place.service("r1").leave(forget=True)  # the server's own, of the same name
    assert await storage.read(lambda tx: tx.nodes.get("n")) is not None
    for _ in range(2):
        await place.service("r1", joined=True).leave(forget=True)
    assert await storage.read(lambda tx: tx.nodes.get("n")) is None
    assert await storage.read(lambda tx: tx.nodes.get("m")) == other


async def test_a_node_that_has_stopped_is_at_no_gateway(place: Place) -> None:
    storage = place.setup.storage
    node = Node("n", "eu", {}, "", "J1", False, 1, runner_id="r1", gateway_id="G1", seen_at=5)
    await storage.write(lambda tx: tx.nodes.add(node))
    await place.service("r2", joined=True).leave()  # an earlier runner of n
    await place.service("r1").leave()  # the server's own, of the same name
    assert await storage.read(lambda tx: tx.nodes.get("n")) == node
    await place.service("r1", joined=True).leave()
    assert await storage.read(lambda tx: tx.nodes.get("n")) == replace(node, gateway_id="")


async def test_a_node_that_the_operator_named_does_not_forget_itself(place: Place) -> None:
    node = Node("n", "eu", {}, "", "J1", False, 1, runner_id="r1")
    await place.setup.storage.write(lambda tx: tx.nodes.add(node))
    with pytest.raises(Conflict, match="only fyke node forget removes its name"):
        await place.service("r1", joined=True).leave(forget=True)
    assert await place.setup.storage.read(lambda tx: tx.nodes.get("n")) == node


async def test_a_new_runner_replaces_those_of_its_place_and_silent_ones(
    place: Place,
) -> None:
    service, _, [key] = await leased(place)
    await service.register(INFO)
    await place.service("other", place="there", node="m").register(INFO)
    now, day_ms = await place.setup.storage.read(lambda tx: tx.now), 24 * 3600 * 1000
    for runner in (
        replace(INFO, id="silent", node="n", place="gone", heartbeat_at=now - day_ms),
        replace(INFO, id="back", node="o", place="away", heartbeat_at=now - 6 * day_ms),
        replace(INFO, id="never", node="p", place="lost", heartbeat_at=now - 8 * day_ms),
    ):
        await place.setup.storage.write(lambda tx, runner=runner: tx.runs.put_runner(runner))
    new = place.service("new")
    await new.register(INFO)
    assert await new.replace_earlier() == 1
    assert await place.active("r1") == []
    known = await place.setup.storage.read(lambda tx: tx.runs.runners(0))
    assert {runner.id for runner in known} == {"new", "other", "back"}
    assert await service.end(key, ENDED) is None


@pytest.mark.parametrize("alone", [True, False])
async def test_the_contact_is_that_of_this_process(place: Place, alone: bool) -> None:
    asked: list[int] = []

    async def is_cut_off(servers: int) -> bool:
        asked.append(servers)
        return alone

    service = NodeService(RunnerName("r1", "n", "here"), place.stores, is_cut_off)
    await service.register(INFO)
    state = ContactState.CUT_OFF if alone else ContactState.DOWN_FOR_ALL
    assert (await service.contact(), asked) == (state, [0])
    assert await place.service().contact() is ContactState.DOWN_FOR_ALL


# --- environments ------------------------------------------------------------------------------


async def test_the_environment_of_a_version_is_noted_and_prepared(place: Place) -> None:
    service, run, [key] = await leased(place)

    async def found() -> VersionEnvironment:
        known = await place.setup.storage.read(lambda tx: tx.environments.of_worker(run.worker_id))
        environment: VersionEnvironment = known["1.0.0"]
        return environment

    failed = Reason(ReasonCode.INSTALL_TIMEOUT)
    await service.note_environment(key, None, failed)
    before = await found()
    assert (before.state, before.reason) == (EnvironmentState.FAILED, failed)
    await service.end(key, ENDED)
    await place.setup.storage.write(lambda tx: tx.environments.request(before.version_id))
    await service.register(INFO)
    preparation = await service.take_preparation()
    assert preparation is not None and preparation.version.number == "1.0.0"
    await service.end_preparation(preparation.version.id, AWAY)
    after = await found()
    assert (after.state, after.tries) == (EnvironmentState.PREPARING, 1)
    assert await service.take_preparation() is None, "later"


@pytest.mark.parametrize(
    ("asked", "granted"), [((9.0, 9999), (2.0, 4096)), ((0.5, 512), (0.5, 512))]
)
async def test_browsers_of_nodes_are_within_the_limits_of_the_installation(
    place: Place, asked: tuple[float, int], granted: tuple[float, int]
) -> None:
    rules = replace(place.setup.rules, browser_cpus=2.0, browser_memory_max_mb=4096)
    place.stores = replace(place.stores, rules=rules)
    _, _, [key] = await leased(place)
    limits = await place.service(joined=True).reserve_browser(key, *asked)
    assert (limits.browser_cpus, limits.browser_memory_mb) == granted


async def test_an_installation_without_browsers_gives_none_to_those_of_nodes(place: Place) -> None:
    _, run, [key] = await leased(place)
    with pytest.raises(InvalidRequest, match="no browser"):
        await place.service(joined=True).reserve_browser(key, 1.0, 512)
    assert not (await place.setup.stored(run)).limits.browser_memory_mb


async def test_a_run_is_left_to_a_machine_with_its_environment_and_asked_for_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, remind = list[int](), LeaseReminder.remind

    def soon(self: LeaseReminder, ms: int) -> None:
        times.append(ms)
        remind(self, 1)

    monkeypatch.setattr(LeaseReminder, "remind", soon)
    monkeypatch.setattr(affinity, "HOLDERS_FIRST_MS", 60_000)  # however slow the test is
    held, missing = "e" * 32, "f" * 32
    woken = replace(place.stores, signals=GivenSignals())
    first = NodeService(RunnerName("r1", "n1", "here"), woken)
    second = place.service("r2", "there", "n2")
    await second.register(replace(INFO, environments=(missing,)))
    await first.register(replace(INFO, environments=(held,)))
    now = await place.setup.storage.read(lambda tx: tx.now)
    await place.run(environment=missing, created_at=now)
    run = await place.run(environment=held, created_at=now)
    assert [order.key.run_id for order in await first.lease(ROOM, idle=True)] == [run.id]
    [left_ms] = times
    assert 0 < left_ms <= 60_000
    assert not first.saw_all and not first.left_none
    await second.lease(ROOM, idle=True)
    await first.lease(ROOM, idle=True)  # nothing waits any more
    assert first.saw_all and first.left_none
    async with first.listen() as listener:  # when what was left is for all
        assert await listener.wait(frozenset({WORK}), 30) == WORK


# --- other machines ----------------------------------------------------------------------------


async def test_a_runner_knows_of_other_machines_and_they_of_its_start(place: Place) -> None:
    one, two = place.service("r1"), place.service("r2", "node/b", "b", joined=True)
    assert (await one.register(INFO)).machines == 1
    assert (await place.service("r3", "later").register(INFO)).machines == 1  # on the same
    assert SITES not in place.setup.notified
    assert (await two.register(INFO)).machines == 2
    assert place.setup.notified.count(SITES) == 1
    assert (await two.register(INFO)).machines == (await one.register(INFO)).machines == 2
    assert place.setup.notified.count(SITES) == 1
    again = place.service("r2", "node/b", "b", joined=True)  # over a new connection
    later = replace(place.stores, sites=SiteExchange(place.setup.storage))
    elsewhere = NodeService(RunnerName("r2", "b", "node/b"), later, joined=True)
    for service in (again, elsewhere):
        assert (await service.register(INFO)).machines == 2
        assert place.setup.notified.count(SITES) == 1  # the others know of it
    await two.share_sites(SiteUse(("x",)), urgent=True)
    assert await one.share_sites(SiteUse(("x",)), urgent=True) == SiteShares(2, {"x": 2})


async def test_machines_that_come_at_once_are_one_signal(place: Place) -> None:
    await place.service("r0").register(INFO)
    machines = [place.service(f"r{n}", f"node/{n}", f"n{n}", joined=True) for n in range(1, 6)]
    for machine in machines:
        await machine.register(INFO)
    assert place.setup.notified.count(SITES) == 1


# --- caps of a run on several machines ---------------------------------------------------------


async def of_two_machines(place: Place, **changes: Any) -> tuple[Run, list[NodeService], Any]:
    """A run of which two machines have one started attempt each."""
    run = await place.run(2, **changes)
    services = [place.service("r1"), place.service("r2", "node/b", "b", joined=True)]
    keys = list[AttemptKey]()
    for service in services:
        [order] = await service.lease(replace(ROOM, slots=1), idle=True)
        await service.start(order.key)
        keys.append(order.key)
    return run, services, keys


async def test_traffic_of_all_machines_counts_for_the_cap_of_a_run(place: Place) -> None:
    limits = RunLimits(0.125, 512, 1800, 0, 1_000)
    run, (one, two), keys = await of_two_machines(place, limits=limits)

    def used(at: int, count: int) -> list[AttemptReport]:
        return [AttemptReport(keys[at], AttemptUsage(traffic_bytes=count))]

    assert not (await one.report(used(0, 600))).stop
    assert not (await two.report(used(1, 400))).stop
    assert STOP not in place.setup.notified
    orders = await two.report(used(1, 401))
    assert orders.stop[keys[1].id].outcome is Outcome.TRAFFIC_CAP
    assert STOP in place.setup.notified  # the other machine asks at once
    end = (await one.report(used(0, 650))).stop[keys[0].id]
    assert end.outcome is Outcome.TRAFFIC_CAP
    for service, key, count in ((one, keys[0], 700), (two, keys[1], 450)):
        await service.end(key, AttemptEnd(end, AttemptUsage(traffic_bytes=count)))
    now = await place.setup.stored(run)
    assert (now.state, now.outcome) == (RunState.FAILED, Outcome.TRAFFIC_CAP)
    assert now.traffic_bytes == 1150  # what was transferred until they had ended


async def test_the_charge_of_all_machines_ends_a_run_at_what_was_held(place: Place) -> None:
    prices = Prices(Decimal(1), Decimal(0), Decimal(0), False)  # a dollar for a core and hour
    place.setup.rules = replace(place.setup.rules, prices=prices)
    place.stores = replace(place.stores, rules=place.setup.rules)
    limits = RunLimits(1, 512, 7200, 0, 0)
    run, (one, two), keys = await of_two_machines(
        place, limits=limits, hold_micros=1_000_000, bound=SpendingBound.RUN
    )

    def ran(at: int, minutes: int) -> list[AttemptReport]:
        return [AttemptReport(keys[at], AttemptUsage(busy_ms=minutes * 60_000))]

    first = await one.report(ran(0, 20))
    assert not first.stop and first.next_check_ms == pytest.approx(20 * 60_000, abs=9)
    second = await two.report(ran(1, 20))
    assert not second.stop and second.next_check_ms == pytest.approx(10 * 60_000, abs=9)
    third = await one.report(ran(0, 40))
    assert keys[0].id in third.stop and STOP in place.setup.notified
    end = (await two.report(ran(1, 25))).stop[keys[1].id]
    for service, key in ((one, keys[0]), (two, keys[1])):
        await service.end(key, AttemptEnd(end, AttemptUsage(busy_ms=41 * 60_000)))
    now = await place.setup.stored(run)
    assert now.state is RunState.FAILED and now.usage_micros == 1_000_000  # 22 minutes are free
