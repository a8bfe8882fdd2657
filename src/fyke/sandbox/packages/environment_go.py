"""Builds Go programs that a project contains only as source, in two separate sandboxes.

The first fetches the modules, with the administrator's logins; of the project it contains only the
files that name modules. The second compiles, without logins and without a network. An assembler
file of a project can include any file of its sandbox, and errors of the compiler quote it.

The compiler runs no code of the project: without cgo no other program is started, no generator
runs, and no toolchain is fetched. The sandbox limits what a defect of the compiler could do.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from weakref import WeakValueDictionary

from fyke.contracts.execution import EnvironmentFailed
from fyke.contracts.tools import CACHE_AT, INPUTS_AT, WORK_AT, ToolKind
from fyke.domain.workers import go_build
from fyke.domain.workers.elf import inspect_program
from fyke.model.node import RunnableVersion
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode, reason_with_detail
from fyke.sandbox.packages import sealing
from fyke.sandbox.packages.go_settings import OFFLINE, QUERIED, query_environment, read_go
from fyke.sandbox.packages.installer import SYSTEM_PATH, InstallTerms, PackageInstaller, run_program
from fyke.sandbox.packages.package_client import PackageClient, Registry

_PATH = f"{SYSTEM_PATH}:/usr/local/go/bin:/usr/lib/go/bin"  # all are mounted in the sandbox
_MAX_MODULE = 2**20
_MAX_FILES = 16 * 2**20  # characters of all files that name modules
_OUT = "out"
_PROJECT = "project"  # in the work folder of the sandbox that fetches
_FETCH = f'cd {WORK_AT}/{_PROJECT} && exec "$@" mod download'
_SCRIPT = f'mkdir {WORK_AT}/{_OUT} && cd {INPUTS_AT} && exec "$@"'
_FOLDERS = {
    "GOCACHE": f"{CACHE_AT}/build",
    "GOMODCACHE": f"{CACHE_AT}/modules",
    "GOPATH": f"{WORK_AT}/.go",
    "GOFLAGS": "-modcacherw",  # else the cache could not be emptied
}


class GoInstaller:
    """Makes recipes for projects without a program; runs Go to read its version and settings."""

    def __init__(self, package_installer: PackageInstaller, environ: Mapping[str, str]) -> None:
        self.package_installer = package_installer
        self._environ = environ
        self._version = ""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def recipe(self, version: RunnableVersion, bundle: Path) -> GoRecipe | None:
        """Return None for a project with its program. Raise ``EnvironmentFailed`` without Go."""
        if (bundle / go_build.PROGRAM).is_file():
            return None
        return GoRecipe(self, await self._go_version(), version.digest, bundle)

    async def _go_version(self) -> str:
        if not self._version:
            code, output = await run_program([self.program(), "version"], {"GOTOOLCHAIN": "local"})
            if code:
                raise EnvironmentFailed(_missing(), output)
            self._version = output.strip()
        return self._version

    def program(self) -> str:
        """The path of Go. Raise ``EnvironmentFailed``."""
        program = find_go()
        if program is None:
            raise EnvironmentFailed(_missing())
        return program

    def cache_lock(self, account_id: str) -> asyncio.Lock:
        """The lock of an account's cache. While it is in use another sandbox gets an empty one, in
        which a build would not find the modules that were fetched for it.
        """
        return self._locks.setdefault(account_id, asyncio.Lock())

    async def client(self) -> PackageClient:
        """The settings of Go. Raise ``EnvironmentFailed``."""
        settings = await query_go(self.program(), self._environ)
        return await asyncio.to_thread(read_go, self._environ, settings)


def find_go() -> str | None:
    """The path of Go, None when it is not installed."""
    return shutil.which("go", path=_PATH)


async def query_go(program: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The output of ``go env``. Raise ``EnvironmentFailed``."""
    env = query_environment(environ) | {"GOTOOLCHAIN": "local"}
    code, output = await run_program([program, "env", "-json", *QUERIED], env)
    try:
        settings = json.loads(output) if code == 0 else None
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise EnvironmentFailed(_missing(), output)
    return settings


