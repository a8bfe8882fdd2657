"""A neighbour in the private network: refused, allowed in the console, called, and taken back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import pytest
from standardwebhooks import Webhook

from fyke.domain.callbacks.signing import secret_for
from fyke.domain.callbacks.url import CallbackRules
from fyke.domain.runs.service import StartRequest
from fyke.errors import InvalidRequest
from fyke.kit.addresses import AddressRules
from fyke.kit.clock import SystemClock
from fyke.kit.interfaces import own_addresses
from fyke.model.callback import DeliveryState
from fyke.model.run import Origin, Run
from fyke.model.worker import Worker
from fyke.notify.http import HttpNotifier
from support.app import App, open_app
from support.callback_trials import delivering
from support.callbacks import MASTER
from support.machine_network import machine_network, no_networks
from support.pages import Visitor, visitor

pytestmark = pytest.mark.anyio
PORT = 5678
PROGRAM = Path(__file__).parents[2] / "support" / "neighbour.py"
INPUT = {"parameters": {"custom": {"urls": [{"url": "https://a.example"}]}}}


@dataclass
class Neighbour:
    """A machine in the private network of this one, with a receiver."""

    host: str
    own: str  # our address in that network
    output: IO[str]

    @property
    def entry(self) -> str:
        return f"{self.host}:{PORT}"

    async def received(self) -> dict[str, Any]:
        async with asyncio.timeout(60):
            return cast("dict[str, Any]", json.loads(await asyncio.to_thread(self.output.readline)))


@contextmanager
def neighbour() -> Iterator[Neighbour]:
    with machine_network() as network:
        link = network.connect()
        command = [*link.inside, sys.executable, str(PROGRAM), str(PORT)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            output = cast("IO[str]", process.stdout)
            try:
                assert output.readline() == "listening\n"
                yield Neighbour(network.address(1), network.gateway, output)
            finally:
                process.kill()


async def start(app: App, worker: Worker, entry: str) -> Run:
    url = f"http://{entry}/hook"
    request = StartRequest(
        worker_ref=worker.id, version=None, input=INPUT, callback_url=url, origin=Origin.WEB
    )
    return await app.services.runs.start(app.owner, request)


async def delivered(app: App, run: Run) -> DeliveryState:
    """The state of the run's callback, once that is final."""
    while True:
        [delivery] = await app.storage.read(lambda tx: tx.outbox.of_run(run.id))
        if delivery.state is not DeliveryState.PENDING or delivery.tries:
            return delivery.state
        await asyncio.sleep(0.01)


@pytest.mark.needs("ip")
async def test_a_neighbour_is_called_while_it_is_allowed(tmp_path: Path, templates: Path) -> None:
    if no_networks():
        pytest.skip(no_networks())
    with neighbour() as other:
        own = own_addresses()
        assert other.own in own and other.host not in own
        rules = CallbackRules(AddressRules((), own), own)
        async with open_app(tmp_path, templates, receivers=rules) as app, visitor(app) as owner:
            notifier = HttpNotifier(rules)
            async with delivering(app.storage, notifier, app.signals, SystemClock()):
                await trial(app, owner, other)
            notifier.close()


async def trial(app: App, owner: Visitor, other: Neighbour) -> None:
    worker = await app.publish()
    place = f"in Admin > Proxies and regions, or with FYKE_CALLBACK_ALLOW={other.entry}"
    with pytest.raises(InvalidRequest, match=place):
        await start(app, worker, other.entry)

    await owner.post("/admin/proxies/callbacks", {"entry": other.entry})
    run = await start(app, worker, other.entry)
    waiting = await start(app, worker, other.entry)
    [first, second] = await app.begin()
    await app.end(first)
    received = await other.received()
    assert (received["path"], json.loads(received["body"])["run_slug"]) == ("/hook", run.id)
    Webhook(secret_for(MASTER, app.owner.account_id)).verify(received["body"], received["headers"])
    assert await delivered(app, run) is DeliveryState.DELIVERED

    await owner.post("/admin/proxies/callbacks/remove", {"entry": other.entry})
    with pytest.raises(InvalidRequest, match="is not on the public internet"):
        await start(app, worker, other.entry)
    await app.end(second)
    assert await delivered(app, waiting) is DeliveryState.PENDING  # it is tried again later
    [refused] = await app.storage.read(lambda tx: tx.outbox.of_run(waiting.id))
    assert "is not on the public internet; an operator can allow it" in refused.last_error

    # the address of this machine in the same network stays closed
    page = await owner.post(
        "/admin/proxies/callbacks", {"entry": f"{other.own}:{PORT}"}, status=422
    )
    assert "is an address of this installation or its cloud" in page.text
