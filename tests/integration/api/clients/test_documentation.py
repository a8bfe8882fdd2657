"""The requests of the documentation site: its playground, its smoke script and its samples."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from fyke.model.run import Outcome
from support.api import Api, client, start_body
from support.app import App
from support.dialects import Client, cli2

pytestmark = pytest.mark.anyio

CUSTOM = {"urls": [{"url": "https://a.example"}]}
RUN_BODY = {"input": {"parameters": {"custom": CUSTOM}}, "is_async": True, "offset": 1, "limit": 20}
SCHEMA = {
    "description": "Words and addresses",
    "properties": [
        {"name": "urls", "type": "array", "editor": "requestList", "required": True},
        {"name": "words", "type": "array", "editor": "stringList",
         "default": [{"keyword": "fish"}, {"value": "chips"}, "plain"]},
    ],
}  # fmt: skip
SITE = "https://docs.example"


# --- the playground ------------------------------------------------------------------------


def fields_of(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The form fields of the playground: the schema is ``input_schema`` or the whole object, with
    properties as a list or an object.
    """
    schema = data.get("input_schema", data)
    properties = schema["properties"]
    if isinstance(properties, dict):
        return properties
    return {field["name"]: field for field in properties}


def words_of(default: list[Any]) -> list[str]:
    return [w.get("keyword") or w.get("value") if isinstance(w, dict) else w for w in default]


async def test_the_playground_builds_its_form_and_starts_runs_from_another_site(
    app: App, api: Api
) -> None:
    await app.publish(schema=SCHEMA)
    path = "/api/v2/workers/owner~reader"
    schema = await api.http.get(f"{path}/input-schema", headers={"origin": SITE})
    assert schema.headers["access-control-allow-origin"] in ("*", SITE)
    data = schema.json()["data"]
    for form in (fields_of(data), fields_of(data["input_schema"])):
        assert list(form) == ["urls", "words"]
        assert words_of(form["words"]["default"]) == ["fish", "chips", "plain"]
    preflight = await api.http.options(
        f"{path}/runs",
        headers={
            "origin": SITE,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        },
    )
    assert 200 <= preflight.status_code < 300
    assert preflight.headers["access-control-allow-origin"] in ("*", SITE)
    assert "POST" in preflight.headers["access-control-allow-methods"]
    allowed = preflight.headers["access-control-allow-headers"].lower()
    for name in ("authorization", "api-key", "x-api-key", "content-type"):
        assert name in allowed
    started = await api.http.post(
        f"{path}/runs",
        json=RUN_BODY,
        headers={"origin": SITE, "authorization": f"Bearer {app.owner_key}"},
    )
    assert started.json()["data"]["run_slug"]
    assert started.headers["access-control-allow-origin"] in ("*", SITE)
    refused = await api.http.post(f"{path}/runs", json=RUN_BODY, headers={"origin": SITE})
    assert refused.status_code == 401  # errors can be read by scripts of that site too
    assert refused.headers["access-control-allow-origin"] in ("*", SITE)


# --- the smoke script ----------------------------------------------------------------------


async def test_the_smoke_script_reads_the_public_page_and_filters_tasks(app: App, api: Api) -> None:
    worker = await app.publish()
    await app.publish("other")
    page = await api.http.get(f"/api/v2/workers/{worker.id}/internal")
    assert (page.status_code, page.json()["code"]) == (200, 0)
    script = Client(api.http, {"authorization": f"Bearer {app.owner_key}"}, cli2)
    for ref in ("owner~reader", "owner~other"):
        body = {"worker_id": ref, "title": ref, "input": RUN_BODY["input"]}
        await script.post("/api/v2/worker-tasks", body)
    for ref in (worker.id, "owner~reader", quote("owner/reader", safe="")):
        tasks = await script.get(f"/api/v2/worker-tasks?worker_id={ref}")
        assert [task["title"] for task in tasks["list"]] == ["owner~reader"], ref


# --- the samples for v2 --------------------------------------------------------------------


async def test_a_sample_checks_its_account_first(app: App, api: Api) -> None:
    for headers in (
        {"Authorization": f"Bearer {app.owner_key}"},
        {"api-key": app.owner_key},
    ):
        answer = await api.http.get("/api/v2/users/account", headers=headers)
        assert answer.status_code == 200
        assert answer.json()["data"]["balance"]


