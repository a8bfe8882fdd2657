"""Runs whose rows were moved into files, above the stores: reads, exports, deletion, retention."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from fyke.storage.sql.dialects import run_sql
from fyke.timers.retention import DAY_MS, RetentionTimer
from fyke.timers.sealing import SealTimer
from support.api import Api, fails
from support.app import App

pytestmark = pytest.mark.anyio

COUNT = 30


async def end_run(app: App, run: str, age: int) -> None:
    """Execute the run; it ended so many milliseconds ago."""
    await app.execute([{"n": n, "title": f"Zeile {n}"} for n in range(COUNT)])
    statement = "UPDATE runs SET finished_at = finished_at - ? WHERE id = ?"
    await app.storage.write(lambda tx: run_sql(tx.connection, statement, (age, run)))


def files(folder: Path) -> list[str]:
    return [file.name for file in (folder / "blobs" / "rows").iterdir()]


async def test_a_sealed_run_is_read_exported_and_deleted(
    app: App, api: Api, run_slug: str, tmp_path: Path
) -> None:
    await end_run(app, run_slug, 601_000)
    await SealTimer(app.storage, app.results, 1, 600).tick()
    [name] = files(tmp_path)
    assert name.startswith(run_slug.lower())

    page = {"run_slug": run_slug, "page_index": 2, "page_size": 7}
    data = await api.ok("/api/v1/run/result/list", page)
    assert (data["count"], [row["n"] for row in data["list"]]) == (COUNT, [*range(7, 14)])
    query = {"offset": 2, "limit": 7}
    answer = await api.get(f"/api/v2/worker-runs/{run_slug}/result", params=query)
    assert answer.json()["data"]["list"] == data["list"]

    body = {"run_slug": run_slug, "format": "csv"}
    link = (await api.ok("/api/v1/run/result/export", body))["download_url"]
    file = await api.http.get(link)
    table = csv.DictReader(io.StringIO(file.content.decode("utf-8-sig")))
    assert [row["title"] for row in table] == [f"Zeile {n}" for n in range(COUNT)]

    assert (await api.send("DELETE", f"/api/fyke/runs/{run_slug}")).status_code == 200
    assert files(tmp_path) == []
    assert (await api.http.get(link)).status_code == 404
    fails(await api.post("/api/v1/run/result/list", page), 404, 70001)


async def test_retention_removes_a_sealed_run_with_its_file(
    app: App, api: Api, run_slug: str, tmp_path: Path
) -> None:
    await end_run(app, run_slug, DAY_MS + 1000)
    await SealTimer(app.storage, app.results, 1, 600).tick()
    assert len(files(tmp_path)) == 1
    for days in (2, 1):
        assert files(tmp_path)
        await RetentionTimer(app.storage, app.services.runs, days).tick()
    assert files(tmp_path) == []
    fails(await api.get(f"/api/fyke/runs/{run_slug}"), 404, 70001)
