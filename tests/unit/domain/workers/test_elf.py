"""Which compiled programs a sandbox can run, by their first bytes."""

from __future__ import annotations

import struct

import pytest

from fyke.domain.workers.elf import ARCHITECTURE, inspect_program

NUMBERS = {"amd64": 62, "arm64": 183}
OTHER = "arm64" if ARCHITECTURE == "amd64" else "amd64"
EXECUTABLE, SHARED, OBJECT = 2, 3, 1
LOAD, INTERPRETER = 1, 3


def program(
    *segments: int,
    kind: int = EXECUTABLE,
    machine: int = NUMBERS[ARCHITECTURE],
    bits: int = 2,
    order: int = 1,
) -> bytes:
    mark = b"\x7fELF" + bytes((bits, order, 1)) + bytes(9)
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", mark, kind, machine, 1, 0, 64, 0, 0, 64, 56, len(segments), 0, 0, 0
    )
    return head + b"".join(struct.pack("<I52x", segment) for segment in segments)


@pytest.mark.parametrize("kind", [EXECUTABLE, SHARED])
def test_a_program_for_this_machine_runs(kind: int) -> None:
    assert inspect_program(program(LOAD, LOAD, kind=kind)) == ("", False)


def test_a_program_with_an_interpreter_needs_shared_libraries() -> None:
    assert inspect_program(program(LOAD, INTERPRETER)) == ("", True)
    assert inspect_program(program(LOAD, INTERPRETER)[: 64 + 56 + 2]) == ("", False)  # cut


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"MZ\x90\0", "a Windows program"),
        (b"\xcf\xfa\xed\xfe\x07", "a macOS program"),
        (b"\xca\xfe\xba\xbe", "a macOS program"),
        (b"#!/bin/sh\n", "a script"),
        (b"package main\n", "no program"),
        (b"", "no program"),
    ],
)
def test_a_program_for_another_system_is_refused_with_its_kind(head: bytes, kind: str) -> None:
    problem, _ = inspect_program(head)
    assert problem == f"main is {kind}, not a linux/{ARCHITECTURE} executable"


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (program(machine=NUMBERS[OTHER]), f"main is built for {OTHER}, not for {ARCHITECTURE}"),
        (program(machine=243), f"another processor (number 243), not for {ARCHITECTURE}"),
        (program(kind=OBJECT), "main is an object file, not an executable"),
        (program(bits=1), "not a 64-bit little-endian executable"),
        (program(order=2), "not a 64-bit little-endian executable"),
        (program()[:63], "not a 64-bit little-endian executable"),
    ],
)
def test_a_program_that_cannot_run_here_is_refused_with_the_reason(
    head: bytes, problem: str
) -> None:
    found, dynamic = inspect_program(head)
    assert found.endswith(problem)
    assert not dynamic
