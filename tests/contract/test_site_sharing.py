"""Which machines share which sites, over the state of both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.signals import SITES
from fyke.contracts.state import Transaction
from fyke.domain.nodes import site_sharing
from fyke.domain.nodes.site_sharing import AGE_SECONDS, SiteExchange
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.model.runner import RunnerInfo
from fyke.model.sites import MAX_PAUSES, SitePause, SiteShares, SiteUse

pytestmark = pytest.mark.anyio
State = Any


class Server:
    """The exchange of one process, whose monotonic clock a test sets."""

    def __init__(self, state: State) -> None:
        self.now = 100.0
        self.exchange = SiteExchange(state, lambda: self.now)

    async def share(self, runner_id: str, *sites: str, **options: Any) -> SiteShares:
        """A call a second after the one before."""
        self.now += 1
        urgent = options.pop("urgent", False)
        return await self.exchange.share(runner_id, SiteUse(sites, **options), urgent=urgent)


@pytest.fixture
def server(state: State) -> Server:
    return Server(state)


@pytest.fixture
def other(state: State) -> Server:
    return Server(state)


async def put(state: State, *names: str, age_ms: int = 0) -> None:
    """Register a runner on each of these machines."""

    def work(tx: Transaction) -> None:
        for name in names:
            info = RunnerInfo(f"r-{name}", name, "full", "", 8, 4096, tx.now - age_ms)
            tx.runs.put_runner(info)

    await state.write(work)


async def stored(state: State) -> dict[str, str]:
    rows = await state.read(lambda tx: tx.runs.site_uses(0))
    return {runner_id: text for runner_id, _, text in rows}


def counted(state: State, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reads and writes from now on."""
    calls: list[str] = []
    for name in ("read", "write"):
        call = getattr(state.storage, name)

        async def count(work: Any, name: str = name, call: Any = call) -> Any:
            calls.append(name)
            return await call(work)

        monkeypatch.setattr(state.storage, name, count)
    return calls


async def test_a_site_is_shared_by_the_machines_that_use_it(
    state: State, server: Server, other: Server
) -> None:
    await put(state, "a", "b", "c")
    assert await server.share("r-a", "x", "y") == SiteShares(3, {"x": 1, "y": 1})
    assert await other.share("r-b", "y", "z") == SiteShares(3, {"y": 2, "z": 1})
    assert await server.share("r-a", "x", "y") == SiteShares(3, {"x": 1, "y": 2})
    assert await server.share("r-c", "y") == SiteShares(3, {"y": 3})
    assert await other.share("r-b", "z") == SiteShares(3, {"z": 1})
    assert await server.share("r-a", "x", "y") == SiteShares(3, {"x": 1, "y": 2})
    assert await other.share("r-b") == SiteShares(3)
    assert (await stored(state))["r-b"] == ""


async def test_a_machine_counts_once_and_one_that_names_not_all_counts_everywhere(
    state: State, server: Server
) -> None:
    await put(state, "a", "b")
    later = RunnerInfo("r-b2", "b", "full", "", 8, 4096, 0)
    await state.write(lambda tx: tx.runs.put_runner(replace(later, heartbeat_at=tx.now)))
    await server.share("r-b", "x")
    await server.share("r-b2", "x")
    assert await server.share("r-a", "x", "y") == SiteShares(2, {"x": 2, "y": 1})
    await server.share("r-b", "x", more=True)
    assert await server.share("r-a", "x", "y") == SiteShares(2, {"x": 2, "y": 2})


async def test_silent_and_unknown_runners_do_not_count(state: State, server: Server) -> None:
    await put(state, "a", "b")
    await server.share("r-b", "x")
    await put(state, "b", age_ms=RUNNER_SILENCE_MS + 5000)
    assert await server.share("r-a", "x") == SiteShares(1, {"x": 1})
    await server.share("r-of-no-machine", "x")
    assert await server.share("r-a", "x") == SiteShares(1, {"x": 1})
    await put(state, "b")  # a registration keeps what is stored
    assert await server.share("r-a", "x") == SiteShares(2, {"x": 2})
    await state.write(lambda tx: tx.runs.drop_runner("r-b"))
    assert await server.share("r-a", "x") == SiteShares(1, {"x": 1})


