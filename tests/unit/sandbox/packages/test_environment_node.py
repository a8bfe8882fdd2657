"""Recipes of Node.js environments: the files and the command that npm gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from fyke.contracts.execution import EnvironmentFailed
from fyke.domain.workers.requirements import BadRequirement
from fyke.reasons import DetailCode, ReasonCode
from fyke.sandbox.packages.environment_node import (
    BASE_SET,
    NodeInstaller,
    NodeRecipe,
    _explain,
    read_documents,
    refuses_addresses,
)


def node(folder: Path, package: object = None, lock: object = None) -> NodeRecipe:
    for name, document in (("package.json", package), ("package-lock.json", lock)):
        if document is not None:
            (folder / name).write_text(json.dumps(document))
    return NodeRecipe(cast(Any, None), "v20 Linux", *read_documents(folder))


def test_a_recipe_is_locked_when_every_package_has_a_hash(tmp_path: Path) -> None:
    entry = {"version": "1.0.0", "integrity": "sha512-x"}
    packages = {"": {}, "node_modules/a": entry, "node_modules/b": {"version": "1.0.0"}}
    for name in ("bare", "own", "whole", "part", "more"):
        (tmp_path / name).mkdir()
    assert node(tmp_path / "bare").locked
    assert not node(tmp_path / "own", {"dependencies": {"a": "1"}}).locked
    assert not node(tmp_path / "more", {"overrides": {"google-protobuf": "3.0.0"}}).locked
    del packages["node_modules/b"]
    assert node(tmp_path / "whole", {}, {"packages": packages}).locked
    packages["node_modules/b"] = {"version": "1.0.0"}
    assert not node(tmp_path / "part", {}, {"packages": packages}).locked
    assert set(BASE_SET) == {"@grpc/grpc-js", "google-protobuf"}


@pytest.mark.parametrize(
    ("version", "enough"), [("11.19.1", True), ("12.0.0", True), ("9.2.0", False), ("", False)]
)
def test_npm_can_be_restricted_to_the_registry_from_version_11(version: str, enough: bool) -> None:
    assert refuses_addresses(version) is enough


def documents(folder: Path, package: object = None, **locks: object) -> tuple[Any, Any]:
    """The cleaned files; ``locks`` are ``lock`` and ``shrinkwrap``."""
    names = {"lock": "package-lock.json", "shrinkwrap": "npm-shrinkwrap.json"}
    if package is not None:
        (folder / "package.json").write_text(json.dumps(package))
    for key, document in locks.items():
        (folder / names[key]).write_text(json.dumps(document))
    return read_documents(folder)


def test_npm_gets_no_script_and_no_workspace(tmp_path: Path) -> None:
    sections = {
        "dependencies": {"left": "^1.0.0"},
        "optionalDependencies": {"right": "2"},
        "overrides": {"left": {"deep": "$right", "other": "3.0.0"}},
    }
    others = {
        "scripts": {"install": "evil"},
        "workspaces": ["packages/*"],
        "bin": "x",
        "bundledDependencies": ["left"],
        "devDependencies": {"test": "1"},
    }
    package, lock = documents(tmp_path, {"name": "own", "private": False} | sections | others)
    assert lock is None
    assert package == {
        "name": "worker",
        "version": "1.0.0",
        "private": True,
        "dependencies": BASE_SET | {"left": "^1.0.0"},
        "optionalDependencies": {"right": "2"},
        "overrides": {"left": {"deep": "$right", "other": "3.0.0"}},
    }


def test_the_version_of_the_project_overrides_the_base_set(tmp_path: Path) -> None:
    package, _ = documents(tmp_path, {"dependencies": {"google-protobuf": "3.21.0"}})
    assert package["dependencies"] == BASE_SET | {"google-protobuf": "3.21.0"}


def test_with_a_lock_file_development_packages_are_kept(tmp_path: Path) -> None:
    """npm ci compares both files, including the development packages."""
    source = {"devDependencies": {"test": "1"}}
    package, lock = documents(tmp_path, source, lock={"packages": {}})
    assert "dependencies" not in package
    assert package["devDependencies"] == {"test": "1"}
    assert lock["packages"] == {"": {"name": "worker", "version": "1.0.0"}}


def test_a_lock_file_loses_its_addresses_and_keeps_its_hashes(tmp_path: Path) -> None:
    entry = {"version": "1.2.3", "integrity": "sha512-x", "dependencies": {"@a/b": "^1"}}
    dropped = {"resolved": "https://other.invalid/left.tgz", "hasInstallScript": True}
    packages = {
        "": {"name": "own", "workspaces": ["x"]},
        "node_modules/left": entry | dropped,
        "node_modules/left/node_modules/@a/b": {"version": "1.0.0"},
    }
    _, lock = documents(tmp_path, {}, lock={"lockfileVersion": 2, "packages": packages})
    assert lock["lockfileVersion"] == 3
    assert lock["packages"] == {
        "": {"name": "worker", "version": "1.0.0"},
        "node_modules/left": entry,
        "node_modules/left/node_modules/@a/b": {"version": "1.0.0"},
    }


def test_a_shrinkwrap_file_takes_precedence_as_in_npm(tmp_path: Path) -> None:
    one = {"packages": {"node_modules/one": {"version": "1.0.0"}}}
    two = {"packages": {"node_modules/two": {"version": "1.0.0"}}}
    _, lock = documents(tmp_path, {}, lock=one, shrinkwrap=two)
    assert "node_modules/two" in lock["packages"]


@pytest.mark.parametrize("document", [{"lockfileVersion": 1, "dependencies": {}}, [], None])
def test_a_lock_file_of_the_oldest_format_counts_as_none(tmp_path: Path, document: object) -> None:
    package, lock = documents(tmp_path, {}, lock=document)
    assert (lock, package["dependencies"]) == (None, BASE_SET)


@pytest.mark.parametrize(
    ("place", "entry", "code"),
    [
        ("node_modules/left", {"link": True}, DetailCode.LOCKED_LINK),
        ("node_modules/left", "odd", DetailCode.LOCKED_LINK),
        ("node_modules/..", {"version": "1.2.3"}, DetailCode.LOCKED_OUTSIDE),
        ("node_modules/.bin", {"version": "1.2.3"}, DetailCode.LOCKED_OUTSIDE),
        ("packages/left", {"version": "1.2.3"}, DetailCode.LOCKED_OUTSIDE),
        ("node_modules/left", {"resolved": "file:../x.tgz"}, DetailCode.LOCKED_ADDRESS),
        ("node_modules/left", {"version": "github:x/y"}, DetailCode.VERSION_REFUSED),
        (
            "node_modules/left",
            {"version": "1.2.3", "devDependencies": {"a": "../a"}},
            DetailCode.VERSION_REFUSED,
        ),
    ],
)
def test_a_lock_file_with_packages_from_outside_the_registry_is_refused(
    tmp_path: Path, place: str, entry: object, code: DetailCode
) -> None:
    with pytest.raises(BadRequirement) as caught:
        documents(tmp_path, {}, lock={"packages": {place: entry}})
    assert caught.value.detail.code is code


@pytest.mark.parametrize(
    ("package", "lock", "file", "section"),
    [
        ({"optionalDependencies": ["a"]}, None, "package.json", "optionalDependencies"),
        ({}, {"peerDependencies": "a"}, "package-lock.json", "peerDependencies"),
    ],
)
def test_a_section_that_is_not_an_object_is_named_with_its_file(
    tmp_path: Path, package: object, lock: object, file: str, section: str
) -> None:
    locks = {} if lock is None else {"lock": {"packages": {"": lock}}}
    with pytest.raises(BadRequirement) as caught:
        documents(tmp_path, package, **locks)
    detail = caught.value.detail
    assert detail.code is DetailCode.SECTION_NOT_OBJECT
    assert (caught.value.file, dict(detail.params)) == (file, {"section": section})


@pytest.mark.parametrize("value", ["file:../x", {"deep": {"deeper": "../x"}}, "$", 5])
def test_overrides_must_be_registry_versions_at_every_depth(tmp_path: Path, value: object) -> None:
    with pytest.raises(BadRequirement) as caught:
        documents(tmp_path, {"overrides": {"left": value}})
    assert caught.value.detail.code is DetailCode.VERSION_REFUSED


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("package.json", b" " * (512 * 1024 + 1), DetailCode.FILE_TOO_LARGE),
        ("package.json", b"\xff", DetailCode.FILE_NOT_UTF8),
        ("package-lock.json", b"{", DetailCode.FILE_NOT_JSON),
        ("npm-shrinkwrap.json", b"[" * 200_000, DetailCode.FILE_NOT_JSON),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes, code: DetailCode
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadRequirement) as caught:
        read_documents(tmp_path)
    assert (caught.value.file, caught.value.detail.code) == (name, code)


def test_a_byte_order_mark_and_a_folder_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('\ufeff{"dependencies": {"left": "1"}}', "utf-8")
    (tmp_path / "package-lock.json").mkdir()
    package, lock = read_documents(tmp_path)
    assert (package["dependencies"]["left"], lock) == ("1", None)


def test_a_lock_file_has_a_fallback_recipe_that_resolves_versions(tmp_path: Path) -> None:
    entry = {"version": "1.0.0", "integrity": "sha512-x"}
    exact = node(tmp_path, {}, {"packages": {"node_modules/left": entry}})
    other = exact.fallback
    assert isinstance(other, NodeRecipe)
    assert (exact.locked, exact.warning) == (True, "")
    assert (other.locked, other.fallback) == (False, None)
    assert "out of step" in other.warning
    assert exact.inputs != other.inputs
    assert " ci " in exact._script("npm", builds=False)
    assert " install " in other._script("npm", builds=False)
    assert node(tmp_path / "..").fallback is None


def test_scripts_of_packages_run_only_when_builds_are_allowed(tmp_path: Path) -> None:
    plain = node(tmp_path)._script("npm", builds=False)
    assert "--ignore-scripts --no-bin-links" in plain
    building = node(tmp_path)._script("npm", builds=True)
    assert "--ignore-scripts" not in building
    assert "-name .bin -prune -exec rm -rf" in building


def test_the_order_of_members_does_not_change_the_environment(tmp_path: Path) -> None:
    one = node(tmp_path, {"dependencies": {"a": "1", "b": "2"}})
    two = node(tmp_path, {"dependencies": {"b": "2", "a": "1"}})
    assert one.inputs == two.inputs


@pytest.mark.anyio
@pytest.mark.parametrize(("output", "version"), [("9.2.0", "9.2.0"), ("", "?")])
async def test_an_old_npm_is_refused_with_the_remedy(
    tmp_path: Path, output: str, version: str
) -> None:
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\necho {output}\n")
    npm.chmod(0o755)
    with pytest.raises(EnvironmentFailed) as caught:
        await NodeInstaller(cast(Any, None), {}).check_npm(str(npm), stale_lock=True)
    reason = caught.value.reason
    assert reason.code is ReasonCode.NPM_TOO_OLD
    assert dict(reason.params) == {
        "version": version,
        "oldest": 11,
        "stale_lock": "package-lock.json",
    }


def test_the_explanation_is_the_errors_of_npm_without_prefixes() -> None:
    log = (
        "npm error code E404\nnpm ERR! 404 Not Found\n\n"
        "npm error A complete log of this run can be found in: /x\n"
    )
    assert _explain(log) == "code E404 404 Not Found"
    assert len(_explain("npm error " + "x" * 1000)) == 500
