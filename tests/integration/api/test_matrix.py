"""Every route with every role and with ids of other accounts: no caller reads or changes data of
another account. The routes come from the running application, the expectations from
``support/matrix.py``. A route without an entry fails.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fyke.api.envelope import V2_PREFIX
from fyke.domain.accounts.keys import generate
from support.api import Api, client, operations, public_routes
from support.app import App
from support.matrix import ENTRIES, Access
from support.owned_objects import ABSENT, ABSENT_ID, OwnedObjects, archive, records, seen

pytestmark = pytest.mark.anyio

# Every kind of object of another account; a file's link is itself the permission.
FOREIGN = (
    "run", "waiting", "task", "worker", "worker_path", "item", "key", "key_name", "delivery",
    "receiver", "host", "account", "account_id", "user_id", "user", "session",
    "upload", "submission",
)  # fmt: skip


@pytest.fixture
async def objects(app: App) -> AsyncIterator[OwnedObjects]:
    async with client(app.asgi(guesses=100_000)) as http:
        built = OwnedObjects(app, Api(http, app.owner_key), archive())
        await built.build()
        yield built


def _routes(asgi: Any) -> set[str]:
    return {f"{method} {route.path}" for route in asgi.routes for method in route.methods}


def _second(route: str) -> bool:
    return route.split()[1].startswith(V2_PREFIX)


def _refusal(route: str) -> tuple[int, int]:
    """The expected refusal of a known caller without permission."""
    return (403, 11000) if _second(route) else (401, 4010)


def _outcome(answer: Any) -> tuple[int, int]:
    return answer.status_code, answer.json()["code"] if answer.content else 0


async def test_every_route_has_an_entry_and_every_entry_a_route(app: App) -> None:
    routes = _routes(app.asgi())
    assert sorted(routes - ENTRIES.keys()) == [], "add these to tests/support/matrix.py"
    assert sorted(ENTRIES.keys() - routes) == []


async def test_routes_without_a_key_are_those_declared_public(app: App) -> None:
    named = {
        r for r, e in ENTRIES.items() if e.access is Access.PUBLIC and not r.startswith("HEAD")
    }
    assert named == {" ".join(route) for route in public_routes(app.asgi())}


@pytest.mark.slow
async def test_the_owner_is_admitted_everywhere(objects: OwnedObjects) -> None:
    for route, entry in sorted(ENTRIES.items(), key=lambda item: item[0].startswith("DELETE")):
        renewed = [*entry.names.values(), *entry.fresh] if entry.writes or entry.personal else ()
        for kind in dict.fromkeys(renewed):
            await objects.renew(kind)
        key = objects.app.owner_key
        answer = await objects.ask(route, entry, objects.values(entry), key)
        assert answer.status_code == entry.status, (route, answer.text)


@pytest.mark.slow
async def test_a_viewer_reads_and_changes_nothing(objects: OwnedObjects, tmp_path: Path) -> None:
    await objects.api.get("/api/fyke/account", key=objects.viewer_key)
    before = records(tmp_path)
    personal = {route: entry for route, entry in ENTRIES.items() if entry.personal}
    for route, entry in ENTRIES.items():
        if entry.personal:
            continue
        answer = await objects.ask(route, entry, objects.values(entry), objects.viewer_key)
        if entry.writes:
            assert _outcome(answer) == _refusal(route), (route, answer.text)
        else:
            assert answer.status_code == entry.status, (route, answer.text)
    assert records(tmp_path) == before
    for route, entry in personal.items():
        answer = await objects.ask(route, entry, objects.values(entry), objects.viewer_key)
        assert answer.status_code == (404 if "session" in entry.names.values() else 200), route
    living = await objects.app.services.sessions.list(objects.app.owner)
    assert [session.id for session in living] == [objects.named["session"]]
    assert (await objects.app.services.profiles.preferences(objects.app.owner)).views == {}


@pytest.mark.slow
@pytest.mark.parametrize("role", ["no key", "wrong key", "expired key", "no key at all"])
async def test_without_a_valid_key_no_private_data_is_returned(
    objects: OwnedObjects, tmp_path: Path, role: str
) -> None:
    keys = {"no key": None, "wrong key": generate(), "expired key": objects.expired_key}
    key = keys.get(role, "rubbish")
    first = 20002 if role == "expired key" else 20001
    second = 12001 if role == "no key" else 12002
    before = records(tmp_path)
    for route, entry in ENTRIES.items():
        if entry.access is Access.PUBLIC:
            continue
        own = objects.values(entry)
        absent = {field: _absent(kind) for field, kind in entry.names.items()}
        answers = [await objects.ask(route, entry, values, key) for values in (own, absent)]
        assert seen(answers[0]) == seen(answers[1]), route
        assert answers[0].status_code == 401, route
        if answers[0].content:
            assert answers[0].json()["code"] == (second if _second(route) else first), route
    assert records(tmp_path) == before


@pytest.mark.slow
async def test_public_routes_ignore_invalid_keys(objects: OwnedObjects) -> None:
    requests = 0
    for route, entry in ENTRIES.items():
        if entry.access is not Access.PUBLIC:
            continue
        for values in (objects.values(entry), dict.fromkeys(entry.names, ABSENT_ID)):
            plain = seen(await objects.ask(route, entry, values, None))
            for key in (generate(), objects.expired_key, "rubbish"):
                assert seen(await objects.ask(route, entry, values, key)) == plain, route
                bearer = {"authorization": f"Bearer {key}"}
                answer = await objects.ask(route, entry, values, None, **bearer)
                assert seen(answer) == plain, route
                requests += 2
    assert requests > 200


@pytest.mark.slow
async def test_objects_of_other_accounts_are_not_found(
    objects: OwnedObjects, tmp_path: Path
) -> None:
    """Each field with an id or name gets every id and name of the owner's objects."""
    key = objects.app.other_key
    await objects.api.get("/api/fyke/account", key=key)
    before = records(tmp_path)
    compared = 0
    for route, entry in ENTRIES.items():
        own = objects.values(entry)
        own |= {f: objects.app.other.account_name for f, k in entry.names.items() if k == "account"}
        for field in (f for f, kind in entry.names.items() if kind in FOREIGN):
            absent = {}  # by name, because many kinds use the same name for a missing object
            for name in map(_absent, FOREIGN):
                if name not in absent:
                    answer = await objects.ask(route, entry, own | {field: name}, key)
                    absent[name] = seen(answer, name)
            for kind in FOREIGN:
                name = objects.named[kind]
                answer = await objects.ask(route, entry, own | {field: name}, key)
                assert seen(answer, name) == absent[_absent(kind)], (route, field, kind)
                compared += 1
    assert compared > 700
    assert records(tmp_path) == before


