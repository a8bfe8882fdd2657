"""What the runner hears of a gateway that opens late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from fyke.browser import client as module
from fyke.browser.client import GatewayAttempt, GatewayClient
from fyke.contracts.browser import BrowserEndCause, BrowserEnded, BrowserNote, GatewayGrant

pytestmark = pytest.mark.anyio


class Connection:
    """A process that answers the first request with ``error`` once it ``may_answer``."""

    current = None

    def __init__(self, error: str | OSError) -> None:
        self.error = error
        self.may_answer = asyncio.Event()

    async def request(self, send: Callable[[Any], Any], timeout: float | None) -> str:
        await self.may_answer.wait()
        if isinstance(self.error, OSError):
            raise self.error
        return self.error


@pytest.mark.parametrize(
    ("error", "said"), [("no listener", ["no listener"]), (OSError("full"), ["full"]), ("", [])]
)
async def test_an_error_of_a_late_opening_is_noted_in_the_run(
    error: str | OSError, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_OPEN_SECONDS", 0.0)
    client, connection = GatewayClient(tmp_path / "socket"), Connection(error)
    client._connection = cast(Any, connection)
    notes: list[BrowserNote] = []
    client.on_note = notes.append
    await client.open([], GatewayGrant("A", "secret"))
    assert [note.code for note in notes] == ["gateway_away"]
    connection.may_answer.set()
    opening = client._attempts["A"].opening
    assert opening is not None
    await asyncio.wait({opening})
    await asyncio.sleep(0)
    assert [note.text for note in notes[1:]] == [
        f"The Worker gets no browser: {one}" for one in said
    ]


@pytest.mark.parametrize(
    ("wanted", "attached", "attaching", "heard"),
    [
        (False, 0, False, []),
        (True, 0, False, [0]),  # a connection waits
        (False, 2, True, [0]),  # it waits for one that is being attached
        (False, 2, False, [2]),
    ],
)
async def test_the_end_of_the_gateway_ends_browsers_and_waiting_connections(
    wanted: bool, attached: int, attaching: bool, heard: list[int], tmp_path: Path
) -> None:
    client = GatewayClient(tmp_path / "socket")
    ended: list[BrowserEnded] = []
    client.on_ended = ended.append
    client._attempts["A"] = GatewayAttempt(
        GatewayGrant("A", "secret"), [], wanted=wanted, attached=attached, attaching=attaching
    )
    client._lost()
    assert [(one.attempt_id, one.generation) for one in ended] == [("A", one) for one in heard]
    assert all(one.cause is BrowserEndCause.GATEWAY_ENDED for one in ended)
