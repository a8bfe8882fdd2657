"""Trials in a closed network: encodings of internal addresses, and names whose address changes."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

from fyke.contracts.egress import EgressGrant
from fyke.contracts.git import GitFailed
from fyke.domain.callbacks.url import CallbackRules
from fyke.domain.webhooks.rules import EndpointFields, validate_endpoint
from fyke.egress.limits import ProxyLimits
from fyke.egress.local import LocalEgress
from fyke.errors import InvalidRequest
from fyke.git.fetch import SystemGit
from fyke.kit.addresses import AddressRules
from fyke.kit.interfaces import own_addresses
from fyke.kit.resolver import Resolver
from fyke.model.upload import GitSource
from fyke.notify.host_limiter import HostRateLimiter
from fyke.notify.http import HttpNotifier
from support.closed_network import NAMES_AT, OWN, Canary
from support.egress import (
    ATTEMPT,
    SECRET,
    basic,
    connect,
    http_connect,
    listener,
    port_of,
    socks,
    socks_code,
    socks_hello,
)
from support.git_sandboxes import WithoutIsolation
from support.internal_addresses import NAMES, OUTSIDE, PUBLIC, all_encodings, literal
from support.name_server import A, NameServer, of_kind

PORTS = (80, 443, 1080, 8000)
FLIPS = ".flip.example"
QUICK = ProxyLimits(lookups_per_second=1e9, lookup_burst=1e9)
AT_ONCE = 16


def answers(name: str, kind: int) -> tuple[str, ...] | None:
    addresses = NAMES.get(name)
    return None if addresses is None else of_kind(kind, addresses)


class AddressTrials:
    """Every client that connects to an untrusted address, made as the platform makes it."""

    def __init__(self, folder: Path, resolver: Resolver | None = None) -> None:
        rules = AddressRules((), own_addresses())
        self._egress = LocalEgress(limits=QUICK, resolver=resolver)
        self._saved = CallbackRules(rules)
        self._notifier = HttpNotifier(rules, resolver=resolver, limiter=HostRateLimiter(1000, 1e9))
        self._git = SystemGit(WithoutIsolation(rules, resolver), rules, resolver=resolver)
        self.outcomes: Counter[str] = Counter()

    async def start(self) -> None:
        sock = listener()
        await self._egress.open([sock], EgressGrant(ATTEMPT, SECRET, ""))
        self.proxy = port_of(sock)

    async def stop(self) -> None:
        await self._egress.stop()
        self._notifier.close()
        self._git.close()

    def note(self, way: str, passed: bool) -> None:
        self.outcomes[f"{way} {'passed' if passed else 'refused'}"] += 1

    async def every(self, host: str, port: int, *, git: bool) -> None:
        await self.by_socks(host, port)
        await self.by_literal(host, port)
        await self.by_connect(f"{host}:{port}")
        await self.by_absolute(f"{host}:{port}")
        for scheme in ("http", "https"):
            await self.by_callback(f"{scheme}://{host}:{port}/hook")
        if git:
            await self.by_git(f"https://{host}:{port}/a/b")

    async def by_socks(self, host: str, port: int) -> None:
        code, _, writer = await socks(self.proxy, host.encode()[:255], port)
        writer.close()
        self.note("socks", code == 0)

    async def by_literal(self, host: str, port: int) -> None:
        raw = literal(host)
        if raw is None:
            return
        reader, writer = await connect(self.proxy)
        writer.write(socks_hello() + b"\x05\x01\x00" + raw + port.to_bytes(2, "big"))
        self.note("literal", await socks_code(reader) == 0)
        writer.close()

    async def by_connect(self, target: str) -> None:
        wire = target.encode().decode("latin-1")
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            status, _, _, writer = await http_connect(self.proxy, wire)
            writer.close()
            self.note("connect", status == 200)

    async def by_absolute(self, target: str) -> None:
        reader, writer = await connect(self.proxy)
        line = f"GET http://{target}/ HTTP/1.1\r\nProxy-Authorization: {basic()}\r\n\r\n"
        writer.write(line.encode())
        with suppress(ConnectionError):
            self.note("absolute", (await reader.read()).startswith(b"HTTP/1.1 2"))
        writer.close()

    async def by_callback(self, url: str) -> None:
        """Check the URL of a callback and of a webhook; deliver to it even when both refuse it."""
        for way, check in (("callback", self._saved.check), ("webhook", self._endpoint)):
            try:
                check(url)
            except InvalidRequest:
                self.note(f"{way} saved", False)
            else:
                self.note(f"{way} saved", True)
        answer = await self._notifier.post(url, b"{}", {})
        self.note("delivery", answer.status != 0)

    def _endpoint(self, url: str) -> object:
        return validate_endpoint(self._saved, EndpointFields("name", url, ("run.succeeded",)))

    async def by_git(self, url: str) -> None:
        source = GitSource(url, "main", "")
        try:
            await self._git.fetch(source, lambda words: None)
        except (InvalidRequest, GitFailed):
            self.note("git", False)


async def encodings(folder: Path, step: int, git_step: int) -> dict[str, Any]:
    """Every ``step``-th encoding with every client, every ``git_step``-th of these with git too."""
    canary, names, ways = Canary(*PORTS), NameServer(answers), AddressTrials(folder)
    await names.start(NAMES_AT)
    await canary.start()
    await ways.start()
    hosts = all_encodings(OWN)[::step]
    slots = asyncio.Semaphore(AT_ONCE)

    async def attempt(number: int, host: str) -> None:
        async with slots:
            git = number % git_step == 0 or host in NAMES
            await ways.every(host, PORTS[number % len(PORTS)], git=git)

    await asyncio.gather(*(attempt(*pair) for pair in enumerate(hosts)))
    result = {"encodings": len(hosts), "called": canary.dialled.copy(), "ways": dict(ways.outcomes)}
    await ways.every(OUTSIDE, 80, git=True)  # shows that the canaries see allowed connections
    await ways.stop()
    return result | {"outside": canary.dialled[len(result["called"]) :], "queries": names.queries}


async def rebinding(folder: Path, rounds: int, git_rounds: int) -> dict[str, Any]:
    """Names with a public address at the first lookup and an internal one at the next."""
    lookups: Counter[str] = Counter()

    def flipping(name: str, kind: int) -> tuple[str, ...] | None:
        if not name.endswith(FLIPS):
            return None
        if kind != A:
            return ()
        lookups[name] += 1
        return (PUBLIC,) if lookups[name] % 2 else ("127.0.0.1",)

    canary, names = Canary(*PORTS), NameServer(flipping)
    await names.start(NAMES_AT)
    await canary.start()
    fresh, asking = AddressTrials(folder), AddressTrials(folder, Resolver(keep=0, keep_failure=0))
    await fresh.start()
    await asking.start()
    for number in range(rounds):
        # names that change with each round, which may be cached, and a fixed name without a cache
        for ways, name in ((fresh, f"{{}}{number}{FLIPS}"), (asking, f"same{FLIPS}")):
            await ways.by_socks(name.format("proxy"), 80)
            await ways.by_socks(name.format("socks"), 443)
            await ways.by_connect(f"{name.format('proxy')}:1080")
            await ways.by_absolute(f"{name.format('proxy')}:8000")
            await ways.by_callback(f"http://{name.format('hook')}:80/")
            if number < git_rounds:
                await ways.by_git(f"https://{name.format('git')}/a/b")
    outcomes = fresh.outcomes + asking.outcomes
    await fresh.stop()
    await asking.stop()
    return {
        "inside": canary.dialled_except(PUBLIC),
        "outside": len(canary.dialled),
        "ways": dict(outcomes),
        "queries": names.queries,
    }


async def redirects(folder: Path, chains: int) -> dict[str, Any]:
    """A client follows a site's redirects through the proxy: outside, outside, then inside."""
    canary, names, ways = Canary(*PORTS), NameServer(answers), AddressTrials(folder)
    await names.start(NAMES_AT)
    await canary.start()
    await ways.start()
    simple = [host for host in all_encodings(OWN) if host.isprintable() and host.isascii()]
    every = max(1, len(simple) // chains)
    ends = []
    for number, host in enumerate(simple[::every][:chains]):
        port = PORTS[number % len(PORTS)]
        canary.redirects = {
            "/start": f"http://{PUBLIC}:8000/next",
            "/next": f"http://{OUTSIDE}:1080/last",
            "/last": f"http://{host}:{port}/inside",
        }
        ends.append(await asyncio.to_thread(_follow, ways.proxy, f"http://{OUTSIDE}/start"))
    await ways.stop()
    return {"inside": canary.dialled_except(PUBLIC), "outside": len(canary.dialled), "ends": ends}


def _follow(proxy: int, url: str) -> str:
    through = {"http": f"http://{ATTEMPT}:{SECRET}@127.0.0.1:{proxy}"}
    with requests.Session() as session:
        session.trust_env = False
        try:
            return str(session.get(url, proxies=through, timeout=20).status_code)
        except (requests.RequestException, ValueError) as error:
            return type(error).__name__
