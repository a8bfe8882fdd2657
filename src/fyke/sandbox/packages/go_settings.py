"""The administrator's settings of Go about the source of modules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
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
    read_text,
    url_credentials,
    url_passwords,
)

QUERIED = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GOENV")
DEFAULT = "Go's default"

_BASE = {"GOENV": "off", "GONOPROXY": "none", "GOVCS": "*:off", "GOTELEMETRY": "off"}

# Without any credential, for a sandbox in which Go reads the source of a project.
OFFLINE = PackageClient(
    env={**_BASE, "GOPROXY": "off", "GOSUMDB": "off"}, files={}, registries=(), offline=True
)


def query_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for ``go env``, which reads variables and Go's own file."""
    names = ("HOME", "XDG_CONFIG_HOME", "GOPRIVATE", *QUERIED)
    return {name: environ[name] for name in names if name in environ}


def read_go(environ: Mapping[str, str], settings: Mapping[str, str]) -> PackageClient:
    """``settings`` is the output of ``go env -json``. Only module proxies on the web are used: no
    folders, and no direct access to version control.
    """
    proxies = [item for item in re.split("[,|]", settings.get("GOPROXY", "")) if is_web(item)]
    database, address = _checksum_database(settings.get("GOSUMDB", ""))
    by_url = dict.fromkeys(proxies, "GOPROXY")
    if proxies and address:
        by_url.setdefault(address, "GOSUMDB")
    registries = tuple(
        Registry(url, source=_source(name, environ, settings)) for url, name in by_url.items()
    )
    tls, files = certificates(environ)
    places = [
        name for registry in registries for name in (registry.host, urlsplit(registry.url).netloc)
    ]
    logins = netrc_logins(environ, places)  # Go expects the port in the name, unless it is 443
    env = {
        **tls,
        **_BASE,
        "GOPROXY": ",".join(proxies) or "off",
        "GOSUMDB": database,
        "GONOSUMDB": settings.get("GONOSUMDB", ""),
    }
    secrets = [
        f"the module proxy {urlsplit(url).hostname}" for url in by_url if url_credentials(url)
    ]
    if logins:
        secrets.append("the netrc file")
        files[NETRC_FILE] = netrc_text(logins)
        env["NETRC"] = f"/work/{NETRC_FILE}"
    return PackageClient(
        env=env,
        files=files,
        registries=registries,
        proxy=proxy_variable(environ, registries),
        offline=not proxies,
        secrets=tuple(secrets),
        credentials=(*url_passwords(by_url), *(password for _, password in logins.values())),
    )


def _source(name: str, environ: Mapping[str, str], settings: Mapping[str, str]) -> str:
    """The variable, or Go's own file, that sets ``name``."""
    if environ.get(name):
        return name
    file = settings.get("GOENV", "")
    is_set = re.search(rf"^\s*{name}\s*=", read_text(Path(file)) if file else "", re.MULTILINE)
    return file if is_set else DEFAULT


def _checksum_database(setting: str) -> tuple[str, str]:
    """The checksum database as Go writes it, and its address; "off" and "" for none."""
    words = setting.split()
    if not words or words[0] == "off":
        return "off", ""
    address = words[1] if len(words) > 1 else f"https://{words[0].partition('+')[0]}"
    return (setting, address) if is_web(address) and urlsplit(address).hostname else ("off", "")
