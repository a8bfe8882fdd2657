"""Bad input that users are known to send, on both versions: the answer names field and rule.

Values that the contract tolerates (page 0, a limit that is too large, an offset past the end) are
answered with the values that were applied.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from fyke.domain.results.export.formats import FORMATS
from support.api import Api, fails
from support.app import SCHEMA, App

pytestmark = pytest.mark.anyio

CUSTOM: dict[str, Any] = {"urls": [{"url": "https://a.example"}]}
WRAPPED: dict[str, Any] = {"parameters": {"custom": CUSTOM}}
STRICTER = {
    "description": "Needs a word",
    "properties": [{"name": "keyword", "type": "string", "editor": "input", "required": True}],
}
ROWS = 25


@dataclass(frozen=True)
class Setup:
    """A Worker with a task and a finished run of 25 rows, and a client."""

    app: App
    api: Api
    worker: Any
    task: str
    run: str

    async def send(self, request: str, body: Any = None) -> Any:
        """Send ``request``: method and path, with attributes of this class in braces."""
        method, path = request.format(run=self.run, task=self.task, worker=self.worker.id).split()
        text = json.dumps(body).replace("{run}", self.run).replace("{task}", self.task)
        content = None if body is None else text.replace("{worker}", self.worker.id).encode()
        return await self.api.send(method, path, content=content)

    async def runs(self) -> int:
        return int((await self.api.ok("/api/v1/run/list"))["count"])


@pytest.fixture
async def setup(app: App, api: Api) -> Setup:
    worker = await app.publish()
    body = {"worker_id": worker.id, "title": "Daily", "input": WRAPPED, "version": "latest"}
    task = (await api.ok("/api/v2/worker-tasks", body))["slug"]
    run = (await api.ok(f"/api/v2/workers/{worker.id}/runs", {"input": WRAPPED}))["run_slug"]
    await app.execute([{"n": n} for n in range(ROWS)])
    return Setup(app, api, worker, task, run)


V1_START = ("POST /api/v1/scraper/run", {"scraper_slug": "{worker}", "input": WRAPPED})
V1_TASK = ("POST /api/v1/task/run", {"task_slug": "{task}"})
V1_RERUN = ("POST /api/v1/rerun", {"run_slug": "{run}"})
V2_START = ("POST /api/v2/workers/{worker}/runs", {"input": WRAPPED})
V2_QUEUED = ("POST /api/v2/workers/{worker}/queued-runs", {"input": WRAPPED})
V2_TASK = ("POST /api/v2/worker-tasks/{task}/runs", {})
V2_RERUN = ("POST /api/v2/worker-runs/{run}/rerun", {})
V2_RERUN_LAST = ("POST /api/v2/worker-runs/last/rerun", {})
V2_RERUN_OF_WORKER = ("POST /api/v2/workers/{worker}/runs/last/rerun", {})
STARTS = [
    V1_START, V1_TASK, V1_RERUN,
    V2_START, V2_QUEUED, V2_TASK, V2_RERUN, V2_RERUN_LAST, V2_RERUN_OF_WORKER,
]  # fmt: skip


def is_v2(request: str) -> bool:
    return "/api/v2/" in request


def invalid(answer: Any, request: str, *words: str, shape: bool = False) -> None:
    """Check a refusal by the rules of its version; all ``words`` are in its message or details."""
    status = 422 if shape and is_v2(request) else 400
    body = fails(answer, status, 11000 if is_v2(request) else 4000)
    refused = " ".join([body["message"], *(body.get("details") or [])])
    for word in words:
        assert word in refused, refused


# --- formats -------------------------------------------------------------------------------


async def test_an_unknown_export_format_is_refused(setup: Setup) -> None:
    rule = f"format must be one of {', '.join(FORMATS)}"
    first = "POST /api/v1/run/result/export"
    for name in ("pdf", "xlsxx", "csv;json", "../csv", "sql"):
        invalid(await setup.send(first, {"run_slug": "{run}", "format": name}), first, rule)
        for path in (
            "/api/v2/worker-runs/{run}/result/export",
            "/api/v2/worker-runs/last/export",
            "/api/v2/workers/{worker}/runs/last/export",
        ):
            request = f"GET {path}?format={name}"
            invalid(await setup.send(request), request, rule, shape=True)


# --- pages ---------------------------------------------------------------------------------

V1_LISTS: list[tuple[str, dict[str, Any], int, int]] = [
    ("/api/v1/run/list", {}, 1, 20),
    ("/api/v1/run/result/list", {"run_slug": "{run}"}, ROWS, 10),
]
V2_LISTS = [
    ("/api/v2/store", 1),
    ("/api/v2/workers", 1),
    ("/api/v2/worker-tasks", 1),
    ("/api/v2/worker-runs", 1),
    ("/api/v2/worker-runs/{run}/result", ROWS),
    ("/api/v2/worker-runs/last/result", ROWS),
    ("/api/v2/workers/{worker}/runs/last/result", ROWS),
    ("/api/v2/run-queue/items", 0),
]
HUGE = 1_000_000


async def page(setup: Setup, request: str, body: Any = None) -> tuple[int, int, int, int]:
    """Entries on the page, total entries, and the applied page and size."""
    answer = await setup.send(request, body)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    return len(data["list"]), data["count"], data["page_index"], data["page_size"]


async def test_page_limits_of_v1(setup: Setup) -> None:
    for path, body, count, size in V1_LISTS:
        request = f"POST {path}"
        for fields, expected in (
            ({"page_index": 0}, (min(count, size), count, 1, size)),
            ({"page_index": -7}, (min(count, size), count, 1, size)),
            ({"page_size": HUGE}, (count, count, 1, 1000)),
            ({"page_index": 99}, (0, count, 99, size)),
            ({"page_index": HUGE, "page_size": HUGE}, (0, count, HUGE, 1000)),
        ):
            assert await page(setup, request, body | fields) == expected, (path, fields)
        for field in ("page_index", "page_size"):
            answer = await setup.send(request, body | {field: "first"})
            invalid(answer, request, field, "integer")


@pytest.mark.slow
async def test_page_limits_of_v2(setup: Setup) -> None:
    for path, count in V2_LISTS:
        for query, expected in (
            ("offset=0", (min(count, 20), count, 1, 20)),
            (f"limit={HUGE}", (count, count, 1, 100)),
            ("offset=99", (0, count, 99, 20)),
            (f"offset={HUGE}&limit={HUGE}", (0, count, HUGE, 100)),
        ):
            assert await page(setup, f"GET {path}?{query}") == expected, (path, query)
        for query, rule in (
            ("limit=0", "limit must be 1 to 100"),
            ("limit=-1", "limit must be 1 to 100"),
            ("limit=many", "limit must be an integer"),
            ("offset=-1", "offset must be a page number"),
            ("offset=first", "offset must be an integer"),
        ):
            request = f"GET {path}?{query}"
            invalid(await setup.send(request), request, rule, shape=True)


async def test_the_limit_of_a_search_on_v1_is_capped(setup: Setup) -> None:
    for limit in ("0", "-3", str(HUGE)):
        answer = await setup.send(f"GET /api/store?search=reader&limit={limit}")
        assert len(answer.json()["data"]["scraper"]) == 1
    request = "GET /api/store?search=reader&limit=many"
    invalid(await setup.send(request), request, "limit", "integer")


async def test_the_page_of_a_sync_answer_has_limits(setup: Setup) -> None:
    for request, body in (V2_START, V2_TASK, V2_RERUN):
        for field, value, rule in (
            ("limit", 0, "limit must be 1 to 100"),
            ("offset", -1, "offset must be a page number"),
        ):
            answer = await setup.send(request, body | {field: value, "is_async": False})
            invalid(answer, request, rule, shape=True)
    for request, body in (V1_START, V1_TASK):
        invalid(await setup.send(request, body | {"page_size": "few"}), request, "page_size")
    assert await setup.runs() == 1


# --- callback URLs -------------------------------------------------------------------------

BAD_URLS = [
    ("https://user:secret@hooks.example/x", "must not carry a user name or password"),
    ("https://user@hooks.example/x", "must not carry a user name or password"),
    ("http://10.1.2.3/x", "10.1.2.3 port 80 is not on the public internet"),
    ("http://192.168.0.1:8080/x", "FYKE_CALLBACK_ALLOW=192.168.0.1:8080"),
    ("http://127.0.0.1/x", "127.0.0.1 port 80 is not on the public internet"),
    ("http://localhost/x", "localhost port 80 is not on the public internet"),
    ("http://169.254.169.254/latest", "169.254.169.254 port 80 is not on the public internet"),
    ("http://[::1]/x", "::1 port 80 is not on the public internet"),
    ("http://hooks.example:22/x", "port 22 is not accepted; use 80, 443 or one from 1024 to 65535"),
    ("http://hooks.example:1023/x", "port 1023 is not accepted"),
    ("http://hooks.example:99999/x", "the port must be a number from 1 to 65535"),
    ("ftp://hooks.example/x", "http"),
    ("hooks.example/x", "http"),
]


@pytest.mark.slow
async def test_invalid_callback_urls_are_refused(setup: Setup) -> None:
    for request, body in STARTS:
        for url, rule in BAD_URLS:
            answer = await setup.send(request, body | {"callback_url": url})
            invalid(answer, request, "callback_url", rule)
            assert "secret" not in answer.text
    assert await setup.runs() == 1
    queue = await setup.send("GET /api/v2/run-queue/items")
    assert queue.json()["data"]["count"] == 0


@pytest.mark.slow
async def test_valid_callback_urls_are_accepted(setup: Setup) -> None:
    for request, body in STARTS:
        for url in ("https://hooks.example/x", "http://hooks.example:8080/?a=b", "", None):
            answer = await setup.send(request, body | {"callback_url": url})
            assert answer.status_code == 200, (request, url, answer.text)


# --- objects that have changed in the meantime ---------------------------------------------


async def test_a_task_whose_input_no_longer_fits_its_version_is_refused(setup: Setup) -> None:
    await setup.app.publish(schema=STRICTER)
    for request, body in (V1_TASK, V2_TASK):
        answer = await setup.send(request, body)
        invalid(answer, request, 'required field "keyword" is missing or empty')
    changed = {**SCHEMA, "properties": [{"name": "urls", "type": "string", "required": True}]}
    await setup.app.publish(schema=changed)
    for request, body in (V1_TASK, V2_TASK):
        invalid(await setup.send(request, body), request, 'field "urls" must be a string')
    assert await setup.runs() == 1


async def test_a_withdrawn_version_is_refused(setup: Setup) -> None:
    await setup.app.publish(main="print('second')\n")
    pinned = {"version": "v1.0.1"}
    await setup.send("PUT /api/v2/worker-tasks/{task}/input", {"input": WRAPPED} | pinned)
    await setup.app.withdraw(setup.worker, "v1.0.1")
    saved = {"worker_id": "{worker}", "title": "Daily", "input": WRAPPED}
    for request, body in (
        (V1_START[0], V1_START[1] | pinned), V1_TASK, V1_RERUN,
        (V2_START[0], V2_START[1] | pinned), (V2_QUEUED[0], V2_QUEUED[1] | pinned), V2_TASK,
        V2_RERUN, V2_RERUN_LAST, V2_RERUN_OF_WORKER,
        ("PUT /api/v2/worker-tasks/{task}/input", {"input": WRAPPED} | pinned),
        ("POST /api/v2/worker-tasks", saved | pinned),
    ):  # fmt: skip
        refused = fails(await setup.send(request, body), 400, 50003)
        assert "v1.0.1 was withdrawn" in refused["message"], request
        assert "v1.0.2" in refused["message"], request
    assert await setup.runs() == 1


async def test_a_version_that_never_existed_is_refused(setup: Setup) -> None:
    unknown = {"version": "v9.9.9"}
    first = fails(await setup.send(V1_START[0], V1_START[1] | unknown), 400, 4000)
    for request, body in (V2_START, V2_QUEUED):
        second = fails(await setup.send(request, body | unknown), 400, 50003)
        for refused in (first, second):
            assert "v9.9.9" in refused["message"]
            assert "v1.0.1" in refused["message"]
    assert await setup.runs() == 1


async def test_an_abort_of_a_finished_run_is_refused(setup: Setup) -> None:
    for request, body in (
        ("POST /api/v1/scraper/abort", {"run_slug": "{run}"}),
        ("POST /api/v2/worker-runs/{run}/abort", None),
        ("POST /api/v2/worker-runs/last/abort", {}),
        ("POST /api/v2/workers/{worker}/runs/last/abort", {}),
        ("POST /api/v2/workers/runs/last/abort", {}),
    ):
        refused = fails(await setup.send(request, body), 400, 70002)
        words = "run operation failed" if is_v2(request) else "Run abort failed"
        assert refused["message"] == f"{words}: the run has already succeeded"


async def test_a_rerun_of_a_deleted_worker_is_refused(setup: Setup) -> None:
    deleted = await setup.send("DELETE /api/fyke/workers/{worker}")
    assert deleted.status_code == 200
    for request, body in STARTS:
        refused = fails(await setup.send(request, body), 404, 50001)
        assert "orker does not exist" in refused["message"]
    assert await setup.runs() == 1  # the only run, which is still readable
