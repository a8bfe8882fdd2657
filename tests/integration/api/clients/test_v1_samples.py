"""The documented samples for v1, in the dialect of each language.

Each start, poll and page is read as the sample in that language does: the tests depend on how it
parses an answer and which members it needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from fyke.model.run import Outcome
from support.api import Api
from support.app import App

pytestmark = pytest.mark.anyio

NOWHERE = "01KJXSR49GEMBEZZ5FZDPVNBWK"
TERMINAL = (3, 4, 5)
ROWS = [{"n": 1, "status": "sold out", "code": 7}, {"n": 2, "count": 9}]


class Failed(Exception):
    """The error that a sample shows when it gives up."""


@dataclass(frozen=True)
class Page:
    """The members that a sample takes from a page of rows; ``None`` for those that it ignores."""

    count: int
    rows: int | None
    headers: int | None


def python_start(answer: httpx2.Response) -> str:
    if answer.status_code != 200:
        raise Failed(answer.text)
    return str(answer.json()["data"]["run_slug"])


def python_status(answer: httpx2.Response) -> int:
    data = answer.json()["data"]
    assert [data.get(name) is not None for name in ("results", "usage", "duration")] == [True] * 3
    status: int = data["status"]
    return status


def python_page(answer: httpx2.Response) -> Page:
    data = answer.json()["data"]
    return Page(data["count"], len(data["list"]), len(data["headers"]))


def node_start(answer: httpx2.Response) -> str:
    """axios throws on every status except 2xx, and the sample then shows only the status."""
    if not 200 <= answer.status_code < 300:
        raise Failed(f"status code {answer.status_code}")
    code, message, data = (answer.json()[name] for name in ("code", "message", "data"))
    assert (code, message) == (0, "success")
    return str(data["run_slug"])


def node_status(answer: httpx2.Response) -> int:
    data = answer.json()["data"]
    assert {"status", "results", "duration"} <= data.keys()
    status: int = data["status"]
    return status


def same(value: Any, expected: int) -> bool:
    """``===`` of PHP: neither ``"0"`` nor ``0.0`` nor ``false`` is ``0``."""
    return type(value) is int and value == expected


def php_start(answer: httpx2.Response) -> str:
    if not same(answer.status_code, 200):
        raise Failed(f"HTTP {answer.status_code}")
    body = answer.json()
    if not same(body["code"], 0):
        raise Failed(body["message"])
    return str(body["data"]["run_slug"])


def php_status(answer: httpx2.Response) -> int:
    """The PHP sample ignores the HTTP status; only the code in the body counts."""
    body = answer.json()
    if not same(body["code"], 0):
        raise Failed(body["message"])
    return next(n for n in (1, 2, 3, 4, 5) if same(body["data"]["status"], n))


def php_page(answer: httpx2.Response) -> Page:
    body = answer.json()
    if not same(body["code"], 0):
        raise Failed(body["message"])
    return Page(body["data"]["count"], len(body["data"]["list"]), None)


def go_int(value: Any) -> int:
    """The ``int`` that Go decodes: zero unless the number is written as an integer."""
    return value if type(value) is int else 0


def go_body(answer: httpx2.Response) -> Any:
    return json.loads(answer.content, parse_float=str)


def go_start(answer: httpx2.Response) -> str:
    if answer.status_code != 200 or go_body(answer)["code"] != 0:
        raise Failed(go_body(answer)["message"])
    return str(go_body(answer)["data"]["run_slug"])


def go_status(answer: httpx2.Response) -> int:
    data = go_body(answer)["data"]
    assert all(type(data[name]) is int for name in ("results", "duration"))
    return go_int(data["status"])


def go_page(answer: httpx2.Response) -> Page:
    data = go_body(answer)["data"]
    assert all(type(row) is dict for row in data["list"])
    return Page(go_int(data["count"]), len(data["list"]), None)


def java_digits(text: str, key: str) -> int:
    """The digits right after the first ``"key":``; a space or a sign is an error."""
    start = text.index(f'"{key}":') + len(key) + 3
    digits = re.compile(r"\d*").match(text, start)
    assert digits is not None
    return int(digits[0])


def java_start(answer: httpx2.Response) -> str:
    text = answer.content.decode()
    if answer.status_code != 200 or java_digits(text, "code") != 0:
        raise Failed(text)
    start = text.index('"run_slug":"') + len('"run_slug":"')
    return text[start : text.index('"', start)]


def java_status(answer: httpx2.Response) -> int:
    return java_digits(answer.content.decode(), "status")


def java_page(answer: httpx2.Response) -> Page:
    text = answer.content.decode()
    if java_digits(text, "code") != 0:
        raise Failed(text)
    return Page(java_digits(text, "count"), None, None)


@dataclass(frozen=True)
class Sample:
    start: Callable[[httpx2.Response], str]
    status: Callable[[httpx2.Response], int]
    page: Callable[[httpx2.Response], Page]


SAMPLES = {
    "Python": Sample(python_start, python_status, python_page),
    "Node.js": Sample(node_start, node_status, python_page),
    "PHP": Sample(php_start, php_status, php_page),
    "Go": Sample(go_start, go_status, go_page),
    "Java": Sample(java_start, java_status, java_page),
}


def body(worker: str) -> dict[str, Any]:
    system = {
        "cpus": 0.125,
        "memory": 512,
        "execute_limit_time_seconds": 1800,
        "max_total_charge": 0,
        "max_total_traffic": 0,
    }
    custom = {"urls": [{"url": "https://a.example"}]}
    parameters = {"system": system, "custom": custom}
    return {
        "scraper_slug": worker,
        "version": "v1.0.1",
        "is_async": True,
        "input": {"parameters": parameters},
    }


@dataclass(frozen=True)
class Caller:
    """A sample from the start to the rows, with the headers that all of them send."""

    api: Api
    sample: Sample
    key: str

    async def post(self, path: str, content: Any) -> httpx2.Response:
        headers = {"api-key": self.key, "Content-Type": "application/json"}
        answer: httpx2.Response = await self.api.http.post(path, json=content, headers=headers)
        return answer

    async def start(self, worker: str) -> str:
        return self.sample.start(await self.post("/api/v1/scraper/run", body(worker)))

    async def status(self, run: str) -> int:
        return self.sample.status(await self.post("/api/v1/run/detail", {"run_slug": run}))

    async def page(self, run: str) -> Page:
        query = {"run_slug": run, "page_index": 1, "page_size": 20}
        return self.sample.page(await self.post("/api/v1/run/result/list", query))


@pytest.fixture(params=SAMPLES)
def caller(request: pytest.FixtureRequest, app: App, api: Api) -> Caller:
    return Caller(api, SAMPLES[request.param], app.owner_key)


async def test_a_sample_starts_polls_and_reads(app: App, caller: Caller) -> None:
    worker = await app.publish()
    for ref in (worker.id, "owner/reader"):
        run = await caller.start(ref)
        assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", run)
        assert await caller.status(run) == 1
        [lease] = await app.begin()
        assert await caller.status(run) == 2
        await app.push(lease, ROWS)
        await app.end(lease)
        assert await caller.status(run) == 3
        page = await caller.page(run)
        assert page.count == 2
        assert (page.rows in (2, None), page.headers in (4, None)) == (True, True)


async def test_a_sample_stops_at_every_end_and_shows_the_error(app: App, caller: Caller) -> None:
    await app.publish()
    run = await caller.start("owner/reader")
    await app.execute([], Outcome.EXIT_CODE, 'It said "status":3, and left')
    assert await caller.status(run) == 4  # whatever the reason
    aborted = await caller.start("owner/reader")
    await caller.post("/api/v1/scraper/abort", {"run_slug": aborted})
    assert await caller.status(aborted) == 5
    assert (await caller.page(aborted)).count == 0
    with pytest.raises(Failed):
        await caller.start("owner/nobody")
    stranger = Caller(caller.api, caller.sample, "scraper_api_nonsense")
    with pytest.raises(Failed):
        await stranger.start("owner/reader")


@pytest.mark.parametrize("name", ["PHP", "Java"])
async def test_a_sample_that_ignores_the_status_finds_the_code(
    app: App, api: Api, name: str
) -> None:
    caller = Caller(api, SAMPLES[name], app.owner_key)
    with pytest.raises(Failed):
        await caller.page(NOWHERE)
    text = (await caller.post("/api/v1/run/detail", {"run_slug": NOWHERE})).text
    assert java_digits(text, "code") == 70001
