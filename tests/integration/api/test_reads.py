"""Reading: store, detail of a worker, regions, runs, results, logs, account."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.runs.service import StartRequest
from fyke.model.results import Header
from fyke.model.run import Origin, Outcome, RunFilter
from fyke.storage.sql.state.workers import SqlWorkers
from fyke.wire import v1
from fyke.wire.rows import ResultPage
from support.answers import reads_as
from support.api import Api, fails, start_body
from support.app import App

pytestmark = pytest.mark.anyio

DETAIL = "/api/v1/run/detail"
ROWS = "/api/v1/run/result/list"
NOWHERE = "01HFXXXXXXXXXXXXXXXXXXXXXX"


# --- public --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["search", "keyword", "query"])
async def test_the_store_is_searched(app: App, api: Api, name: str) -> None:
    worker = await app.publish()
    answer = await api.get("/api/store", params={name: "READ"}, key=None)
    reads_as(v1.Store, answer)
    workers = answer.json()["data"]["scraper"]
    assert [w["slug"] for w in workers] == [worker.id]
    assert (workers[0]["path"], workers[0]["username"]) == ("owner/reader", "owner")


async def test_a_search_without_matches_is_an_empty_list(api: Api) -> None:
    answer = await api.get("/api/store", params={"search": "nothing"}, key=None)
    assert answer.text == '{"code":0,"message":"success","data":{"scraper":[]}}'


@pytest.mark.common_app
@pytest.mark.parametrize(
    "query",
    [
        {},
        {"search": ""},
        {"search": "   "},
        {"search": "a", "limit": "ten"},
        {"search": "a", "limit": "1.5"},
        {"search": "x" * 501},
    ],
)
async def test_a_bad_search_is_refused(api: Api, query: dict[str, str]) -> None:
    fails(await api.get("/api/store", params=query, key=None), 400, 4000)


@pytest.mark.parametrize(
    ("limit", "count"), [("1", 1), ("0", 1), ("-5", 1), ("2.0", 2), ("999", 3)]
)
async def test_the_limit_is_clamped(app: App, api: Api, limit: str, count: int) -> None:
    for name in ("reader-a", "reader-b", "reader-c"):
        await app.publish(name)
    answer = await api.get("/api/store", params={"search": "reader", "limit": limit}, key=None)
    assert len(answer.json()["data"]["scraper"]) == count


@pytest.mark.parametrize("form", ["{id}", "owner/reader", "owner~reader", "owner%2Freader"])
@pytest.mark.parametrize("name", ["slug", "scraper_slug"])
async def test_the_schema_of_a_worker_is_public(app: App, api: Api, form: str, name: str) -> None:
    worker = await app.publish()
    path = f"/api/scraper?{name}={form.format(id=worker.id)}"
    answer = await api.get(path, key=None)
    reads_as(v1.WorkerDetail, answer)
    data = answer.json()["data"]
    assert (data["version"], data["slug"]) == ("v1.0.1", worker.id)
    assert data["parameters"]["custom"]["properties"][0]["name"] == "urls"
    assert data["parameters"]["custom"]["b"] == "urls"
    system = data["parameters"]["system"]
    assert (system["memory"], system["memory_bytes"], system["cpus"]) == (512, 512, 0.125)


async def test_a_private_worker_is_visible_to_its_account_only(app: App, api: Api) -> None:
    worker = await app.publish(public=False)
    assert (await api.get(f"/api/scraper?slug={worker.id}")).status_code == 200
    fails(await api.get(f"/api/scraper?slug={worker.id}", key=app.other_key), 404, 50001)
    for key in (None, app.other_key, "scraper_api_nonsense"):
        fails(await api.get("/api/scraper?slug=owner/reader", key=key), 404, 50001)
        listed = await api.get("/api/store?search=reader", key=key)
        assert listed.json()["data"]["scraper"] == []
    fails(await api.get("/api/scraper", key=None), 400, 4000, "slug is required")


async def test_the_regions_are_listed(api: Api) -> None:
    answer = await api.get("/api/proxy/region?language=en", key=None)
    reads_as(v1.Regions, answer)
    regions = answer.json()["data"]["list"]
    assert len(regions) == 249
    assert {"code": "US", "name": "United States"} in regions


@pytest.mark.parametrize("path", ["/api/store?search=x", "/api/proxy/region"])
async def test_public_operations_ignore_bad_keys(api: Api, path: str) -> None:
    answer = await api.get(path, key="scraper_api_00000000000000000000000000")
    assert answer.status_code == 200


# --- runs ----------------------------------------------------------------------------------


async def test_the_detail_of_a_run_has_thirteen_fields_in_the_required_order(
    app: App, api: Api, run_slug: str
) -> None:
    answer = await api.post(DETAIL, {"run_slug": run_slug})
    reads_as(v1.RunDetail, answer)
    assert answer.text.startswith('{"code":0,"message":"success","data":{"status":1,"err_msg":""')
    waiting = answer.json()["data"]
    assert len(waiting) == 13
    assert (waiting["started_at"], waiting["finished_at"], waiting["duration"]) == (0, 0, 0)
    await app.execute([{"a": 1}])
    ended = await api.ok(DETAIL, {"run_slug": run_slug})
    assert (ended["status"], ended["results"], ended["traffic"]) == (3, 1, 4096)
    assert ended["duration"] == ended["finished_at"] - ended["started_at"]
    assert (ended["origin"], ended["usage"], ended["version"]) == ("api", "0", "v1.0.1")
    assert ended["scraper_title"] == "The reader"


async def test_a_running_run_has_its_rows_so_far(app: App, api: Api, run_slug: str) -> None:
    lease, _ = await app.begin()
    await app.push(lease, [{"a": 1}, {"a": 2}])
    running = await api.ok(DETAIL, {"run_slug": run_slug})
    assert (running["status"], running["results"], running["duration"]) == (2, 2, 0)
    assert running["started_at"] > 0


async def test_a_failed_run_has_the_reason(app: App, api: Api, run_slug: str) -> None:
    await app.execute([{"a": 1}], Outcome.EXIT_CODE, "The Worker exited with code 3")
    failed = await api.ok(DETAIL, {"run_slug": run_slug})
    assert (failed["status"], failed["results"]) == (4, 0)
    assert "code 3" in failed["err_msg"]


async def test_abort_of_a_waiting_run_is_immediate_and_repeatable(api: Api, run_slug: str) -> None:
    for _ in range(2):
        answer = await api.post("/api/v1/scraper/abort", {"run_slug": run_slug})
        assert answer.text == '{"code":0,"message":"success","data":null}'
    assert (await api.ok(DETAIL, {"run_slug": run_slug}))["status"] == 5


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.EXIT_CODE])
async def test_a_finished_run_cannot_be_aborted(
    app: App, api: Api, run_slug: str, outcome: Outcome
) -> None:
    await app.execute(outcome=outcome)
    answer = await api.post("/api/v1/scraper/abort", {"run_slug": run_slug})
    fails(answer, 400, 70002, "Run abort failed")


@pytest.mark.parametrize(
    "path",
    [DETAIL, ROWS, "/api/v1/scraper/abort", "/api/v1/run/last/log", "/api/v1/run/result/export"],
)
async def test_unknown_runs_and_runs_of_other_accounts_have_the_same_error(
    app: App, api: Api, run_slug: str, path: str
) -> None:
    foreign = await api.post(path, {"run_slug": run_slug}, key=app.other_key)
    nowhere = await api.post(path, {"run_slug": NOWHERE})
    odd = await api.post(path, {"run_slug": "owner/reader"})
    assert fails(foreign, 404, 70001, "Run record does not exist") == nowhere.json() == odd.json()
    for bad in ({}, {"run_slug": None}, {"run_slug": " "}, {"run_slug": 1}, {"run_slug": "a\0"}):
        fails(await api.post(path, bad), 400, 4000, "run_slug")


async def test_runs_are_listed_newest_first(app: App, api: Api, run_slug: str) -> None:
    worker = await app.services.workers.find(app.owner, "owner/reader")
    second = (await api.ok("/api/v1/scraper/run", start_body(worker.id)))["run_slug"]
    answer = await api.post("/api/v1/run/list", {})
    reads_as(v1.RunPage, answer)
    data = answer.json()["data"]
    assert [run["slug"] for run in data["list"]] == [second, run_slug]
    assert (data["count"], data["page_index"], data["page_size"]) == (2, 1, 20)
    assert (await api.ok("/api/v1/run/list", {}, key=app.other_key))["list"] == []


@pytest.mark.parametrize(
    ("fields", "count", "listed"),
    [
        ({"page_index": 2, "page_size": 1}, 2, 1),
        ({"page": "2", "limit": "1"}, 2, 1),
        ({"offset": 2.0, "page_size": 1}, 2, 1),
        ({"page_index": 0, "page_size": 0}, 2, 2),
        ({"page_index": -3, "page_size": 9999}, 2, 2),
        ({"page_index": 10**30}, 2, 0),
        ({"status": 1}, 1, 1),
        ({"status": "5"}, 1, 1),
        ({"status": "aborted"}, 1, 1),
        ({"status": 0}, 2, 2),
        ({"status": None}, 2, 2),
        ({"status": 3}, 0, 0),
        ({"scraper_slug": "owner~reader"}, 2, 2),
        ({"scraper_slug": ""}, 2, 2),
        ({"scraper_slug": "owner/nobody"}, 0, 0),
        ({"scraper_slug": NOWHERE}, 0, 0),
    ],
)
async def test_lists_are_filtered_and_paged(
    app: App, api: Api, run_slug: str, fields: dict[str, Any], count: int, listed: int
) -> None:
    worker = await app.services.workers.find(app.owner, "owner/reader")
    second = await api.ok("/api/v1/scraper/run", start_body(worker.id))
    await api.ok("/api/v1/scraper/abort", second)
    data = await api.ok("/api/v1/run/list", fields)
    assert (data["count"], len(data["list"])) == (count, listed)


@pytest.mark.common_app
@pytest.mark.parametrize("status", [6, -1, "done", 1.5, [], True])
async def test_an_unknown_status_is_refused(api: Api, status: Any) -> None:
    fails(await api.post("/api/v1/run/list", {"status": status}), 400, 4000, "status must be")


# --- results -------------------------------------------------------------------------------


async def test_rows_keep_their_bytes_and_get_an_id(app: App, api: Api, run_slug: str) -> None:
    rows = [b'{"n":12345678901234567890123,"f":1.50,"u":"\xc3\xa9"}', b"{}"]
    await app.execute(rows, headers=[Header("N", "n", "integer")])
    answer = await api.http.post(
        ROWS, json={"run_slug": run_slug}, headers={"api-key": app.owner_key}
    )
    assert b'"n":12345678901234567890123,"f":1.50,"u":"\xc3\xa9","__coreclaw' in answer.content
    reads_as(ResultPage, answer)
    data = answer.json()["data"]
    assert (data["count"], data["page_index"], data["page_size"]) == (2, 1, 10)
    assert data["headers"] == [{"label": "N", "key": "n", "format": "integer"}]
    ids = [row["__coreclaw_data_id__"] for row in data["list"]]
    assert len(set(ids)) == 2
    assert all(len(row_id) == 64 and set(row_id) <= set("0123456789abcdef") for row_id in ids)


@pytest.mark.parametrize(
    ("fields", "numbers"),
    [
        ({}, list(range(10))),
        ({"page_index": 2, "page_size": 4}, [4, 5, 6, 7]),
        ({"page": "3", "limit": "5"}, [10, 11]),
        ({"offset": 2, "limit": 5}, [5, 6, 7, 8, 9]),
        ({"page_size": 5000}, list(range(12))),
        ({"page_size": 0}, list(range(10))),
        ({"page_index": 99}, []),
        ({"page_index": 10**40}, []),
    ],
)
async def test_results_are_paged(
    app: App, api: Api, run_slug: str, fields: dict[str, Any], numbers: list[int]
) -> None:
    await app.execute([{"n": n} for n in range(12)])
    data = await api.ok(ROWS, {"run_slug": run_slug, **fields})
    assert data["count"] == 12
    assert [row["n"] for row in data["list"]] == numbers
    assert data["page_size"] <= 1000


async def test_rows_are_visible_while_the_run_is_active(app: App, api: Api, run_slug: str) -> None:
    lease, _ = await app.begin()
    assert (await api.ok(ROWS, {"run_slug": run_slug}))["list"] == []
    await app.push(lease, [{"n": 1}])
    assert (await api.ok(ROWS, {"run_slug": run_slug}))["count"] == 1


# --- log and account -----------------------------------------------------------------------


async def test_the_log_has_its_last_lines(app: App, api: Api, run_slug: str) -> None:
    await app.execute([{"n": 1}], log=["first", "two\nlines \x1b[31m"])
    answer = await api.post("/api/v1/run/last/log", {"run_slug": run_slug})
    reads_as(v1.LogTail, answer)
    data = answer.json()["data"]
    lines = [line for line in data["list"] if line["content"] in ("first", "two\nlines \x1b[31m")]
    assert [line["type"] for line in lines] == [2, 2]
    assert lines[0]["timestamp"] == 1_700_000_000_000
    assert data["result_count"] == 1
    assert "\\u001b" in answer.text


@pytest.mark.common_app
@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"  ", b"\xef\xbb\xbf{}"])
async def test_the_account_operation_needs_no_body(api: Api, body: bytes) -> None:
    answer = await api.send("POST", "/api/v1/account/info", content=body)
    reads_as(v1.AccountInfo, answer)
    assert json.loads(answer.text)["data"] == {
        "balance": "0.00",
        "traffic": 0,
        "traffic_expiration_at": 0,
    }


@pytest.mark.common_app
@pytest.mark.parametrize("status", ["finished", 6, -1, 1.5])
async def test_the_error_for_an_unknown_status_lists_all_statuses(api: Api, status: Any) -> None:
    body = fails(await api.post("/api/v1/run/list", {"status": status}), 400, 4000)
    assert body["details"] == [
        "status must be one of 0 (all), 1 (ready), 2 (running), 3 (succeeded), 4 (failed), "
        "5 (aborted), or one of these words"
    ]


async def test_a_page_of_runs_reads_each_worker_once(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        worker = await app.publish(name)
        for _ in range(3):
            request = StartRequest(worker.id, None, start_body(worker.id)["input"], "", Origin.API)
            await app.services.runs.start(app.owner, request)
    read: list[str] = []
    get, get_all = SqlWorkers.get, SqlWorkers.get_all
    monkeypatch.setattr(SqlWorkers, "get", lambda of, ref: read.append(ref) or get(of, ref))
    monkeypatch.setattr(
        SqlWorkers, "get_all", lambda of, refs: read.extend(refs) or get_all(of, refs)
    )
    count, views = await app.services.runs.list(app.owner, RunFilter(), offset=0, limit=20)
    assert (count, len(views)) == (6, 6)
    assert sorted(read) == sorted({view.worker.id for view in views})
