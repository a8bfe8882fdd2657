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

import msgspec

from fyke.kit.typed import convert
from fyke.sandbox.packages.package_client import (
    NETRC_FILE,
    PackageClient,
    Registry,
    SettingsUnusable,
    certificates,
    is_web,
    netrc_logins,
    netrc_text,
    proxy_variable,
    read_settings,
    read_text,
    url_credentials,
    url_passwords,
)
from fyke.sandbox.packages.pip_settings import pip_settings, read_pip

CLIENT_CERTIFICATE = ".config/client.pem"
DEFAULT = "uv's default"

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
INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
_FROM_FILE = {
    "index-strategy": "UV_INDEX_STRATEGY",
    "native-tls": "UV_NATIVE_TLS",
    "system-certs": "UV_SYSTEM_CERTS",
    "offline": "UV_OFFLINE",
    "exclude-newer": "UV_EXCLUDE_NEWER",
}
_LISTS = {
    "UV_DEFAULT_INDEX": ("index-url", "index"),
    "UV_INDEX": ("extra-index-url", "index"),
    "UV_FIND_LINKS": ("find-links",),
    "UV_INSECURE_HOST": ("allow-insecure-host",),
}
_KEYS = {variable: (key,) for key, variable in _FROM_FILE.items()} | _LISTS
_FALSE = ("", "0", "false", "no", "off")


class _Index(msgspec.Struct):
    url: str
    name: str = ""
    default: bool = False
    explicit: bool = False


class _Settings(msgspec.Struct, rename="kebab"):
    """The types of the keys that are read, outside of the table ``pip`` and in it."""

    index: list[_Index] = []
    index_url: str = ""
    extra_index_url: list[str] = []
    find_links: list[str] = []
    allow_insecure_host: list[str] = []
    index_strategy: str = ""
    native_tls: bool = False
    system_certs: bool = False
    offline: bool = False
    pip: dict[str, Any] = {}


Sourced = dict[str, tuple[str, str]]  # variable to value, and the file or variable it is from


def find_links(environ: Mapping[str, str]) -> list[Path]:
    """The folders of wheels on this machine that uv is configured to use. Raise
    ``SettingsUnusable``.
    """
    return [Path(entry) for entry in _links(_values(_variables(environ))) if not is_web(entry)]


def read_uv(environ: Mapping[str, str], default: str) -> PackageClient:
    """``default`` is the index that uv uses when none is configured. Raise ``SettingsUnusable``."""
    variables = _variables(environ)
    env = _values(variables)
    indexes = _indexes(env)
    if not env.get("UV_DEFAULT_INDEX") and not env.get("UV_INDEX_URL") and is_web(default):
        indexes.append(("", default, ""))
    urls = [url for _, url, _ in indexes] + [entry for entry in _links(env) if is_web(entry)]
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
    sources = {variable: source for variable, (_, source) in variables.items()}
    registries = tuple(
        Registry(url, _headers(name, url, env, logins), sources.get(variable, DEFAULT))
        for name, url, variable in indexes
    )
    registries += tuple(
        Registry(entry, source=sources["UV_FIND_LINKS"]) for entry in _links(env) if is_web(entry)
    )
    env.pop("SSL_CERT_FILE", None)
    return PackageClient(
        env={**env, **tls, "UV_NO_CONFIG": "1", "UV_KEYRING_PROVIDER": "disabled"},
        files=files,
        registries=registries,
        secrets=tuple(dict.fromkeys(secrets)),
        proxy=proxy_variable(environ, registries),
        offline=env.get("UV_OFFLINE", "").lower() not in _FALSE,
        credentials=(
            *url_passwords(urls),
            *(env[name] for name in env if name.startswith("UV_INDEX_") and _is_password(name)),
            *(password for _, password in logins.values()),
            *([client] if client else []),
        ),
    )


def _values(variables: Sourced) -> dict[str, str]:
    return {name: value for name, (value, _) in variables.items()}


