"""The client against a real server on loopback: every method, and raw HTTP that it never sends."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fyke.model.node_registry import Node
from fyke.model.schedule import ScheduleKind as Kind
from fyke_client import ApiError, FykeAdmin, Unreachable
from fyke_client.types.fyke.nodes import NodeTokenToCreate
from fyke_client.types.fyke.schedules import Timing
from fyke_client.types.v1 import ENDED
from support.app import SCHEMA
from support.projects import python_project
from support.served import Served, served

CUSTOM = {"urls": ["https://a.example"], "big": 2**200}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served"), templates) as server:
        yield server


@pytest.fixture
def fyke(server: Served) -> Iterator[FykeAdmin]:
    with FykeAdmin(server.base_url, server.app.owner_key) as client:
        yield client


@pytest.fixture(scope="module")
def worker(server: Served) -> str:
    with FykeAdmin(server.base_url + "/", server.app.owner_key) as fyke:
        archive = python_project("print('hello')\n", schema=SCHEMA)
        return fyke.push_worker(archive, name="reader", title="A reader", public=True).path


def test_the_server_is_ready_once_a_runner_is_alive(server: Served, fyke: FykeAdmin) -> None:
    assert fyke.ready() is False
    server.do(server.app.register_runner())
    assert fyke.ready() is True
    assert fyke.version()[0].isdigit()
    assert [r.isolation for r in fyke.runners()] == ["full"]


def test_the_catalog_is_searched(fyke: FykeAdmin, worker: str) -> None:
    assert [w.path for w in fyke.search("reader")] == [worker]
    detail = fyke.worker(worker)
    assert (detail.version, detail.parameters.system.memory) == ("v1.0.1", 512)
    assert fyke.input_schema(worker) == detail.parameters.custom
    assert len(fyke.regions()) == 249
    assert [w.path for w in fyke.own_workers()] == [worker]


def test_a_worker_is_published_withdrawn_and_restored(fyke: FykeAdmin) -> None:
    first, second = (python_project(f"print({n})\n", schema=SCHEMA) for n in range(2))
    pushed = fyke.push_worker(first, name="fading", description="Goes", public=False)
    assert (pushed.path, pushed.version) == ("owner/fading", "v1.0.1")
    for ref in ("owner/fading", "owner~fading"):
        pushed_again = fyke.push_worker(second, name=ref)
        assert (pushed_again.slug, pushed_again.version) == (pushed.slug, "v1.0.2")
    assert fyke.withdraw("owner/fading", "v1.0.2").state == "withdrawn"
    assert fyke.restore("owner/fading", "v1.0.2").state == "published"
    assert [v.version for v in fyke.versions("owner/fading")] == ["v1.0.2", "v1.0.1"]
    with pytest.raises(ApiError) as refused:
        fyke.push_worker(b"no archive", name="fading")
    assert (refused.value.status, refused.value.code) == (400, 11000)
    fyke.start("owner/fading", CUSTOM)
    assert fyke.delete_worker("owner/fading") == 1
    with pytest.raises(ApiError) as error:
        fyke.worker("owner/fading")
    assert (error.value.status, error.value.code) == (404, 50001)


def test_a_run_is_started_read_and_exported(server: Served, fyke: FykeAdmin, worker: str) -> None:
    run = fyke.start(worker, CUSTOM, system={"memory": 512})
    assert fyke.run(run).status_name == "ready"
    rows = [{"n": n, "big": 2**100} for n in range(1200)]
    server.do(server.app.execute(rows, log=["hello"]))
    detail = fyke.wait(run, 10)
    assert (detail.status, detail.results, detail.ended) == (3, 1200, True)
    assert fyke.run_page(status=3, worker=worker).items[0] == detail
    page = fyke.results(run, page_size=2)
    assert (page.count, [c.key for c in page.headers]) == (1200, ["n", "big"])
    assert msgspec.json.decode(page.items[1])["big"] == 2**100
    assert sum(1 for _ in fyke.raw_rows(run)) == 1200
    selected = fyke.rows(run, sort="-n", fields=["n"], filter=["n:lt:2"])
    assert list(selected) == [{"n": 1}, {"n": 0}]
    assert next(fyke.runs(worker=worker)).slug == run
    assert "hello" in [line.content for line in fyke.log_tail(run).items]
    assert "hello" in [entry.content for entry in fyke.logs(run)]
    assert [entry.position for entry in fyke.follow_logs(run)] == [
        entry.position for entry in fyke.logs(run)
    ]
    assert fyke.collect(run, fields=["n"], filter=["n:lt:2"]) == [{"n": 0}, {"n": 1}]
    file = io.BytesIO()
    size = fyke.download(fyke.export(run, "csv", ["n"]), file)
    assert len(file.getvalue()) == size
    assert len(file.getvalue().splitlines()) == 1201
    chosen = io.BytesIO()
    link = fyke.export(run, "jsonl", fields=["n"], sort="-n", filter=["n:lt:2"], clean=True)
    fyke.download(link, chosen)
    assert [msgspec.json.decode(line) for line in chosen.getvalue().splitlines()] == [
        {"n": 1},
        {"n": 0},
    ]
    assert [event.after for event in fyke.events(run)][-1] == "succeeded"
    assert fyke.deliveries(run) == []
    fyke.delete_run(run)
    with pytest.raises(ApiError) as caught:
        fyke.run(run)
    assert (caught.value.status, caught.value.code) == (404, 70001)
    assert len(caught.value.request_id) == 26


def test_a_run_is_rerun_and_aborted_and_a_wait_times_out(fyke: FykeAdmin, worker: str) -> None:
    run = fyke.start(worker, CUSTOM, version="v1.0.1")
    rerun = fyke.rerun(run)
    with pytest.raises(TimeoutError, match="still ready"):
        fyke.wait(rerun, 0.01)
    for item in (run, rerun):
        fyke.abort(item)
        assert fyke.run(item).status in ENDED


def test_a_sync_start_returns_the_rows(server: Served, fyke: FykeAdmin, worker: str) -> None:
    async def execute() -> None:
        import asyncio

        while not (leases := await server.app.begin()):
            await asyncio.sleep(0.005)
        await server.app.push(leases[0], [{"n": 1}])
        await server.app.end(leases[0])

    runner = threading.Thread(target=lambda: server.do(execute()))
    runner.start()
    result = fyke.start_and_wait(worker, CUSTOM, page_size=5)
    runner.join()
    assert (result.run_status, result.status) == ("completed", 3)
    assert msgspec.json.decode(result.results.items[0])["n"] == 1


def test_tasks_are_created_changed_and_started(fyke: FykeAdmin, worker: str) -> None:
    slug = fyke.create_task(worker, {"parameters": {"custom": CUSTOM}}, title="Daily")
    task = fyke.task(slug)
    assert (task.title, task.version, [*fyke.tasks(worker=worker)]) == ("Daily", "latest", [task])
    fyke.update_task(slug, description="Why")
    fyke.set_task_input(slug, CUSTOM, "v1.0.1", system={"memory": 512})
    saved = msgspec.json.decode(fyke.task(slug).input)
    assert saved["parameters"]["system"]["memory"] == 512
    changed = fyke.task(slug)
    assert (changed.title, changed.description, changed.version) == ("Daily", "Why", "v1.0.1")
    run = fyke.start_task(slug)
    assert (fyke.task(slug).run_times, fyke.task(slug).last_run_slug) == (1, run)
    fyke.abort(run)
    fyke.delete_task(slug)
    assert fyke.task_page().count == 0


def test_schedules_are_set_and_switched(fyke: FykeAdmin, worker: str) -> None:
    slug = fyke.create_task(worker, CUSTOM)
    assert fyke.set_time_zone("Europe/Berlin") == fyke.account().time_zone == "Europe/Berlin"
    schedule = fyke.set_schedule(slug, Timing(kind=Kind.DAILY, time="09:30"), overlap="skip")
    assert (schedule.time_zone, schedule.overlap, fyke.schedule(slug)) == (
        "Europe/Berlin",
        "skip",
        schedule,
    )
    assert fyke.next_times(slug, 3).items[0].at == schedule.next_at
    preview = fyke.next_times(slug, 3, Timing(kind=Kind.INTERVAL, every=60))
    assert len(preview.items) == 3
    assert fyke.fires(slug).count == 0
    fyke.delete_schedule(slug)
    with pytest.raises(ApiError, match="not found"):
        fyke.schedule(slug)
    fyke.delete_task(slug)


def test_accounts_and_keys_are_managed(server: Served, fyke: FykeAdmin) -> None:
    created = fyke.create_account("fourth")
    assert created.key.key not in repr(created)
    assert fyke.credit("fourth", usd="2.5", traffic_mb=1).balance == "2.50"
    assert "fourth" in {account.name for account in fyke.accounts()}
    with FykeAdmin(server.base_url, created.key.key) as own_client:
        assert (own_client.account_info().balance, own_client.account().traffic) == ("2.50", 10**6)
        assert own_client.account().webhook_secret.startswith("whsec_")
        assert "whsec_" not in repr(own_client.account())
        with pytest.raises(ApiError, match="Unauthorized access"):
            own_client.accounts()
        key = own_client.create_key("ci")
        assert {k.name for k in own_client.list_keys()} == {"first", "ci"}
        own_client.revoke_key(key.id)
    assert [k.name for k in fyke.list_keys("fourth") if not k.revoked_at] == ["first"]


def test_errors_have_the_code_and_message_of_the_server(
    server: Served, fyke: FykeAdmin, worker: str
) -> None:
    with pytest.raises(ApiError) as caught:
        fyke.start(worker, {})
    assert (caught.value.status, caught.value.code) == (400, 4000)
    assert caught.value.details[0].startswith('required field "urls" is missing or empty')
    with FykeAdmin(server.base_url, "wrong") as stranger, pytest.raises(ApiError) as denied:
        stranger.account_info()
    assert (denied.value.status, denied.value.code) == (401, 20001)


def test_a_missing_server_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with FykeAdmin(f"http://127.0.0.1:{port}", "", retries=0) as fyke:
        for work in (
            fyke.ready,
            lambda: fyke.download(f"http://127.0.0.1:{port}/x", io.BytesIO()),
        ):
            with pytest.raises(Unreachable, match="cannot be reached"):
                work()
    with pytest.raises(ValueError, match="must start with http"):
        FykeAdmin("nonsense", "")


def test_nodes_and_their_tokens(server: Served, fyke: FykeAdmin) -> None:
    made = fyke.create_node_token(NodeTokenToCreate("eu", {"gpu": "no"}, "n*", 2, 30))
    assert made.token.startswith("fyken_") and (made.pool, made.uses) == ("eu", 2)
    fyke.revoke_node_token(made.id)
    assert [token.id for token in fyke.node_tokens() if token.revoked_at] == [made.id]
    node = Node("n1", "eu", {}, "", "J1", False, 0)
    server.do(server.app.storage.write(lambda tx: tx.nodes.add(node)))
    assert [pool.pool for pool in fyke.node_demand()] == ["default", "eu"]
    assert fyke.cordon_node("n1").state == "cordoned"
    assert fyke.drain_node("n1", 5).state == "draining"
    assert [fyke.uncordon_node("n1")] == fyke.nodes() == [fyke.node("n1")]
    fyke.forget_node("n1")
    with pytest.raises(ApiError) as absent:
        fyke.node("n1")
    assert absent.value.status == 404


def test_a_download_of_a_deleted_run_is_an_error(
    server: Served, fyke: FykeAdmin, worker: str
) -> None:
    run = fyke.start(worker, CUSTOM)
    fyke.abort(run)
    url = fyke.export(run)
    fyke.delete_run(run)
    with pytest.raises(ApiError):
        fyke.download(url, file := io.BytesIO())
    assert file.getvalue() == b""


def _talk(server: Served, request: bytes) -> bytes:
    host, _, port = server.base_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


@pytest.mark.parametrize(
    ("request_line", "headers", "status", "body"),
    [
        (b"GET /nothing HTTP/1.1", b"Host: localhost", b"404", b'{"code":4040,'),
        (b"GET /readyz HTTP/1.1", b"Host: evil.example", b"200", b'{"code":0,'),
        (b"GET /version HTTP/1.1", b"Host: evil.example", b"400", b'{"code":4000,'),
        (b"GET /healthz HTTP/1.1", b"Host: localhost\r\nHost: evil", b"400", b'{"code":4000,'),
        (b"GET /healthz HTTP/1.0", b"X: y", b"400", b'{"code":4000,'),
        (b"PUT /api/v1/run/detail HTTP/1.1", b"Host: localhost", b"405", b'{"code":4000,'),
        (b"GET //healthz HTTP/1.1", b"Host: localhost", b"404", b'{"code":4040,'),
        (b"GET /%68ealthz/../x HTTP/1.1", b"Host: localhost", b"404", b'{"code":4040,'),
        (
            b"POST /api/v1/run/detail HTTP/1.1",
            b"Host: localhost\r\nContent-Length: 99999999999",
            b"401",
            b'{"code":20001,',
        ),
    ],
)
def test_raw_requests_also_get_an_envelope(
    server: Served, request_line: bytes, headers: bytes, status: bytes, body: bytes
) -> None:
    request = request_line + b"\r\n" + headers + b"\r\nConnection: close\r\n\r\n"
    answer = _talk(server, request)
    assert answer.split(b" ", 2)[1] == status
    assert body in answer.replace(b"\r\n", b"")
    assert b"<html" not in answer.lower()
