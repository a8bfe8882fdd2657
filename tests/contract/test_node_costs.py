"""What the runs of a node cost its gateway: statements and transactions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.nodes.service import NodeService, NodeStores, RunnerName
from fyke.domain.nodes.site_sharing import SiteExchange
from fyke.domain.secrets.inject import secret_location
from fyke.errors import Forbidden, StaleLease
from fyke.kit.clock import ManualClock
from fyke.kit.sealing import Sealer
from fyke.model.attempt import AfterAttempt, AttemptEnd
from fyke.model.log import LogType, NewLogEntry
from fyke.model.node_registry import Node
from fyke.model.results import AttemptBatch, PushedRow
from fyke.model.run import SUCCESS, AttemptKey, Run
from fyke.model.runner import AttemptUsage, Capacity, RunnerInfo
from fyke.model.secret import SealedSecret
from fyke.storage.blobs.filesystem import FilesystemBlobs
from support.records import account, seed_run, version, worker
from support.run_endings import Setup
from support.statements import executed, transactions

pytestmark = pytest.mark.anyio

ROOM = Capacity(cpus=100, memory_mb=10**6, slots=100)
ENDED = AttemptEnd(SUCCESS, AttemptUsage(cpu_ms=7))
NODE = Node("n", "default", {}, "", "J1", False, 1, runner_id="r1")
LINE = NewLogEntry(LogType.INFO, "7", "running", 1_700_000_000_000)
LEASE_SECONDS = 15.0


class CountedPlace:
    """An installation with a node."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        silent: Any = None
        self.setup = setup
        self.clock = ManualClock()
        self.stores = NodeStores(
            setup.storage,
            setup.results,
            FilesystemBlobs(folder / "blobs", durable=False),
            silent,
            setup.rules,
            Sealer(b"master"),
            self.clock,
            LEASE_SECONDS,
            SiteExchange(setup.storage),
        )

    def connect(self) -> NodeService:
        """What a gateway has for a new connection of the node."""
        return NodeService(RunnerName("r1", "n", "node/n", join_id="J1"), self.stores, joined=True)

    async def run(self) -> Run:
        """A run that waits, of a Worker with a secret."""
        owner = account()
        made = worker(owner.id)

        def work(tx: Transaction) -> Run:
            tx.accounts.add(owner)
            tx.workers.add(made)
            tx.workers.add_version(version(made.id))
            place = SealedSecret(owner.id, made.id, "TOKEN", "k", "", "me", 1)
            sealed = self.stores.sealer.seal(secret_location(place), "hunter2")
            tx.secrets.put(replace(place, sealed=sealed))
            return seed_run(tx, owner.id, made.id)

        run: Run = await self.setup.storage.write(work)
        return run

    async def leased(self) -> tuple[NodeService, AttemptKey]:
        service = self.connect()
        await self.run()
        [order] = await service.lease(ROOM, idle=True)
        return service, order.key

    async def change_node(self, **changes: Any) -> None:
        await self.setup.storage.write(lambda tx: tx.nodes.change(replace(NODE, **changes)))


@pytest.fixture
async def place(setup: Setup, tmp_path: Path) -> CountedPlace:
    await setup.storage.write(lambda tx: tx.nodes.add(NODE))
    return CountedPlace(setup, tmp_path)


def batch(key: AttemptKey, number: int, **content: Any) -> AttemptBatch:
    return AttemptBatch(key.run_id, key.id, number=number, **content)


async def test_a_run_takes_few_transactions(place: CountedPlace) -> None:
    service = place.connect()
    await service.register(RunnerInfo("", "", "full", "", 2, 1024, 0))
    await place.run()
    with transactions() as found:
        [order] = await service.lease(ROOM, idle=True)
        key = order.key
        assert (await service.start(key)).environment == {"TOKEN": "hunter2"}
        first = batch(key, 1, log=[LINE])
        assert await service.rows.commit([first]) == [True]
        assert await service.rows.commit([batch(key, 2, rows=[PushedRow(b"{}")])]) == [True]
        assert await service.end(key, ENDED) == AfterAttempt(is_run_over=True)
    # lease, start, end; two batches, the close, and the last line of the run
    assert found == {"state": 3, "results": 4}
    log = await place.setup.results.log_tail(key.run_id, 9)
    assert [line.content for line in log][:1] == ["running"] and len(log) == 2
    now = await place.setup.storage.read(lambda tx: tx.runs.get(key.run_id))
    assert now.results == 1


async def test_a_start_takes_few_statements(place: CountedPlace) -> None:
    service, key = await place.leased()
    with executed() as statements:
        await service.start(key)
    texts = [sql for sql, _ in statements]
    assert sum("FROM nodes" in sql for sql in texts) == 1
    assert len(texts) <= 14, texts


async def test_an_end_takes_few_statements(place: CountedPlace) -> None:
    service, key = await place.leased()
    await service.start(key)
    with executed() as statements:
        await service.end(key, ENDED)
    texts = [sql for sql, _ in statements]
    assert sum("FROM nodes" in sql for sql in texts) == 1
    assert len(texts) <= 30, texts


@pytest.mark.parametrize("changes", [{"join_id": "J2"}, {"runner_id": "r2"}])
async def test_a_node_without_its_name_starts_and_ends_nothing(
    place: CountedPlace, changes: dict[str, str]
) -> None:
    service, key = await place.leased()
    await place.change_node(**changes)
    with pytest.raises(Forbidden):
        await service.start(key)
    await place.change_node()
    await service.start(key)
    await place.change_node(**changes)
    with pytest.raises(Forbidden):
        await service.end(key, ENDED)
    [attempt] = await place.setup.storage.read(lambda tx: tx.runs.attempts(key.run_id))
    assert attempt.started_at and attempt.outcome is None


async def test_no_secret_is_read_for_an_attempt_that_is_lost(place: CountedPlace) -> None:
    service, key = await place.leased()
    await place.setup.storage.write(
        lambda tx: tx.runs.take_over(key.id, tx.runs.attempt(key.id).lease_until)
    )
    with executed() as statements, pytest.raises(StaleLease):
        await service.start(key)
    assert not any("worker_secrets" in sql for sql, _ in statements)
    used = await place.setup.storage.read(
        lambda tx: tx.secrets.of(*_names(tx.runs.get(key.run_id)))
    )
    assert [secret.used_at for secret in used] == [0]


def _names(run: Run | None) -> tuple[str, str]:
    assert run is not None
    return run.account_id, run.worker_id


async def test_the_state_is_asked_for_first_rows_once_the_lease_may_have_expired(
    place: CountedPlace,
) -> None:
    service, key = await place.leased()
    rows = batch(key, 1, rows=[PushedRow(b"{}")])
    with transactions() as found:
        assert await service.rows.commit([replace(rows, run_id="another")]) == [False]
    assert found["state"] == 1
    place.clock.advance(LEASE_SECONDS)
    with transactions() as found:
        assert await service.rows.commit([rows]) == [True]
    assert found == {"state": 1, "results": 1}


async def test_an_attempt_that_was_closed_elsewhere_gets_no_rows(place: CountedPlace) -> None:
    service, key = await place.leased()
    await place.setup.results.close_attempt(key.id)
    rows = batch(key, 1, rows=[PushedRow(b"{}")])
    assert await service.rows.commit([rows]) == [False]
    assert (await place.setup.results.totals(key.run_id, frozenset())).rows == 0
