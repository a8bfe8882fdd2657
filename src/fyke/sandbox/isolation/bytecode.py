"""Bytecode of the files of Fyke that run in sandboxes: those of this package, and the SDK.

Compiling them would take each sandbox a few milliseconds. The interpreter of the machine, which
runs them and may be another version than ours, compiles them once for each process that starts
sandboxes, and again when it is replaced.
"""

from __future__ import annotations

import subprocess
from functools import lru_cache
from importlib import resources
from pathlib import Path

from fyke.kit.assets import assets
from fyke.sandbox.isolation.python_command import INTERPRETER

SDK = "sdk.py"

_SECONDS = 20
_COMPILE = """
import importlib.util, marshal, sys
source = sys.stdin.buffer.read()
code = compile(source, sys.argv[1], "exec", dont_inherit=True)
head = importlib.util.MAGIC_NUMBER + bytes((3, 0, 0, 0)) + importlib.util.source_hash(source)
sys.stdout.buffer.write(head + marshal.dumps(code))
"""


def source(name: str) -> bytes:
    """The content of a file of this package."""
    return resources.files(__package__).joinpath(name).read_bytes()


def bytecode(name: str, at: str) -> bytes:
    """The file as a ``.pyc``; ``at`` is its path in tracebacks. Raise ``OSError``."""
    return _compiled(name, at, _interpreter())


def sdk_bytecode() -> bytes:
    """The SDK that this release puts into new projects, as a ``.pyc`` that an import checks against
    the hash of its source. Raise ``OSError``.
    """
    return _compiled(SDK, f"/work/{SDK}", _interpreter())


def _interpreter() -> tuple[int, int, int]:
    state = Path(INTERPRETER).stat()
    return state.st_dev, state.st_ino, state.st_mtime_ns


@lru_cache(maxsize=8)
def _compiled(name: str, at: str, interpreter: tuple[int, int, int]) -> bytes:
    content = (assets() / "sdk" / "python" / SDK).read_bytes() if name == SDK else source(name)
    command = [INTERPRETER, "-I", "-B", "-S", "-c", _COMPILE, at]
    try:
        result = subprocess.run(
            command, input=content, capture_output=True, env={}, cwd="/", timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:  # whose message is the program
        raise OSError(f"{name} was not compiled within {_SECONDS} s") from None
    except subprocess.SubprocessError as error:
        raise OSError(f"{name} cannot be compiled: {error}") from error
    if result.returncode:
        message = result.stderr.decode(errors="replace").strip()[-200:]
        raise OSError(f"{name} cannot be compiled: {message}")
    return result.stdout
