"""Reading and ending runs: the whole answer of each operation, on each path of a run."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fyke.model.run import Outcome, RunState
from fyke.wire.v2.runs import WorkerRun, WorkerRunPage
from support.answers import reads_as
from support.api import Api, client, fails
from support.app import App

pytestmark = pytest.mark.anyio

RUNS = "/api/v2/worker-runs"
CUSTOM = {"urls": [{"url": "https://a.example"}]}
ABSENT = "01HFXXXXXXXXXXXXXXXXXXXXXX"


async def start(api: Api, worker: str = "owner~reader", **body: Any) -> str:
    answer = await api.post(f"/api/v2/workers/{worker}/runs", {"input": CUSTOM} | body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["run_slug"])


async def data(api: Api, path: str, **options: Any) -> Any:
    answer = await api.get(path, **options)
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["code", "message", "request_id", "data"]
    assert (answer.json()["code"], answer.json()["message"]) == (0, "success")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    return answer.json()["data"]


def paths_of(worker: str, run: str) -> list[str]:
    """All paths of a run that is the newest of its account and of its worker."""
    return [
        f"{RUNS}/{run}",
        f"{RUNS}/last",
        f"/api/v2/workers/{worker}/runs/last",
        "/api/v2/workers/owner~reader/runs/last",
        "/api/v2/workers/owner%2Freader/runs/last",
        "/api/v2/workers/owner%7Ereader/runs/last",
        "/api/v2/workers/owner/reader/runs/last",
        "/api/v2/workers/runs/last",
    ]


async def finished(app: App, api: Api) -> tuple[str, str]:
    """A worker, and a run of it that has succeeded with two rows and a log."""
    worker = await app.publish()
    run = await start(api)
    await app.execute([{"a": 1}, {"a": 2}], log=["one", "two"])
    return worker.id, run


async def test_every_operation_returns_a_run_with_all_fields_of_the_contract(
    app: App, api: Api
) -> None:
    worker, run = await finished(app, api)
    stored = await app.storage.read(lambda tx: tx.runs.get(run))
    assert stored is not None
    expected = {
        "status": "succeeded",
        "err_msg": "",
        "slug": run,
        "run_slug": run,
        "worker_id": worker,
        "worker_slug": worker,
        "scraper_slug": worker,
        "scraper_title": "The reader",
        "version": "v1.0.1",
        "results": 2,
        "usage": "0",
        "traffic": 2048,
        "origin": "api_v2",
        "started_at": stored.started_at // 1000,
        "finished_at": stored.finished_at // 1000,
        "duration": stored.finished_at // 1000 - stored.started_at // 1000,
    }
    for path in paths_of(worker, run):
        assert await data(api, path) == expected
        reads_as(WorkerRun, await api.get(path))


async def test_the_status_is_the_first_published_name_of_the_state(app: App, api: Api) -> None:
    """The documented Java sample searches the text of the answer."""
    _, run = await finished(app, api)
    text = (await api.get(f"{RUNS}/{run}")).text
    match = re.search(r'"status"\s*:\s*"([^"]*)"', text)
    assert match and match[1] == "succeeded"
    assert text.index('"status"') == match.start()


async def test_a_failed_run_has_the_reason_in_its_detail_and_in_the_list(
    app: App, api: Api
) -> None:
    await app.publish()
    run = await start(api)
    await app.execute([], Outcome.EXIT_CODE, "The Worker exited with code 3")
    detail = await data(api, f"{RUNS}/{run}")
    assert (detail["status"], detail["err_msg"]) == ("failed", "The Worker exited with code 3")
    assert (await data(api, RUNS))["list"] == [detail]


async def test_runs_of_v1_are_visible_in_v2_with_their_own_origin(
    app: App, api: Api, run_slug: str
) -> None:
    detail = await data(api, f"{RUNS}/{run_slug}")
    assert (detail["origin"], detail["status"]) == ("api", "ready")
    seen_in_v1 = await api.ok("/api/v1/run/detail", {"run_slug": await start(api)})
    assert (seen_in_v1["origin"], seen_in_v1["status"]) == ("api_v2", 1)


async def test_without_a_run_the_last_run_is_not_found(app: App, api: Api) -> None:
    worker = await app.publish()
    for path in paths_of(worker.id, "last")[1:]:
        for suffix in ("", "/log", "/result", "/export"):
            body = fails(await api.get(path + suffix), 404, 70001)
            assert body["message"] == "run record does not exist"
        for suffix in ("/abort", "/rerun"):
            fails(await api.post(path + suffix), 404, 70001)


async def test_the_last_run_is_the_newest_of_the_account_or_the_worker(app: App, api: Api) -> None:
    await app.publish()
    await app.publish("other")
    first = await start(api)
    second = await start(api, "owner~other")
    answer = await api.post(
        "/api/v2/workers/owner~reader/runs", {"input": CUSTOM}, key=app.other_key
    )
    foreign = answer.json()["data"]["run_slug"]
    assert (await data(api, f"{RUNS}/last"))["slug"] == second
    assert (await data(api, "/api/v2/workers/owner~reader/runs/last"))["slug"] == first
    assert (await data(api, f"{RUNS}/last", key=app.other_key))["slug"] == foreign


async def test_a_run_of_another_account_is_not_found(app: App, api: Api, run_slug: str) -> None:
    for request in (
        "GET",
        "GET /log",
        "GET /result",
        "GET /result/export",
        "POST /abort",
        "POST /rerun",
    ):
        method, _, suffix = request.partition(" ")
        errors = []
        for run in (run_slug, ABSENT, "no%20such%7Erun"):
            answer = await api.send(method, f"{RUNS}/{run}{suffix}", key=app.other_key)
            errors.append(fails(answer, 404, 70001) | {"request_id": ""})
        assert errors[0] == errors[1] == errors[2]


async def test_an_unknown_worker_has_no_last_run(app: App, api: Api) -> None:
    await app.publish("hidden", public=False)
    for ref in (ABSENT, "owner~nobody", "reader", "owner~hidden"):
        path = f"/api/v2/workers/{ref}/runs/last"
        fails(await api.get(path, key=app.other_key), 404, 50001, "worker does not exist")


# --- list -----------------------------------------------------------------------------------


async def test_every_page_of_the_list_is_newest_first(app: App, api: Api) -> None:
    await app.publish()
    runs = [await start(api) for _ in range(5)]
    await start(Api(api.http, app.other_key))
    first_page = await data(api, RUNS)
    assert list(first_page) == ["count", "list", "page_index", "page_size"]
    assert (first_page["count"], first_page["page_index"], first_page["page_size"]) == (5, 1, 20)
    assert [run["slug"] for run in first_page["list"]] == runs[::-1]
    assert first_page["list"][0] == await data(api, f"{RUNS}/{runs[-1]}")
    reads_as(WorkerRunPage, await api.get(RUNS))
    second = await data(api, f"{RUNS}?offset=2&limit=2")
    assert [run["slug"] for run in second["list"]] == runs[1:3][::-1]
    assert (second["page_index"], second["page_size"], second["count"]) == (2, 2, 5)
    assert await data(api, f"{RUNS}?offset=0") == first_page
    beyond = await data(api, f"{RUNS}?offset=1000000000&limit=1000000")
    assert beyond == {"count": 5, "list": [], "page_index": 10**9, "page_size": 100}


@pytest.mark.slow
async def test_the_list_is_filtered_by_status_and_worker(app: App, api: Api) -> None:
    await app.publish()
    other = await app.publish("other")
    succeeded = await start(api)
    await app.execute([])
    failed = await start(api, other.id)
    await app.execute([], Outcome.TIMEOUT, "Timeout")
    aborted = await start(api)
    await api.post(f"{RUNS}/{aborted}/abort")
    stopping = await start(api)
    await app.begin()
    await api.post(f"{RUNS}/{stopping}/abort")
    waiting = await start(api)

    async def found(query: str) -> list[str]:
        page = await data(api, f"{RUNS}?{query}")
        assert page["count"] == len(page["list"])
        return [run["slug"] for run in page["list"]]

    everything = [waiting, stopping, aborted, failed, succeeded]
    for query in ("", "status=", "status=0", "worker_id="):
        assert await found(query) == everything
    for query in ("status=ready", "status=1", "status=READY"):
        assert await found(query) == [waiting]
    for query in ("status=succeeded", "status=3", "status=succeeded&worker_id=owner%2Freader"):
        assert await found(query) == [succeeded]
    for query in ("status=failed", "status=4", f"worker_id={other.id}", "worker_id=owner~other"):
        assert await found(query) == [failed]
    for query in ("status=aborting", "status=aborted", "status=5"):
        assert await found(query) == [stopping, aborted]
    assert await found("status=running") == []
    for ref in ("typed%20text", "owner~nobody", ABSENT):
        assert await found(f"worker_id={ref}") == []


async def test_an_unknown_status_is_refused_with_the_valid_ones(api: Api) -> None:
    words = "status must be one of ready, running, succeeded, failed, aborting, aborted"
    for status in ("done", "6", "-1", "aborted,failed"):
        fails(await api.get(f"{RUNS}?status={status}"), 422, 11000, words)


async def test_the_list_is_filtered_by_time_including_the_whole_final_day(
    app: App, api: Api
) -> None:
    await app.publish()
    run = await start(api)
    stored = await app.storage.read(lambda tx: tx.runs.get(run))
    assert stored is not None
    created_at = stored.created_at // 1000

    async def count(query: str) -> int:
        return int((await data(api, f"{RUNS}?{query}"))["count"])

    assert await count(f"start_time={created_at}") == 1
    assert await count(f"start_time={created_at + 1}") == 0
    # end_time is the beginning of a day, to which the server adds 86400 seconds
    assert await count(f"end_time={created_at - 86_400 + 1}") == 1
    assert await count(f"end_time={created_at - 86_400}") == 0
    assert await count(f"start_time={created_at}&end_time={created_at}") == 1
    assert await count(f"start_time={created_at - 90 * 86_400}&end_time={created_at}") == 1
    answer = await api.get(f"{RUNS}?start_time={created_at}&end_time={created_at - 2 * 86_400}")
    fails(answer, 400, 11000, "start_time must not be later than the day of end_time")
    for query in (
        "start_time=yesterday",
        "end_time=-1",
        f"start_time={created_at}000",
        f"start_time={'9' * 30}",
    ):
        name = query.partition("=")[0]
        rule = f"{name} must be Unix seconds, an integer from 0 to 253402300799"
        fails(await api.get(f"{RUNS}?{query}"), 422, 11000, rule)


# --- abort ----------------------------------------------------------------------------------


@pytest.mark.slow
async def test_an_abort_has_no_data_and_may_be_repeated(app: App, api: Api) -> None:
    worker, _ = await finished(app, api)
    for index, path in enumerate(paths_of(worker, "")):
        run = await start(api)
        place = path + run if index == 0 else path
        for _ in range(2):
            answer = await api.send("POST", f"{place}/abort")
            assert answer.status_code == 200, (place, answer.text)
            assert answer.json()["data"] is None
        assert (await data(api, f"{RUNS}/{run}"))["status"] == "aborting"


async def test_a_run_is_aborting_until_its_worker_has_stopped(app: App, api: Api) -> None:
    await app.publish()
    run = await start(api)
    [lease] = await app.begin()
    assert (await data(api, f"{RUNS}/{run}"))["status"] == "running"
    assert (await api.post(f"{RUNS}/{run}/abort")).status_code == 200
    for _ in range(2):
        detail = await data(api, f"{RUNS}/{run}")
        assert (detail["status"], detail["finished_at"]) == ("aborting", 0)
    await app.end(lease, Outcome.ABORTED)
    detail = await data(api, f"{RUNS}/{run}")
    assert (detail["status"], detail["finished_at"] > 0) == ("aborted", True)
    [listed] = (await data(api, f"{RUNS}?status=aborting"))["list"]
    assert (listed["status"], listed["finished_at"] > 0) == ("aborted", True)
    assert (await api.post(f"{RUNS}/{run}/abort")).status_code == 200
    assert (await api.ok("/api/v1/run/detail", {"run_slug": run}))["status"] == 5


async def test_each_client_reads_aborting_once_after_the_worker_has_stopped(
    app: App, api: Api
) -> None:
    await app.publish()
    run = await start(api)
    [lease] = await app.begin()
    assert (await api.post(f"{RUNS}/{run}/abort")).status_code == 200
    await app.end(lease, Outcome.ABORTED)

    async def status_of(path: str = f"{RUNS}/{run}", **headers: str) -> str:
        answer = await api.get(path, headers={"user-agent": "sample/1", **headers})
        return str(answer.json()["data"]["status"])

    listed = await api.get(RUNS, headers={"user-agent": "sample/1"})
    assert listed.json()["data"]["list"][0]["status"] == "aborting"
    assert [await status_of(), await status_of(), await status_of(f"{RUNS}/last")] == [
        "aborting",
        "aborted",
        "aborted",
    ]
    other = {"user-agent": "agent/2"}
    assert [await status_of(**other), await status_of(**other)] == ["aborting", "aborted"]
    own = {"user-agent": "made for this API"}
    assert await status_of(f"{RUNS}/{run}?wait=1", **own) == "aborted"
    assert await status_of(**own) == "aborted"
    reader = {"user-agent": "reader/3"}
    authorized = reader | {"api-key": api.key}
    stream = await api.http.get(f"{RUNS}/{run}/events", headers=authorized)
    assert "event: end" in stream.text
    assert await status_of(**reader) == "aborted"


async def test_after_the_grace_period_every_client_reads_aborted(app: App) -> None:
    await app.publish()
    async with client(app.asgi(abort_grace_seconds=0)) as http:
        hasty = Api(http, app.owner_key)
        run = await start(hasty)
        assert (await hasty.post(f"{RUNS}/{run}/abort")).status_code == 200
        assert (await data(hasty, f"{RUNS}/{run}"))["status"] == "aborted"


async def test_a_run_that_has_ended_cannot_be_aborted(app: App, api: Api) -> None:
    await app.publish()
    for outcome, status in ((Outcome.SUCCEEDED, "succeeded"), (Outcome.TIMEOUT, "failed")):
        run = await start(api)
        await app.execute([], outcome)
        for path in (f"{RUNS}/{run}", f"{RUNS}/last", "/api/v2/workers/runs/last"):
            body = fails(await api.post(f"{path}/abort"), 400, 70002)
            assert body["message"] == f"run operation failed: the run has already {status}"


async def test_an_abort_accepts_any_small_body(app: App, api: Api) -> None:
    await app.publish()
    for content, kind in (
        (b"", ""),
        (b"{}", "application/json"),
        (b"\xef\xbb\xbf{}", "text/plain"),
        (b"null", ""),
        (b'{"reason":"why not"}', ""),
    ):
        run = await start(api)
        headers = {"content-type": kind} if kind else {}
        answer = await api.send("POST", f"{RUNS}/{run}/abort", content=content, headers=headers)
        assert answer.status_code == 200, answer.text
        stored = await app.storage.read(lambda tx, run=run: tx.runs.get(run))
        assert stored is not None and stored.state is RunState.ABORTED


# --- log ------------------------------------------------------------------------------------


async def test_a_log_has_objects_and_a_link_that_needs_no_key(app: App, api: Api) -> None:
    worker, run = await finished(app, api)
    for path in paths_of(worker, run):
        log = await data(api, f"{path}/log")
        url = log.pop("all_logs_url")
        number = log["list"][0]["group"]
        first, second, *others = log["list"]
        expected = {"type": 2, "group": number, "content": "one", "timestamp": 1_700_000_000_000}
        assert first == expected
        assert second == expected | {"content": "two", "timestamp": 1_700_000_000_001}
        assert [line["content"][:8] for line in others] == ["SYSTEM: "] * len(others)
        assert (list(log), log["result_count"]) == (["list", "result_count"], 2)
        for line in log["list"]:
            assert [type(line[name]) for name in ("type", "group", "content", "timestamp")] == [
                int, str, str, int,
            ]  # fmt: skip
        assert url.startswith("http://127.0.0.1:8100/files/")
        text = await api.send("GET", url, key=None)
        assert text.status_code == 200
        assert "one\n" in text.text
