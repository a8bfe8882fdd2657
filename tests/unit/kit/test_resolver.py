"""The resolver's cache and its limits, and names it never looks up."""

from __future__ import annotations

import asyncio
import threading

import pytest

from fyke.kit.resolver import Resolver, Unresolvable, system_lookup

pytestmark = pytest.mark.anyio


async def test_answers_are_cached() -> None:
    asked: list[str] = []

    def lookup(name: str) -> tuple[str, ...]:
        asked.append(name)
        return ("8.8.8.8",)

    resolver = Resolver(lookup)
    assert await resolver.resolve("a.example") == ("8.8.8.8",)
    assert await resolver.resolve("a.example") == ("8.8.8.8",)
    assert asked == ["a.example"]
    resolver.close()
    uncached = Resolver(lookup, keep=0)
    await uncached.resolve("a.example")
    await uncached.resolve("a.example")
    assert len(asked) == 3
    uncached.close()


async def test_concurrent_lookups_of_a_name_are_made_once() -> None:
    asked: list[str] = []
    go = threading.Event()

    def lookup(name: str) -> tuple[str, ...]:
        asked.append(name)
        go.wait(5)
        return ("8.8.8.8",)

    resolver = Resolver(lookup)
    both = asyncio.gather(resolver.resolve("a.example"), resolver.resolve("a.example"))
    await asyncio.sleep(0)
    go.set()
    assert await both == [("8.8.8.8",), ("8.8.8.8",)]
    assert asked == ["a.example"]
    resolver.close()


async def test_failures_and_timeouts_are_unresolvable() -> None:
    silent = threading.Event()

    def lookup(name: str) -> tuple[str, ...]:
        if name == "silent.example":
            silent.wait(5)
        raise OSError("no such name")

    resolver = Resolver(lookup, timeout=0.05)
    with pytest.raises(Unresolvable, match="no address"):
        await resolver.resolve("none.example")
    assert resolver.cached("none.example") == ()
    with pytest.raises(Unresolvable, match="no answer within"):
        await resolver.resolve("silent.example")
    silent.set()
    resolver.close()


async def test_localhost_is_never_looked_up() -> None:
    def lookup(name: str) -> tuple[str, ...]:
        raise AssertionError(name)

    resolver = Resolver(lookup)
    assert await resolver.resolve("localhost") == ("127.0.0.1", "::1")
    assert await resolver.resolve("a.localhost") == ("127.0.0.1", "::1")
    resolver.close()


async def test_the_cache_is_bounded() -> None:
    resolver = Resolver(lambda name: ("8.8.8.8",), size=3)
    for number in range(10):
        await resolver.resolve(f"n{number}.example")
    assert [resolver.cached(f"n{number}.example") is None for number in (6, 7, 8, 9)] == [
        True, False, False, False,
    ]  # fmt: skip
    resolver.close()


def test_the_system_resolves_localhost() -> None:
    assert "127.0.0.1" in system_lookup("localhost")


async def test_a_client_has_few_lookups_open_even_after_they_time_out() -> None:
    go = threading.Event()
    lock = threading.Lock()
    open_now = most = 0

    def lookup(name: str) -> tuple[str, ...]:
        nonlocal open_now, most
        if not name.startswith("slow"):
            return ("8.8.8.8",)
        with lock:
            open_now += 1
            most = max(most, open_now)
        go.wait(20)
        with lock:
            open_now -= 1
        return ()

    resolver = Resolver(lookup, threads=6, timeout=0.05)
    slots = asyncio.Semaphore(4)
    for _ in range(2):  # the second time, the first lookups are still open
        asked = [resolver.resolve(f"slow{number}.example", slots) for number in range(30)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(one, Unresolvable) for one in found)
    assert await resolver.resolve("quick.example", asyncio.Semaphore(4)) == ("8.8.8.8",)
    assert most == 4
    go.set()
    async with asyncio.timeout(10):  # the slots come back once the system has answered
        assert await resolver.resolve("quicker.example", slots) == ("8.8.8.8",)
    resolver.close()