async def test_routes_of_the_operator_are_refused_to_other_accounts(objects: OwnedObjects) -> None:
    key = objects.app.other_key
    operated = [(r, e) for r, e in ENTRIES.items() if e.access is Access.OPERATOR]
    assert len(operated) > 4
    for route, entry in operated:
        absent = {field: _absent(kind) for field, kind in entry.names.items()}
        answers = [await objects.ask(route, entry, v, key) for v in (objects.values(entry), absent)]
        assert seen(answers[0]) == seen(answers[1]), route
        assert _outcome(answers[0]) == _refusal(route), route


async def test_a_start_key_of_another_account_has_no_effect(objects: OwnedObjects) -> None:
    """The owner has used the key for every start; for other accounts it is unused."""
    asgi = objects.app
    public = await asgi.publish("everybody")
    starting = [
        f"{operation.method} {operation.path}"
        for operation in operations(asgi.asgi())
        if operation.starts
    ]
    assert len(starting) >= 9
    for route in starting:
        entry, used = ENTRIES[route], {"idempotency-key": f"key of {route}"}
        answer = await objects.ask(route, entry, objects.values(entry), asgi.owner_key, **used)
        assert answer.status_code == 200, (route, answer.text)
        answers = [
            seen(await objects.ask(route, entry, objects.values(entry), asgi.other_key, **headers))
            for headers in (used, {"idempotency-key": f"fresh {route}"}, {})
        ]
        assert answers[0] == answers[1] == answers[2], route
        # a bulk action has one result per run
        assert answers[0][0] == 404 or '"code":70001' in answers[0][1], route
    route = "POST /api/v2/workers/{workerId:worker}/runs"
    used = {"idempotency-key": f"key of {route}"}
    own = await objects.ask(route, ENTRIES[route], {"workerId": public.id}, asgi.other_key, **used)
    run = own.json()["data"]["run_slug"]
    own_answer = await objects.api.get(f"/api/v2/worker-runs/{run}", key=asgi.other_key)
    assert (own.status_code, own_answer.status_code) == (200, 200)


def _absent(kind: str) -> str:
    return ABSENT.get(kind, ABSENT_ID)