async def test_a_sample_recognises_every_status_and_raises_with_the_log(app: App, api: Api) -> None:
    """The sample continues on ``ready`` and ``running``, returns on ``succeeded``, and reads the
    log on ``failed`` and ``aborting``. Any other status, ``aborted`` included, is an error without
    an explanation.
    """
    worker = await app.publish()
    headers = {"Authorization": f"Bearer {app.owner_key}"}
    base = "/api/v2/worker-runs"

    async def data(method: str, path: str, body: Any = None) -> Any:
        answer = await api.http.request(method, path, json=body, headers=headers)
        answer.raise_for_status()
        assert answer.json()["request_id"]
        return answer.json()["data"]

    for ref, ended, word in (
        (worker.id, Outcome.SUCCEEDED, "succeeded"),
        ("owner~reader", Outcome.EXIT_CODE, "failed"),
        ("owner%7Ereader", Outcome.ABORTED, "aborting"),
    ):
        started = await data("POST", f"/api/v2/workers/{ref}/runs", RUN_BODY)
        run = started["run_slug"]
        assert (await data("GET", f"{base}/{run}"))["status"] == "ready"
        [lease] = await app.begin()
        assert (await data("GET", f"{base}/{run}"))["status"] == "running"
        await app.push(lease, [{"n": 1}], log=["why it ended"])
        if ended is Outcome.ABORTED:
            await data("POST", f"{base}/{run}/abort")
        await app.end(lease, ended, "a reason")
        detail = await data("GET", f"{base}/{run}")
        assert (detail["status"], type(detail.get("err_msg", ""))) == (word, str)
        log = await data("GET", f"{base}/{run}/log")
        assert "why it ended" in json.dumps(log)
        if word == "succeeded":
            results = await data("GET", f"{base}/{run}/result?offset=1&limit=20")
            assert (results["count"], len(results["list"])) == (1, 1)


async def test_a_sample_raises_before_it_reads_the_body_of_an_error(app: App, api: Api) -> None:
    await app.publish()
    path = "/api/v2/workers/owner~reader/runs"
    for headers, body, status in (
        ({"Authorization": "Bearer nonsense"}, RUN_BODY, 401),
        ({"Authorization": f"Bearer {app.owner_key}"}, {"input": {}}, 400),
        ({"Authorization": f"Bearer {app.owner_key}"}, RUN_BODY | {"limit": 0}, 422),
    ):
        answer = await api.http.post(path, json=body, headers=headers)
        assert answer.status_code == status


# --- rules for all clients -----------------------------------------------------------------

OWN_LINE = re.compile(r'^\{"code":\d+,"message":"')


async def test_errors_are_neither_redirects_nor_pages(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """404, 405, 413, 429 and 500 of both versions are envelopes of their version."""

    async def fail(*_: Any) -> None:
        raise RuntimeError("boom")

    big = b'{"a":"' + b"x" * (11 * 2**20) + b'"}'
    async with client(app.asgi()) as http:
        monkeypatch.setattr(type(app.services.runs), "get", fail)
        for method, path, content, status in (
            ("GET", "/api/v1/nothing", None, 404),
            ("GET", "/api/v2/nothing", None, 404),
            ("GET", "/api/v1/run/detail", None, 405),
            ("DELETE", "/api/v2/worker-runs", None, 405),
            ("POST", "/api/v1/run/detail", big, 413),
            ("POST", "/api/v2/worker-runs/x/rerun", big, 413),
            ("POST", "/api/v1/run/detail", b'{"run_slug":"x"}', 500),
            ("GET", "/api/v2/worker-runs/x", None, 500),
            ("POST", "/api/v1/run/detail/", b"{}", 404),  # a trailing slash is not redirected
            ("GET", "/api/v2/worker-runs/", None, 404),
        ):
            headers = {"api-key": app.owner_key, "accept": "text/html"}
            answer = await http.request(method, path, content=content, headers=headers)
            assert answer.status_code == status, (method, path, answer.text)
            check_envelope(path, answer)
    async with client(app.asgi(rate_limit=0.01, rate_burst=1)) as http:
        for path in ("/api/v1/account/info", "/api/v2/users/account", "/api/v2/users/account"):
            method = "POST" if "/v1/" in path else "GET"
            answer = await http.request(method, path, headers={"api-key": app.owner_key})
        assert answer.status_code == 429
        check_envelope(path, answer)


def check_envelope(path: str, answer: Any) -> None:
    assert answer.headers["content-type"] == "application/json"
    assert OWN_LINE.match(answer.text), answer.text
    body = answer.json()
    last = {"request_id", "details"} if path.startswith("/api/v2/") else {"data"}
    assert {"code", "message", *last} - {"details"} <= body.keys()
    assert body["code"] != 0


async def test_unknown_keys_missing_types_and_empty_bodies_are_accepted(app: App, api: Api) -> None:
    worker = await app.publish(schema={"description": "", "properties": []})
    headers = {"api-key": app.owner_key}
    extra = {"page_index": 1, "page_size": 10, "system_params": "{}", "no_such_key": [1]}
    first = start_body(worker.id) | extra
    for content in (json.dumps(first).encode(), b"\xef\xbb\xbf" + json.dumps(first).encode()):
        answer = await api.http.post("/api/v1/scraper/run", content=content, headers=headers)
        assert answer.json()["data"]["run_slug"]
    path = f"/api/v2/workers/{worker.id}/runs"
    bodies = (b"", b"{}", b"\xef\xbb\xbf{}", json.dumps(extra | {"limit": None}).encode())
    for content in bodies:
        answer = await api.http.post(path, content=content, headers=headers)
        run = answer.json()["data"]["run_slug"]
        for tail in ("rerun", "abort"):
            answer = await api.http.post(
                f"/api/v2/worker-runs/{run}/{tail}", content=content, headers=headers
            )
            assert answer.json()["code"] == 0, answer.text
    for content in (b"", b"{}"):
        answer = await api.http.post("/api/v1/account/info", content=content, headers=headers)
        assert answer.json()["code"] == 0
