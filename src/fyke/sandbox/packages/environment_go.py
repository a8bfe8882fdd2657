"""Go programs that a project brings only as source: built in a sandbox of their own.

The compiler runs nothing that it reads: without cgo no other program takes part, nothing is
generated, and no toolchain is fetched. The sandbox covers what is not known.
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
from fyke.sandbox.packages.go_settings import ASKED, asking_environment, read_go
from fyke.sandbox.packages.installer import SYSTEM_PATH, InstallTerms, PackageInstaller, ask
from fyke.sandbox.packages.package_client import PackageClient, Registry

_PATH = f"{SYSTEM_PATH}:/usr/local/go/bin:/usr/lib/go/bin"  # mounted in the sandbox too
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
    """Makes recipes for projects without a program; knows Go and its settings."""

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
            code, said = await ask([self.program(), "version"], {"GOTOOLCHAIN": "local"})
            if code:
                raise EnvironmentFailed(_missing(), said)
            self._version = said.strip()
        return self._version

    def program(self) -> str:
        """The path of Go. Raise ``EnvironmentFailed``."""
        program = shutil.which("go", path=_PATH)
        if program is None:
            raise EnvironmentFailed(_missing())
        return program

    async def client(self) -> PackageClient:
        """The settings of Go, most of them as ``go env`` prints them."""
        env = asking_environment(self._environ) | {"GOTOOLCHAIN": "local"}
        code, said = await ask([self.program(), "env", "-json", *ASKED], env)
        try:
            settings = json.loads(said) if code == 0 else None
        except ValueError:
            settings = None
        if not isinstance(settings, dict):
            raise EnvironmentFailed(_missing(), said)
        return await asyncio.to_thread(read_go, self._environ, settings)


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
        """Build in a sandbox and take the program."""
        client = await self._client()
        command, variables = go_build.command(f"{WORK_AT}/{_OUT}/{go_build.PROGRAM}")
        line = ["/bin/sh", "-c", _SCRIPT, "sh", self._installer.program(), *command[1:]]
        package_installer, env = self._installer.package_installer, _FOLDERS | variables
        async with package_installer.install(
            ToolKind.GO_BUILD, terms, client, _page, line, {}, env, inputs=self._bundle
        ) as run:
            if run.code:
                reason = package_installer.failed(
                    ReasonCode.BUILD_FAILED, "go", run.code, _explain(run.output)
                )
                raise EnvironmentFailed(reason, run.output)
            await asyncio.to_thread(self._take, run.work / _OUT, content, run.output)
            return run.output

    async def _client(self) -> PackageClient:
        """Offline when the project needs no module: then no registry has to be known."""
        client = await self._installer.client()
        if await asyncio.to_thread(_needs_modules, self._bundle):
            _refuse_loopback(client)
            return client
        return PackageClient(env=client.env, files=client.files, registries=(), offline=True)

    def _take(self, out: Path, content: Path, said: str) -> None:
        self._installer.package_installer.check_tree(out, said)
        program = out / go_build.PROGRAM
        with program.open("rb") as file:
            problem, is_dynamic = inspect_program(file.read(64 * 1024))
        if problem:
            raise EnvironmentFailed(Reason.of(ReasonCode.BUILD_FAILED, detail=problem), said)
        if is_dynamic:
            detail = Detail(DetailCode.SHARED_LIBRARIES)
            raise EnvironmentFailed(reason_with_detail(ReasonCode.BUILD_FAILED, detail), said)
        sealing.take(out, content)


def _missing() -> Reason:
    return Reason.of(ReasonCode.INSTALLER_MISSING, program="Go", command=go_build.BY_HAND)


def _refuse_loopback(client: PackageClient) -> None:
    """Go uses no proxy for loopback addresses, and in a sandbox they lead to the sandbox itself."""
    for host in (registry.host for registry in client.registries):
        if host == "localhost" or host == "::1" or host.startswith("127."):
            raise EnvironmentFailed(Reason.of(ReasonCode.REGISTRY_LOOPBACK, host=host))


def _needs_modules(bundle: Path) -> bool:
    if (bundle / "vendor" / "modules.txt").is_file():
        return False
    text = (bundle / go_build.MODULE).read_bytes()[:_MAX_MODULE].decode("utf-8", "replace")
    return re.search(r"^\s*(require|replace)\b", text, re.MULTILINE) is not None


def _page(registry: Registry) -> str:
    """The page of a module that Fyke itself uses; a module proxy has its files beside it."""
    return f"{registry.url.rstrip('/')}/google.golang.org/grpc/@v/list"


def _explain(said: str) -> str:
    lines = [line.strip() for line in said.splitlines()]
    useful = [line for line in lines if line and not line.startswith(("#", "go: downloading"))]
    return " ".join(useful[:6])[:500]
