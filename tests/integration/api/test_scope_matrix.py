"""Every route with keys that lack a scope, and with keys that have exactly the required ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fyke.api.envelope import V2_PREFIX
from fyke.model.account import ALL_SCOPES, Scope
from support.api import Api, client
from support.app import App
from support.matrix import ENTRIES, Access
from support.owned_objects import ABSENT_ID, OwnedObjects, archive, records

pytestmark = pytest.mark.anyio


@pytest.fixture
async def objects(app: App) -> AsyncIterator[OwnedObjects]:
    async with client(app.asgi(guesses=100_000)) as http:
        built = OwnedObjects(app, Api(http, app.owner_key), archive())
        await built.build()
        yield built


def scopes_of_routes(app: App) -> dict[str, frozenset[Scope]]:
    """The scopes of each operation, including by its other paths, and of HEAD beside GET."""
    return {
        f"{method} {path}": operation.declaration.scopes
        for operation in app.asgi().operations
        for method in (("GET", "HEAD") if operation.method == "GET" else (operation.method,))
        for path in (operation.path, *operation.declaration.aliases)
    }


async def keys(app: App, kind: str, scopes: list[frozenset[Scope]]) -> dict[frozenset[Scope], str]:
    accounts = app.services.accounts
    keys = {}
    for number, item in enumerate(scopes):
        new = await accounts.create_key(app.owner, f"{kind} {number}", scopes=item)
        keys[item] = new.key
    return keys


@pytest.mark.slow
async def test_a_key_can_use_only_the_operations_of_its_scopes(
    objects: OwnedObjects, tmp_path: Path
) -> None:
    closed = [route for route, entry in ENTRIES.items() if entry.access is not Access.PUBLIC]
    declared = scopes_of_routes(objects.app)
    needed = {route: declared[route] for route in closed}
    enough = await keys(objects.app, "enough", sorted(set(needed.values()), key=sorted))
    lacking = await keys(objects.app, "lacking", [ALL_SCOPES - {scope} for scope in Scope])
    for key in (*enough.values(), *lacking.values()):
        await objects.api.get("/api/v2/workers", key=key)  # records the first use
    before = records(tmp_path)
    for route, scopes in needed.items():
        entry = ENTRIES[route]
        for missing in scopes:
            key = lacking[ALL_SCOPES - {missing}]
            answer = await objects.ask(route, entry, objects.values(entry), key)
            assert answer.status_code == (403 if V2_PREFIX in route else 401), route
            assert answer.headers["x-fyke-error"] == "scope_missing", route
            assert not answer.content or f'the scope \\"{missing}\\"' in answer.text, route
    assert records(tmp_path) == before
    for route, scopes in needed.items():
        entry = ENTRIES[route]
        absent = dict.fromkeys(entry.names, ABSENT_ID)
        answer = await objects.ask(route, entry, absent, enough[scopes])
        assert answer.headers.get("x-fyke-error") != "scope_missing", route


async def test_a_key_without_the_read_scope_sees_public_data(objects: OwnedObjects) -> None:
    by_scopes = await keys(objects.app, "run", [frozenset({Scope.RUN})])
    [key] = by_scopes.values()
    query = {"search": "hidden"}

    async def seen(with_key: str | None) -> object:
        headers = {"api-key": with_key} if with_key else {}
        answer = await objects.api.http.get("/api/store", params=query, headers=headers)
        return answer.json()["data"]

    assert await seen(key) == await seen(None) != await seen(objects.app.owner_key)
