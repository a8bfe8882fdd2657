"""Bytecode of the files of this package that run in sandboxes.

Compiling them would take each sandbox a few milliseconds. The interpreter of the machine, which
runs them and may be another version than ours, compiles them once for each process that starts
sandboxes, and again when it is replaced.
"""

from __future__ import annotations

import subprocess
from functools import lru_cache
from importlib import resources
from pathlib import Path

from fyke.sandbox.isolation.python_command import INTERPRETER

_SECONDS = 20
_COMPILE = """
import importlib.util, marshal, sys
code = compile(sys.stdin.buffer.read(), sys.argv[1], "exec", dont_inherit=True)
sys.stdout.buffer.write(importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code))
"""


def source(name: str) -> bytes:
    """The content of a file of this package."""
    return resources.files(__package__).joinpath(name).read_bytes()


def bytecode(name: str, at: str) -> bytes:
    """The file as a ``.pyc``; ``at`` is its path in tracebacks. Raise ``OSError``."""
    state = Path(INTERPRETER).stat()
    return _compiled(name, at, (state.st_dev, state.st_ino, state.st_mtime_ns))


@lru_cache(maxsize=8)
def _compiled(name: str, at: str, interpreter: tuple[int, int, int]) -> bytes:
    command = [INTERPRETER, "-I", "-B", "-S", "-c", _COMPILE, at]
    try:
        result = subprocess.run(
            command, input=source(name), capture_output=True, env={}, cwd="/", timeout=_SECONDS
        )
    except subprocess.SubprocessError as error:
        raise OSError(f"{name} cannot be compiled: {error}") from error
    if result.returncode:
        message = result.stderr.decode(errors="replace").strip()[-200:]
        raise OSError(f"{name} cannot be compiled: {message}")
    return result.stdout
