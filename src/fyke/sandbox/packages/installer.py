"""Runs a package client in a separate sandbox, and finds the reason when it failed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fyke.contracts.execution import EnvironmentFailed, RegistryAway, SandboxFault
from fyke.contracts.tools import ToolKind, ToolLimits, ToolRun, ToolRunner, ToolSpec, ToolStop
from fyke.domain.secrets.masking import Masker
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode, reason_with_detail
from fyke.sandbox.packages import sealing
from fyke.sandbox.packages.package_client import PackageClient
from fyke.sandbox.packages.registries import PageOf, Registries

DISK_FULL = Reason(ReasonCode.INSTALL_DISK_FULL)
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MEMORY = 3 * 2**30
PROCESSES = 256
ROOM_FACTOR = 3  # space for downloads and unpacked files, as a multiple of the result
DISK_FULL_TEXTS = ("No space left on device", "ENOSPC", "Disk quota exceeded")

DISK_FULL_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT})

_PROGRAM_SECONDS = 30.0
# what uv, npm and Go print when the registry does not answer, or answers with a server error
_NETWORK_ERRORS = re.compile(
    r"error sending request for url|HTTP status server error"
    r"|\bcode E(?:50\d|CONN\w+|NET\w+|HOST\w+|AI_AGAIN|TIMEDOUT|NOTFOUND|RR_SOCKET_TIMEOUT)\b"
    r"|dial tcp|i/o timeout|TLS handshake timeout"
    r"|: (?:Bad Gateway|Service Unavailable|Gateway Timeout)(?::|$)",
    re.MULTILINE,
)
# lines of uv and of npm with a cause, and what they begin with
_CAUSE = re.compile(r"^\s*(?:cause|Caused by): |, reason: ")
_PREFIX = re.compile(r"^\s*(?:cause:|Caused by:|npm (?:ERR!|error))\s*(?:FetchError:)?")
_ADDRESS = re.compile(r"https?://[^\s`'\")]+")
PROBLEM_LENGTH = 200
# the registry asks for a login or refuses it: ``index`` is what uv says about it
_LOGIN_REFUSED = re.compile(
    r"(?P<index>An index (?:URL )?\(\S+\) [^\n]*\b40[13] [^\n]*)"
    r"|\bcode E40[13]\b|reading https?://\S+: 40[13] "
)
# in the output of uv and npm, if uv does not also name a package without a wheel
_NOT_FOUND = re.compile(
    r"was not found in the package registry|there (?:is|are) no versions? of"
    r"|\bcode E(?:404|TARGET|NOVERSIONS)\b"
)
_OF_PACKAGES = (ReasonCode.NO_READY_PACKAGE, ReasonCode.PACKAGES_FAILED)


class LockOutOfStep(EnvironmentFailed):
    """A lock file does not match the dependencies of the project."""


@dataclass(frozen=True, slots=True)
class InstallTerms:
    """The account that packages are installed for, and whether they may run code."""

    account_id: str
    builds: bool

    def cache(self, client: str) -> str:
        """The name of this account's download cache. Packages that run code use a separate cache,
        because environments made from the normal cache may be shared between accounts.
        """
        return f"{self.account_id.upper()}-{client}{'-BUILDS' if self.builds else ''}"


@dataclass(frozen=True, slots=True)
class InstallLimits:
    """Seconds for one installation, and bytes of its result."""

    seconds: float
    max_bytes: int


class PackageInstaller:
    """Runs package clients. ``upstream``: whether the operator's proxy serves every target."""

    def __init__(
        self, tools: ToolRunner, limits: InstallLimits, *, region: str = "", upstream: bool = False
    ) -> None:
        self._tools = tools
        self.limits = limits
        self._upstream = upstream
        self._registries = Registries(tools, region)

    def route(self, region: str, *, upstream: bool) -> None:
        """Change the region; installations that have started go on with the earlier one."""
        self._upstream = upstream
        self._registries = Registries(self._tools, region)

    @asynccontextmanager
    async def install(
        self,
        kind: ToolKind,
        terms: InstallTerms,
        client: PackageClient,
        page_of: PageOf,
        command: Sequence[str],
        files: Mapping[str, str],
        env: Mapping[str, str],
        inputs: Path | None = None,
        since: float | None = None,
    ) -> AsyncIterator[ToolRun]:
        """Run an installer; its files exist until the context ends. ``inputs``: a folder that it
        reads. ``since``: the loop's time at which the installation began, if it is not the first
        step. Credentials of the client are masked in the output. Raise ``EnvironmentFailed``, but
        not for an exit code of the installer.
        """
        self._check(terms, client)
        limits = self.limits
        started = asyncio.get_running_loop().time() if since is None else since
        access = await self._registries.access(client, page_of, limits.seconds)
        remaining = limits.seconds - (asyncio.get_running_loop().time() - started)
        spec = ToolSpec(
            kind,
            command,
            ToolLimits(
                seconds=max(remaining, 0.01),
                cpus=_cpus(terms.builds),
                memory=MEMORY,
                processes=PROCESSES,
                work_size=limits.max_bytes * ROOM_FACTOR,
                traffic=limits.max_bytes * ROOM_FACTOR,
            ),
            env=dict(client.env) | dict(env),
            files=dict(client.files) | dict(files),
            inputs=inputs,
            cache=terms.cache(kind.value.upper()),
            access=access,
        )
        async with self._tools.run(spec) as unmasked:
            run = replace(unmasked, output=_mask(unmasked.output, client))
            if run.stopped is not None:
                silent = run.stopped is ToolStop.TIME and not self._registries.answered(client)
                failed = RegistryAway if silent else EnvironmentFailed
                raise failed(self._stop_reason(run.stopped), run.output)
            if run.code and any(text in run.output for text in DISK_FULL_TEXTS):
                raise EnvironmentFailed(DISK_FULL, run.output)
            yield run

    def _check(self, terms: InstallTerms, client: PackageClient) -> None:
        if terms.builds and client.secrets:
            raise EnvironmentFailed(
                Reason.of(ReasonCode.REGISTRY_CREDENTIALS, registries=list(client.secrets))
            )
        refuse_proxy(client, upstream=self._upstream)

    def _stop_reason(self, stopped: ToolStop) -> Reason:
        seconds, max_bytes = self.limits.seconds, self.limits.max_bytes
        return {
            ToolStop.TIME: Reason.of(ReasonCode.INSTALL_TIMEOUT, seconds=seconds),
            ToolStop.SIZE: Reason.of(ReasonCode.INSTALL_LIMIT, disk_bytes=max_bytes),
            ToolStop.MEMORY: Reason.of(ReasonCode.INSTALL_LIMIT, memory_bytes=MEMORY),
            ToolStop.TRAFFIC: Reason(ReasonCode.INSTALL_LIMIT),
        }[stopped]

    def failure(
        self, client: PackageClient, code: ReasonCode, program: str, run: ToolRun, explanation: str
    ) -> EnvironmentFailed:
        """The error for an installer that failed, with ``code`` unless its output names a cause
        that has a code of its own. ``explanation`` is the reason in its output, or "".
        """
        if refused := _LOGIN_REFUSED.search(run.output):
            said = refused["index"] or explanation
            return EnvironmentFailed(Reason.of(ReasonCode.REGISTRY_LOGIN, detail=said), run.output)
        if code in _OF_PACKAGES and _NOT_FOUND.search(run.output) and "wheel" not in run.output:
            code = ReasonCode.PACKAGE_NOT_FOUND
        away = not self._registries.answered(client) or _NETWORK_ERRORS.search(run.output)
        if explanation:
            detail = (_network_problem(run.output) if away else "") or explanation
            reason = Reason.of(code, detail=detail)
        else:
            ended = Detail.of(DetailCode.TOOL_EXIT, program=program, exit_code=run.code)
            reason = reason_with_detail(code, ended)
        return (RegistryAway if away else EnvironmentFailed)(reason, run.output)

    def check_tree(self, folder: Path, log: str, within: Path | None = None) -> None:
        """Raise ``EnvironmentFailed`` for a result that is not accepted. ``within`` is the parent
        folder, when that is untrusted as well.
        """
        try:
            if within is not None:
                sealing.open_folder(within)
            sealing.check(folder, self.limits.max_bytes)
        except (sealing.BadTree, OSError) as error:
            if isinstance(error, OSError) and error.errno in DISK_FULL_ERRORS:
                raise
            if isinstance(error, OSError):
                reason = Reason.of(ReasonCode.PACKAGES_REFUSED, detail=str(error))
            else:
                reason = reason_with_detail(ReasonCode.PACKAGES_REFUSED, error.detail)
            raise EnvironmentFailed(reason, log) from None


