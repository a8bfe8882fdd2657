"""The administrator's settings of a package client.

The client runs inside a sandbox, without the administrator's files. So its settings are read
outside, and passed as variables and as the content of files.
"""

from __future__ import annotations

import hashlib
import json
import netrc
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fyke.contracts.execution import EnvironmentFailed
from fyke.reasons import Reason, ReasonCode

CONFIG = ".config"  # in the work folder of the sandbox
CA_FILE, NETRC_FILE = f"{CONFIG}/ca.pem", f"{CONFIG}/netrc"
MOUNTED_PREFIXES = ("/etc/ssl/certs/", "/etc/pki/tls/certs/", "/etc/pki/ca-trust/", "/usr/")
MAX_FILE = 4 * 2**20

_PORTS = {"http": 80, "https": 443}
# variables whose values decide which package is taken; none is a login
_DECIDING = ("UV_INDEX_STRATEGY", "GONOSUMDB")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


class SettingsUnusable(EnvironmentFailed):
    """A file or variable with settings of a package client that cannot be read or understood.

    Without it the client could take a private package from a public registry, so nothing is
    installed. ``problem`` contains no values of settings, which may be logins.
    """

    def __init__(self, source: str, problem: str) -> None:
        reason = Reason.of(ReasonCode.REGISTRY_SETTINGS, source=source, detail=problem)
        super().__init__(reason)
        self.source = source
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Registry:
    """A package registry. ``headers`` are added to requests to it. ``source`` is the file or the
    variable that names it.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or _PORTS[parts.scheme]


@dataclass(frozen=True, slots=True)
class PackageClient:
    """The variables and files of a client: name to value, path to content.

    ``secrets`` names the settings that contain credentials, ``proxy`` a setting by which the client
    would use a proxy; "" is none. ``credentials`` are the passwords and tokens themselves.
    ``scopes`` has the registry of each scope of npm.
    """

    env: Mapping[str, str]
    files: Mapping[str, str]
    registries: tuple[Registry, ...]
    secrets: tuple[str, ...] = ()
    proxy: str = ""
    offline: bool = False
    credentials: tuple[str, ...] = field(default=(), repr=False)
    scopes: Mapping[str, str] = field(default_factory=dict)

    @property
    def sources(self) -> str:
        """A digest of what decides where packages come from; "" with a local folder of packages,
        of which other machines may have another. It contains no value of a setting but the
        addresses of registries without their logins and those in ``_DECIDING``, because other
        machines get it.
        """
        if _has_local_folder(self.env):
            return ""
        urls = [(one.url, one.headers) for one in self.registries]
        inputs = (
            # in their order, in which a client asks them
            [(without_login(url), sorted(headers)) for url, headers in urls],
            sorted((scope, without_login(url)) for scope, url in self.scopes.items()),
            [self.env.get(name, "") for name in _DECIDING],
            sorted(self.env),
            sorted(self.files),
            bool(self.credentials),
            self.offline,
        )
        return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def _has_local_folder(env: Mapping[str, str]) -> bool:
    links = [entry.strip() for entry in env.get("UV_FIND_LINKS", "").split(",")]
    return any(entry and not is_web(entry) for entry in links)


def is_web(url: str) -> bool:
    """Whether ``url`` is a valid address with http or https."""
    try:
        parts = urlsplit(url)
        return parts.scheme in _PORTS and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def without_login(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def url_credentials(url: str) -> tuple[str, str] | None:
    """User and password of a URL, None when it has none."""
    parts = urlsplit(url)
    if parts.username is None and parts.password is None:
        return None
    return unquote(parts.username or ""), unquote(parts.password or "")


def url_passwords(urls: Iterable[str]) -> list[str]:
    """The passwords in these URLs; without a password, the user name, which may be a token."""
    logins = filter(None, map(url_credentials, urls))
    return [password or user for user, password in logins]


def read_settings(path: Path) -> str | None:
    """The content of a file with settings, None when there is none. Raise ``SettingsUnusable``."""
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsUnusable(str(path), error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        problem = f"it is not UTF-8 at byte {error.start + 1}"
        raise SettingsUnusable(str(path), problem) from None


def read_text(path: Path) -> str:
    """The content of a file of the administrator, "" when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE).decode("utf-8", "replace").replace("\0", "")
    except OSError:
        return ""


def certificates(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Variables and files with the administrator's CA certificates, for the sandbox."""
    env = {
        name: environ[name]
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS")
        if environ.get(name, "").startswith(MOUNTED_PREFIXES)
    }
    roots = _certificates_in(environ.get("SSL_CERT_FILE", ""))
    for folder in filter(None, environ.get("SSL_CERT_DIR", "").split(":")):
        if not folder.startswith(MOUNTED_PREFIXES) and Path(folder).is_dir():
            roots += "".join(_certificates_in(str(file)) for file in sorted(Path(folder).iterdir()))
    content = roots + _certificates_in(environ.get("NODE_EXTRA_CA_CERTS", ""))
    if not content:
        return env, {}
    env["NODE_EXTRA_CA_CERTS"] = f"/work/{CA_FILE}"
    if roots:  # unlike Node.js, uv and Go trust only the certificates in this file
        env["SSL_CERT_FILE"] = f"/work/{CA_FILE}"
    return env, {CA_FILE: content}


def _certificates_in(path: str) -> str:
    """The content of a file of certificates; "" for one that is mounted in the sandbox."""
    text = "" if not path or path.startswith(MOUNTED_PREFIXES) else read_text(Path(path))
    return text if "-----BEGIN CERTIFICATE-----" in text else ""


def netrc_logins(environ: Mapping[str, str], hosts: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Host to user and password for these hosts, from the administrator's netrc file."""
    path = Path(environ.get("NETRC") or Path(environ.get("HOME", "/nonexistent"), ".netrc"))
    try:
        entries = netrc.netrc(str(path)).hosts
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return {}
    return {host: (entries[host][0], entries[host][2]) for host in hosts if host in entries}


def netrc_text(logins: Mapping[str, tuple[str, str]]) -> str:
    """The content of a netrc file with these logins."""
    lines = []
    for host, (user, password) in logins.items():
        tokens = {"machine": host, "login": user, "password": password}
        lines.append(" ".join(f"{key} {value}" for key, value in tokens.items() if value) + "\n")
    return "".join(lines)


def proxy_variable(environ: Mapping[str, str], registries: Iterable[Registry]) -> str:
    """The variable by which a client would use a proxy for one of these registries, or ""."""
    proxies = {name: value for name, value in environ.items() if name.lower() in _PROXIES and value}
    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    for registry in registries:
        scheme = urlsplit(registry.url).scheme
        for name in proxies:
            applies = name.lower() in (f"{scheme}_proxy", "all_proxy")
            if applies and not _bypasses_proxy(registry.host, no_proxy):
                return name
    return ""


def _bypasses_proxy(host: str, no_proxy: str) -> bool:
    """Whether ``no_proxy`` names the host, or a domain above it."""
    for entry in no_proxy.lower().split(","):
        name = entry.strip().lstrip(".")
        if name == "*" or (name and (host == name or host.endswith(f".{name}"))):
            return True
    return False


def expand_variables(text: str, environ: Mapping[str, str]) -> str:
    """Replace ``${NAME}`` with the value of a variable that is set."""
    return re.sub(r"\$\{(\w+)\}", lambda match: environ.get(match[1], match[0]), text)
