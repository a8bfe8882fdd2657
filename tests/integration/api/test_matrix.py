"""Every route, every role, every foreign name: nobody learns or changes what is not theirs.

The routes are those of the running application, the rest is in ``support/matrix.py``: a route
without an entry there fails here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fyke.api.envelope import V2_PREFIX
from fyke.domain.accounts.keys import generate
from support.api import Api, client, operations, public_routes
from support.estate import ABSENT, NOWHERE, Estate, archive, records, seen
from support.house import House
from support.matrix import ENTRIES, Door

pytestmark = pytest.mark.anyio

# Every kind of object that somebody else has; a file's link is itself the permission.
FOREIGN = (
    "run", "waiting", "task", "worker", "worker_path", "item", "key", "key_name", "delivery",
    "receiver", "host", "account", "account_id", "user_id", "user", "session",
    "upload", "submission",
)  # fmt: skip


@pytest.fixture
async def estate(house: House) -> AsyncIterator[Estate]:
    async with client(house.app(guesses=100_000)) as http:
        built = Estate(house, Api(http, house.owner_key), archive())
        await built.build()
        yield built


def _routes(app: Any) -> set[str]:
    return {f"{method} {route.path}" for route in app.routes for method in route.methods}


def _second(route: str) -> bool:
    return route.split()[1].startswith(V2_PREFIX)


def _refusal(route: str) -> tuple[int, int]:
    """Of somebody who is known and may not."""
    return (403, 11000) if _second(route) else (401, 4010)


def _outcome(answer: Any) -> tuple[int, int]:
    return answer.status_code, answer.json()["code"] if answer.content else 0


async def test_every_route_has_an_entry_and_every_entry_a_route(house: House) -> None:
    routes = _routes(house.app())
    assert sorted(routes - ENTRIES.keys()) == [], "add these to tests/support/matrix.py"
    assert sorted(ENTRIES.keys() - routes) == []


async def test_the_doors_that_are_open_are_those_declared_public(house: House) -> None:
    named = {r for r, e in ENTRIES.items() if e.door is Door.PUBLIC and not r.startswith("HEAD")}
    assert named == {" ".join(one) for one in public_routes(house.app())}


async def test_the_owner_is_let_in_everywhere(estate: Estate) -> None:
    for route, entry in sorted(ENTRIES.items(), key=lambda one: one[0].startswith("DELETE")):
        renewed = [*entry.names.values(), *entry.fresh] if entry.writes or entry.personal else ()
        for kind in dict.fromkeys(renewed):
            await estate.renew(kind)
        key = estate.house.owner_key
        answer = await estate.ask(route, entry, estate.values(entry), key)
        assert answer.status_code == entry.status, (route, answer.text)


async def test_a_viewer_reads_and_changes_nothing(estate: Estate, tmp_path: Path) -> None:
    await estate.api.get("/api/fyke/account", key=estate.viewer_key)
    before = records(tmp_path)
    personal = {route: entry for route, entry in ENTRIES.items() if entry.personal}
    for route, entry in ENTRIES.items():
        if entry.personal:
            continue
        answer = await estate.ask(route, entry, estate.values(entry), estate.viewer_key)
        if entry.writes:
            assert _outcome(answer) == _refusal(route), (route, answer.text)
        else:
            assert answer.status_code == entry.status, (route, answer.text)
    assert records(tmp_path) == before
    for route, entry in personal.items():
        answer = await estate.ask(route, entry, estate.values(entry), estate.viewer_key)
        assert answer.status_code == (404 if "session" in entry.names.values() else 200), route
    living = await estate.house.services.sessions.list(estate.house.owner)
    assert [one.id for one in living] == [estate.named["session"]]
    assert (await estate.house.services.profiles.preferences(estate.house.owner)).views == {}


@pytest.mark.parametrize("role", ["no key", "wrong key", "expired key", "no key at all"])
async def test_without_a_valid_key_nothing_private_answers(
    estate: Estate, tmp_path: Path, role: str
) -> None:
    keys = {"no key": None, "wrong key": generate(), "expired key": estate.expired_key}
    key = keys.get(role, "rubbish")
    first = 20002 if role == "expired key" else 20001
    second = 12001 if role == "no key" else 12002
    before = records(tmp_path)
    for route, entry in ENTRIES.items():
        if entry.door is Door.PUBLIC:
            continue
        own = estate.values(entry)
        absent = {field: _absent(kind) for field, kind in entry.names.items()}
        answers = [await estate.ask(route, entry, values, key) for values in (own, absent)]
        assert seen(answers[0]) == seen(answers[1]), route
        assert answers[0].status_code == 401, route
        if answers[0].content:
            assert answers[0].json()["code"] == (second if _second(route) else first), route
    assert records(tmp_path) == before


async def test_public_routes_do_not_care_for_bad_keys(estate: Estate) -> None:
    asked = 0
    for route, entry in ENTRIES.items():
        if entry.door is not Door.PUBLIC:
            continue
        for values in (estate.values(entry), dict.fromkeys(entry.names, NOWHERE)):
            plain = seen(await estate.ask(route, entry, values, None))
            for key in (generate(), estate.expired_key, "rubbish"):
                assert seen(await estate.ask(route, entry, values, key)) == plain, route
                bearer = {"authorization": f"Bearer {key}"}
                answer = await estate.ask(route, entry, values, None, **bearer)
                assert seen(answer) == plain, route
                asked += 2
    assert asked > 200


async def test_what_belongs_to_others_looks_like_nothing_at_all(
    estate: Estate, tmp_path: Path
) -> None:
    """Each field that names something is given each name of each of the owner's objects."""
    key = estate.house.other_key
    await estate.api.get("/api/fyke/account", key=key)
    before = records(tmp_path)
    compared = 0
    for route, entry in ENTRIES.items():
        own = estate.values(entry)
        own |= {
            f: estate.house.other.account_name for f, k in entry.names.items() if k == "account"
        }
        for field in (f for f, kind in entry.names.items() if kind in FOREIGN):
            absent = {}  # many kinds have the same name for what never was
            for name in map(_absent, FOREIGN):
                if name not in absent:
                    answer = await estate.ask(route, entry, own | {field: name}, key)
                    absent[name] = seen(answer, name)
            for kind in FOREIGN:
                name = estate.named[kind]
                answer = await estate.ask(route, entry, own | {field: name}, key)
                assert seen(answer, name) == absent[_absent(kind)], (route, field, kind)
                compared += 1
    assert compared > 700
    assert records(tmp_path) == before


