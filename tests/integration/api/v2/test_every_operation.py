"""Calls each of the 39 operations and checks the whole answer against the published tables.
``SHAPES`` defines the exact keys and JSON types of an answer. It is written from the contract,
independently of the server's models. A key with a question mark may be absent, a list has at least
one entry, a set contains the allowed values, and a pattern matches the text. An operation without
an entry fails, here and in the served document.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from support.api import Api, client
from support.app import App

pytestmark = pytest.mark.anyio

REFERENCE = Path(__file__).parents[3] / "contract" / "reference" / "v2.toml"
CUSTOM = {"urls": [{"url": "https://a.example"}]}
INPUT = {"parameters": {"custom": CUSTOM}}
TASK = {
    "worker_id": "owner~reader",
    "title": "Daily",
    "description": "Every day",
    "input": INPUT,
    "schedule_enabled": 1,
    "schedule_type": 3,
    "schedule_time": "09:30",
    "schedule_day": 31,
}

WORKER = dict.fromkeys(("slug", "title", "description", "name", "username", "path"), str)
PAGE = {"count": int, "page_index": int, "page_size": int}
RUN = {
    "slug": str,
    "run_slug": str,
    "worker_id": str,
    "worker_slug": str,
    "scraper_slug": str,
    "scraper_title": str,
    "version": str,
    "status": {"ready", "running", "succeeded", "failed", "aborting", "aborted"},
    "results": int,
    "usage": str,
    "traffic": int,
    "origin": {"api_v2", "api", "web", "schedule"},
    "started_at": int,
    "finished_at": int,
    "duration": int,
    "err_msg": str,
}
RESULTS = PAGE | {
    "headers": [{"key": str, "label": str, "format": str}],
    "list": [{"n": int, "__coreclaw_data_id__": str}],
}
NO_RESULTS = PAGE | {"headers": (), "list": ()}
STARTED = {"run_slug": str}
WAITED = STARTED | {
    "run_status": {"running"},  # no runner executes it, and the wait is short
    "error_message": str,
    "result_message": str,
    "execution_start_timestamp": int,
    "execution_end_timestamp": int,
    "running_duration": int,
    "is_finished": bool,
    "results": NO_RESULTS,
}
LOG = {
    "all_logs_url": str,
    "list": [{"type": int, "group": str, "content": str, "timestamp": int}],
    "result_count": int,
}
LINK = {"download_url": str}
TASK_OBJECT = {
    "slug": str,
    "title": str,
    "description": str,
    "version": str,
    "worker_id": str,
    "worker_slug": str,
    "worker_path": str,
    "worker_title": str,
    "input": {"parameters": {"custom": {"urls": [{"url": str}]}}},
    "run_times": int,
    "last_run_slug": str,
    "last_modified_at": int,
    "created_at": int,
    "updated_at": int,
    "schedule_enabled": int,
    "schedule_type": int,
    "schedule_kind": str,
    "schedule_time": str,
    "schedule_day": int,
    "schedule_next_at": int,
}
SYSTEM = {
    "cpus": float,
    "memory": int,
    "memory_bytes": int,
    "max_total_charge": int,
    "max_total_traffic": int,
    "execute_limit_time_seconds": int,
    "proxy_region": str,
}
FIELD = {"name": str, "type": str, "editor": str, "required?": bool}
SCHEMA = {"description": str, "b": str, "properties": [FIELD]}
NUMBER = re.compile(r"[1-9]\d*")
ITEM = {
    "queue_ref": NUMBER,
    "queue_status": {"waiting", "inactive"},
    "worker_slug": str,
    "worker_path": str,
    "title": str,
    "version": str,
    "callback_url": str,
    "reason": str,
    "run_slug": str,
    "created_at": int,
    "ended_at": int,
}
OUTCOMES = {"results": [{"queue_ref": str, "success": bool, "error?": str, "run_slug?": str}]}

SHAPES: dict[str, Any] = {
    "listProxyRegions": {"list": [{"code": str, "name": str}]},
    "listStore": PAGE | {"scraper": [WORKER], "list": [WORKER]},
    "getAccount": {
        "balance": str,
        "balance_expiration_at": int,
        "traffic": int,
        "traffic_expiration_at": int,
    },
    "listWorkers": PAGE | {"scraper": [WORKER], "list": [WORKER]},
    "getWorker": WORKER
    | {"version": str, "readme": str, "parameters": {"system": SYSTEM, "custom": SCHEMA}},
    "getWorkerInputSchema": {"input_schema": SCHEMA, "properties": [FIELD]},
    "getLastWorkerRun": RUN,
    "getWorkerRun": RUN,
    "getWorkerLastRun": RUN,
    "listWorkerRuns": PAGE | {"list": [RUN]},
    "listLastWorkerRunResults": RESULTS,
    "listWorkerRunResults": RESULTS,
    "listWorkerLastRunResults": RESULTS,
    "getLastWorkerRunLog": LOG,
    "getWorkerRunLog": LOG,
    "getWorkerLastRunLog": LOG,
    "exportLastWorkerRunResults": LINK,
    "exportWorkerRunResults": LINK,
    "exportWorkerLastRunResults": LINK,
    "runWorker": STARTED,
    "abortLastWorkerRun": None,
    "rerunLastWorkerRun": STARTED,
    "abortWorkerRun": None,
    "rerunWorkerRun": STARTED,
    "abortWorkerLastRun": None,
    "rerunWorkerLastRun": STARTED,
    "createWorkerTask": {"slug": str},
    "listWorkerTasks": PAGE | {"list": [TASK_OBJECT]},
    "getWorkerTask": TASK_OBJECT,
    "updateWorkerTask": {},
    "getWorkerTaskInput": {"input": {"parameters": {"custom": dict}}, "version": str},
    "updateWorkerTaskInput": {},
    "runWorkerTask": STARTED,
    "deleteWorkerTask": None,
    "queuedRunWorker": {"queue_ref": NUMBER, "queue_status": {"waiting"}, "queued": bool},
    "listRunQueueItems": PAGE | {"list": [ITEM]},
    "activateRunQueueItems": OUTCOMES,
    "releaseRunQueueItems": OUTCOMES,
    "releaseRunQueueItem": OUTCOMES,
}
BODIES: dict[str, Any] = {
    "runWorker": {"input": INPUT},
    "createWorkerTask": TASK,
    "updateWorkerTask": {"title": "Daily, again"},
    "updateWorkerTaskInput": {"input": INPUT, "version": "latest"},
    "queuedRunWorker": {"input": INPUT},
}
# Operations that can wait return the union of both published forms.
SYNC = ["runWorker", "runWorkerTask", "rerunWorkerRun", "rerunLastWorkerRun", "rerunWorkerLastRun"]


def operations() -> dict[str, str]:
    """Method and path of each published operation."""
    facts = tomllib.loads(REFERENCE.read_text(encoding="utf-8"))["operation"]
    return {fact["id"]: fact["request"] for fact in facts}


def differences(shape: Any, value: Any, at: str) -> list[str]:
    """The places where ``value`` does not have ``shape``."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{at} is {value!r}"]
        shapes = {key.rstrip("?"): inner for key, inner in shape.items()}
        needed = {key for key in shape if not key.endswith("?")}
        result = [f"{at}.{key} is missing" for key in needed - value.keys()]
        result += [f"{at}.{key} is not in the table" for key in value.keys() - shapes.keys()]
        for key in value.keys() & shapes.keys():
            result += differences(shapes[key], value[key], f"{at}.{key}")
        return result
    if isinstance(shape, list):
        if not isinstance(value, list) or not value:
            return [f"{at} has no entry: {value!r}"]
        by_entry = [differences(shape[0], entry, f"{at}[]") for entry in value]
        return [line for lines in by_entry for line in lines]
    if isinstance(shape, set):
        return [] if value in shape else [f"{at} is {value!r}"]
    if isinstance(shape, re.Pattern):
        fits = type(value) is str and shape.fullmatch(value)
        return [] if fits else [f"{at} is {value!r}"]
    right = value == list(shape) if isinstance(shape, tuple) else type(value) is shape
    return [] if right or (shape is None and value is None) else [f"{at} is {value!r}"]


