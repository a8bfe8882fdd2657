"""What the ways of ``escape_page.js`` reach where nothing refuses them, in a closed network."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fyke.sandbox.installed_browser import find_programs
from integration.browser.browsers import open_page
from integration.browser.escape_trials import (
    AGAIN,
    PAGE,
    SECONDS,
    SECURE_SITE,
    SITE,
    TLS_PORT,
    OutsideSite,
    RecordingNames,
    known,
    stage,
    trusting,
)
from support.cdp import Cdp
from support.closed_network import NAMES_AT
from support.devtools_browser import devtools_browser
from support.egress import until
from support.internal_addresses import PUBLIC
from support.name_server import of_kind

OTHER = "other.example"  # a second site outside
PLACES = [f"{OTHER}:8000", f"{OTHER}:{TLS_PORT}"]
HINTS = ("dns-prefetch", "preconnect")


def outside_names(name: str, kind: int) -> tuple[str, ...] | None:
    if name == OTHER or name.partition(".")[2] == "hinted.example":
        return of_kind(kind, (PUBLIC,))
    return known(name, kind)


def paths_of(site: OutsideSite) -> list[str]:
    """The last parts of the paths that were asked for."""
    return sorted({urlsplit(line.split(" ")[1]).path.rpartition("/")[2] for line in site.lines})


async def outside(folder: Path, program: str) -> dict[str, Any]:
    """Every way to a site outside, through the proxy."""
    names = RecordingNames(outside_names)
    await names.server.start(NAMES_AT)
    async with stage(folder, program, trusts=True) as found:
        session = await found.page()
        await found.cdp.evaluate(session, f"tryAll({json.dumps(PLACES)}, ALL)", SECONDS)
        return found.result() | {"paths": paths_of(found.site)}


async def unprotected(folder: Path, program: str) -> dict[str, Any]:
    """The same ways in a browser without the sandbox, the proxy and our arguments."""
    names = RecordingNames(outside_names)
    await names.server.start(NAMES_AT)
    site = OutsideSite(folder)
    await site.start()
    arguments = (*trusting(folder), "--enable-quic")
    with devtools_browser(*arguments, program=find_programs()[program]) as address:
        cdp = await connected(address)
        session = await open_page(cdp, f"{SITE}/")
        await cdp.evaluate(session, f"{{{PAGE}}} 0")
        await cdp.evaluate(session, f"tryAll({json.dumps(PLACES)}, ALL)", SECONDS)
        result: dict[str, Any] = {"paths": paths_of(site)}
        if program == "chromium":  # the shell follows no hints
            result["hinted"] = {way: await hinted(cdp, session, way, site, names) for way in HINTS}
        result["datagrams"] = await datagrams(cdp, session, site)
        await cdp.close()
    site.close()
    return result


async def connected(address: str) -> Cdp:
    url = urlsplit(address)
    sock = socket.create_connection((url.hostname, url.port))
    sock.setblocking(False)
    return await Cdp.over(sock, url.path)


async def happens(condition: Callable[[], bool]) -> bool:
    """Whether it does within some seconds."""
    with suppress(TimeoutError):
        await until(condition)
    return condition()


async def hinted(cdp: Cdp, session: str, way: str, site: OutsideSite, names: RecordingNames) -> str:
    """What a hint to a name of its own leads to."""
    host = f"{way}.hinted.example"
    dialled = len(site.dialled)
    await cdp.evaluate(session, f"tryAll(['{host}:8000'], {{way: COMMON['{way}']}})", SECONDS)
    if not await happens(lambda: bool(names.asked[host])):
        return "nothing"
    if way == "preconnect" and await happens(lambda: len(site.dialled) > dialled):
        return "dialled"
    return "asked"


async def arrives(site: OutsideSite, before: int) -> bool:
    """Whether a datagram arrives after the first ``before`` ones."""
    return await happens(lambda: len(site.datagrams) > before)


async def datagrams(cdp: Cdp, session: str, site: OutsideSite) -> list[str]:
    """What sends datagrams: STUN, TURN, an alternative service of a site."""
    found: list[str] = []
    for way in ("stun by udp", "turn"):
        for _ in range(3):  # the page gives up after a while, on a busy machine too early
            before = len(site.datagrams)
            await cdp.evaluate(session, f"tryAll(['{OTHER}:3478'], {{way: ALL['{way}']}})", SECONDS)
            if await arrives(site, before):
                found.append(way)
                break
    before = len(site.datagrams)
    secure = await open_page(cdp, f"{SECURE_SITE}/")
    await cdp.evaluate(secure, f"{{{PAGE}}} 0")
    await cdp.evaluate(secure, AGAIN, SECONDS)
    if await arrives(site, before):
        found.append("alternative service")
    return found
