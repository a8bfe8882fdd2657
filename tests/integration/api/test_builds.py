"""The declarations of a version over the API, and the permission to build dependencies."""

from __future__ import annotations

import json
from typing import Any

from fyke.model.audit import AuditAction
from fyke.wire.fyke.workers import BuildsAllowed
from support.answers import data_as
from support.api import Api, fails
from support.app import SCHEMA, App
from support.projects import python_project

AT = "/api/fyke/workers/other~prices"


async def publish(app: App, main: str, declared: dict[str, Any] | None) -> str:
    files = {} if declared is None else {"fyke.json": json.dumps(declared)}
    data = python_project(main, schema=SCHEMA, **files)
    _, version, _ = await app.services.workers.publish(app.other, data, name="prices")
    return version.number


async def test_versions_show_their_declarations_and_changes(app: App, api: Api) -> None:
    first = await publish(app, "print(1)\n", None)
    second = await publish(app, "print(1)\n", {"egress": ["b.example", "a.example"]})
    third = await publish(
        app, "print(1)\n", {"egress": ["a.example", "*.c.example"], "install": "build"}
    )
    last = await publish(app, "print(1)\n", {})

    answer = (await api.get(f"{AT}/versions", key=app.other_key)).json()["data"]["list"]
    assert [(v["egress"], v["builds"]) for v in answer] == [
        (None, False),
        (["a.example", "*.c.example"], True),
        (["b.example", "a.example"], False),
        (None, False),
    ]

    async def changes(before: str, after: str) -> list[tuple[str, str, bool]]:
        at = f"{AT}/compare?before={before}&after={after}"
        data = (await api.get(at, key=app.other_key)).json()["data"]
        return [(c["kind"], c["domain"], c["wider"]) for c in data["declared_changes"]]

    assert await changes(first, second) == [("closed", "a.example, b.example", False)]
    assert await changes(second, third) == [
        ("added", "*.c.example", True),
        ("removed", "b.example", False),
        ("builds", "", True),
    ]
    assert await changes(third, last) == [("opened", "", True), ("wheels", "", False)]
    assert await changes(first, first) == []


async def test_only_the_operator_allows_builds_and_both_accounts_log_it(app: App, api: Api) -> None:
    await publish(app, "print(1)\n", {"install": "build"})
    at = f"{AT}/builds"
    answer = await api.get(at, key=app.other_key)
    assert data_as(BuildsAllowed, answer) == {"allowed": False, "versions": ["v1.0.1"]}
    denied = await api.send("PUT", at, json={"allowed": True}, key=app.other_key)
    fails(denied, 401, 4010, "operator")

    for allowed in (True, False):
        answer = await api.send("PUT", at, json={"allowed": allowed})
        assert answer.json()["data"] == {"allowed": allowed, "versions": ["v1.0.1"]}
        worker = await app.services.workers.find(app.other, "other/prices")
        assert worker.builds_allowed is allowed
    for caller in (app.owner, app.other):
        acts = await app.services.audit.page(caller)
        assert [a.action for a in acts[:2]] == [
            AuditAction.BUILDS_FORBIDDEN,
            AuditAction.BUILDS_ALLOWED,
        ]
        assert {a.target for a in acts[:2]} == {"other/prices"}

    fails(await api.send("PUT", at, json={"allowed": "maybe"}), 400, 4000, "allowed")
    fails(await api.send("PUT", at, json={}), 400, 4000, "allowed")
    unknown = "/api/fyke/workers/other~nothing/builds"
    fails(await api.send("PUT", unknown, json={"allowed": True}), 404, 50001, "does not exist")
