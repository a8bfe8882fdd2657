"""Real installs with npm, from a test registry on loopback."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.execution import EnvironmentFailed
from fyke.model.node import RunnableVersion
from fyke.model.worker import Language
from support.environments import Installing, open_workspace
from support.memory import a_runnable_version
from support.npm_registry import Registry, old_npm, served

pytestmark = [
    pytest.mark.needs("node"),
    pytest.mark.anyio,
    pytest.mark.needs("npm"),
    pytest.mark.needs("bwrap"),
]

OTHER = "01ARZ3NDEKTSV4RRFFQ69G5FAW"
VERSION: RunnableVersion = a_runnable_version("w", language=Language.NODE)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with served(Registry()) as running:
        running.add("left", "1.2.3")
        yield running


@pytest.fixture
async def environments(registry: Registry) -> AsyncIterator[Installing]:
    async with open_workspace() as workspace:
        home = str(workspace.setup.home / "nobody")
        yield workspace.environments({"npm_config_registry": registry.url, "HOME": home})
        assert os.listdir(workspace.setup.work) == []


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    return folder


def write(bundle: Path, name: str, document: dict[str, Any]) -> None:
    (bundle / name).write_text(json.dumps(document))


OLD_NPM = old_npm()


async def test_packages_are_installed_without_a_lock_file(
    environments: Installing, bundle: Path, tmp_path: Path, registry: Registry
) -> None:
    mark = tmp_path / "ran"
    hooks = dict.fromkeys(("preinstall", "install", "postinstall", "prepare"), f"touch {mark}")
    registry.add("hooked", "1.0.0", scripts=hooks, bin={"tool": "index.js"})
    package = {
        "scripts": hooks,
        "dependencies": {"left": "^1.0.0", "hooked": "*"},
        "devDependencies": {"absent": "1"},
    }
    write(bundle, "package.json", package)
    environment = await environments.ensure(VERSION, bundle)
    assert environment.path is not None
    names = {path.name for path in environment.path.iterdir() if not path.name.startswith(".")}
    assert names == {"left", "hooked", "@grpc", "google-protobuf"}
    assert (environment.path / "left" / "index.js").read_text() == "module.exports = 'here'\n"
    assert not mark.exists()
    assert not any(path.is_symlink() for path in environment.path.rglob("*"))
    assert not any("absent" in path for path in registry.paths)
    assert await environments.ensure(VERSION, bundle) == environment


async def test_a_project_without_package_json_needs_no_packages(
    environments: Installing, bundle: Path
) -> None:
    environment = await environments.ensure(VERSION, bundle)
    assert environment.path is not None
    assert (environment.path / "google-protobuf" / "index.js").exists()


def lock(registry: Registry, **fields: Any) -> dict[str, Any]:
    answer = json.loads(registry.answer("left"))
    entry = {
        "version": "1.2.3",
        "resolved": "https://evil.invalid/left.tgz",
        "integrity": answer["versions"]["1.2.3"]["dist"]["integrity"],
    }
    return {
        "lockfileVersion": 3,
        "packages": {
            "": {"name": "x", "dependencies": {"left": "^1.0.0"}},
            "node_modules/left": entry | fields,
        },
    }


async def test_packages_are_installed_by_the_lock_file(
    environments: Installing, bundle: Path, registry: Registry
) -> None:
    write(bundle, "package.json", {"name": "x", "dependencies": {"left": "^1.0.0"}})
    write(bundle, "package-lock.json", lock(registry))
    environment = await environments.ensure(VERSION, bundle)
    assert environment.path is not None
    assert (environment.path / "left" / "index.js").exists()
    assert not (environment.path / "google-protobuf").exists()


@pytest.mark.parametrize(
    "dependencies",
    [
        {"left": "^1.0.0", "right": "1.0.0"},
        pytest.param({"left": "^2.0.0"}, marks=pytest.mark.long),
        pytest.param({"deep": "1.0.0"}, marks=pytest.mark.long),
    ],
)
async def test_a_lock_file_out_of_step_is_completed_with_a_warning(
    environments: Installing, bundle: Path, registry: Registry, dependencies: dict[str, str]
) -> None:
    written = lock(registry)
    if "deep" in dependencies:  # requires a package that is missing in the lock file
        registry.add("deep", "1.0.0", dependencies={"right": "1.0.0"})
        written["packages"][""]["dependencies"] = dependencies
        written["packages"]["node_modules/deep"] = {
            "version": "1.0.0",
            "dependencies": {"right": "1.0.0"},
        }
    registry.add("right", "1.0.0")
    if dependencies.get("left") == "^2.0.0":
        registry.add("left", "2.0.0")
    write(bundle, "package.json", {"name": "x", "dependencies": dependencies})
    write(bundle, "package-lock.json", written)
    environment = await environments.ensure(VERSION, bundle)
    assert environment.path is not None
    assert "out of step with package.json" in environment.warning
    for name in dependencies:
        assert (environment.path / name / "index.js").exists()

    requests_before = len(registry.paths)
    assert await environments.ensure(VERSION, bundle) == environment
    assert len(registry.paths) == requests_before, "it was tried again"
    other = await environments.ensure(VERSION, bundle, OTHER)
    assert other.path != environment.path, "what is not locked is not shared between accounts"


async def test_a_lock_file_in_step_has_no_warning(
    environments: Installing, bundle: Path, registry: Registry
) -> None:
    write(bundle, "package.json", {"name": "x", "dependencies": {"left": "^1.0.0"}})
    write(bundle, "package-lock.json", lock(registry))
    environment = await environments.ensure(VERSION, bundle)
    assert environment.warning == ""
    assert await environments.ensure(VERSION, bundle, OTHER) == environment


@pytest.mark.skipif(not OLD_NPM, reason="this npm completes a lock file")
async def test_an_old_npm_with_a_login_requires_a_lock_file_in_step(
    bundle: Path, registry: Registry
) -> None:
    write(bundle, "package.json", {"name": "x", "dependencies": {"left": "^2.0.0"}})
    write(bundle, "package-lock.json", lock(registry))
    registry.add("left", "2.0.0")
    login = registry.url.replace("http://", "http://user:secret@")
    async with open_workspace() as workspace:
        settings = {"npm_config_registry": login, "HOME": str(workspace.setup.home / "nobody")}
        with pytest.raises(EnvironmentFailed, match=r"out of step with package\.json\. Run npm"):
            await workspace.environments(settings).ensure(VERSION, bundle)


async def test_a_wrong_hash_is_refused(
    environments: Installing, bundle: Path, registry: Registry
) -> None:
    write(bundle, "package.json", {"name": "x", "dependencies": {"left": "^1.0.0"}})
    write(bundle, "package-lock.json", lock(registry, integrity="sha512-" + "A" * 86 + "=="))
    with pytest.raises(EnvironmentFailed, match=r"(?i)integrity"):
        await environments.ensure(VERSION, bundle)


async def test_a_missing_package_is_reported(environments: Installing, bundle: Path) -> None:
    write(bundle, "package.json", {"dependencies": {"nowhere": "1.0.0"}})
    with pytest.raises(EnvironmentFailed, match="nowhere"):
        await environments.ensure(VERSION, bundle)


@pytest.mark.parametrize(
    "spec",
    [
        "git+https://example.invalid/x.git",
        "git@example.invalid:x/y.git",
        "user/repo",
        "github:user/repo",
        "file:../x",
        "../x",
        "./x",
        "..",
        "/etc",
        "~/x",
        "link:x",
        "https://example.invalid/x.tgz",
        "x.tgz",
        "workspace:*",
        5,
    ],
)
async def test_versions_outside_the_registry_are_refused(
    environments: Installing, bundle: Path, registry: Registry, spec: object
) -> None:
    write(bundle, "package.json", {"dependencies": {"left": spec}})
    with pytest.raises(EnvironmentFailed, match=r"package\.json: the version of 'left'"):
        await environments.ensure(VERSION, bundle)
    write(bundle, "package.json", {"overrides": {"left": {"x": spec}}})
    with pytest.raises(EnvironmentFailed, match=r"package\.json"):
        await environments.ensure(VERSION, bundle)
    assert registry.paths == []


@pytest.mark.skipif(OLD_NPM, reason="this npm fetches all that the registry serves")
async def test_a_dependency_on_an_address_is_refused_and_not_fetched(
    environments: Installing, bundle: Path, registry: Registry
) -> None:
    registry.add("deep", "1.0.0", dependencies={"left": f"{registry.url}/secret.tgz"})
    write(bundle, "package.json", {"dependencies": {"deep": "1.0.0"}})
    with pytest.raises(EnvironmentFailed):
        await environments.ensure(VERSION, bundle)
    assert "/secret.tgz" not in registry.paths


@pytest.mark.parametrize(
    ("place", "entry"),
    [
        ("node_modules/left", {"link": True, "resolved": "../x"}),
        ("node_modules/left", {"version": "1.2.3", "resolved": "git+ssh://x/y"}),
        ("node_modules/left", {"version": "1.2.3", "resolved": "file:../x.tgz"}),
        ("node_modules/left", {"version": "git+ssh://x/y"}),
        ("node_modules/../../left", {"version": "1.2.3"}),
        ("node_modules/..", {"version": "1.2.3"}),
        ("../left", {"version": "1.2.3"}),
        ("packages/left", {"version": "1.2.3"}),
        ("node_modules/left", {"version": "1.2.3", "dependencies": {"a": "file:x"}}),
        ("node_modules/left", {"version": "1.2.3", "dependencies": ["a"]}),
        ("node_modules/left", "odd"),
    ],
)
async def test_invalid_lock_files_are_refused(
    environments: Installing, bundle: Path, registry: Registry, place: str, entry: object
) -> None:
    write(bundle, "package-lock.json", {"packages": {"": {}, place: entry}})
    with pytest.raises(EnvironmentFailed, match="could not be installed: package"):
        await environments.ensure(VERSION, bundle)
    assert registry.paths == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("package.json", b"{"),
        ("package.json", b"\xff"),
        ("package.json", b"[]"),
        ("package.json", b'{"dependencies": []  , "x": 1}'.replace(b"[]", b"[1]")),
        ("package.json", b" " * 600_000),
        ("package-lock.json", b"{"),
        ("package-lock.json", b"[" * 200_000),
    ],
)
async def test_unreadable_files_are_refused(
    environments: Installing, bundle: Path, name: str, content: bytes
) -> None:
    (bundle / name).write_bytes(content)
    with pytest.raises(EnvironmentFailed, match="could not be installed: package"):
        await environments.ensure(VERSION, bundle)


async def test_a_lock_file_of_an_old_format_is_ignored(
    environments: Installing, bundle: Path
) -> None:
    write(bundle, "package.json", {"dependencies": {"left": "npm:left@^1.0.0"}})
    write(bundle, "package-lock.json", {"lockfileVersion": 1, "dependencies": {}})
    environment = await environments.ensure(VERSION, bundle)
    assert environment.path is not None
    assert (environment.path / "left").is_dir()
    assert (environment.path / "google-protobuf").is_dir()
