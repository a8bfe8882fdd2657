"""Recipes of Go programs: projects that need modules, and programs that are accepted."""

from __future__ import annotations

import asyncio
import platform
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from fyke.contracts.execution import EnvironmentFailed
from fyke.contracts.tools import ToolKind, ToolRun, ToolSpec
from fyke.model.worker import Language
from fyke.reasons import ReasonCode
from fyke.sandbox.packages.environment_go import (
    GoInstaller,
    GoRecipe,
    _explain,
    _needs_modules,
    refuse_loopback,
)
from fyke.sandbox.packages.installer import InstallLimits, InstallTerms, PackageInstaller
from fyke.sandbox.packages.package_client import NETRC_FILE, PackageClient, Registry
from support.memory import a_version

MACHINE = {"x86_64": 62, "aarch64": 183}[platform.machine()]


def recipe(bundle: Path) -> GoRecipe:
    installer = PackageInstaller(cast(Any, None), InstallLimits(7, 10_000))
    return GoRecipe(GoInstaller(installer, {}), "go1.24", "digest", bundle)


def elf(*, interpreter: bool = False) -> bytes:
    """The header of an executable for this machine, with one program header."""
    ident = b"\x7fELF\x02\x01"
    head = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, MACHINE, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<I52x", 3 if interpreter else 1)


@pytest.mark.parametrize(
    ("module", "needed"),
    [
        ("module worker\n\ngo 1.24\n", False),
        ("module worker\nrequire example.test/x v1.0.0\n", True),
        ("module worker\nrequire (\n\texample.test/x v1.0.0\n)\n", True),
        ("module worker\n  replace example.test/x => ./x\n", True),
        ("module worker\n// require example.test/x v1.0.0\n", False),
        ("module requirement\n", False),
    ],
)
def test_a_project_needs_modules_when_go_mod_requires_them(
    tmp_path: Path, module: str, needed: bool
) -> None:
    (tmp_path / "go.mod").write_text(module)
    assert _needs_modules(tmp_path) is needed
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "modules.txt").touch()
    assert not _needs_modules(tmp_path)


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.8.0.1", "http://[::1]:1"])
def test_a_module_proxy_on_loopback_is_refused(url: str) -> None:
    with pytest.raises(EnvironmentFailed) as caught:
        refuse_loopback(PackageClient({}, {}, (Registry("https://a.invalid"), Registry(url))))
    assert caught.value.reason.code is ReasonCode.REGISTRY_LOOPBACK
    refuse_loopback(PackageClient({}, {}, (Registry("https://128.0.0.1"),)))


@pytest.mark.anyio
async def test_a_project_with_a_program_is_not_built(tmp_path: Path) -> None:
    (tmp_path / "main").touch()
    version = a_version("w", language=Language.GO)
    assert await GoInstaller(cast(Any, None), {}).recipe(version, tmp_path) is None


def test_compiler_and_source_determine_the_environment(tmp_path: Path) -> None:
    installer = GoInstaller(cast(Any, None), {})
    inputs = {
        tuple(GoRecipe(installer, go, digest, tmp_path).inputs)
        for go in ("go1.24", "go1.25")
        for digest in ("a", "b")
    }
    assert len(inputs) == 4


class RecordedTools:
    """Implements ``ToolRunner``; every tool fails, as with a broken project."""

    def __init__(self) -> None:
        self.specs: list[ToolSpec] = []

    @asynccontextmanager
    async def run(self, spec: ToolSpec) -> AsyncIterator[ToolRun]:
        self.specs.append(spec)
        yield ToolRun(1, Path("/nonexistent"), f"step {len(self.specs)}", b"[]")


@pytest.mark.anyio
async def test_the_sandbox_with_the_login_has_no_source_and_the_one_with_source_no_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    for name in ("go.mod", "go.sum", "lib/go.mod", "main.go", "leak.s", "a=b.mod"):
        (tmp_path / name).write_text(f"require {name}\n")
    files = {NETRC_FILE: "machine proxy.invalid login me password secret"}
    client = PackageClient({"NETRC": "x"}, files, (Registry("https://proxy.invalid"),))
    tools = RecordedTools()
    installer = GoInstaller(PackageInstaller(tools, InstallLimits(7, 10_000)), {})
    monkeypatch.setattr(installer, "program", lambda: "/usr/bin/go")
    monkeypatch.setattr(installer, "client", partial(_answer, client))
    with pytest.raises(EnvironmentFailed) as caught:
        await GoRecipe(installer, "go1.24", "digest", tmp_path).install(
            tmp_path, tmp_path / "content", InstallTerms("A", False)
        )
    fetch, build = [spec for spec in tools.specs if spec.kind is ToolKind.GO_BUILD]
    assert (fetch.command[-1], fetch.inputs, fetch.env["NETRC"]) == ("/usr/bin/go", None, "x")
    modules = {"project/go.mod", "project/go.sum", "project/lib/go.mod"}
    assert set(fetch.files) == {NETRC_FILE, *modules}
    assert (build.inputs, build.files, build.access) == (tmp_path, {}, None)
    assert (build.env["GOPROXY"], build.env.get("NETRC")) == ("off", None)
    assert fetch.cache == build.cache
    assert caught.value.log == "step 2\nstep 3"  # the first step asked the registry


@pytest.mark.anyio
async def test_waiting_for_another_build_of_the_account_takes_none_of_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "go.mod").write_text("module worker\n")
    tools = RecordedTools()
    installer = GoInstaller(PackageInstaller(tools, InstallLimits(7, 10_000)), {})
    monkeypatch.setattr(installer, "program", lambda: "/usr/bin/go")
    loop, later = asyncio.get_running_loop(), 0.0
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + later)
    async with installer.cache_lock("A"):
        waiting = asyncio.create_task(
            GoRecipe(installer, "go1.24", "digest", tmp_path).install(
                tmp_path, tmp_path / "content", InstallTerms("A", False)
            )
        )
        await asyncio.sleep(0)
        later = 1000
    with pytest.raises(EnvironmentFailed):
        await waiting
    [build] = tools.specs
    assert build.limits.seconds > 1


async def _answer(client: PackageClient) -> PackageClient:
    return client


def test_a_static_program_for_this_machine_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "main").write_bytes(elf())
    recipe(tmp_path)._take(tmp_path / "out", tmp_path / "content", "")
    assert (tmp_path / "content" / "main").read_bytes() == elf()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"#!/bin/sh\n", "a script"),
        (elf(interpreter=True), "shared libraries"),
        (elf()[:20], "64-bit"),
    ],
)
def test_a_program_that_no_sandbox_can_run_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "main").write_bytes(content)
    with pytest.raises(EnvironmentFailed, match=message) as caught:
        recipe(tmp_path)._take(tmp_path / "out", tmp_path / "content", "the log")
    assert (caught.value.reason.code, caught.value.log) == (ReasonCode.BUILD_FAILED, "the log")
    assert not (tmp_path / "content").exists()


def test_the_explanation_is_the_errors_of_the_compiler() -> None:
    log = "# worker\ngo: downloading example.test/x v1.0.0\n./main.go:3:15: undefined: broken\n"
    assert _explain(log) == "./main.go:3:15: undefined: broken"
    assert len(_explain("x" * 1000)) == 500