def _variables(environ: Mapping[str, str]) -> Sourced:
    """The variables of uv, completed from its files, or from pip's settings without a file."""
    env = {
        name: value
        for name, value in environ.items()
        if name in _PASSED or name in ("UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
        if value
    }
    env |= {name: value for name, value in environ.items() if name.startswith("UV_DEFAULT_INDEX")}
    env |= {name: value for name, value in environ.items() if name.startswith("UV_INDEX")}
    variables: Sourced = {name: (value, name) for name, value in env.items()}
    from_files = _from_files(environ)
    variables = (_from_pip(environ, env) if from_files is None else from_files) | variables
    cert = environ.get("SSL_CERT_FILE") or pip_settings(environ).get("cert", "")
    return variables | ({"SSL_CERT_FILE": (cert, "")} if cert else {})


def _from_files(environ: Mapping[str, str]) -> Sourced | None:
    """Return the settings of uv's files, or None without a file. A user's file overrides the
    machine's key by key, and the table ``pip`` overrides the keys outside of it.
    """
    merged: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for file in reversed(_files(environ)):
        text = read_settings(file)
        if text is None and environ.get("UV_CONFIG_FILE"):
            raise SettingsUnusable(str(file), "UV_CONFIG_FILE names it, and it does not exist")
        if text is not None:
            part = _parse(file, text)
            merged |= part
            sources |= dict.fromkeys([*part, ""], str(file))
    if not sources:
        return None
    return {
        variable: (
            value,
            ", ".join(dict.fromkeys(sources[k] for k in _KEYS[variable] if k in sources)),
        )
        for variable, value in _to_variables(merged).items()
    }


def _parse(file: Path, text: str) -> dict[str, Any]:
    """The keys of a file; keys of its table ``pip`` have precedence."""
    try:
        document = tomllib.loads(text)
        pip = convert(document, _Settings).pip
        convert(pip, _Settings)
    except (ValueError, RecursionError) as error:
        raise SettingsUnusable(str(file), str(error).replace(" - at `$.", " at `")) from None
    return document | pip


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
    extra = list(document.get("extra-index-url", []))
    default = document.get("index-url", "")
    for entry in document.get("index", []):
        if entry.get("explicit"):
            continue
        url, name = entry["url"], entry.get("name", "")
        if entry.get("default"):
            default = url
        else:
            extra.append(f"{name}={url}" if name else url)
    lists = {
        "UV_DEFAULT_INDEX": default,
        "UV_INDEX": " ".join(extra),
        "UV_FIND_LINKS": ",".join(document.get("find-links", [])),
        "UV_INSECURE_HOST": " ".join(document.get("allow-insecure-host", [])),
    }
    return env | {name: value for name, value in lists.items() if value}


def _from_pip(environ: Mapping[str, str], env: Mapping[str, str]) -> Sourced:
    """Pip's settings as variables of uv, unless uv has an index."""
    if any(env.get(name) for name in INDEXES[:3]):
        return {}
    settings = read_pip(environ)
    variables = {
        "index-url": ("UV_DEFAULT_INDEX", " "),
        "extra-index-url": ("UV_INDEX", " "),
        "find-links": ("UV_FIND_LINKS", ","),
        "trusted-host": ("UV_INSECURE_HOST", " "),
    }
    return {
        name: (separator.join(settings[key][0].split()), settings[key][1])
        for key, (name, separator) in variables.items()
        if key in settings and settings[key][0].split()
    }


def _indexes(env: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """The name ("" for none), the address and the variable of each index, in search order."""
    indexes: list[tuple[str, str, str]] = []
    for variable in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        for entry in env.get(variable, "").split():
            name, url = _split(entry)
            if is_web(url) and url not in [known for _, known, _ in indexes]:
                indexes.append((name, url, variable))
    return indexes


def other_index(env: Mapping[str, str]) -> str:
    """The variable of an index that no sandbox reaches, such as a folder; "" when there is none."""
    entries = ((variable, entry) for variable in INDEXES for entry in env.get(variable, "").split())
    return next((variable for variable, entry in entries if not is_web(_split(entry)[1])), "")


def _split(entry: str) -> tuple[str, str]:
    """The name ("" for none) and the address of an index."""
    name, separator, url = entry.partition("=")
    return (name, url) if separator and "://" not in name else ("", entry)


def _links(env: Mapping[str, str]) -> list[str]:
    """Folders and pages of ``UV_FIND_LINKS``."""
    entries = [entry.strip() for entry in env.get("UV_FIND_LINKS", "").split(",")]
    return [
        unquote(urlsplit(entry).path) if entry.startswith("file://") else entry
        for entry in entries
        if entry
    ]


def _is_password(name: str) -> bool:
    return name.endswith("_PASSWORD")


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
