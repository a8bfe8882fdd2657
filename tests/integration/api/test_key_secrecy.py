"""No response or log line contains a key, however it is sent and however the request ends."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import structlog

from fyke.domain.accounts.keys import generate
from fyke.telemetry.logging import configure
from support.api import Api, client
from support.app import App
from support.matrix import ENTRIES
from support.owned_objects import OwnedObjects, archive

pytestmark = pytest.mark.anyio

KEY_PLACES = ("token", "bearer", "api-key", "x-api-key")


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Return the lines of the platform's log since the last call, at level debug."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    root = logging.getLogger()
    before = structlog.get_config(), root.level, root.handlers[:]
    configure("server", "debug")
    structlog.configure(cache_logger_on_first_use=False)

    def take_lines() -> str:
        text = written.getvalue()
        written.seek(0)
        written.truncate()
        return text

    yield take_lines
    structlog.reset_defaults()
    structlog.configure(**before[0])
    structlog.contextvars.clear_contextvars()
    root.level, root.handlers[:] = before[1], before[2]


@pytest.fixture
async def objects(app: App) -> AsyncIterator[OwnedObjects]:
    async with client(app.asgi(guesses=100_000)) as http:
        owned = OwnedObjects(app, Api(http, app.owner_key), archive())
        await owned.build()
        yield owned


async def _ask(objects: OwnedObjects, route: str, place: str, key: str) -> str:
    """Return the head and body of the answer to a request that sends the key in this way."""
    entry, headers = ENTRIES[route], {}
    token = None
    match place:
        case "token":
            token = key
        case "bearer":
            headers["authorization"] = f"Bearer {key}"
        case _:
            headers[place] = key
    answer = await objects.ask(route, entry, objects.values(entry), None, token=token, **headers)
    return f"{answer.headers.multi_items()} {answer.text}"


def _same_secret(text: str, key: str) -> bool:
    return key in text or key[-12:] in text


@pytest.mark.slow
async def test_no_answer_and_no_log_line_contains_a_key(
    objects: OwnedObjects, logged: Callable[[], str]
) -> None:
    """On every route, with an invalid key and with a valid key of another account."""
    logged()
    requests = 0
    for route in ENTRIES:
        for key in (f"rubbish-{generate()}", objects.app.other_key):
            for place in KEY_PLACES:
                assert not _same_secret(await _ask(objects, route, place, key), key), (route, place)
                log = logged()
                assert not _same_secret(log, key), (route, place, log)
                requests += log.count('"event": "request"')
    assert requests > len(ENTRIES) * 2 * len(KEY_PLACES) * 0.9  # every request was logged


@pytest.mark.slow
async def test_errors_contain_no_key(
    objects: OwnedObjects, logged: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storage fails on every route, and its error quotes the request."""
    key = objects.app.owner_key
    await objects.api.get("/api/fyke/account")

    async def broken(*_given: Any, **_named: Any) -> Any:
        raise RuntimeError(f"no luck with GET /api/v2/users/account?token={key} for {key}")

    monkeypatch.setattr(type(objects.app.storage), "read", broken)
    monkeypatch.setattr(type(objects.app.storage), "write", broken)
    logged()
    faults = 0
    for route in ENTRIES:
        for place in KEY_PLACES[:2]:
            assert not _same_secret(await _ask(objects, route, place, key), key), (route, place)
            log = logged()
            faults += "no luck with" in log
            assert not _same_secret(log, key), (route, place, log)
    assert faults > 150
