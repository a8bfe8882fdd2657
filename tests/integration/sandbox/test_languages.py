"""The start and the environment of Workers in each language."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fyke.contracts.execution import SandboxExit
from fyke.domain.workers import go_build
from fyke.model.worker import Language
from integration.sandbox.sandboxes import MIB, SPAWNERS, SandboxSetup, drain, sandbox_setup
from zoo.bundles import SDK

pytestmark = [
    pytest.mark.needs("go", "node"),
    pytest.mark.anyio,
    pytest.mark.needs("bwrap"),
]

HOARDER = """
const kept = [];
for (;;) kept.push(Array.from({ length: 131072 }, (_, n) => n + 0.5));
"""


@pytest.fixture(params=SPAWNERS)
async def setup(request: pytest.FixtureRequest) -> AsyncIterator[SandboxSetup]:
    async with sandbox_setup(request.param) as setup:
        yield setup


async def run_node(
    setup: SandboxSetup,
    files: dict[str, str | bytes],
    environment: Path | None = None,
    memory: int = 512,
) -> tuple[str, str, SandboxExit]:
    sandbox = await setup.open(
        files, language=Language.NODE, environment=environment, memory=memory * MIB
    )
    await sandbox.launch({})
    out, err = await drain(sandbox)
    return out, err, await sandbox.wait()


@pytest.mark.parametrize(
    ("files", "output"),
    [
        ({"main.js": "console.log('main')", "index.js": "console.log('index')"}, "main"),
        ({"index.js": "console.log('index')"}, "index"),
        (
            {"lib/a.cjs": "console.log(process.cwd())", "package.json": '{"main": "./lib/a.cjs"}'},
            "/work",
        ),
    ],
)
async def test_every_entry_file_of_node_is_started(
    setup: SandboxSetup, files: dict[str, str | bytes], output: str
) -> None:
    out, err, ended = await run_node(setup, files)
    assert (out.strip(), err, ended.code) == (output, "", 0)


@pytest.mark.parametrize(
    "files",
    [
        {"main.js": "console.log(require('greet').greet())"},
        {"main.js": "import('greet').then((m) => console.log(m.greet()))"},
        {
            "main.js": "import { greet } from 'greet'; console.log(greet());",
            "package.json": '{"type": "module"}',
        },
        {
            "index.mjs": "import greet from 'greet'; console.log(greet.greet());",
            "package.json": '{"main": "index.mjs"}',
        },
    ],
    ids=["require", "dynamic-import", "module", "mjs"],
)
async def test_modules_are_found_by_import_and_by_require(
    setup: SandboxSetup, files: dict[str, str | bytes]
) -> None:
    module = "exports.greet = () => 'hello from a module'"
    modules = setup.bundle({"greet/index.js": module})
    out, err, _ = await run_node(setup, files, modules)
    assert (out, err) == ("hello from a module\n", "")


async def test_modules_are_read_only(setup: SandboxSetup) -> None:
    modules = setup.bundle({"greet/index.js": ""})
    code = (
        "try { require('fs').writeFileSync('/node_modules/greet/index.js', 'x') } "
        "catch (e) { console.log(e.code) }"
    )
    out, _, _ = await run_node(setup, {"main.js": code}, modules)
    assert out == "EROFS\n"


ES_MODULE = """
import { createRequire } from "node:module";
import { Worker, isMainThread } from "node:worker_threads";
import coresdk, { parameter, result } from "./sdk.js";
const required = createRequire(import.meta.url)("./sdk");
const same = required === coresdk && coresdk.result === result;
console.log(isMainThread, same, typeof parameter.getInputJSONString, typeof globalThis.require);
if (isMainThread) {
  const other = await import("./other.js").catch((error) => error.message.split("\\n")[0]);
  console.log(other);
  new Worker(new URL(import.meta.url));
}
"""


async def test_a_project_of_es_modules_loads_the_sdk(setup: SandboxSetup) -> None:
    """Its other files stay ES modules, where ``exports`` is not defined."""
    files: dict[str, str | bytes] = {
        "main.js": ES_MODULE,
        "other.js": "exports.a = 1;",
        "package.json": '{"type": "module"}',
    }
    files |= {path.name: path.read_text() for path in (SDK / "node").glob("*.js")}
    out, err, ended = await run_node(setup, files)
    assert (err, ended.code) == ("", 0)
    first, other, second = out.splitlines()
    assert first == "true true function undefined" and second == "false true function undefined"
    assert "exports is not defined" in other


async def test_node_sees_the_memory_limit(setup: SandboxSetup) -> None:
    code = "console.log(require('v8').getHeapStatistics().heap_size_limit / 2 ** 20)"
    out, _, _ = await run_node(setup, {"main.js": code}, memory=192)
    assert 192 <= float(out) < 300, "the rest is for what is young"


async def test_a_node_worker_out_of_memory_is_recognised(setup: SandboxSetup) -> None:
    _, _, ended = await run_node(setup, {"main.js": HOARDER}, memory=192)
    assert ended.out_of_memory


def program(tmp_path: Path) -> bytes:
    """A real program, kept small by using no library."""
    (tmp_path / "go.mod").write_text("module worker\n\ngo 1.24\n")
    (tmp_path / "main.go").write_text('package main\n\nfunc main() { println("hello from Go") }\n')
    command, variables = go_build.command("main")
    env = {**os.environ, **variables}
    subprocess.run(command, cwd=tmp_path, env=env, check=True, timeout=100)
    return (tmp_path / "main").read_bytes()


async def test_a_go_program_runs_whatever_its_mode_and_build_folder(
    setup: SandboxSetup, tmp_path: Path
) -> None:
    built = program(tmp_path)
    # with the mode of a text file
    sandbox = await setup.open({"main": built}, language=Language.GO)
    await sandbox.launch({})
    assert await drain(sandbox) == ("", "hello from Go\n")
    environment = setup.bundle({"main": built})
    (environment / "main").chmod(0o755)
    sandbox = await setup.open({"main.go": ""}, language=Language.GO, environment=environment)
    await sandbox.launch({})
    assert await drain(sandbox) == ("", "hello from Go\n")
