"""The administrator's settings of Go about the source of modules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from fyke.sandbox.packages.package_client import (
    NETRC_FILE,
    PackageClient,
    Registry,
    certificates,
    is_web,
    netrc_logins,
    netrc_text,
    proxy_variable,
)

QUERIED = ("GOPROXY", "GOSUMDB", "GONOSUMDB")


def query_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for ``go env``, which reads variables and Go's own file."""
    names = ("HOME", "XDG_CONFIG_HOME", "GOENV", "GOPRIVATE", *QUERIED)
    return {name: environ[name] for name in names if name in environ}


def read_go(environ: Mapping[str, str], settings: Mapping[str, str]) -> PackageClient:
    """``settings`` is the output of ``go env -json``. Only module proxies on the web are used: no
    folders, and no direct access to version control.
    """
    proxies = [each for each in re.split("[,|]", settings.get("GOPROXY", "")) if is_web(each)]
    database, address = _checksum_database(settings.get("GOSUMDB", ""))
    urls = list(dict.fromkeys([*proxies, *([address] if proxies and address else [])]))
    registries = tuple(map(Registry, urls))
    tls, files = certificates(environ)
    logins = netrc_logins(environ, [registry.host for registry in registries])
    env = tls | {
        "GOENV": "off",
        "GOPROXY": ",".join(proxies) or "off",
        "GOSUMDB": database,
        "GONOSUMDB": settings.get("GONOSUMDB", ""),
        "GONOPROXY": "none",
        "GOVCS": "*:off",
        "GOTELEMETRY": "off",
    }
    if logins:
        files[NETRC_FILE] = netrc_text(logins)
        env["NETRC"] = f"/work/{NETRC_FILE}"
    return PackageClient(
        env=env,
        files=files,
        registries=registries,
        proxy=proxy_variable(environ, registries),
        offline=not proxies,
    )


def _checksum_database(setting: str) -> tuple[str, str]:
    """The checksum database as Go writes it, and its address; "off" and "" for none."""
    words = setting.split()
    if not words or words[0] == "off":
        return "off", ""
    address = words[1] if len(words) > 1 else f"https://{words[0].partition('+')[0]}"
    return (setting, address) if is_web(address) and urlsplit(address).hostname else ("off", "")