class Setup:
    """A Worker, its newest run with rows and a log, a task and a waiting queue item."""

    def __init__(self, app: App, api: Api) -> None:
        self.app, self.api = app, api
        self.named: dict[str, str] = {}

    async def set_up(self) -> None:
        self.named["workerId"] = (await self.app.publish()).id
        await self.start()
        await self.app.execute([{"n": 1}, {"n": 2}], log=["one", "two"])

    async def start(self) -> None:
        path = f"/api/v2/workers/{self.named['workerId']}/runs"
        self.named["runId"] = (await self.api.ok(path, {"input": INPUT}))["run_slug"]

    async def enqueue_run(self) -> str:
        path = f"/api/v2/workers/{self.named['workerId']}/queued-runs"
        self.named["queueId"] = (await self.api.ok(path, {"input": INPUT}))["queue_ref"]
        return self.named["queueId"]

    async def call(self, operation: str, **options: Any) -> Any:
        """The answer of an operation, whose objects are created first."""
        method, path = operations()[operation].split()
        body = BODIES.get(operation, {}) | options
        if operation.startswith("abort"):
            await self.start()
        if "RunQueue" in operation:
            body |= {"queue_refs": [await self.enqueue_run(), "nobody"]}
        sent = {} if method in ("GET", "DELETE") else {"json": body}
        answer = await self.api.send(method, path.format(**self.named), **sent)
        assert answer.status_code == 200, (operation, answer.text)
        if operation == "createWorkerTask":
            self.named["workerTaskId"] = answer.json()["data"]["slug"]
        return answer

    async def check(self, operation: str, shape: Any, **options: Any) -> None:
        answer = await self.call(operation, **options)
        body = answer.json()
        assert list(body) == ["code", "message", "request_id", "data"], operation
        assert (body["code"], body["message"]) == (0, "success"), operation
        assert body["request_id"] == answer.headers["x-request-id"], operation
        assert differences(shape, body["data"], operation) == []


