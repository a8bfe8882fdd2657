"""The digest by which environments are shared, and the arguments of uv and npm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from fyke.domain.workers.requirements import parse
from fyke.reasons import ReasonCode
from fyke.sandbox.packages.environment import _key
from fyke.sandbox.packages.environment_node import BASE_SET, NodeRecipe, read_documents
from fyke.sandbox.packages.environment_python import (
    Interpreter,
    PythonRecipe,
    code_of,
    explain,
)
from fyke.sandbox.packages.installer import InstallTerms

INTERPRETER = Interpreter("CPython", "3.13.5", "linux-x86_64")
HASH = "--hash=sha256:" + "a" * 64
BASE = f"protobuf==6.31.1 {HASH}\ngrpcio==1.80.0 {HASH}\n"


def python(text: str) -> PythonRecipe:
    return PythonRecipe(cast(Any, None), INTERPRETER, parse(text))


def node(folder: Path, package: object = None, lock: object = None) -> NodeRecipe:
    for name, document in (("package.json", package), ("package-lock.json", lock)):
        if document is not None:
            (folder / name).write_text(json.dumps(document))
    return NodeRecipe(cast(Any, None), "v20 Linux", *read_documents(folder))


@pytest.mark.parametrize(
    ("text", "locked"),
    [
        ("", True),
        (f"{BASE}six==1.17.0 {HASH}\n", True),
        ("six\n", False),
        ("six==1.17.0\n", False),
        (f"six==1.17.0 {HASH}\n", False),  # what the base set brings is not named
        (f"{BASE}six==1.17.0\n", False),
    ],
)
def test_which_requirements_decide_every_byte(text: str, locked: bool) -> None:
    assert python(text).locked is locked


def test_which_packages_decide_every_byte(tmp_path: Path) -> None:
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


def test_an_account_is_part_of_the_key_where_it_must_be() -> None:
    locked, loose = python(""), python("six")
    one, two = InstallTerms("ONE", builds=False), InstallTerms("TWO", builds=False)
    assert _key(locked, one) == _key(locked, two)
    assert _key(loose, one) != _key(loose, two)
    building = [_key(locked, InstallTerms(account, builds=True)) for account in ("ONE", "TWO")]
    assert len({*building, _key(locked, one)}) == 3


def test_caches_are_never_shared() -> None:
    terms = [
        InstallTerms(account, builds) for account in ("ONE", "TWO") for builds in (False, True)
    ]
    names = [one.cache(client) for one in terms for client in ("UV", "NPM")]
    assert len(set(names)) == len(names)


def test_nothing_is_built_and_no_hook_runs_unless_asked() -> None:
    assert "--no-build" in python("six")._script_for("/usr/bin/python3", builds=False)
    assert "--no-build" not in python("six")._script_for("/usr/bin/python3", builds=True)


def test_the_code_follows_from_the_output_of_uv() -> None:
    invalid = "error: Couldn't parse requirement in `requirements.txt` at position 0"
    missing = "No solution found when resolving dependencies"
    for builds in (False, True):
        assert code_of(invalid, builds=builds) is ReasonCode.BAD_REQUIREMENT
    assert code_of(missing, builds=False) is ReasonCode.NO_READY_PACKAGE
    assert code_of(missing, builds=True) is ReasonCode.PACKAGES_FAILED


def test_explaining_what_uv_said() -> None:
    lines = ("Using Python 3", "  \u00d7 No solution found when", "  \u2502 resolving:")
    log = "\n".join((*lines, "  \u2570\u2500\u25b6 Because x was not found"))
    assert explain(log) == "No solution found when resolving: Because x was not found"
    assert explain("something\nelse") == "something else"
    assert len(explain("error: " + "x" * 1000)) == 500
