"""A thousand starts with one key at two servers on one PostgreSQL; one server is killed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fyke.app.folder import make_home
from fyke.app.runtime import open_runtime
from fyke.app.services import make_runs, make_workers
from fyke.app.state import migrate_all
from fyke.domain.accounts.service import Accounts
from fyke.kit.clock import SystemClock
from fyke.model.billing import EntryKind
from fyke.model.run import RunFilter
from fyke.settings import Settings
from support.app import SCHEMA
from support.booted import owner_of
from support.postgres import running_postgres
from support.projects import python_project

pytestmark = [pytest.mark.anyio, pytest.mark.long, pytest.mark.needs("postgres")]
POSTS = 1000


class Server:
    """``fyke serve --role server`` in a separate process, on a fixed port."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fyke.cli.entry", "serve", "--role", "server",
             "--port", str(self._port)],
            env={**os.environ, **self._settings}, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, cwd="/", **owner_of(Path(self._settings["FYKE_HOME"])),
        )  # fmt: skip

    def end(self, number: int) -> None:
        self._process.send_signal(number)
        self._process.wait(30)

    async def listens(self, http: httpx2.AsyncClient) -> None:
        while self._process.poll() is None:
            try:
                await http.get(f"{self.url}/healthz")
                return
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
        raise AssertionError("the server has ended")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the service user may traverse."""
    folder = Path(tempfile.mkdtemp(prefix="fyke-once-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def give_to_service_user(home: Path) -> None:
    for path in [home, *home.rglob("*")]:
        shutil.chown(path, "fyke", "fyke")


async def test_a_killed_server_leaves_one_run_and_one_reservation(folder: Path) -> None:
    with running_postgres() as postgres, ExitStack() as stack:
        members = {
            "home": str(folder / "home"),
            "database_url": postgres.new_database(),
            "rate_limit": "0",
            "price_cpu_hour": "1",
        }
        settings = Settings(**members)
        make_home(settings)
        migrate_all(settings)
        key, body = await prepared(settings)
        if os.geteuid() == 0:
            give_to_service_user(settings.home)
        servers = [Server({f"FYKE_{k.upper()}": v for k, v in members.items()}) for _ in range(2)]
        for server in servers:
            server.start()
            stack.callback(server.end, signal.SIGTERM)
        async with asyncio.timeout(120):
            slugs = await all_posts(servers, key, body)
        assert Counter(slugs).most_common() == [(slugs[0], POSTS)]
        await one_of_each(settings, key)


async def prepared(settings: Settings) -> tuple[str, dict[str, Any]]:
    """The owner's key of an account with a balance, and the body of a start."""
    async with open_runtime(settings) as app:
        accounts = Accounts(app.storage, SystemClock())
        _, key = await accounts.bootstrap()
        assert key is not None
        owner = await accounts.authenticate(key)
        # the server creates a new first key when it is not in the data folder
        key = (await accounts.create_key(owner, "posts")).key
        await accounts.credit(owner, owner.account_name, Decimal(100), Decimal(1000))
        project = python_project("print(1)\n", schema=SCHEMA)
        worker, _, _ = await make_workers(app).publish(owner, project, name="once")
    custom = {"urls": [{"url": "https://a.example"}]}
    return key, {"scraper_slug": worker.id, "input": {"parameters": {"custom": custom}}}


async def all_posts(servers: list[Server], key: str, body: dict[str, Any]) -> list[str]:
    """Return the answer to each start; callers without an answer retry."""
    answered: list[str] = []
    limits = httpx2.Limits(max_connections=POSTS)
    headers = {"api-key": key, "idempotency-key": "order-4711"}
    async with httpx2.AsyncClient(limits=limits, timeout=60, headers=headers) as http:

        async def post(number: int) -> None:
            while True:
                url = f"{servers[number % 2].url}/api/v1/scraper/run"
                try:
                    answer = await http.post(url, json=body)
                except httpx2.TransportError:
                    await asyncio.sleep(1 + number % 100 / 100)  # not all at the same time
                    continue
                if answer.status_code == 200:
                    answered.append(answer.json()["data"]["run_slug"])
                    return
                assert answer.status_code == 503, answer.text

        async def kill() -> None:
            for least in (0, 200, 600):  # the first kill is before any answer
                while len(answered) < least:
                    await asyncio.sleep(0.001)
                servers[0].end(signal.SIGKILL)
                servers[0].start()

        for server in servers:
            await server.listens(http)
        await asyncio.gather(kill(), *(post(number) for number in range(POSTS)))
    return answered


async def one_of_each(settings: Settings, key: str) -> None:
    async with open_runtime(settings) as app:
        owner = await Accounts(app.storage, SystemClock()).authenticate(key)
        runs, _ = await make_runs(app).list(owner, RunFilter(), offset=0, limit=10)
        entries = await app.storage.read(lambda tx: tx.ledger.entries(owner.account_id, limit=100))
    assert runs == 1
    assert [entry.kind for entry in entries].count(EntryKind.HOLD) == 1
