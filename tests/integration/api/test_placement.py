"""Pool and labels of runs: asked for, refused, repeated, saved in tasks."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.errors import InvalidRequest
from fyke.model.node_registry import Node
from fyke.model.run import Run
from support.api import Api, fails, start_body
from support.app import App

pytestmark = pytest.mark.anyio
FIELD = "input.parameters.system.pool"


def body_with(worker_id: str, **system: Any) -> dict[str, Any]:
    body = start_body(worker_id)
    body["input"]["parameters"]["system"] |= system
    return body


async def started(app: App, api: Api, body: dict[str, Any]) -> Run:
    slug = (await api.ok("/api/v1/scraper/run", body))["run_slug"]
    run = await app.storage.read(lambda tx: tx.runs.get(slug))
    assert run is not None
    return run


async def with_node(app: App, pool: str, **labels: str) -> None:
    node = Node(f"n-{pool}", pool, labels, "", "J", ephemeral=False, joined_at=1)
    await app.storage.write(lambda tx: tx.nodes.add(node))


async def test_a_run_with_a_pool_and_labels_is_repeated_with_them(app: App, api: Api) -> None:
    await with_node(app, "eu")
    worker = await app.publish()
    asked = {"pool": "eu", "labels": {"gpu": "yes", "disk": "ssd"}}
    run = await started(app, api, body_with(worker.id, **asked))
    assert (run.pool, run.pool_asked, run.labels) == ("eu", True, asked["labels"])
    shown = (await api.get(f"/api/fyke/runs/{run.id}")).json()["data"]
    assert {name: shown[name] for name in asked} == asked
    again = (await api.ok("/api/v1/rerun", {"run_slug": run.id}))["run_slug"]
    repeated = await app.storage.read(lambda tx: tx.runs.get(again))
    assert repeated is not None
    assert (repeated.pool, repeated.pool_asked, repeated.labels) == ("eu", True, run.labels)
    plain = await started(app, api, start_body(worker.id))
    assert (plain.pool, plain.pool_asked, plain.labels) == ("default", False, {})
    shown = (await api.get(f"/api/fyke/runs/{plain.id}")).json()["data"]
    assert (shown["pool"], shown["labels"]) == ("default", {})
    assert plain.operators_worker and run.operators_worker


async def test_an_unknown_pool_is_refused_with_those_that_there_are(app: App, api: Api) -> None:
    await with_node(app, "eu")
    worker = await app.publish()
    rule = f"{FIELD} must be one of the pools of this installation: default, eu"
    body = body_with(worker.id, pool="us")
    answer = await api.post("/api/v1/scraper/run", body)
    fails(answer, 400, 4000)
    assert answer.json()["message"].endswith(rule)
    tasks = app.services.tasks
    with pytest.raises(InvalidRequest, match=r"must be one of the pools.* default, eu$"):
        await tasks.create(app.owner, worker.id, "t", body["input"], None)
    assert await app.lease() == []


async def test_a_region_without_proxies_is_for_nodes_with_its_label(app: App, api: Api) -> None:
    worker = await app.publish()
    body = body_with(worker.id, proxy_region="DE")
    direct = await started(app, api, body)
    await with_node(app, "default", region="DE")
    of_node = await started(app, api, body)
    assert (direct.region_of_node, of_node.region_of_node) == (False, True)
    assert {lease.run.id for lease in await app.lease()} == {direct.id}