def _network_problem(output: str) -> str:
    """The last cause that an installer names for an error of the network, with the address; "" if
    none is found. The whole output is in the log of the attempt already.
    """
    lines = [_PREFIX.sub("", line).strip() for line in output.splitlines() if _CAUSE.search(line)]
    if not lines:
        return ""
    address = _ADDRESS.search(output)
    if address is None or "://" in lines[-1]:
        return lines[-1][:PROBLEM_LENGTH]
    return f"{address[0]}: {lines[-1]}"[:PROBLEM_LENGTH]


def _mask(output: str, client: PackageClient) -> str:
    """The output without the client's credentials, in whatever encoding they appear."""
    if not client.credentials:
        return output
    return Masker({f"login {n}": item for n, item in enumerate(client.credentials, 1)}).text(output)


def refuse_proxy(client: PackageClient, *, upstream: bool) -> None:
    """Raise ``EnvironmentFailed`` for a client that would use a proxy of the machine. ``upstream``:
    whether the operator's proxy serves every target.
    """
    if client.proxy and not upstream and not client.offline:
        raise EnvironmentFailed(Reason.of(ReasonCode.REGISTRY_PROXY, setting=client.proxy))


def _cpus(builds: bool) -> float:
    """Half of the CPUs when packages are built, so that Workers keep the other half."""
    count = float(os.cpu_count() or 1)
    return max(1.0, count / 2) if builds else count


async def run_program(command: Sequence[str | Path], env: Mapping[str, str]) -> tuple[int, str]:
    """Run a program of the machine, outside of every sandbox and without access to a Worker's
    files. Return exit code and standard output; -1 and "" when it cannot be started. Raise
    ``SandboxFault`` when it does not end in time, for example because the machine was suspended.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd="/",
            env={"PATH": SYSTEM_PATH, "HOME": "/nonexistent", **env},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return -1, ""
    try:
        async with asyncio.timeout(_PROGRAM_SECONDS):
            out, _ = await process.communicate()
            return process.returncode or 0, out.decode("utf-8", "replace")
    except TimeoutError:
        name = Path(command[0]).name
        raise SandboxFault(f"{name} did not answer within {_PROGRAM_SECONDS:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
