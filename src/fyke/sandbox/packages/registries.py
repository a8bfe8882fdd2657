"""Determines the hosts that a package client may connect to: the registries in its configuration.

The files of a registry may be on another host. That host is read from the registry's page of a
package that Fyke itself uses, because neither the author of a Worker nor the publisher of another
package can choose the links on that page.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import resources
from ipaddress import ip_address
from typing import Any

from fyke.contracts.tools import ToolAccess, ToolKind, ToolLimits, ToolRunner, ToolSpec
from fyke.kit.addresses import AddressRules
from fyke.kit.hostports import Host, join_host_port, parse_host
from fyke.kit.interfaces import own_addresses
from fyke.sandbox.packages.package_client import PackageClient, Registry

CACHE_SECONDS = 3600.0
_LIMITS = ToolLimits(seconds=60, memory=512 * 2**20, work_size=64 * 2**20)
_PYTHON = "/usr/bin/python3"

PageOf = Callable[[Registry], str]


@dataclass(frozen=True, slots=True)
class RegistryLocation:
    """A host and a port, normalized."""

    host: Host
    port: int

    def __str__(self) -> str:
        return join_host_port(self.host, self.port)


class Registries:
    """Finds the targets of a package client. ``region`` selects the upstream proxy."""

    def __init__(self, tools: ToolRunner, region: str) -> None:
        self._tools = tools
        self._region = region
        self._cache: dict[str, tuple[float, list[RegistryLocation]]] = {}

    async def access(
        self, client: PackageClient, page_of: PageOf, seconds: float
    ) -> ToolAccess | None:
        """The targets that this client may reach; None when it is offline. Probing the registries
        takes at most ``seconds``.
        """
        if client.offline or not client.registries:
            return None
        by_location = {
            location: registry
            for registry in client.registries
            if (location := _location(registry))
        }
        await self._probe(client, page_of, seconds)
        domains, allow = list(by_location), await _private(by_location)
        for location, registry in by_location.items():
            for domain in self._cache.get(registry.url, (0.0, []))[1]:
                if domain in domains:
                    continue
                domains.append(domain)
                if await _shares_private_address(location, domain):
                    allow.append(domain)
        return ToolAccess(tuple(map(str, domains)), tuple(map(str, allow)), self._region)

    def answered(self, client: PackageClient) -> bool:
        """Whether each registry of the client has answered a probe. Otherwise the hosts of its
        files are unknown, and the client may reach none of them.
        """
        return client.offline or all(one.url in self._cache for one in client.registries)

    async def _probe(self, client: PackageClient, page_of: PageOf, seconds: float) -> None:
        now = time.monotonic()
        unknown = [
            registry
            for registry in client.registries
            if not (known := self._cache.get(registry.url, (0.0, [])))[1]
            or known[0] <= now - CACHE_SECONDS
        ]
        if not unknown:
            return
        by_location = {
            location: registry for registry in unknown if (location := _location(registry))
        }
        access = ToolAccess(
            tuple(map(str, by_location)), tuple(map(str, await _private(by_location))), self._region
        )
        pages = [
            {"url": page_of(registry), "headers": dict(registry.headers)} for registry in unknown
        ]
        answers = await self._ask(client, access, pages, seconds)
        for registry, answer in zip(unknown, answers, strict=False):
            if answer is not None:
                self._cache[registry.url] = (now, _parse_locations(answer))

    async def _ask(
        self, client: PackageClient, access: ToolAccess, pages: list[dict[str, Any]], seconds: float
    ) -> list[Any]:
        """Probe the registries. Return [] after a failure, which the installer will report."""
        source = resources.files(__package__).joinpath("registry_probe.py").read_text("utf-8")
        tls = {
            name: value
            for name, value in client.env.items()
            if name in ("SSL_CERT_FILE", "SSL_CERT_DIR")
        }
        spec = ToolSpec(
            ToolKind.NPM,  # the kind without additional mounts
            [_PYTHON, "-I", "-B", "registry_probe.py", "ask.json"],
            replace(_LIMITS, seconds=min(seconds, _LIMITS.seconds)),
            env=tls,
            files=dict(client.files) | {"registry_probe.py": source, "ask.json": json.dumps(pages)},
            access=access,
        )
        async with self._tools.run(spec) as run:
            try:
                answers = json.loads(run.stdout) if run.code == 0 and not run.stopped else []
            except ValueError:
                return []
        return answers if isinstance(answers, list) else []


def _location(registry: Registry) -> RegistryLocation | None:
    try:
        return RegistryLocation(parse_host(registry.host), registry.port)
    except ValueError:
        return None


def _parse_locations(answer: object) -> list[RegistryLocation]:
    """The valid locations among those that the probe found, at most 20."""
    locations: list[RegistryLocation] = []
    for entry in answer if isinstance(answer, list) else []:
        try:
            _, host, port = entry
            location = RegistryLocation(parse_host(str(host)), int(port))
        except (TypeError, ValueError):
            continue
        if 1 <= location.port <= 65535 and location not in locations:
            locations.append(location)
    return locations[:20]


async def _private(locations: Iterable[RegistryLocation]) -> list[RegistryLocation]:
    """The locations without a public address. They are allowed, because the administrator
    configured them.
    """
    rules = AddressRules((), own_addresses())
    return [
        location
        for location in locations
        if (answers := await _addresses(location.host))
        and not rules.select(location.host, answers, location.port)
    ]


async def _shares_private_address(registry: RegistryLocation, other: RegistryLocation) -> bool:
    """Whether a private location has the address of its registry. A page may link to no other
    private location.
    """
    if not await _private([other]):
        return False
    other_addresses = set(await _addresses(other.host))
    return bool(other_addresses) and other_addresses <= set(await _addresses(registry.host))


async def _addresses(host: Host) -> list[str]:
    if not isinstance(host, str):
        return [str(host)]
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(ip_address(str(entry[4][0]).partition("%")[0])) for entry in infos]
