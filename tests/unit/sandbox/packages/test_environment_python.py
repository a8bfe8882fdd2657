"""Recipes of Python environments: requirements, the script, and the virtual environment."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, cast

import pytest

from fyke.contracts.execution import EnvironmentFailed
from fyke.domain.workers.requirements import parse
from fyke.reasons import ReasonCode
from fyke.sandbox.packages.environment_python import (
    MAX_PTH_BYTES,
    Interpreter,
    PythonInstaller,
    PythonRecipe,
    _move_scripts,
    code_of,
    explain,
    has_startup_code,
)

INTERPRETER = Interpreter("CPython", "3.13.5", "linux-x86_64")
HASH = "--hash=sha256:" + "a" * 64
BASE = f"protobuf==6.31.1 {HASH}\ngrpcio==1.80.0 {HASH}\n"


def python(text: str) -> PythonRecipe:
    return PythonRecipe(cast(Any, None), INTERPRETER, parse(text))


@pytest.mark.parametrize(
    ("text", "locked"),
    [
        ("", True),
        (f"{BASE}six==1.17.0 {HASH}\n", True),
        ("six\n", False),
        ("six==1.17.0\n", False),
        (f"six==1.17.0 {HASH}\n", False),  # the base set is added without hashes
        (f"{BASE}six==1.17.0\n", False),
    ],
)
def test_a_recipe_is_locked_when_every_requirement_has_a_hash(text: str, locked: bool) -> None:
    assert python(text).locked is locked


def test_packages_are_built_only_when_builds_are_allowed() -> None:
    assert "--no-build" in python("six")._script("/usr/bin/python3", builds=False)
    assert "--no-build" not in python("six")._script("/usr/bin/python3", builds=True)


def test_hashes_are_required_only_where_every_package_has_one() -> None:
    complete = python(f"{BASE}six==1.17.0 {HASH}\n")
    assert "--require-hashes" in complete._script("/usr/bin/python3", builds=False)
    part = python(f"six==1.17.0 {HASH}\n")
    assert "--require-hashes" not in part._script("/usr/bin/python3", builds=False)


def test_the_base_set_is_added_unless_the_project_names_it() -> None:
    assert python("").inputs[4:] == ("grpcio>=1.80.0", "protobuf>=6.31.1")
    assert python("Protobuf==6.32.0\nsix").inputs[4:] == (
        "grpcio>=1.80.0",
        "protobuf==6.32.0",
        "six",
    )


def test_the_code_depends_on_the_output_of_uv() -> None:
    invalid = "error: Couldn't parse requirement in `requirements.txt` at position 0"
    missing = "No solution found when resolving dependencies"
    for builds in (False, True):
        assert code_of(invalid, builds=builds) is ReasonCode.BAD_REQUIREMENT
    assert code_of(missing, builds=False) is ReasonCode.NO_READY_PACKAGE
    assert code_of(missing, builds=True) is ReasonCode.PACKAGES_FAILED


def test_the_explanation_is_the_error_of_uv_without_its_frame() -> None:
    lines = ("Using Python 3", "  \u00d7 No solution found when", "  \u2502 resolving:")
    log = "\n".join((*lines, "  \u2570\u2500\u25b6 Because x was not found"))
    assert explain(log) == "No solution found when resolving: Because x was not found"
    assert explain("something\nelse") == "something else"
    assert len(explain("error: " + "x" * 1000)) == 500


@pytest.mark.anyio
async def test_a_refused_line_is_named_in_the_reason() -> None:
    installer = PythonInstaller(cast(Any, None), {}, "/usr/bin/python3")
    with pytest.raises(EnvironmentFailed, match=r"requirements\.txt line 2") as caught:
        await installer.recipe("six\n--index-url https://x\n")
    assert caught.value.reason.code is ReasonCode.BAD_REQUIREMENT


@pytest.mark.anyio
@pytest.mark.parametrize("content", [None, "echo two words", "exit 1"])
async def test_an_interpreter_that_cannot_be_run_is_named(
    tmp_path: Path, content: str | None
) -> None:
    python = tmp_path / "python3"
    if content is not None:
        python.write_text(f"#!/bin/sh\n{content}\n")
        python.chmod(0o755)
    with pytest.raises(EnvironmentFailed, match=str(python)) as caught:
        await PythonInstaller(cast(Any, None), {}, str(python)).recipe("six\n")
    assert caught.value.reason.code is ReasonCode.INSTALLER_MISSING


def test_an_environment_uses_the_interpreter_of_the_sandboxes(tmp_path: Path) -> None:
    recipe = PythonRecipe(
        PythonInstaller(cast(Any, None), {}, "/usr/bin/python3"), INTERPRETER, parse("")
    )
    recipe._create_environment(tmp_path)
    assert (tmp_path / "bin" / "python3").readlink() == Path("/usr/bin/python3")
    assert (tmp_path / "pyvenv.cfg").read_text().splitlines() == [
        "home = /usr/bin",
        "include-system-site-packages = false",
        "version = 3.13.5",
    ]
    assert INTERPRETER.folder == "lib/python3.13/site-packages"


def test_console_scripts_use_the_mounted_interpreter(tmp_path: Path) -> None:
    source, target = tmp_path / "site" / "bin", tmp_path / "bin"
    source.mkdir(parents=True)
    target.mkdir()
    (source / "tool").write_text("#!/usr/bin/python3.13 -E\nimport x\n")
    (source / "shell").write_text("#!/bin/sh\ntrue\n")
    (source / "python3").write_text("not the interpreter")
    (target / "python3").symlink_to("/nowhere")
    (source / "data").mkdir()
    _move_scripts(source, target)
    assert (target / "tool").read_text() == "#!/env/bin/python\nimport x\n"
    assert (target / "shell").read_text() == "#!/bin/sh\ntrue\n"
    assert stat.S_IMODE((target / "tool").stat().st_mode) == 0o755
    assert (target / "python3").readlink() == Path("/nowhere")
    assert sorted(path.name for path in source.iterdir()) == ["data", "python3"]


def test_a_package_named_bin_is_not_moved(tmp_path: Path) -> None:
    (tmp_path / "site" / "bin").mkdir(parents=True)
    (tmp_path / "site" / "bin" / "__init__.py").touch()
    _move_scripts(tmp_path / "site" / "bin", tmp_path)
    _move_scripts(tmp_path / "none", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site"]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The packages of an environment in ``tmp_path``, with a file that only adds a folder."""
    folder = tmp_path / INTERPRETER.folder
    folder.mkdir(parents=True)
    (folder / "paths.pth").write_text("vendored\n")
    return folder


@pytest.mark.parametrize(
    ("content", "runs"),
    [
        (b"more\n", False),
        (b"import os\n", True),
        (b"#" * MAX_PTH_BYTES, False),
        (b"#" * (MAX_PTH_BYTES + 1), True),
    ],
    ids=range(4),
)
def test_startup_code_is_an_import_or_a_file_that_is_too_long(
    site: Path, tmp_path: Path, content: bytes, runs: bool
) -> None:
    (site / "x.pth").write_bytes(content)
    assert has_startup_code(tmp_path) is runs


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "dangling link"])
def test_what_is_no_regular_file_counts_as_startup_code(
    site: Path, tmp_path: Path, kind: str
) -> None:
    path = site / "x.pth"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("paths.pth" if kind == "link" else "nothing")
    assert has_startup_code(tmp_path)


def test_packages_that_cannot_be_listed_count_as_startup_code(tmp_path: Path) -> None:
    (tmp_path / "lib" / "python3.13").mkdir(parents=True)
    (tmp_path / INTERPRETER.folder).write_text("no folder")
    assert has_startup_code(tmp_path)
