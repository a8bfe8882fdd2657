"""The settings of npm, as npm reports them, and its credentials, read from npm's files."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fyke.sandbox.packages.package_client import (
    CA_FILE,
    CONFIG,
    MOUNTED_PREFIXES,
    PackageClient,
    Registry,
    SettingsUnusable,
    certificates,
    expand_variables,
    is_web,
    proxy_variable,
    read_settings,
    read_text,
    url_credentials,
    url_passwords,
)

NPMRC = f"{CONFIG}/npmrc"
DEFAULT = "npm's default"
PASSED = frozenset(
    [
        "registry",
        "userconfig",
        "globalconfig",
        "cafile",
        "ca",
        "proxy",
        "https_proxy",
        "noproxy",
        "strict_ssl",
        "offline",
    ]
)

_SCOPE = re.compile(r"@[\w.~-]+:registry")
_LOGIN = re.compile(
    r"\s*(//[^\s=]+?:(?:_authToken|_auth|username|_password))\s*=\s*(.*?)\s*$", re.MULTILINE
)


def query_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for ``npm config list``."""
    env = {"HOME": environ.get("HOME", "/nonexistent")}
    for name, value in environ.items():
        if not name.lower().startswith("npm_config_"):
            continue
        setting = name.lower().removeprefix("npm_config_")
        if setting.replace("-", "_") in PASSED:
            env[f"npm_config_{setting.replace('-', '_')}"] = value
        elif setting.endswith(":registry"):
            env[f"npm_config_{setting}"] = value
    return env


def read_npm(environ: Mapping[str, str], settings: Mapping[str, Any]) -> PackageClient:
    """``settings`` is the output of ``npm config list --json``. Raise ``SettingsUnusable``."""
    texts = _texts(settings)
    keys = ["registry", *(key for key in settings if _SCOPE.fullmatch(key))]
    by_key = {key: str(settings[key]) for key in keys if settings.get(key)}
    sources = {key: _source(key, environ, texts) for key in by_key}
    for key, url in by_key.items():
        if not is_web(url):
            problem = f"{key} is not an http or https address"
            raise SettingsUnusable(sources[key], problem)
    urls = list(dict.fromkeys(by_key.values()))
    logins = _logins(environ, texts, urls)
    lines = [f"{key}={value}" for key, value in by_key.items()]
    lines += [f"{key}={value}" for key, value in logins.items()]
    if settings.get("strict-ssl") is False:
        lines.append("strict-ssl=false")
    tls, files = certificates(environ)
    cafile, content = _authority(settings)
    if content:
        files[CA_FILE] = files.get(CA_FILE, "") + content
    if cafile:
        lines.append(f"cafile={cafile}")
    source_of = {url: sources[key] for key, url in reversed(by_key.items())}
    registries = tuple(Registry(url, _headers(url, logins), source_of[url]) for url in urls)
    secrets = [f"the registry {urlsplit(url).hostname}" for url in urls if url_credentials(url)]
    if logins:
        secrets.append("npm's configuration")
    proxy_keys = [key for key in ("https-proxy", "proxy") if settings.get(key)]
    return PackageClient(
        env=tls
        | {
            "npm_config_userconfig": f"/work/{NPMRC}",
            "npm_config_globalconfig": f"/work/{NPMRC}-none",
        },
        files=files | {NPMRC: "".join(f"{line}\n" for line in lines)},
        registries=registries,
        secrets=tuple(secrets),
        proxy=proxy_keys[0] if proxy_keys else proxy_variable(environ, registries),
        offline=settings.get("offline") is True,
        credentials=(*url_passwords(urls), *_passwords(logins)),
        scopes={key: url for key, url in by_key.items() if key != "registry"},
    )


def _texts(settings: Mapping[str, Any]) -> dict[str, str]:
    """The files of npm and their content, the user's last. npm itself ignores one that it cannot
    read.
    """
    files = [str(settings.get(key) or "") for key in ("globalconfig", "userconfig")]
    return {file: read_settings(Path(file)) or "" for file in files if file}


def _source(key: str, environ: Mapping[str, str], texts: Mapping[str, str]) -> str:
    """The variable or the file that sets a registry."""
    for name in environ:
        if name.lower() == f"npm_config_{key}".lower():
            return name
    line = re.compile(rf"^\s*{re.escape(key)}\s*=", re.MULTILINE)
    return next((file for file in reversed([*texts]) if line.search(texts[file])), DEFAULT)


def _logins(
    environ: Mapping[str, str], texts: Mapping[str, str], urls: list[str]
) -> dict[str, str]:
    """The credentials for these registries, which npm does not report."""
    logins: dict[str, str] = {}
    for text in texts.values():
        for name, value in _LOGIN.findall(text):
            if any(_is_in_scope(url, name.rpartition(":")[0]) for url in urls):
                logins[name] = expand_variables(value.strip("\"'"), environ)
    return logins


def _passwords(logins: Mapping[str, str]) -> list[str]:
    """The tokens and passwords, as they are stored and decoded."""
    secrets = [value for name, value in logins.items() if not name.endswith(":username")]
    for name, value in logins.items():
        if name.endswith((":_password", ":_auth")):
            with contextlib.suppress(ValueError):
                plain = base64.b64decode(value).decode("utf-8", "replace")
                secrets += [plain, plain.partition(":")[2]]
    return list(filter(None, secrets))


def _is_in_scope(url: str, scope: str) -> bool:
    """Whether the credentials of ``scope`` (``//host/folder/``) are for this registry."""
    parts = urlsplit(url)
    registry = f"//{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/") + "/"
    return registry.startswith(scope.rstrip("/") + "/")


def _authority(settings: Mapping[str, Any]) -> tuple[str, str]:
    """The path of the CA file in the sandbox, and its content; "" where it is mounted already."""
    cafile, inline = str(settings.get("cafile") or ""), settings.get("ca")
    content = "\n".join(map(str, inline)) if isinstance(inline, list) else str(inline or "")
    if cafile.startswith(MOUNTED_PREFIXES) and not content:
        return cafile, ""
    content += "\n" + read_text(Path(cafile)) if cafile else ""
    return (f"/work/{CA_FILE}", content) if content.strip() else ("", "")


def _headers(url: str, logins: Mapping[str, str]) -> dict[str, str]:
    for name, value in logins.items():
        scope, _, kind = name.rpartition(":")
        if not _is_in_scope(url, scope):
            continue
        if kind == "_authToken":
            return {"Authorization": f"Bearer {value}"}
        if kind == "_auth":
            return {"Authorization": f"Basic {value}"}
        password = logins.get(f"{scope}:_password", "")
        user = logins.get(f"{scope}:username", "")
        try:
            plain = base64.b64decode(password).decode("utf-8", "replace")
        except ValueError:
            return {}
        token = base64.b64encode(f"{user}:{plain}".encode()).decode()
        return {"Authorization": f"Basic {token}"}
    return {}
