"""Helpers printed in the integration guide, and a shell loop published by users."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from fyke.model.run import Outcome
from support.api import Api, client, start_body
from support.app import App

pytestmark = pytest.mark.anyio

SCHEMA = {
    "description": "Everything that the helper meets",
    "properties": [
        {"name": "urls", "type": "array", "editor": "stringList", "required": True,
         "default": ["https://a.example"]},
        {"name": "tags", "type": "array", "editor": "stringList", "required": True},
        {"name": "max_results", "type": "integer", "editor": "number", "default": 5},
        {"name": "bare", "type": "string"},
    ],
}  # fmt: skip


@pytest.mark.slow
async def test_the_retry_helper_repeats_while_the_body_has_code_4290(app: App) -> None:
    """The helper reads the body of every answer, and waits 1, 2, 4, 8 and 16 units."""
    unit = 0.05
    async with client(app.asgi(rate_limit=5, rate_burst=1)) as http:
        headers = {"api-key": app.owner_key, "Content-Type": "application/json"}

        async def fetch_account() -> Any:
            return (await http.post("/api/v1/account/info", json={}, headers=headers)).json()

        result = await fetch_account()
        while result["code"] != 4290:  # requests arrive faster than the limit on any machine
            result = await fetch_account()
        waits: list[int] = []
        while result["code"] == 4290 and len(waits) < 5:
            waits.append(2 ** len(waits))
            await asyncio.sleep(waits[-1] * unit)
            result = await fetch_account()
    assert (result["code"], waits[:1]) == (0, [1])


async def test_the_schema_helper_needs_no_key_and_finds_the_required_fields(
    app: App, api: Api
) -> None:
    worker = await app.publish(schema=SCHEMA)
    answer = await api.http.get("/api/scraper", params={"slug": worker.id})
    properties = answer.json()["data"]["parameters"]["custom"]["properties"]
    custom = {p["name"]: p.get("default", []) for p in properties if p.get("required")}
    assert custom == {"urls": ["https://a.example"], "tags": []}
    assert [prop["name"] for prop in properties] == ["urls", "tags", "max_results", "bare"]
    custom["tags"] = ["x"]
    body = start_body(worker.id)
    body["input"]["parameters"]["custom"] = custom
    assert (await api.ok("/api/v1/scraper/run", body))["run_slug"]


CONTROL = re.compile(r"[\x00-\x1f]")


async def loop(app: App, api: Api, run: str, limit: int) -> list[Any]:
    """Poll with ``jq .data.status`` until 3 or 4, at most ``limit`` times. Control characters are
    stripped first, and five unparsable answers end the loop.
    """
    seen: list[Any] = []
    unreadable = 0
    while len(seen) < limit and unreadable < 5:
        headers = {"api-key": app.owner_key}
        answer = await api.http.post("/api/v1/run/detail", json={"run_slug": run}, headers=headers)
        try:
            seen.append(json.loads(CONTROL.sub("", answer.text))["data"]["status"])
        except ValueError:
            unreadable += 1
        if seen and seen[-1] in (3, 4):
            break
    assert unreadable == 0
    return seen


async def test_the_shell_loop_stops_at_success_and_failure_only(
    app: App, api: Api, run_slug: str
) -> None:
    assert await loop(app, api, run_slug, 2) == [1, 1]
    await app.execute([], Outcome.EXIT_CODE, "beep \x07 escape \x1b line\nend")
    assert await loop(app, api, run_slug, 9) == [4]
    plain = await api.http.post(
        "/api/v1/run/detail", json={"run_slug": run_slug}, headers={"api-key": app.owner_key}
    )
    assert CONTROL.search(plain.text) is None  # there was nothing to strip
    rerun = (await api.ok("/api/v1/rerun", {"run_slug": run_slug}))["run_slug"]
    await app.execute([{"text": "beep \x07"}])
    assert await loop(app, api, rerun, 9) == [3]
    second_run = (await api.ok("/api/v1/rerun", {"run_slug": run_slug}))["run_slug"]
    await api.ok("/api/v1/scraper/abort", {"run_slug": second_run})
    assert await loop(app, api, second_run, 3) == [5, 5, 5]  # a known bug of the loop


async def test_a_body_with_a_byte_order_mark_is_accepted(app: App, api: Api) -> None:
    """``Out-File -Encoding utf8`` writes one; the guide sends such a file unchanged."""
    worker = await app.publish()
    content = json.dumps(start_body(worker.id), indent=4).replace("\n", "\r\n") + "\r\n"
    for path, text in (
        ("/api/v1/scraper/run", content),
        (f"/api/v2/workers/{worker.id}/runs", content),
    ):
        answer = await api.send(
            "POST", path, content=text.encode("utf-8-sig"),
            headers={"content-type": "application/json"},
        )  # fmt: skip
        assert answer.json()["data"]["run_slug"], answer.text
