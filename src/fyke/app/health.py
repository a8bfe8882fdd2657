"""Checks of the server: the disk of the data folder, the proxies of regions."""

from __future__ import annotations

import asyncio
import shutil
import time
from urllib.parse import urlsplit

from fyke.egress.pools import split
from fyke.model.health import Disk, ProxyReport
from fyke.settings import Settings

PROXY_SECONDS = 2.0
CACHE_SECONDS = 10.0  # how long a result is reused
_PORTS = {"http": 80, "https": 443}
_SOCKS = 1080


def disk(settings: Settings) -> Disk:
    """The space on the disk of the data folder. Raises ``OSError``."""
    usage = shutil.disk_usage(settings.home)
    return Disk(usage.free, usage.total, settings.disk_floor_mb * 2**20)


class ProxyProbe:
    """Opens a connection to the proxies of each region; never reports their passwords."""

    def __init__(self, upstreams: dict[str, str]) -> None:
        self._upstreams = upstreams
        self._lock = asyncio.Lock()
        self._reports: list[ProxyReport] = []
        self._until = 0.0

    async def __call__(self) -> list[ProxyReport]:
        async with self._lock:
            if time.monotonic() >= self._until:
                probes = (
                    _probe(region, url)
                    for region, text in sorted(self._upstreams.items())
                    for url in split(text)[1]
                )
                self._reports = list(await asyncio.gather(*probes))
                self._until = time.monotonic() + CACHE_SECONDS
            return self._reports


async def _probe(region: str, url: str) -> ProxyReport:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or _PORTS.get(parts.scheme, _SOCKS)
    except ValueError:
        return ProxyReport(region.upper(), "its address", 0, "it cannot be read as a URL")
    address = f"{host}:{port}"
    started = time.monotonic()
    try:
        async with asyncio.timeout(PROXY_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return ProxyReport(region.upper(), address, 0, f"no answer within {PROXY_SECONDS:g} s")
    except OSError as error:
        return ProxyReport(region.upper(), address, 0, error.strerror or str(error))
    duration_ms = round((time.monotonic() - started) * 1000)
    writer.close()
    return ProxyReport(region.upper(), address, duration_ms, "")
