"""Callbacks from several servers, and from one that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from fyke.contracts.state import Transaction
from fyke.domain.callbacks.signing import secret_for
from fyke.kit.addresses import AddressRules
from fyke.kit.clock import SystemClock
from fyke.model.callback import DeliveryFilter, DeliveryState
from fyke.notify.http import HttpNotifier
from fyke.storage.signals.postgres import PostgresSignals
from fyke.storage.sql.state.storage import open_storage
from support.callback_trials import (
    CallbackSender,
    CountingNotifier,
    LocalSignals,
    SkippingClock,
    delivering,
    open_callback_sender,
)
from support.callbacks import MASTER
from support.receivers import listening

pytestmark = pytest.mark.anyio
PROCESS = Path(__file__).parents[2] / "support" / "callback_process.py"
MAX_PER_SECOND = 10


async def test_a_server_killed_before_it_records_the_answer_sends_a_copy_under_the_same_id(
    sqlite_url: str, http: HttpNotifier
) -> None:
    clock = SkippingClock()
    with listening() as receiver:
        async with open_callback_sender(sqlite_url) as sender:
            [run] = await sender.runs([receiver.url("/x")])
            await sender.end(run)
        path = os.pathsep.join([str(PROCESS.parents[1]), *sys.path])
        killed = await asyncio.to_thread(
            subprocess.run, [sys.executable, str(PROCESS), sqlite_url],
            env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip
        assert killed.returncode == -signal.SIGKILL
        assert len(receiver.wait("/x", 1, 0)) == 1
        signals = LocalSignals()
        storage = open_storage(
            sqlite_url, durable=False, notify=signals.notify, hiding=frozenset(), clock=clock.now_ms
        )
        [claimed] = await storage.read(lambda tx: tx.outbox.of_run(run.id))
        assert (claimed.state, claimed.tries) == (DeliveryState.PENDING, 0)
        clock.skipped = 61  # the claim has expired
        async with delivering(storage, http, signals, clock):
            await asyncio.to_thread(receiver.wait, "/x", 2)
            async with asyncio.timeout(20):
                while True:
                    [delivered] = await storage.read(lambda tx: tx.outbox.of_run(run.id))
                    if delivered.state is not DeliveryState.PENDING:
                        break
                    await asyncio.sleep(0.01)
        await storage.close()
        first, second = receiver.at("/x")
    assert (delivered.state, delivered.tries) == (DeliveryState.DELIVERED, 1)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == claimed.id
    assert first.body == second.body
    assert Webhook(secret_for(MASTER, claimed.account_id)).verify(first.body, first.headers)


async def until_recorded(sender: CallbackSender, total: int) -> None:
    """Wait until every call is recorded as accepted: then none of them can be sent again."""
    accepted = DeliveryFilter(DeliveryState.DELIVERED)

    def count(tx: Transaction) -> int:
        return tx.outbox.page(sender.owner, accepted, offset=0, limit=1)[0]

    async with asyncio.timeout(30):
        while await sender.storage.read(count) < total:
            await asyncio.sleep(0.01)


async def two_servers(url: str, total: int) -> None:
    with listening() as receiver:
        notifiers = [HttpNotifier(AddressRules(["127.0.0.0/8"])) for _ in range(2)]
        counting = [CountingNotifier(notifier) for notifier in notifiers]
        all_signals = [PostgresSignals(url) for _ in range(2)]
        async with open_callback_sender(url, all_signals[0].notify) as sender:
            other = open_storage(
                url, durable=False, notify=all_signals[1].notify, hiding=frozenset()
            )
            clock = SystemClock()
            runs = await sender.runs([receiver.url("/x")] * total)
            async with (
                delivering(sender.storage, counting[0], all_signals[0], clock),
                delivering(other, counting[1], all_signals[1], clock),
            ):
                await sender.end(*runs)
                requests = await asyncio.to_thread(receiver.wait, "/x", total, 30 + total)
                await until_recorded(sender, total)
            await other.close()
        for item in (*all_signals, *notifiers):
            item.close()
        requests = receiver.at("/x")
    ids = Counter(request.headers["webhook-id"] for request in requests)
    assert (len(ids), ids.most_common(1)[0][1]) == (total, 1)
    assert sum(notifier.count for notifier in counting) == total
    if total > 100:  # on a busy machine, one server may send all of a few callbacks
        assert min(notifier.count for notifier in counting) > 0, "one server did all the work"
    times = sorted(request.at for request in requests)
    for first, last in zip(times, times[MAX_PER_SECOND:], strict=False):
        assert last - first > 1, f"{MAX_PER_SECOND + 1} requests within {last - first:.3f} s"


async def test_two_servers_share_one_rate_and_send_nothing_twice(postgres_state_url: str) -> None:
    await two_servers(postgres_state_url, 16)


@pytest.mark.long
async def test_two_servers_share_one_rate_for_a_minute(postgres_state_url: str) -> None:
    await two_servers(postgres_state_url, 480)
