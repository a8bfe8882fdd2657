"""Which registries the dependencies of Workers come from."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from fyke.app.runner import has_upstream
from fyke.sandbox.packages.registry_report import RegistryReport, report_registries
from fyke.settings import Settings

CONNECT_SECONDS = 3.0


async def registries_of(settings: Settings, environ: Mapping[str, str]) -> list[RegistryReport]:
    """The registries by language; ``environ`` is the environment of the platform."""
    return await report_registries(environ, upstream=has_upstream(settings))


async def connection_problems(
    settings: Settings, reports: Iterable[RegistryReport]
) -> dict[str, str]:
    """Why registries cannot be reached from this machine, by address. Those behind the operator's
    proxy are not tried.
    """
    if has_upstream(settings):
        return {}
    urls = {registry.url for report in reports for registry in report.registries if not report.note}
    found = await asyncio.gather(*(_connection_problem(url) for url in urls))
    return {url: problem for url, problem in zip(urls, found, strict=True) if problem}


async def _connection_problem(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except TimeoutError:
        return f"no connection within {CONNECT_SECONDS:g} s"
    except OSError as error:
        number = error.errno or 0  # negative if the name was not found
        said = os.strerror(number) if number > 0 else error.strerror or error
        return f"no connection: {said}"
    writer.close()
    return ""
