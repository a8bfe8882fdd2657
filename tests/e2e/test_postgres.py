"""A platform with state and rows in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import httpx2
import pytest

from support.booted import Booted, booted
from support.postgres import PostgresServer, running_postgres
from support.postgres_relay import Relay, relaying
from support.projects import python_project, zoo
from support.receivers import Receiver, listening
from support.two_servers import answers

RUNNING, SUCCEEDED, FAILED, ABORTED = 2, 3, 4, 5
ROWS = 300
COUNTS = f"""
import time
from sdk import CoreSDK

for number in range({ROWS}):
    CoreSDK.Result.push_data({{"n": number, "big": 2**63, "text": "caf\\u00e9 \\u0000"}})
    time.sleep(0.005)
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server that is stopped without a shutdown."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def relay(postgres: PostgresServer) -> Iterator[Relay]:
    with relaying(postgres) as relay:
        yield relay


@pytest.fixture(scope="module")
def database(postgres: PostgresServer, relay: Relay) -> Iterator[str]:
    """A database behind a relay that Fyke's service user can reach."""
    url = postgres.new_database().replace(str(postgres.socket_dir), str(relay.folder))
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="module")
def shared(database: str) -> Iterator[Booted]:
    with booted(database_url=database, callback_allow="127.0.0.1/32") as platform:
        yield platform


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as receiver:
        yield receiver


def test_no_data_is_stored_in_files(
    shared: Booted, postgres: PostgresServer, database: str
) -> None:
    run = shared.start_run(shared.push(zoo("upserts"), "pg-upserts"))
    assert shared.ended(run)["status"] == SUCCEEDED
    assert not list(shared.home.glob("*.db*"))
    name = database.partition("@/")[2].partition("?")[0]
    with postgres.admin(name) as connection:
        found = connection.execute("SELECT id, state FROM runs WHERE id = %s", (run,)).fetchall()
    assert found == [(run, "succeeded")]


def test_rows_exports_and_logs_are_complete(shared: Booted) -> None:
    run = shared.start_run(shared.push(python_project(COUNTS), "pg-counts"))
    detail = shared.ended(run)
    assert (detail["status"], detail["results"]) == (SUCCEEDED, ROWS)
    rows = shared.rows(run, 70)
    assert [row["n"] for row in rows] == list(range(ROWS))
    assert {row["big"] for row in rows} == {2**63}
    assert {row["text"] for row in rows} == {"caf\u00e9 \x00"}
    body = {"run_slug": run, "format": "json", "filter_keys": ["n"]}
    link = shared.call("/api/v1/run/result/export", body)["download_url"]
    assert [row["n"] for row in httpx2.get(link).json()] == list(range(ROWS))
    assert "Total 1 subtasks: 1 succeeded, 0 failed." in shared.log_text(run)


def test_upserts_merge_and_rows_of_failed_workers_are_hidden(shared: Booted) -> None:
    merged = shared.start_run(shared.push(zoo("upserts"), "pg-upserts"))
    hidden = shared.start_run(shared.push(zoo("exits_with_code"), "pg-exits"))
    shared.ended(merged)
    assert shared.rows(merged) == [
        {"id": "a", "price": 3, "seen": True},
        {"id": "b", "price": 2},
    ]
    assert (shared.ended(hidden)["results"], shared.rows(hidden)) == (0, [])


def test_an_abort_stops_a_running_worker_and_keeps_its_rows(shared: Booted) -> None:
    run = shared.start_run(shared.push(zoo("pushes_forever"), "pg-forever"))
    shared.wait_for(lambda: shared.detail(run)["results"] > 0, "a row")
    shared.call("/api/v1/scraper/abort", {"run_slug": run})
    shared.wait_for(lambda: not shared.sandboxes(), "the end of the Worker", 10)
    detail = shared.ended(run)
    assert (detail["status"], detail["err_msg"]) == (ABORTED, "Aborted on request")
    assert [row["n"] for row in shared.rows(run)] == list(range(1, detail["results"] + 1))


def test_a_killed_runner_fails_its_run_with_the_reason_and_keeps_the_rows(shared: Booted) -> None:
    run = shared.start_run(shared.push(zoo("pushes_forever"), "pg-forever"))
    shared.wait_for(lambda: shared.detail(run)["results"] > 20, "some rows")
    shared.kill_role("runner")
    detail = shared.ended(run, 30)
    assert detail["status"] == FAILED
    assert "runner was lost" in detail["err_msg"]
    rows = shared.rows(run)
    assert [row["n"] for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) == detail["results"]
    shared.wait_for(lambda: not shared.sandboxes(), "an empty process table", 10)
    again = shared.start_run(shared.push(zoo("upserts"), "pg-upserts"))
    assert shared.ended(again)["status"] == SUCCEEDED


def test_a_killed_server_stops_no_run(shared: Booted, receiver: Receiver) -> None:
    slug = shared.push(python_project(COUNTS), "pg-counts")
    body = {
        "scraper_slug": slug,
        "callback_url": receiver.url("/after-the-kill"),
        "input": {"parameters": {"custom": {}}},
    }
    run = shared.call("/api/v1/scraper/run", body)["run_slug"]
    shared.wait_for(lambda: shared.detail(run)["results"] > 0, "the first row")
    runner = shared.role("runner")
    shared.kill_role("server")
    shared.wait_for(lambda: answers(shared.url), "the server's return", 20)
    assert shared.ended(run)["status"] == SUCCEEDED
    assert [row["n"] for row in shared.rows(run)] == list(range(ROWS))
    assert shared.role("runner") == runner
    [received] = receiver.wait("/after-the-kill")
    assert received.data["results"] == ROWS


def test_a_temporary_outage_of_the_database_ends_no_run(
    shared: Booted, postgres: PostgresServer
) -> None:
    run = shared.start_run(shared.push(python_project(COUNTS), "pg-counts"))
    shared.wait_for(lambda: shared.detail(run)["results"] > 0, "the first row")
    postgres.stop()
    try:
        answer = shared.raw("/api/v1/run/detail", {"run_slug": run})
        assert (answer.status_code, answer.json()["code"]) == (503, 5000)
    finally:
        postgres.start()
    shared.wait_for(lambda: answers(shared.url), "the server's return", 30)
    detail = shared.ended(run)
    assert (detail["status"], detail["results"]) == (SUCCEEDED, ROWS), detail
    assert [row["n"] for row in shared.rows(run)] == list(range(ROWS))


@pytest.mark.long
def test_silent_connections_are_replaced_and_end_no_run(shared: Booted, relay: Relay) -> None:
    slug = shared.push(python_project(COUNTS), "pg-counts")
    runs = [shared.start_run(slug)]
    shared.wait_for(lambda: shared.detail(runs[0])["results"] > 0, "the first row")
    relay.silence()
    body = {"run_slug": runs[0], "page_index": 1, "page_size": 10}

    def answered(path: str) -> bool:
        return shared.raw(path, body).status_code == 200

    for path in ("/api/v1/run/detail", "/api/v1/run/result/list"):  # state, rows
        shared.wait_for(partial(answered, path), f"an answer of {path}", 30)
    runs.append(shared.start_run(slug))
    for run in runs:
        detail = shared.ended(run)
        assert (detail["status"], detail["results"]) == (SUCCEEDED, ROWS), detail
        assert [row["n"] for row in shared.rows(run)] == list(range(ROWS))
