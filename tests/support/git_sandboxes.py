"""git as a server runs it: in a real sandbox with a real egress, both new for each fetch."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fyke.contracts.egress import EgressGrant
from fyke.contracts.tools import ToolRun, ToolSpec
from fyke.egress.local import LocalEgress
from fyke.git.fetch import SystemGit
from fyke.git.process import GitLimits
from fyke.kit.addresses import AddressRules
from fyke.kit.resolver import Resolver
from fyke.sandbox.tools.runner import SandboxedTools
from integration.sandbox.sandboxes import SPAWNERS, sandbox_setup


class SandboxesOnDemand:
    """Implements ``ToolRunner`` with a sandbox and an egress of its own for each run, so that any
    event loop may use it.
    """

    def __init__(self, rules: AddressRules, resolver: Resolver | None = None) -> None:
        self._rules = rules
        self._resolver = resolver
        self.outputs: list[str] = []  # of the tools

    @asynccontextmanager
    async def run(self, spec: ToolSpec) -> AsyncIterator[ToolRun]:
        async with sandbox_setup(SPAWNERS[0]) as setup:
            egress = LocalEgress(self._rules, resolver=self._resolver)
            try:
                async with SandboxedTools(setup.work, setup.spawner, egress).run(spec) as run:
                    self.outputs.append(run.output)
                    yield run
            finally:
                await egress.stop()


def sandboxed_git(
    rules: AddressRules,
    *,
    resolver: Resolver | None = None,
    limits: GitLimits | None = None,
    certificates: Path | None = None,
) -> SystemGit:
    """Make a git that runs in sandboxes; the caller closes it."""
    tools = SandboxesOnDemand(rules, resolver)
    return SystemGit(tools, rules, resolver=resolver, limits=limits, certificates=certificates)


class WithoutIsolation:
    """Implements ``ToolRunner`` without isolation, but with the real egress, for places where no
    sandbox can be made, such as inside a namespace.
    """

    def __init__(self, rules: AddressRules, resolver: Resolver | None = None) -> None:
        self._rules = rules
        self._resolver = resolver

    @asynccontextmanager
    async def run(self, spec: ToolSpec) -> AsyncIterator[ToolRun]:
        assert spec.access is not None
        egress = LocalEgress(self._rules, resolver=self._resolver)
        listener = socket.create_server(("127.0.0.1", 0))
        grant = EgressGrant("TOOL-1", "secret", "", domains=spec.access.domains, guarded=False)
        with tempfile.TemporaryDirectory() as folder:
            for name, text in spec.files.items():
                Path(folder, name).write_text(text)
            await egress.open([listener], grant)
            proxy = f"http://TOOL-1:secret@127.0.0.1:{listener.getsockname()[1]}"
            env = {"PATH": "/usr/bin:/bin", "HOME": folder, "https_proxy": proxy, **spec.env}
            try:
                process = await asyncio.create_subprocess_exec(
                    *spec.command,
                    cwd=folder,
                    env=env,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                )
                output, _ = await process.communicate()
                yield ToolRun(process.returncode or 0, Path(folder), output.decode(), output)
            finally:
                listener.close()
                await egress.stop()
