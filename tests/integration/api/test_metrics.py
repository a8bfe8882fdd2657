"""The metrics: who may read them, what they say, and what they never say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.installation import metrics as metrics_module
from fyke.domain.installation.metrics import InstallationMetrics
from fyke.domain.nodes.machines import Availability
from fyke.errors import Unavailable
from fyke.kit.clock import ManualClock
from fyke.model.account import Scope
from fyke.model.node_registry import Node
from fyke.model.run import Outcome
from fyke.reasons import ReasonCode
from fyke.telemetry.exposition import CONTENT_TYPE
from support.api import Api, client, fails, start_body
from support.app import App
from support.metrics import parse_metrics
from support.run_endings import FREE

pytestmark = pytest.mark.anyio

TOKEN = "a-token-for-prometheus"
PATH = "/metrics"


async def read(app: App, key: str, asgi: Any = None, **options: Any) -> dict[str, float]:
    """The metrics as they are now, by a client of their own."""
    async with client(asgi or app.asgi(server="server-2")) as http:
        answer = await http.get(PATH, headers={"authorization": f"Bearer {key}"}, **options)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == CONTENT_TYPE
    return parse_metrics(answer.text)


async def test_without_a_key_of_the_operator_they_are_closed(app: App) -> None:
    async with client(app.asgi()) as http:
        assert (await http.get(PATH)).status_code == 401
        api = Api(http, app.other_key)
        fails(await api.get(PATH), 401, 4010)
        assert (await api.get(PATH, key="nobody")).status_code == 401


async def test_a_key_of_the_operator_needs_the_scope_admin(app: App) -> None:
    scopes = frozenset({Scope.READ, Scope.RUN, Scope.WRITE})
    made = await app.services.accounts.create_key(app.owner, "reads", scopes=scopes)
    async with client(app.asgi()) as http:
        fails(await Api(http, made.key).get(PATH), 401, 4010)
    assert (await read(app, app.owner_key))["fyke_database_up"] == 1


async def test_the_token_opens_the_metrics_and_nothing_else(app: App) -> None:
    asgi = app.asgi(metrics_token=TOKEN)
    assert (await read(app, TOKEN, asgi))["fyke_database_up"] == 1
    assert (await read(app, app.owner_key, asgi))["fyke_database_up"] == 1
    async with client(asgi) as http:
        api = Api(http, TOKEN)
        assert (await api.get("/api/fyke/nodes")).status_code == 401
        for wrong in (TOKEN[:-1], TOKEN + "x", ""):
            headers = {"authorization": f"Bearer {wrong}"}
            assert (await http.get(PATH, headers=headers)).status_code == 401
        assert (
            await http.post(PATH, headers={"authorization": f"Bearer {TOKEN}"})
        ).status_code > 400


@pytest.mark.parametrize("host", ["fyke.fyke.svc:8100", "10.1.2.3:8100"])
async def test_prometheus_may_ask_by_another_name_but_needs_the_token(app: App, host: str) -> None:
    async with client(app.asgi(metrics_token=TOKEN)) as http:
        asked = {"host": host, "authorization": f"Bearer {TOKEN}"}
        assert (await http.get(PATH, headers=asked)).status_code == 200
        assert (await http.get(PATH, headers={"host": host})).status_code == 401


async def test_without_the_database_the_token_still_shows_that(app: App) -> None:
    class Away:
        async def read(self, work: Any) -> Any:
            raise Unavailable("away")

    app.services.metrics = InstallationMetrics(Away(), FREE, ManualClock())  # type: ignore[arg-type]
    values = await read(app, TOKEN, app.asgi(metrics_token=TOKEN, server="s"))
    assert values["fyke_database_up"] == 0
    assert values['fyke_http_requests_active{server="s"}'] == 1
    assert not any(name.startswith("fyke_waiting") for name in values)


async def test_reading_often_reads_the_database_once(app: App) -> None:
    clock, reads = ManualClock(), 0
    storage = app.storage

    class Counted:
        async def read(self, work: Any) -> Any:
            nonlocal reads
            reads += 1
            return await storage.read(work)

    app.services.metrics = InstallationMetrics(Counted(), FREE, clock)  # type: ignore[arg-type]
    asgi = app.asgi(metrics_token=TOKEN)
    for _ in range(3):
        await read(app, TOKEN, asgi)
    assert reads == 1
    clock.advance(metrics_module.CACHE_SECONDS)
    await read(app, TOKEN, asgi)
    assert reads == 2


async def test_the_queue_the_machines_and_what_was_used(app: App) -> None:
    node = Node("n1", "gpu", {}, "", "J1", False, 5000)
    await app.storage.write(lambda tx: tx.nodes.add(node))
    await app.register_runner()
    worker = await app.publish()
    async with client(app.asgi()) as http:
        api = Api(http, app.owner_key)
        for _ in range(2):
            await api.ok("/api/v1/scraper/run", start_body(worker.id))
            await app.execute([{"n": 1}, {"n": 2}])
        await api.ok("/api/v1/scraper/run", start_body(worker.id))
        await app.execute(outcome=Outcome.EXIT_CODE)
        await api.ok("/api/v1/scraper/run", start_body(worker.id))
    values = await read(app, app.owner_key)

    assert values['fyke_runs_ended_total{result="succeeded"}'] == 2
    assert values['fyke_runs_ended_total{result="failed"}'] == 1
    assert values['fyke_runs_ended_total{result="aborted"}'] == 0
    assert values["fyke_rows_total"] == 4
    assert values["fyke_traffic_bytes_total"] > 0

    waiting = values['fyke_demand_subtasks{pool="default",state="waiting"}']
    assert waiting > 0
    cpus = values['fyke_demand_cpus{pool="default",state="waiting"}']
    assert cpus == waiting * 0.125
    memory = values['fyke_demand_memory_bytes{pool="default",state="waiting"}']
    assert memory == waiting * 512 * 2**20
    assert values['fyke_waiting_runs{pool="default"}'] == 1
    assert values['fyke_waiting_runs{pool="gpu"}'] == 0
    assert values['fyke_longest_wait_seconds{pool="default"}'] >= 0
    reason = f'fyke_oldest_waiting_runs{{pool="default",reason="{ReasonCode.ROOM.value}"}}'
    assert values[reason] == 1

    assert values['fyke_own_machines{pool="default",state="ready"}'] == 1
    assert values['fyke_nodes{pool="gpu",state="not_connected"}'] == 1
    for state in Availability:
        assert f'fyke_nodes{{pool="default",state="{state.value}"}}' in values
    assert values['fyke_machine_cpus{pool="default"}'] == 8
    assert values['fyke_machine_memory_bytes{pool="default"}'] == 8192 * 2**20
    assert values['fyke_machine_cpus{pool="gpu"}'] == 0
    assert values['fyke_callbacks_waiting{kind="terminal"}'] == 0


async def test_leased_attempts_take_room(app: App) -> None:
    await app.register_runner()
    worker = await app.publish()
    async with client(app.asgi()) as http:
        await Api(http, app.owner_key).ok("/api/v1/scraper/run", start_body(worker.id))
    leases = len(await app.begin())
    values = await read(app, app.owner_key)
    assert values['fyke_attempts{pool="default",state="running"}'] == leases
    assert values['fyke_attempts{pool="default",state="preparing"}'] == 0
    assert values['fyke_expired_leases{pool="default"}'] == 0
    assert values['fyke_machine_cpus_reserved{pool="default"}'] == leases * 0.125
    assert values['fyke_machine_memory_reserved_bytes{pool="default"}'] == leases * 512 * 2**20


async def test_requests_are_counted_by_class_and_server(app: App, run_slug: str) -> None:
    asgi = app.asgi(metrics_token=TOKEN, server="server-2")
    async with client(asgi) as http:
        api = Api(http, app.owner_key)
        for _ in range(2):
            assert (await api.get(f"/api/v2/worker-runs/{run_slug}")).status_code == 200
        assert (await api.get("/api/fyke/nodes/absent")).status_code == 404
        assert (await http.get("/absent/" + "x" * 30)).status_code == 404
        assert (await http.get("/healthz")).status_code == 200
    values = await read(app, TOKEN, asgi)
    counted = {
        tuple(re.findall(r'(?:route|status)="(\w+)"', name)): value
        for name, value in values.items()
        if name.startswith('fyke_http_requests_total{server="server-2",')
    }
    assert counted == {
        ("v2", "2xx"): 2,
        ("fyke", "4xx"): 1,
        ("other", "4xx"): 1,
        ("health", "2xx"): 1,
    }


async def test_no_label_names_a_run_an_account_a_site_or_a_machine(app: App) -> None:
    node = Node("secret-node", "gpu", {"disk": "ssd"}, "", "J1", False, 5000)
    await app.storage.write(lambda tx: tx.nodes.add(node))
    worker = await app.publish()
    async with client(app.asgi()) as http:
        run = await Api(http, app.owner_key).ok("/api/v1/scraper/run", start_body(worker.id))
    await app.begin()
    names = "".join(await read(app, app.owner_key))
    labels = {name for name, _ in re.findall(r'(\w+)="([^"]*)"', names)}
    assert labels <= {"pool", "state", "reason", "kind", "result", "route", "status", "le"} | {
        "server",
        "version",
    }
    words = (
        run["run_slug"],
        worker.id,
        worker.path,
        app.owner.account_id,
        "secret-node",
        "a.example",
    )
    assert not [word for word in words if word in names]


async def test_many_pools_are_added_up(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_module, "MAX_POOLS", 3)

    def work(tx: Any) -> None:
        for number in range(8):
            name = f"n{number}"
            tx.nodes.add(Node(name, f"pool-{number}", {}, "", name, False, 5000))

    await app.storage.write(work)
    values = await read(app, app.owner_key)
    pools = {found[1] for name in values if (found := re.search(r'pool="([^"]*)"', name))}
    assert len(pools) == 4 and metrics_module.OTHER_POOLS in pools
    states = [v for name, v in values.items() if name.startswith("fyke_nodes{")]
    assert sum(states) == 8


async def test_the_page_lists_every_metric(app: App, run_slug: str) -> None:
    asgi = app.asgi(metrics_token=TOKEN)
    await read(app, TOKEN, asgi)
    names = {name.partition("{")[0] for name in await read(app, TOKEN, asgi)}
    parts = r"(?<=_seconds)_(?:bucket|sum|count)$"
    page = (Path(__file__).parents[3] / "docs/how-to/metrics.md").read_text()
    listed = set(re.findall(r"^\| `(fyke_\w+)`", page, re.MULTILINE))
    assert {re.sub(parts, "", name) for name in names} == listed
