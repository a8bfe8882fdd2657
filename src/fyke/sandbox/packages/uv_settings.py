"""The settings of uv: its variables and files, and pip's where it has none.

All become variables, because uv inside a sandbox reads no file of the machine.
"""

from __future__ import annotations

import base64
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

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
)
from fyke.sandbox.packages.pip_settings import pip_settings

CLIENT_CERTIFICATE = ".config/client.pem"

_PASSED = frozenset(
    [
        "UV_INDEX_STRATEGY",
        "UV_INSECURE_HOST",
        "UV_NATIVE_TLS",
        "UV_SYSTEM_CERTS",
        "UV_HTTP_TIMEOUT",
        "UV_HTTP_RETRIES",
        "UV_OFFLINE",
        "UV_EXCLUDE_NEWER",
    ]
)
_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
_FROM_FILE = {
    "index-strategy": "UV_INDEX_STRATEGY",
    "native-tls": "UV_NATIVE_TLS",
    "system-certs": "UV_SYSTEM_CERTS",
    "offline": "UV_OFFLINE",
    "exclude-newer": "UV_EXCLUDE_NEWER",
}
_FALSE = ("", "0", "false", "no", "off")


def find_links(environ: Mapping[str, str]) -> list[Path]:
    """The folders of wheels on this machine that uv is configured to use."""
    return [Path(entry) for entry in _links(_variables(environ)) if not is_web(entry)]