@pytest.mark.slow
async def test_every_operation_returns_exactly_the_fields_of_its_table(app: App, api: Api) -> None:
    setup = Setup(app, api)
    await setup.set_up()
    for operation, shape in SHAPES.items():
        await setup.check(operation, shape)


async def test_every_sync_start_returns_the_fields_of_both_forms(app: App) -> None:
    async with client(app.asgi(sync_wait_seconds=0.001)) as http:
        setup = Setup(app, Api(http, app.owner_key))
        await setup.set_up()
        await setup.call("createWorkerTask")
        for operation in SYNC:
            await setup.check(operation, WAITED, is_async=False)


@pytest.mark.slow
async def test_all_operations_are_covered(app: App) -> None:
    published = operations()
    assert len(published) == 39
    assert SHAPES.keys() == published.keys()
    paths = app.asgi().openapi()["paths"]
    served = {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    assert {name: served.get(name) for name in published} == published


def test_a_difference_is_detected() -> None:
    shape = {"a": int, "b?": [str], "c": {"x"}, "f?": NUMBER}
    assert differences(shape, {"a": 1, "c": "x"}, "d") == []
    for value, expected in (
        ({"a": True, "c": "x"}, "d.a is True"),
        ({"a": 1.0, "c": "x"}, "d.a is 1.0"),
        ({"a": None, "c": "x"}, "d.a is None"),
        ({"c": "x"}, "d.a is missing"),
        ({"a": 1, "c": "x", "e": 0}, "d.e is not in the table"),
        ({"a": 1, "c": "y"}, "d.c is 'y'"),
        ({"a": 1, "c": "x", "f": "0x"}, "d.f is '0x'"),
        ({"a": 1, "c": "x", "f": 7}, "d.f is 7"),
        ({"a": 1, "c": "x", "b": []}, "d.b has no entry: []"),
        ({"a": 1, "c": "x", "b": ["k", 2]}, "d.b[] is 2"),
        ([], "d is []"),
    ):
        assert differences(shape, value, "d") == [expected]
