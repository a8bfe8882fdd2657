"""The parts of a warm start that need no sandbox: when a new interpreter is needed, bytecode."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fyke.sandbox.isolation import interpreter_start

BEFORE = {"PATH": "/usr/bin", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
LOADED = {"json", "socket", "_socket"}


@pytest.mark.parametrize(
    "name",
    [
        *("PYTHONHASHSEED", "PYTHONPATH", "PYTHONUNBUFFERED", "LD_PRELOAD", "LD_LIBRARY_PATH"),
        *("LC_ALL", "LANG", "LANGUAGE", "TZ", "TZDIR", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES"),
        *("OPENSSL_CONF", "NLSPATH", "LOCPATH", "GCONV_PATH"),
    ],
)
def test_a_variable_that_is_read_at_the_start_needs_a_new_interpreter(name: str) -> None:
    assert interpreter_start.needs_new_process(BEFORE, BEFORE | {name: "x"}, LOADED, ["main.py"])


@pytest.mark.parametrize("name", ["LOGIN", "http_proxy", "PROXY_AUTH", "HOME", "PATH", "OLD_KEY"])
def test_other_variables_do_not(name: str) -> None:
    assert not interpreter_start.needs_new_process(
        BEFORE, BEFORE | {name: "x"}, LOADED, ["main.py"]
    )


@pytest.mark.parametrize(
    ("entry", "new"),
    [
        *(("json.py", True), ("json", True), ("socket.cpython-313-x86_64-linux-gnu.so", True)),
        *(("_socket.so", True), (".local", True)),
        *(("json_tools.py", False), ("sdk.py", False), ("lib", False), (".env", False)),
    ],
)
def test_a_module_of_the_worker_with_the_name_of_a_loaded_one_needs_it(
    entry: str, new: bool
) -> None:
    names = ["main.py", entry]
    assert interpreter_start.needs_new_process(BEFORE, BEFORE, LOADED, names) is new


def test_modules_that_were_loaded_ahead_are_known_with_their_packages() -> None:
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        f"sys.path.insert(0, {str(Path(interpreter_start.__file__).parent)!r})\n"
        "import interpreter_start\n"
        "interpreter_start.load_ahead()\n"
        "print(*interpreter_start.loaded_since(before))\n"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert {"json", "re", "socket", "selectors", "threading", "enum"} <= set(output.split())
    assert "shim" not in output


def test_modules_are_loaded_as_long_as_there_is_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter_start, "MODULES", ("this", "antigravity"))
    answers = iter([False, True])
    sys.modules.pop("this", None)
    interpreter_start.load_ahead(lambda: next(answers))
    assert "this" in sys.modules
    assert "antigravity" not in sys.modules


def test_variables_are_replaced_and_not_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"PWD": "/work", "KEY": "old"})
    interpreter_start.replace_variables({"KEY": "new", "HOME": "/work"})
    assert os.environ == {"KEY": "new", "HOME": "/work"}


def test_signals_that_were_ignored_are_handled_as_in_a_fresh_interpreter() -> None:
    code = (
        "import signal, sys\n"
        f"sys.path.insert(0, {str(Path(interpreter_start.__file__).parent)!r})\n"
        "import interpreter_start\n"
        "for name in ('SIGHUP', 'SIGQUIT'):  # which nohup and background shells ignore\n"
        "    signal.signal(signal.Signals[name], signal.SIG_DFL)\n"
        "print([signal.getsignal(n) for n in sorted(signal.valid_signals() - {9, 19})])\n"
        "for name in ('SIGHUP', 'SIGINT', 'SIGUSR1'):\n"
        "    signal.signal(signal.Signals[name], signal.SIG_IGN)\n"
        "interpreter_start.reset_signals()\n"
        "print([signal.getsignal(n) for n in sorted(signal.valid_signals() - {9, 19})])\n"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    before, after = output.splitlines()
    assert after == before


def failing(number: int) -> int:
    """The exit status of a process that fails with this control socket."""
    code = (
        "import socket, sys\n"
        f"sys.path.insert(0, {str(Path(interpreter_start.__file__).parent)!r})\n"
        "import interpreter_start\n"
        "try:\n"
        f"    interpreter_start.fail(socket.socket(fileno={number}), OSError('full'))\n"
        "except OSError:\n"
        "    sys.exit(3)\n"
    )
    return subprocess.run([sys.executable, "-I", "-S", "-c", code], pass_fds=[number]).returncode


def test_a_failure_ends_the_process_also_where_it_cannot_be_sent() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        assert failing(ours.fileno()) == 1


def test_a_failure_is_sent() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert failing(theirs.fileno()) == 1
        assert ours.recv(100) == b"cannot prepare the sandbox: full"


def bytecode(folder: Path, source: str, *, may_compile: bool = True) -> bytes | None:
    (folder / "sdk.py").write_text(source)
    own = folder.parent / "own"
    if not own.exists():
        own.write_bytes(b"of another SDK")
    return interpreter_start.sdk_bytecode(str(folder), str(own), may_compile=may_compile)


@pytest.mark.parametrize(
    "source", ["def (", "x = '\0'", "(" * 10_000, "x = 1\n" * 50_000], ids=range(4)
)
def test_an_sdk_that_cannot_be_compiled_is_skipped(tmp_path: Path, source: str) -> None:
    assert bytecode(tmp_path, source) is None


def test_a_bundle_without_an_sdk_is_skipped(tmp_path: Path) -> None:
    own = str(tmp_path / "own")
    assert interpreter_start.sdk_bytecode(str(tmp_path), own, may_compile=True) is None
    (tmp_path / "sdk.py").mkdir()
    assert interpreter_start.sdk_bytecode(str(tmp_path), own, may_compile=True) is None


def test_the_bytecode_of_our_sdk_is_used_for_the_same_source_and_interpreter_only(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    made = bytecode(folder, "WORD = 'a'\n")
    assert made is not None
    ours = made[:16] + b"ours"
    (tmp_path / "own").write_bytes(ours)
    assert bytecode(folder, "WORD = 'a'\n", may_compile=False) == ours
    assert bytecode(folder, "WORD = 'b'\n", may_compile=False) is None
    assert bytecode(folder, "WORD = 'b'\n") not in (None, ours)
    (tmp_path / "own").write_bytes(b"\0\0\r\n" + ours[4:])  # of another interpreter
    assert bytecode(folder, "WORD = 'a'\n", may_compile=False) is None


def cached(folder: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(folder / "sdk.py")))


def imported(folder: Path) -> str:
    """The output of an import of the SDK, which says whether it was compiled."""
    command = [sys.executable, "-S", "-v", "-c", "import sdk; print(sdk.WORD)"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    is_read = f"{cached(Path())} matches sdk.py" in result.stderr.replace(f"{folder}/", "")
    return result.stdout + ("read" if is_read else "compiled")


@pytest.fixture
def writing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)


@pytest.mark.usefixtures("writing")
def test_the_bytecode_is_read_by_an_import_until_the_source_changes(tmp_path: Path) -> None:
    interpreter_start.write_bytecode(str(tmp_path), bytecode(tmp_path, "WORD = 'a'\n"))
    assert imported(tmp_path) == "a\nread"
    os.utime(tmp_path / "sdk.py", (1, 1))
    assert imported(tmp_path) == "a\nread"
    (tmp_path / "sdk.py").write_text("WORD = 'b'\n")
    assert imported(tmp_path) == "b\ncompiled"


@pytest.mark.usefixtures("writing")
def test_no_bytecode_is_written_over_a_file(tmp_path: Path) -> None:
    cached(tmp_path).parent.mkdir()
    cached(tmp_path).write_text("of the bundle")
    interpreter_start.write_bytecode(str(tmp_path), bytecode(tmp_path, "WORD = 'a'\n"))
    assert cached(tmp_path).read_text() == "of the bundle"
    interpreter_start.write_bytecode(str(tmp_path), None)


def test_nothing_is_written_where_python_writes_no_bytecode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    interpreter_start.write_bytecode(str(tmp_path), bytecode(tmp_path, "WORD = 'a'\n"))
    assert not cached(tmp_path).exists()