def read_uv(environ: Mapping[str, str], default: str) -> PackageClient:
    """``default`` is the index that uv uses when none is configured."""
    env = _variables(environ)
    indexes = _indexes(env)
    if not env.get("UV_DEFAULT_INDEX") and not env.get("UV_INDEX_URL") and is_web(default):
        indexes.append(("", default))
    urls = [url for _, url in indexes] + [entry for entry in _links(env) if is_web(entry)]
    tls, files = certificates({**environ, **env})
    logins = netrc_logins(environ, [urlsplit(url).hostname or "" for url in urls])
    secrets = [f"the index {urlsplit(url).hostname}" for url in urls if url_credentials(url)]
    secrets += [name for name in env if name.startswith("UV_INDEX_") and _is_login(name)]
    if logins:
        files[NETRC_FILE] = netrc_text(logins)
        tls["NETRC"] = f"/work/{NETRC_FILE}"
        secrets.append("the netrc file")
    client = read_text(Path(environ["SSL_CLIENT_CERT"])) if environ.get("SSL_CLIENT_CERT") else ""
    if client:
        files[CLIENT_CERTIFICATE] = client
        tls["SSL_CLIENT_CERT"] = f"/work/{CLIENT_CERTIFICATE}"
        secrets.append("SSL_CLIENT_CERT")
    registries = tuple(Registry(url, _headers(name, url, env, logins)) for name, url in indexes)
    registries += tuple(Registry(entry) for entry in _links(env) if is_web(entry))
    env.pop("SSL_CERT_FILE", None)
    return PackageClient(
        env={**env, **tls, "UV_NO_CONFIG": "1", "UV_KEYRING_PROVIDER": "disabled"},
        files=files,
        registries=registries,
        secrets=tuple(dict.fromkeys(secrets)),
        proxy=proxy_variable(environ, registries),
        offline=env.get("UV_OFFLINE", "").lower() not in _FALSE,
    )


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of uv, completed from its files, or from pip's settings without a file."""
    env = {
        name: value
        for name, value in environ.items()
        if name in _PASSED or name in ("UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
        if value
    }
    env |= {name: value for name, value in environ.items() if name.startswith("UV_DEFAULT_INDEX")}
    env |= {name: value for name, value in environ.items() if name.startswith("UV_INDEX")}
    from_files = _from_files(environ)
    for name, value in (_from_pip(environ, env) if from_files is None else from_files).items():
        env.setdefault(name, value)
    cert = environ.get("SSL_CERT_FILE") or pip_settings(environ).get("cert", "")
    return env | ({"SSL_CERT_FILE": cert} if cert else {})


def _from_files(environ: Mapping[str, str]) -> dict[str, str] | None:
    """None when uv has no file. A user's file overrides the machine's key by key, and the table
    ``pip`` overrides the keys outside of it.
    """
    merged: dict[str, Any] = {}
    found = False
    for file in reversed(_files(environ)):
        try:
            document = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        found = True
        part = document.get("pip")
        merged |= document | (part if isinstance(part, dict) else {})
    return _to_variables(merged) if found else None


def _files(environ: Mapping[str, str]) -> list[Path]:
    """The files of uv, the user's first."""
    if environ.get("UV_NO_CONFIG", "").lower() not in _FALSE:
        return []
    if environ.get("UV_CONFIG_FILE"):
        return [Path(environ["UV_CONFIG_FILE"])]
    home = environ.get("HOME", "/nonexistent")
    folders = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    parents = [environ.get("XDG_CONFIG_HOME") or f"{home}/.config", *filter(None, folders), "/etc"]
    return [Path(parent, "uv", "uv.toml") for parent in parents]


def _to_variables(document: Mapping[str, Any]) -> dict[str, str]:
    """The keys of uv.toml as variables of uv."""
    env = {
        variable: str(document[key]).lower() if document[key] in (True, False) else document[key]
        for key, variable in _FROM_FILE.items()
        if isinstance(document.get(key), str | bool)
    }
    extra = [str(url) for url in document.get("extra-index-url") or []]
    default = str(document.get("index-url") or "")
    for entry in document.get("index") or []:
        if not isinstance(entry, dict) or entry.get("explicit"):
            continue
        url, name = str(entry.get("url", "")), str(entry.get("name", ""))
        if entry.get("default"):
            default = url
        else:
            extra.append(f"{name}={url}" if name else url)
    lists = {
        "UV_DEFAULT_INDEX": default,
        "UV_INDEX": " ".join(extra),
        "UV_FIND_LINKS": ",".join(map(str, document.get("find-links") or [])),
        "UV_INSECURE_HOST": " ".join(map(str, document.get("allow-insecure-host") or [])),
    }
    return env | {name: value for name, value in lists.items() if value}


def _from_pip(environ: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    """Pip's settings as variables of uv, unless uv has an index."""
    if any(env.get(name) for name in _INDEXES[:3]):
        return {}
    settings = pip_settings(environ)
    variables = {
        "index-url": ("UV_DEFAULT_INDEX", " "),
        "extra-index-url": ("UV_INDEX", " "),
        "find-links": ("UV_FIND_LINKS", ","),
        "trusted-host": ("UV_INSECURE_HOST", " "),
    }
    return {
        name: separator.join(settings[key].split())
        for key, (name, separator) in variables.items()
        if settings.get(key, "").split()
    }


def _indexes(env: Mapping[str, str]) -> list[tuple[str, str]]:
    """The name ("" for none) and the address of each index, in search order."""
    found: list[tuple[str, str]] = []
    for variable in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        for entry in env.get(variable, "").split():
            name, separator, url = entry.partition("=")
            if not separator or "://" in name:
                name, url = "", entry
            if is_web(url) and url not in [known for _, known in found]:
                found.append((name, url))
    return found


def _links(env: Mapping[str, str]) -> list[str]:
    """Folders and pages of ``UV_FIND_LINKS``."""
    entries = [entry.strip() for entry in env.get("UV_FIND_LINKS", "").split(",")]
    return [
        unquote(urlsplit(entry).path) if entry.startswith("file://") else entry
        for entry in entries
        if entry
    ]


def _is_login(name: str) -> bool:
    return name.endswith(("_USERNAME", "_PASSWORD"))


def _headers(
    name: str, url: str, env: Mapping[str, str], logins: Mapping[str, tuple[str, str]]
) -> dict[str, str]:
    """The headers with the credentials for an index."""
    login = url_credentials(url)
    if login is None and name:
        part = name.upper().replace("-", "_").replace(".", "_")
        user = env.get(f"UV_INDEX_{part}_USERNAME", "")
        password = env.get(f"UV_INDEX_{part}_PASSWORD", "")
        login = (user, password) if user or password else None
    login = login or logins.get(urlsplit(url).hostname or "")
    if login is None:
        return {}
    token = base64.b64encode(f"{login[0]}:{login[1]}".encode()).decode()
    return {"Authorization": f"Basic {token}"}