class GoRecipe:
    """The program of one project. Its source and go.sum determine every byte."""

    locked = True
    warning = ""
    fallback = None

    def __init__(self, installer: GoInstaller, go: str, digest: str, bundle: Path) -> None:
        self._installer = installer
        self._bundle = bundle
        self.links: Mapping[str, str] = {}
        self.inputs: Sequence[str] = ("go", go, digest, *go_build.ARGUMENTS)

    async def client(self) -> PackageClient:
        """See ``Recipe.client``."""
        return await self._installer.client()

    async def install(self, building: Path, content: Path, terms: InstallTerms) -> str:
        """Fetch the modules, build the program, and move it to ``content``."""
        async with self._installer.cache_lock(terms.account_id):
            since = asyncio.get_running_loop().time()
            fetched = await self._fetch(terms)
            return await self._build(content, terms, fetched, since)

    async def _fetch(self, terms: InstallTerms) -> str:
        """Fetch the modules of the project into the account's cache. Return why that failed, or "":
        the build may need fewer.
        """
        if not await asyncio.to_thread(_needs_modules, self._bundle):
            return ""
        client = await self._installer.client()
        refuse_loopback(client)
        if client.offline:
            return ""
        files = await asyncio.to_thread(_module_files, self._bundle)
        line = ["/bin/sh", "-c", _FETCH, "sh", self._installer.program()]
        async with self._installer.package_installer.install(
            ToolKind.GO_BUILD,
            terms,
            client,
            _sample_page,
            line,
            {f"{_PROJECT}/{name}": text for name, text in files.items()},
            _FOLDERS | go_build.VARIABLES,
        ) as run:
            return run.output if run.code else ""

    async def _build(self, content: Path, terms: InstallTerms, fetched: str, since: float) -> str:
        command, variables = go_build.command(f"{WORK_AT}/{_OUT}/{go_build.PROGRAM}")
        line = ["/bin/sh", "-c", _SCRIPT, "sh", self._installer.program(), *command[1:]]
        package_installer, env = self._installer.package_installer, _FOLDERS | variables
        async with package_installer.install(
            ToolKind.GO_BUILD,
            terms,
            OFFLINE,
            _sample_page,
            line,
            {},
            env,
            inputs=self._bundle,
            since=since,
        ) as run:
            if run.code:
                log = "\n".join(filter(None, (fetched, run.output)))
                raise package_installer.failure(
                    OFFLINE, ReasonCode.BUILD_FAILED, "go", replace(run, output=log), _explain(log)
                )
            await asyncio.to_thread(self._take, run.work / _OUT, content, run.output)
            return run.output

    def _take(self, out: Path, content: Path, output: str) -> None:
        self._installer.package_installer.check_tree(out, output)
        program = out / go_build.PROGRAM
        with program.open("rb") as file:
            problem, is_dynamic = inspect_program(file.read(64 * 1024))
        if problem:
            raise EnvironmentFailed(Reason.of(ReasonCode.BUILD_FAILED, detail=problem), output)
        if is_dynamic:
            detail = Detail(DetailCode.SHARED_LIBRARIES)
            raise EnvironmentFailed(reason_with_detail(ReasonCode.BUILD_FAILED, detail), output)
        sealing.take(out, content)


def _missing() -> Reason:
    return Reason.of(ReasonCode.INSTALLER_MISSING, program="Go", command=go_build.BY_HAND)


def refuse_loopback(client: PackageClient) -> None:
    """Go uses no proxy for loopback addresses, and in a sandbox they lead to the sandbox itself.
    Raise ``EnvironmentFailed``.
    """
    for host in (registry.host for registry in client.registries):
        if host == "localhost" or host == "::1" or host.startswith("127."):
            raise EnvironmentFailed(Reason.of(ReasonCode.REGISTRY_LOOPBACK, host=host))


def _needs_modules(bundle: Path) -> bool:
    if (bundle / "vendor" / "modules.txt").is_file():
        return False
    text = (bundle / go_build.MODULE).read_bytes()[:_MAX_MODULE].decode("utf-8", "replace")
    return re.search(r"^\s*(require|replace)\b", text, re.MULTILINE) is not None


def _module_files(bundle: Path) -> dict[str, str]:
    """The files of a project that name modules, by path: ``go.sum``, and every ``go.mod``, because
    a module may be replaced by a folder.
    """
    files: dict[str, str] = {}
    free = _MAX_FILES
    for path in (bundle / go_build.MODULE, bundle / "go.sum", *bundle.rglob(go_build.MODULE)):
        name = path.relative_to(bundle).as_posix()
        if name in files or "=" in name or not path.is_file() or path.stat().st_size > free:
            continue
        text = path.read_bytes().decode("utf-8", "surrogateescape").replace("\0", "\ufffd")
        files[name] = text
        free -= len(text)
    return files


def _sample_page(registry: Registry) -> str:
    """The page of a module that Fyke itself uses. A module proxy serves files on its own host."""
    return f"{registry.url.rstrip('/')}/google.golang.org/grpc/@v/list"


def _explain(output: str) -> str:
    lines = [line.strip() for line in output.splitlines()]
    useful = [line for line in lines if line and not line.startswith(("#", "go: downloading"))]
    return " ".join(useful[:6])[:500]
