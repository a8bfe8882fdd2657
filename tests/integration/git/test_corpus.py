"""Hostile addresses and repositories: no code runs, no internal server is contacted, and no secret
is repeated. git runs in a real sandbox with the real egress.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import socket
import threading
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fyke.contracts.git import GitFailed
from fyke.contracts.tools import ToolRun, ToolSpec
from fyke.domain.workers.project import read_project
from fyke.egress.local import LocalEgress
from fyke.errors import InvalidRequest
from fyke.git.fetch import SystemGit
from fyke.git.process import GitLimits
from fyke.kit.addresses import AddressRules
from fyke.kit.resolver import Resolver
from fyke.model.upload import GitSource
from fyke.sandbox.tools.runner import SandboxedTools
from integration.sandbox.sandboxes import SPAWNERS, SandboxSetup, sandbox_setup
from support.git_server import git_server
from support.hostile_repositories import repositories
from support.hostile_urls import NAMES, SECRET, urls

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs("bwrap", "git"),
]

SECONDS = 30  # the limit of one sandbox
SHARE = 5  # the ordinary suite tests every fifth address or repository
STEPS = [pytest.param(SHARE, id="share"), pytest.param(1, id="all", marks=pytest.mark.long)]
FAITHFUL = {"filter", "substitution", "hooks", "replaced", "settings", "lfs", "bare-inside"}


class Canary:
    """Listens on this machine and counts connections."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            connection, peer = self._socket.accept()
            with connection:
                if peer[1] == self._own:
                    return
                self.connections += 1

    _own = 0

    def close(self) -> None:
        with socket.socket() as last:
            last.bind(("127.0.0.1", 0))
            self._own = last.getsockname()[1]
            last.connect(("127.0.0.1", self.port))
            self._thread.join(10)
        self._socket.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    canary = Canary()
    yield canary
    canary.close()


class Watched:
    """Searches the sandboxes for files that only an executed command could have created."""

    def __init__(self, setup: SandboxSetup, rules: AddressRules, resolver: Resolver | None) -> None:
        self.egress = LocalEgress(rules, resolver=resolver)
        self._tools = SandboxedTools(setup.work, setup.spawner, self.egress)
        self.sandboxes = 0
        self.ran: list[str] = []

    @asynccontextmanager
    async def run(self, spec: ToolSpec) -> AsyncIterator[ToolRun]:
        async with self._tools.run(spec) as run:
            self.sandboxes += 1
            self.ran += [str(path) for path in run.work.rglob("RAN")]
            yield run


@asynccontextmanager
async def watched(
    rules: AddressRules, resolver: Resolver | None = None, certificates: Path | None = None
) -> AsyncIterator[tuple[SystemGit, Watched]]:
    async with sandbox_setup(SPAWNERS[0]) as setup:
        tools = Watched(setup, rules, resolver)
        limits = GitLimits(seconds=60, folder=20 * 2**20)
        git = SystemGit(tools, rules, resolver=resolver, limits=limits, certificates=certificates)
        try:
            yield git, tools
        finally:
            git.close()
            await tools.egress.stop()


def resolver() -> Resolver:
    """Resolves names to internal addresses: always, among others, or only the second time."""
    flips = itertools.cycle([("93.184.216.34",), ("127.0.0.1",)])

    def answer(name: str) -> tuple[str, ...]:
        return next(flips) if name == "flips.example" else NAMES.get(name, ("127.0.0.1",))

    return Resolver(answer, keep=0)


@pytest.mark.parametrize("step", STEPS)
async def test_no_hostile_address_is_fetched(
    canary: Canary, step: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tried = urls(canary.port)
    assert len(tried) >= 120
    messages: list[str] = []
    with capture_logs() as entries:
        async with watched(AddressRules(), resolver()) as (git, tools):
            for url in tried[::step]:
                with pytest.raises((InvalidRequest, GitFailed)) as refused:
                    source = GitSource(url)
                    git.check(source)
                    await git.fetch(source, messages.append)
                messages.append(str(refused.value))
    assert (tools.ran, canary.connections) == ([], 0)
    output = "\n".join([*messages, caplog.text, *map(str, entries)])
    assert SECRET not in output
    assert tools.sandboxes <= 2, (
        "every address except the changing name is refused before a sandbox is created"
    )


@pytest.mark.parametrize("field", ["ref", "folder"])
async def test_no_revision_or_folder_is_taken_as_an_option(field: str) -> None:
    hostile = [
        "--upload-pack=touch RAN",
        "-x",
        "a:b",
        "a..b",
        "a b",
        "a\nb",
        "../x",
        "x/../y",
        "@{u}",
    ]
    git = SystemGit(None, AddressRules())  # type: ignore[arg-type]  # no sandbox is ever used
    with contextlib.closing(git):
        for text in hostile:
            if field == "folder" and text in ("a b", "a..b"):
                continue  # a valid name of a folder
            source = GitSource("https://example.com/a/b", **{field: text})
            with pytest.raises(InvalidRequest, match=field):
                git.check(source)


@pytest.mark.parametrize("step", STEPS)
async def test_no_repository_runs_code(canary: Canary, step: int, tmp_path: Path) -> None:
    corpus = repositories(canary.port)
    assert len(corpus) >= 40
    outcomes: dict[str, str] = {}
    with git_server(tmp_path) as server:
        rules = AddressRules([f"localhost:{server.port}"])
        async with watched(rules, certificates=server.certificate) as (git, tools):
            for name, make in list(corpus.items())[::step]:
                make(server.root / name)
                started = time.monotonic()
                try:
                    source = GitSource(f"{server.url}/{name}/.git", "main")
                    fetched = await git.fetch(source, lambda words: None)
                except (InvalidRequest, GitFailed) as refused:
                    outcomes[name] = f"refused: {refused}"
                else:
                    outcomes[name] = read(fetched.archive)
                seconds = time.monotonic() - started
                assert seconds < SECONDS, (name, seconds)
    print("\n".join(f"{name}: {outcome}" for name, outcome in outcomes.items()))
    assert (tools.ran, canary.connections) == ([], 0)
    assert tools.sandboxes == len(outcomes)
    assert not [path for path in tmp_path.rglob("RAN") if "repositories" not in path.parts]
    for name in FAITHFUL & outcomes.keys():
        assert outcomes[name].startswith("taken"), (name, outcomes[name])


def read(archive: bytes) -> str:
    """Read an archive as an upload is read."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        if "main.py" in opened.namelist():
            assert opened.read("main.py") in (
                b"print('one')\n",
                b"#!/bin/sh\ntouch RAN /work/RAN\n",
            )
    try:
        return f"taken as {read_project(archive).language}"
    except InvalidRequest as refused:
        return f"refused as an archive: {refused}"
