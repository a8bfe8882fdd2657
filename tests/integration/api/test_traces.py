"""The trace that a start request names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fyke.model.trace import RunTrace
from fyke.model.worker import Worker
from support.api import client, start_body
from support.app import App, open_app

pytestmark = pytest.mark.anyio
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PATH = "/api/v1/scraper/run"


@pytest.fixture
async def traced(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates, traces=True) as app:
        yield app


async def start(app: App, worker: Worker, traceparent: str | None) -> RunTrace | None:
    """Start a run; return its trace."""
    headers = {"authorization": f"Bearer {app.owner_key}"}
    if traceparent is not None:
        headers["traceparent"] = traceparent
    async with client(app.asgi()) as http:
        answer = await http.post(PATH, json=start_body(worker.id), headers=headers)
    data: dict[str, Any] = answer.json()["data"]
    run_id = data["run_slug"]
    found: RunTrace | None = await app.storage.read(lambda tx: tx.traces.get(run_id))
    run = await app.storage.read(lambda tx: tx.runs.get(run_id))
    if found is not None:
        assert run is not None and 0 < found.received_at <= run.created_at
    return found


async def test_a_run_continues_the_trace_of_its_client(traced: App) -> None:
    worker = await traced.publish()
    found = await start(traced, worker, f"00-{TRACE}-{PARENT}-01")
    assert found is not None
    assert (found.trace_id, found.parent_id) == (TRACE, PARENT)
    own = await start(traced, worker, None)
    assert own is not None
    assert (own.parent_id, len(own.trace_id)) == ("", 32)
    assert await start(traced, worker, f"00-{TRACE}-{PARENT}-00") is None


async def test_without_a_collector_a_run_has_no_trace(app: App) -> None:
    assert await start(app, await app.publish(), f"00-{TRACE}-{PARENT}-01") is None
