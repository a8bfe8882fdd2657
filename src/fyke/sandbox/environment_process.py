"""Runs the package clients: their surroundings, their time, and what they say.

They get the settings that an administrator made for them (indexes, certificates, proxies) and
nothing else of ours. uv does not read pip's configuration, so where only pip is configured its
settings are translated.
"""

from __future__ import annotations

import asyncio
import configparser
import contextlib
import os
import re
import resource
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from fyke.domain.contracts import EnvironmentFailed

MAX_LOG = 64 * 1024  # characters that are kept of each end
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MEMORY = 4 * 2**30  # address space of one installer without a virtual machine of its own

_DRAIN = 5.0  # seconds for what a killed installer left in its pipe

_PASSED = frozenset(
    [
        "HOME",
        "LANG",
        "NETRC",
        "XDG_CONFIG_HOME",
        "XDG_CONFIG_DIRS",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "SSL_CLIENT_CERT",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "NODE_EXTRA_CA_CERTS",
        "UV_DEFAULT_INDEX",
        "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_INDEX_STRATEGY",
        "UV_INSECURE_HOST",
        "UV_KEYRING_PROVIDER",
        "UV_NATIVE_TLS",
        "UV_SYSTEM_CERTS",
        "UV_HTTP_TIMEOUT",
        "UV_HTTP_RETRIES",
        "UV_OFFLINE",
        "UV_CONFIG_FILE",
        "UV_NO_CONFIG",
        "UV_EXCLUDE_NEWER",
    ]
)
_PASSED_NPM = frozenset(
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
_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_CONFIG_FILE")
_CREDENTIALS = re.compile(r"://[^/\s@]+@")


class InstallLog:
    """What the installers said: the beginning and the end of it, without credentials.

    ``held`` are descriptors that they inherit: the lock of the build they work for.
    """

    def __init__(self, held: Sequence[int] = ()) -> None:
        self.held = held
        self._text = ""

    def add(self, text: str) -> None:
        joined = self._text + _CREDENTIALS.sub("://***@", text.replace("\0", ""))
        if len(joined) > 2 * MAX_LOG:
            joined = f"{joined[:MAX_LOG]}\n[...]\n{joined[-MAX_LOG + 10 :]}"
        self._text = joined

    def text(self) -> str:
        return self._text


class Installer:
    """Starts package clients with the settings of the machine, for ``seconds`` at most."""

    def __init__(self, environ: Mapping[str, str], seconds: int) -> None:
        self._environ = environ
        self._seconds = seconds

    def environment(self) -> dict[str, str]:
        """Return the variables of a package client."""
        env = {"PATH": SYSTEM_PATH, "HOME": "/nonexistent"}
        for name, value in self._environ.items():
            npm = name.lower().removeprefix("npm_config_")
            if name in _PASSED or name.startswith("UV_INDEX"):
                env[name] = value
            elif name.lower().startswith("npm_config_") and npm in _PASSED_NPM:
                env[f"npm_config_{npm}"] = value
        for name, value in self._from_pip().items():
            env.setdefault(name, value)
        return env

    def _from_pip(self) -> dict[str, str]:
        """Return what pip is told, in uv's words, unless uv has been told by itself."""
        settings = pip_settings(self._environ)
        found: dict[str, str] = {}
        if settings.get("cert"):
            found["SSL_CERT_FILE"] = settings["cert"]
        if any(self._environ.get(name) for name in _INDEXES) or _has_uv_file(self._environ):
            return found
        words = {
            "index-url": ("UV_DEFAULT_INDEX", " "),
            "extra-index-url": ("UV_INDEX", " "),
            "find-links": ("UV_FIND_LINKS", ","),
            "trusted-host": ("UV_INSECURE_HOST", " "),
        }
        for key, (name, separator) in words.items():
            if settings.get(key, "").split():
                found[name] = separator.join(settings[key].split())
        return found

    async def run(
        self,
        command: Sequence[str | Path],
        cwd: Path,
        log: InstallLog,
        *,
        settings: Mapping[str, str] | None = None,
        memory: int | None = None,
    ) -> int:
        """Run a command to its end and return its exit code (negative: a signal).

        When the time is over, or the caller is cancelled, its whole process group is killed.
        Raise ``EnvironmentFailed`` for the first.
        """
        env = self.environment() | dict(settings or {})
        process = await _start(command, cwd, env, log.held)
        if memory is not None:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_AS, (memory, memory))
        try:
            async with asyncio.timeout(self._seconds):
                await _collect(process, log)
                return await process.wait()
        except TimeoutError:
            message = (
                f"The dependencies could not be installed within {self._seconds} seconds; "
                "ask for fewer packages or pin their versions"
            )
            raise EnvironmentFailed(message, log.text()) from None
        finally:
            await _end(process)


async def _start(
    command: Sequence[str | Path], cwd: Path, env: Mapping[str, str], held: Sequence[int]
) -> asyncio.subprocess.Process:
    """Start a command as the leader of a group of its own.

    Starting is not interrupted: cancelled half way, asyncio would end the leader and leave the
    processes that it has begun.
    """
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            cwd=cwd,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            pass_fds=held,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await _end(await starting)
        raise


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN):  # a pipe that is full keeps asyncio from noticing
            await _collect(process, InstallLog())
    await process.wait()


async def _collect(process: asyncio.subprocess.Process, log: InstallLog) -> None:
    if process.stdout is not None:
        while chunk := await process.stdout.read(64 * 1024):
            log.add(chunk.decode("utf-8", "replace"))


def pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return pip's settings from its files and variables; the more personal one wins."""
    home = Path(environ.get("HOME", "/nonexistent"))
    folders = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path(folder, "pip", "pip.conf") for folder in folders.split(":") if folder]
    files += [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    named = environ.get("PIP_CONFIG_FILE")
    if named:
        files = [] if named == os.devnull else [*files, Path(named)]
    found: dict[str, str] = {}
    for file in files:
        found |= _read_pip_file(file)
    for key in ("index-url", "extra-index-url", "find-links", "cert", "trusted-host"):
        value = environ.get(f"PIP_{key.upper().replace('-', '_')}")
        if value:
            found[key] = value
    return found


def _read_pip_file(file: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(file.read_text("utf-8"))
    except (OSError, ValueError, configparser.Error):
        return {}
    sections = [name for name in ("global", "install") if parser.has_section(name)]
    return {key.replace("_", "-"): value for name in sections for key, value in parser.items(name)}


def _has_uv_file(environ: Mapping[str, str]) -> bool:
    home = environ.get("HOME", "/nonexistent")
    config = Path(environ.get("XDG_CONFIG_HOME") or Path(home, ".config"))
    return any(file.is_file() for file in (config / "uv" / "uv.toml", Path("/etc/uv/uv.toml")))
