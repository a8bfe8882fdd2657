"""Which registries packages come from on this machine, for its operator, without connecting."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from fyke.contracts.execution import EnvironmentFailed, SandboxFault
from fyke.sandbox.packages.environment_go import find_go, query_go, refuse_loopback
from fyke.sandbox.packages.environment_node import query_npm
from fyke.sandbox.packages.environment_python import default_index
from fyke.sandbox.packages.go_settings import read_go
from fyke.sandbox.packages.installer import SYSTEM_PATH, refuse_proxy
from fyke.sandbox.packages.npm_settings import read_npm
from fyke.sandbox.packages.package_client import (
    NETRC_FILE,
    PackageClient,
    Registry,
    url_credentials,
    without_login,
)
from fyke.sandbox.packages.uv_settings import other_index, read_uv

Environ = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RegistryUse:
    """A registry: its address without a login, the file or variable that names it, and whether
    there is a login for it.
    """

    url: str
    source: str
    login: bool


@dataclass(frozen=True, slots=True)
class RegistryReport:
    """The registries of a language. ``problem`` is why nothing can be installed, or "". Without
    registries and a problem, ``note`` says why there are none.
    """

    language: str
    registries: tuple[RegistryUse, ...] = ()
    problem: str = ""
    note: str = ""


async def report_registries(environ: Environ, *, upstream: bool) -> list[RegistryReport]:
    """The registries with the settings in ``environ``. ``upstream``: whether the operator's proxy
    serves every target.
    """
    return [
        await report_python(environ, upstream=upstream),
        await _report("Node.js", environ, upstream, _node),
        await _report("Go", environ, upstream, _go),
    ]


async def report_python(environ: Environ, *, upstream: bool = False) -> RegistryReport:
    return await _report("Python", environ, upstream, _python)


async def _report(
    language: str,
    environ: Environ,
    upstream: bool,
    read: Callable[[Environ], Awaitable[PackageClient | None]],
) -> RegistryReport:
    registries: tuple[RegistryUse, ...] = ()
    try:
        client = await read(environ)
        if client is None:
            return RegistryReport(language, note="its package client is not installed")
        registries = tuple(
            RegistryUse(without_login(registry.url), registry.source, _has_login(registry, client))
            for registry in client.registries
        )
        refuse_proxy(client, upstream=upstream)
        if language == "Go":
            refuse_loopback(client)
    except (EnvironmentFailed, SandboxFault) as error:
        return RegistryReport(language, registries, problem=str(error))
    if index := other_index(client.env):
        problem = f"an index of {index} is not an http or https address"
        return RegistryReport(language, registries, problem)
    note = "offline: nothing is downloaded" if client.offline else ""
    return RegistryReport(language, registries, note=note)


async def _python(environ: Environ) -> PackageClient:
    return read_uv(environ, await default_index())


async def _node(environ: Environ) -> PackageClient | None:
    npm = shutil.which("npm", path=SYSTEM_PATH)
    return None if npm is None else read_npm(environ, await query_npm(npm, environ))


async def _go(environ: Environ) -> PackageClient | None:
    program = find_go()
    return None if program is None else read_go(environ, await query_go(program, environ))


def _has_login(registry: Registry, client: PackageClient) -> bool:
    netrc = client.files.get(NETRC_FILE, "")
    names = (registry.host, urlsplit(registry.url).netloc)
    in_netrc = any(f"machine {name} " in netrc for name in names)
    return bool(registry.headers) or url_credentials(registry.url) is not None or in_netrc
