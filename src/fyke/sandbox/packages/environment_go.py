"""Builds Go programs that a project contains only as source, in a separate sandbox.

The compiler runs no code of the project: without cgo no other program is started, no generator
runs, and no toolchain is fetched. The sandbox limits what a defect of the compiler could do.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from fyke.contracts.execution import EnvironmentFailed
from fyke.contracts.tools import CACHE_AT, INPUTS_AT, WORK_AT, ToolKind
from fyke.domain.workers import go_build
from fyke.domain.workers.elf import inspect_program
from fyke.model.worker import Version
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode, reason_with_detail
from fyke.sandbox.packages import sealing
from fyke.sandbox.packages.go_settings import QUERIED, query_environment, read_go
from fyke.sandbox.packages.installer import SYSTEM_PATH, InstallTerms, PackageInstaller, run_program
from fyke.sandbox.packages.package_client import PackageClient, Registry

_PATH = f"{SYSTEM_PATH}:/usr/local/go/bin:/usr/lib/go/bin"  # all are mounted in the sandbox
_MAX_MODULE = 2**20
_OUT = "out"
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

    async def recipe(self, version: Version, bundle: Path) -> GoRecipe | None:
        """None when the project contains its program. Raise ``EnvironmentFailed``."""
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

    async def client(self) -> PackageClient:
        """The settings of Go. Raise ``EnvironmentFailed``."""
        settings = await query_go(self.program(), self._environ)
        return await asyncio.to_thread(read_go, self._environ, settings)


def find_go() -> str | None:
    """The path of Go."""
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
        self.inputs: Sequence[str] = ("go", go, digest, *go_build.ARGUMENTS)

    async def install(self, building: Path, content: Path, terms: InstallTerms) -> str:
        """Build in a sandbox; move the program to ``content``."""
        client = await self._client()
        command, variables = go_build.command(f"{WORK_AT}/{_OUT}/{go_build.PROGRAM}")
        line = ["/bin/sh", "-c", _SCRIPT, "sh", self._installer.program(), *command[1:]]
        package_installer, env = self._installer.package_installer, _FOLDERS | variables
        async with package_installer.install(
            ToolKind.GO_BUILD, terms, client, _sample_page, line, {}, env, inputs=self._bundle
        ) as run:
            if run.code:
                reason = package_installer.failure_reason(
                    ReasonCode.BUILD_FAILED, "go", run.code, _explain(run.output)
                )
                raise EnvironmentFailed(reason, run.output)
            await asyncio.to_thread(self._take, run.work / _OUT, content, run.output)
            return run.output

    async def _client(self) -> PackageClient:
        """The settings of Go; offline when the project needs no module."""
        client = await self._installer.client()
        if await asyncio.to_thread(_needs_modules, self._bundle):
            refuse_loopback(client)
            return client
        return PackageClient(env=client.env, files=client.files, registries=(), offline=True)

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


def _sample_page(registry: Registry) -> str:
    """The page of a module that Fyke itself uses. A module proxy serves files on its own host."""
    return f"{registry.url.rstrip('/')}/google.golang.org/grpc/@v/list"


def _explain(output: str) -> str:
    lines = [line.strip() for line in output.splitlines()]
    useful = [line for line in lines if line and not line.startswith(("#", "go: downloading"))]
    return " ".join(useful[:6])[:500]
