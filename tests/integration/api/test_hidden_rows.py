"""Rows of a failed Worker: counted, but left out of every response unless requested."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fyke.cli.main import app as cli
from fyke.domain.runs.service import StartRequest
from fyke.model.run import Origin, Outcome
from fyke.wire.fyke.runs import RunSummary
from support.answers import data_as
from support.api import Api
from support.app import App
from support.served import Served, served

ROWS = [{"n": n, "title": f"row {n}"} for n in range(1, 6)]
INPUT = {"parameters": {"custom": {"urls": [{"url": "https://a.example"}]}}}


async def failed_run(app: App, *, succeeds: bool = False) -> str:
    """Make a run whose Worker pushes five rows and then fails, or ``succeeds``; return its id."""
    worker = await app.publish()
    request = StartRequest(worker.id, None, INPUT, "", Origin.WEB)
    run = await app.services.runs.start(app.owner, request)
    outcome = Outcome.SUCCEEDED if succeeds else Outcome.EXIT_CODE
    await app.execute(ROWS, outcome, "" if succeeds else "The Worker exited with code 1")
    return run.id


@pytest.fixture
async def run(app: App) -> str:
    return await failed_run(app)


@pytest.mark.anyio
async def test_the_summary_counts_the_hidden_rows(app: App, api: Api, run: str) -> None:
    answer = await api.get(f"/api/fyke/runs/{run}")
    data = data_as(RunSummary, answer)
    assert (data["state"], data["results"], data["hidden"]) == ("failed", 0, 5)
    fine = await failed_run(app, succeeds=True)
    data = (await api.get(f"/api/fyke/runs/{fine}")).json()["data"]
    assert (data["results"], data["hidden"]) == (5, 0)
    foreign = await api.get(f"/api/fyke/runs/{run}", key=app.other_key)
    assert foreign.status_code == 404


@pytest.mark.anyio
async def test_pages_of_both_versions_include_hidden_rows_only_on_request(
    api: Api, run: str
) -> None:
    v1, v2 = "/api/v1/run/result/list", f"/api/v2/worker-runs/{run}/result"
    assert (await api.ok(v1, {"run_slug": run}))["count"] == 0
    assert (await api.get(v2)).json()["data"]["count"] == 0
    hidden = await api.ok(v1, {"run_slug": run, "failed_rows": True, "page_size": 3})
    assert hidden["count"] == 5
    assert [row["n"] for row in hidden["list"]] == [1, 2, 3]
    filtered = (await api.get(f"{v2}?failed_rows=true&sort=-n&filter=n:gt:3")).json()["data"]
    assert [row["n"] for row in filtered["list"]] == [5, 4]
    walked = (await api.get(f"{v2}?failed_rows=true&cursor=*&limit=2")).json()["data"]
    rest = (await api.get(f"{v2}?failed_rows=true&cursor={walked['next_cursor']}")).json()["data"]
    assert [row["n"] for row in [*walked["list"], *rest["list"]]] == [1, 2, 3, 4, 5]
    assert (await api.get(v2)).json()["data"]["count"] == 0, "nothing is remembered"


@pytest.mark.anyio
@pytest.mark.parametrize("format", ["csv", "jsonl", "xlsx"])
async def test_files_include_hidden_rows_only_on_request(api: Api, run: str, format: str) -> None:
    sizes = []
    for extra in ({}, {"failed_rows": True}):
        body = {"run_slug": run, "format": format, **extra}
        url = (await api.ok("/api/v1/run/result/export", body))["download_url"]
        file = await api.http.get(url)
        assert file.status_code == 200
        sizes.append(len(file.content))
        if format != "xlsx":
            assert file.text.count("row ") == (5 if extra else 0)
    assert sizes[0] < sizes[1]


# --- the command line ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("hidden"), templates) as server:
        yield server


def fyke(server: Served, *words: str) -> Any:
    key = server.app.owner_key
    answer = CliRunner().invoke(cli, [*words], env={"FYKE_URL": server.base_url, "FYKE_KEY": key})
    assert answer.exit_code == 0, answer.output
    return answer


@pytest.mark.slow
def test_run_show_mentions_hidden_rows_and_commands_that_work(
    server: Served, tmp_path: Path
) -> None:
    run = server.do(failed_run(server.app))
    shown = fyke(server, "run", "show", run).output
    assert "5 rows are stored but hidden because the Worker failed" in shown
    assert "FYKE_FAILED_ROWS=keep" in shown
    commands = [line.partition("fyke ")[2].split() for line in shown.splitlines() if run in line]
    show, export = (words for words in commands if words[:1] == ["run"])
    assert "row 5" in fyke(server, *show).output
    file = tmp_path / "rows.csv"
    fyke(server, *export, "--output", str(file))
    assert file.read_text(encoding="utf-8").count("row ") == 5
    assert '"hidden": 5' in fyke(server, "run", "show", run, "--json").output
    every = fyke(server, "run", "results", run, "--all", "--jsonl", "--failed-rows").output
    assert every.count("row ") == 5
    assert "row 1" not in fyke(server, "run", "results", run).output


def test_run_show_of_a_run_without_hidden_rows_does_not_mention_them(server: Served) -> None:
    run = server.do(failed_run(server.app, succeeds=True))
    assert "left out" not in fyke(server, "run", "show", run).output