async def test_a_pause_is_told_to_the_others_with_what_is_left(
    state: State, server: Server, other: Server
) -> None:
    await put(state, "a", "b")
    pauses = (SitePause("x", 20.0, 3, 503), SitePause("gone", 0.0))
    await server.share("r-a", "x", pauses=pauses)
    assert state.notified == [SITES]
    [told] = (await other.share("r-b")).pauses
    assert (told.site, told.number, told.status) == ("x", 3, 503)
    assert 10 < told.seconds <= 20
    other.now += AGE_SECONDS / 2  # what was read before is answered, with the time since
    [later] = (await other.exchange.share("r-b", SiteUse(), urgent=False)).pauses
    assert later.seconds == pytest.approx(told.seconds - AGE_SECONDS / 2, abs=0.01)
    assert (await server.share("r-a", "x", pauses=pauses)).pauses == ()  # it knows its own
    assert state.notified == [SITES]  # it is the same pause
    await server.share("r-a", "x")
    assert (await other.share("r-b")).pauses == ()


async def test_a_process_signals_at_most_once_a_second(
    state: State, server: Server, other: Server
) -> None:
    await put(state, "a", "b")
    server.now += 1
    for at in range(4):  # a new pause each time, four times a second
        pauses = (SitePause(f"s{at}", 20.0),)
        await server.exchange.share("r-a", SiteUse((), False, pauses), urgent=at > 0)
        await server.exchange.announce()
        server.now += 0.2
    assert state.notified == [SITES]
    assert [pause.site for pause in (await other.share("r-b")).pauses] == ["s3"]
    server.now += 0.3
    await server.exchange.announce()
    assert state.notified == [SITES] * 2


async def test_of_many_pauses_the_longest_are_told_and_of_one_site_the_last(
    state: State, server: Server
) -> None:
    machines = ["a", "b", "c", "d"]
    await put(state, *machines)
    for at, machine in enumerate(machines[1:]):
        pauses = tuple(SitePause(f"s{n}", 100.0 + n + at) for n in range(30))
        own = SitePause(f"of-{machine}", 500.0)
        await server.share(f"r-{machine}", pauses=(own, *pauses))
    told = (await server.share("r-a")).pauses
    assert {pause.site for pause in told[:3]} == {"of-b", "of-c", "of-d"}
    assert len(told) == len({pause.site for pause in told}) == 33 < MAX_PAUSES
    by_site = {pause.site: pause.seconds for pause in told}
    assert by_site["s0"] == pytest.approx(102, abs=30)


async def test_runners_of_a_process_have_one_read_a_second_and_write_only_changes(
    state: State, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(state, "a", "b", "c")
    await server.share("r-a", "x")
    await server.share("r-b", "x")
    calls = counted(state, monkeypatch)
    server.now += 1
    uses = [server.exchange.share(f"r-{name}", SiteUse(("x",)), urgent=False) for name in "ab"]
    assert [shares.sharers["x"] for shares in await asyncio.gather(*uses)] == [2, 2]
    assert calls == ["read"]
    await server.exchange.share("r-c", SiteUse(("x",)), urgent=False)
    assert calls == ["read"]
    assert (await server.share("r-a", "x")).sharers == {"x": 3}
    assert calls == ["read", "read", "write"]
    monkeypatch.setattr(site_sharing, "SPACING_SECONDS", 0.0)
    urgent = [server.exchange.share(f"r-{name}", SiteUse(("x",)), urgent=True) for name in "abc"]
    await asyncio.gather(*urgent)
    assert calls[3:] == ["read"]


async def test_what_another_release_has_stored_counts_for_every_site(
    state: State, server: Server
) -> None:
    await put(state, "a", "b")
    await state.write(lambda tx: tx.runs.put_site_uses({"r-b": "[?", "r-x": "{}"}))
    assert await server.share("r-a", "x") == SiteShares(2, {"x": 2})
