"""Bytecode for the interpreter of the machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fyke.sandbox.isolation import bytecode as module
from fyke.sandbox.isolation.bytecode import bytecode, sdk_bytecode

SHIM = ("shim.py", "/run/fyke/shim.py")


@pytest.fixture(autouse=True)
def _empty() -> None:
    module._compiled.cache_clear()


def test_the_interpreter_of_the_machine_runs_it_without_the_source(tmp_path: Path) -> None:
    (tmp_path / "shim.pyc").write_bytes(bytecode(*SHIM))
    code = (
        f"import sys; sys.path = [{str(tmp_path)!r}, *sys.path]; import shim;"
        "print(shim.BUNDLE, shim.main.__code__.co_filename)"
    )
    command = ["/usr/bin/python3", "-I", "-S", "-c", code]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output == "/bundle /run/fyke/shim.py\n"


def test_that_of_the_sdk_is_read_by_an_import_of_the_sdk(tmp_path: Path) -> None:
    source = Path(__file__).resolve().parents[4] / "sdk" / "python" / "sdk.py"
    (tmp_path / "sdk.py").write_bytes(source.read_bytes())
    code = (
        f"import sys, importlib.util; sys.path = [{str(tmp_path)!r}, *sys.path]\n"
        "print(importlib.util.cache_from_source(sys.path[0] + '/sdk.py'))"
    )
    command = ["/usr/bin/python3", "-I", "-S", "-v", "-c", code]
    at = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    at.parent.mkdir()
    at.write_bytes(sdk_bytecode())
    command[-1] = f"{code}\nimport sdk; print(sdk.ADDRESS)"
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{at} matches {tmp_path}/sdk.py" in result.stderr
    assert result.stdout.splitlines()[-1] == "127.0.0.1:20086"


def test_it_is_made_once_for_each_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, calls = tmp_path / "python", tmp_path / "calls"
    program.write_text(f"#!/bin/sh\necho call >> {calls}\nprintf first\n")
    program.chmod(0o755)
    monkeypatch.setattr(module, "INTERPRETER", str(program))
    assert [bytecode(*SHIM), bytecode(*SHIM)] == [b"first", b"first"]
    assert calls.read_text() == "call\n"
    program.unlink()
    program.write_text("#!/bin/sh\nprintf second\n")
    program.chmod(0o755)
    assert bytecode(*SHIM) == b"second"


@pytest.mark.parametrize("script", ["echo words >&2; exit 1", "exec sleep 60"])
def test_an_interpreter_that_fails_is_an_os_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(module, "INTERPRETER", str(program))
    monkeypatch.setattr(module, "_SECONDS", 0.05 if "sleep" in script else 20)
    expected = r"shim\.py (cannot be compiled: .*words|was not compiled within 0\.05 s)"
    with pytest.raises(OSError, match=expected):
        bytecode(*SHIM)
