"""Starts under a spend cap: repeated, refused, without an answer, several at once."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from fyke.mcp import starts
from fyke.mcp.coreclaw import coreclaw_tools
from fyke.mcp.session import McpSession
from fyke.mcp.spending import DAY, AgentSpending, KeySpending
from fyke.mcp.tool import ToolRefused
from fyke_client import ApiError, Unreachable


class Server:
    """A client of a server with prices, whose runs do not end."""

    def __init__(self) -> None:
        self.limits: dict[str, float] = {}  # by run
        self.by_key: dict[str, str] = {}
        self.errors: list[Exception] = []  # of the next starts
        self.lost: list[Exception] = []  # the same, after the run was started
        self.open = asyncio.Event()  # answers of starts
        self.open.set()
        self.sent: list[str] = []

    async def request(self, method: str, path: str, **sent: Any) -> Any:
        if path.endswith("/estimate"):
            return b'{"priced": true}'
        if path == "/api/fyke/runs":
            listed = [
                {"slug": run, "worker_slug": "w", "finished_at": 0, "usage": "0", "key_id": "k"}
                for run in self.limits
            ]
            return {"list": listed, "next_cursor": ""}
        if path.endswith("/beginning"):
            charge = self.limits[sent["query"]["from_run"]]
            return {"input": {"parameters": {"system": {"max_total_charge": charge}}}}
        self.sent.append(path)
        if method != "POST" or not path.endswith("/runs"):
            return b"{}"
        if self.errors:
            raise self.errors.pop()
        key = sent["idempotency_key"]
        if key not in self.by_key:
            run = f"run{len(self.limits)}"
            self.limits[run] = sent["body"]["input"]["parameters"]["system"]["max_total_charge"]
            if not key:
                key = run
            self.by_key[key] = run
        await self.open.wait()
        if self.lost:
            raise self.lost.pop()
        return msgspec.json.encode({"run_slug": self.by_key[key]})

    async def run_summary(self, run: str) -> Any:
        return SimpleNamespace(finished_at=0, usage="0")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture(params=["process", "key"])
def session(request: pytest.FixtureRequest, server: Server) -> McpSession:
    known = AgentSpending() if request.param == "process" else KeySpending(key_id="k")
    return McpSession(cast(Any, server), known, Decimal(2))


async def start(session: McpSession, usd: float = 0, once: str = "", worker: str = "w") -> str:
    parameters = {"system": {starts.CHARGE: usd}} if usd else {}
    body = {"input": {"parameters": parameters}}
    data = await starts.start(session, worker, body, idempotency_key=once)
    return str(msgspec.json.decode(data)["run_slug"])


async def left(session: McpSession) -> Decimal:
    return (await session.spending.status(session.fyke, Decimal(2))).left


async def test_once_gives_no_limit_beyond_the_cap(server: Server, session: McpSession) -> None:
    server.errors = [ApiError(422, 11000, "wrong input")]
    with pytest.raises(ToolRefused, match="wrong input"):
        await start(session, once="tea ☕")
    await start(session)
    with pytest.raises(ToolRefused, match="cap of 2 USD is reached"):
        await start(session, once="tea ☕")
    assert list(server.limits.values()) == [2]


TOO_LITTLE = (
    "invalid argument: input.parameters.system.max_total_charge must be at least 1.2501 USD, the "
    "price of the first 10 seconds of the run, or 0 for no cap"
)


async def test_a_start_beyond_the_cap_says_what_is_left_and_needed(
    server: Server, session: McpSession
) -> None:
    await start(session, usd=1)
    for usd in (0, 2):
        server.errors = [ApiError(400, 11000, TOO_LITTLE)]
        with pytest.raises(ToolRefused) as refused:
            await start(session, usd=usd)
        assert "1 USD of the spend cap of 2 USD are left" in str(refused.value)
        assert "needs at least 1.2501 USD" in str(refused.value)
        assert "no cap" not in str(refused.value)
    server.errors = [ApiError(400, 11000, TOO_LITTLE)]
    with pytest.raises(ToolRefused, match=r"at least 1\.2501 USD.*0\.5 USD were asked for"):
        await start(session, usd=0.5)
    assert await left(session) == 1


async def test_once_of_another_worker_is_another_start(session: McpSession) -> None:
    first = await start(session, once="tea")
    assert await start(session, once="tea") == first
    with pytest.raises(ToolRefused, match="is reached"):
        await start(session, once="tea", worker="other")


async def test_once_is_forgotten_after_a_day(
    session: McpSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    await start(session, once="tea")
    later = time.time() + DAY
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(ToolRefused, match="is reached"):
        await start(session, once="tea")


async def test_once_is_sent_as_printable_characters(server: Server, session: McpSession) -> None:
    await start(session, once="tea ☕\n")
    assert all(key.isalnum() and len(key) == 64 for key in server.by_key)


async def test_a_start_without_an_answer_stays_reserved(
    server: Server, session: McpSession
) -> None:
    server.lost = [Unreachable("the connection broke")]
    with pytest.raises(ToolRefused, match="broke"):
        await start(session, 1.5, once="tea")
    assert await left(session) <= Decimal("0.5")
    assert await start(session, 1.5, once="tea") == "run0"
    assert await left(session) == Decimal("0.5")


@pytest.mark.parametrize("error", [ApiError(422, 1, "no"), Unreachable("no", sent=False)])
async def test_a_refused_start_is_not_reserved(
    server: Server, session: McpSession, error: Exception
) -> None:
    server.errors = [error]
    with pytest.raises(ToolRefused):
        await start(session)
    assert await left(session) == 2


async def test_a_cancelled_start_stays_reserved(server: Server, session: McpSession) -> None:
    server.open.clear()
    starting = asyncio.create_task(start(session, 1.5))
    while not server.limits:
        await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait([starting])
    assert await left(session) <= Decimal("0.5")


async def test_starts_do_not_wait_for_the_answers_of_others(server: Server) -> None:
    session = McpSession(cast(Any, server), AgentSpending(), Decimal(2))
    server.open.clear()
    both = [asyncio.create_task(start(session, 0.5)) for _ in range(2)]
    async with asyncio.timeout(5):
        while len(server.limits) < 2:
            await asyncio.sleep(0)
    assert await left(session) == 1
    server.open.set()
    assert sorted(await asyncio.gather(*both)) == ["run0", "run1"]
    assert await left(session) == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "allowed"),
    [
        ("update_worker_task", {"title": "t"}, True),
        ("update_worker_task", {"schedule_enabled": 0}, True),
        ("update_worker_task", {"schedule_enabled": 1}, False),
        ("update_worker_task", {"schedule_time": "10:00"}, False),
        ("update_worker_task_input", {"input_json": {}}, False),
        ("create_worker_task", {"worker_id": "w", "schedule_enabled": 1}, False),
    ],
)
async def test_no_schedule_is_changed_under_a_cap(
    server: Server, session: McpSession, tool: str, arguments: dict[str, Any], allowed: bool
) -> None:
    handler = next(known.handler for known in coreclaw_tools() if known.name == tool)
    values = {"worker_task_id": "t"} | arguments
    if allowed:
        await handler(session, values)
    else:
        with pytest.raises(ToolRefused, match="cannot limit"):
            await handler(session, values)
    assert len(server.sent) == allowed