async def test_what_is_for_the_operator_is_for_nobody_else(estate: Estate) -> None:
    key = estate.house.other_key
    operated = [(r, e) for r, e in ENTRIES.items() if e.door is Door.OPERATOR]
    assert len(operated) > 4
    for route, entry in operated:
        absent = {field: _absent(kind) for field, kind in entry.names.items()}
        answers = [await estate.ask(route, entry, v, key) for v in (estate.values(entry), absent)]
        assert seen(answers[0]) == seen(answers[1]), route
        assert _outcome(answers[0]) == _refusal(route), route


async def test_the_key_of_somebody_elses_start_means_nothing(estate: Estate) -> None:
    """The owner has used it for every start; to others it is a key like any other."""
    house = estate.house
    public = await house.publish("everybody")
    starting = [f"{each.method} {each.path}" for each in operations(house.app()) if each.starts]
    assert len(starting) >= 9
    for route in starting:
        entry, used = ENTRIES[route], {"idempotency-key": f"key of {route}"}
        answer = await estate.ask(route, entry, estate.values(entry), house.owner_key, **used)
        assert answer.status_code == 200, (route, answer.text)
        answers = [
            seen(await estate.ask(route, entry, estate.values(entry), house.other_key, **headers))
            for headers in (used, {"idempotency-key": f"fresh {route}"}, {})
        ]
        assert answers[0] == answers[1] == answers[2], route
        # of many runs at once each has an answer of its own
        assert answers[0][0] == 404 or '"code":70001' in answers[0][1], route
    route = "POST /api/v2/workers/{workerId:worker}/runs"
    used = {"idempotency-key": f"key of {route}"}
    own = await estate.ask(route, ENTRIES[route], {"workerId": public.id}, house.other_key, **used)
    run = own.json()["data"]["run_slug"]
    mine = await estate.api.get(f"/api/v2/worker-runs/{run}", key=house.other_key)
    assert (own.status_code, mine.status_code) == (200, 200)


def _absent(kind: str) -> str:
    return ABSENT.get(kind, NOWHERE)
