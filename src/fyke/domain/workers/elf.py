"""Checks by the header of a compiled program whether a sandbox can run it."""

from __future__ import annotations

import platform
import struct

_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}  # the kernel's names to those of Go
_NUMBERS = {"amd64": 62, "arm64": 183}  # e_machine
ARCHITECTURE = _NAMES.get(platform.machine(), "amd64")  # of this machine

_EXECUTABLE, _SHARED, _INTERPRETER = 2, 3, 3
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM_HEADER_SIZE = 56

_OTHER_FORMATS = (
    (b"MZ", "a Windows program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a macOS program"),
    (b"#!", "a script"),
)


def inspect_program(head: bytes) -> tuple[str, bool]:
    """Return why a program cannot run (``""`` = it can) and whether it needs shared libraries.

    ``head`` is the beginning of the file; 64 KiB are more than enough.
    """
    if head[:4] != b"\x7fELF":
        formats = (name for magic, name in _OTHER_FORMATS if head.startswith(magic))
        kind = next(formats, "no program")
        return f"main is {kind}, not a linux/{ARCHITECTURE} executable", False
    if len(head) < _HEADER.size or head[4] != 2 or head[5] != 1:
        return "main is not a 64-bit little-endian executable", False
    fields = _HEADER.unpack_from(head)
    kind, machine, table_at, count = fields[1], fields[2], fields[5], fields[10]
    if machine != _NUMBERS[ARCHITECTURE]:
        names = (name for name, number in _NUMBERS.items() if number == machine)
        target = next(names, f"another processor (number {machine})")
        return f"main is built for {target}, not for {ARCHITECTURE}", False
    if kind not in (_EXECUTABLE, _SHARED):
        return "main is an object file, not an executable", False
    return "", _has_interpreter(head, table_at, count)


def _has_interpreter(head: bytes, table_at: int, count: int) -> bool:
    for index in range(count):
        at = table_at + index * _PROGRAM_HEADER_SIZE
        if at + 4 > len(head):
            return False
        if struct.unpack_from("<I", head, at)[0] == _INTERPRETER:
            return True
    return False
