"""Removes one layer of isolation at a time: the inspection must detect it and refuse every run."""

from __future__ import annotations

import os
import platform
import resource
import struct
import subprocess
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from fyke.contracts.execution import Isolation, IsolationReport
from fyke.sandbox.factory import BubblewrapSandboxes
from fyke.sandbox.isolated import IsolatedSandbox
from fyke.sandbox.isolation import bubblewrap, inspection, seccomp, syscalls
from fyke.sandbox.isolation.cgroups import NoGroups
from fyke.sandbox.process import process_io
from fyke.sandbox.process.spawner import DirectSpawner
from integration.sandbox.sandboxes import ROOT, SandboxSetup, data_folder

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(ROOT, reason="the isolation of a plain user is weakened in its own process"),
    pytest.mark.needs("bwrap"),
]

Options = list[str]


@pytest.fixture
async def setup() -> AsyncIterator[SandboxSetup]:
    with data_folder() as home:
        spawner = DirectSpawner(home / "work", NoGroups("left out by the test"))
        yield SandboxSetup(home, BubblewrapSandboxes(home / "work", spawner), spawner)
        spawner.close()


def without(*words: str) -> Callable[[Options], Options]:
    """Remove these adjacent options."""
    return replaced(words, ())


def replaced(old: tuple[str, ...], new: tuple[str, ...]) -> Callable[[Options], Options]:
    def change(options: Options) -> Options:
        spots = [at for at in range(len(options)) if tuple(options[at : at + len(old)]) == old]
        assert len(spots) == 1, f"{old} stands {len(spots)} times in the options"
        return [*options[: spots[0]], *new, *options[spots[0] + len(old) :]]

    return change


def without_seccomp(options: Options) -> Options:
    at = options.index("--seccomp")
    return options[:at] + options[at + 2 :]


def writable_usr(options: Options) -> Options:
    """Mount /usr itself, with write access, in place of its overlay."""
    at = options.index("/usr")
    before, after = (1, 2) if options[at - 1] == "--ro-bind" else (3, 3)
    return [*options[: at - before], "--bind", "/usr", "/usr", *options[at + after :]]


def added(*words: str) -> Callable[[Options], Options]:
    """Add options before the root becomes read-only."""

    def change(options: Options) -> Options:
        at = options.index("--seccomp")
        return [*options[:at], *words, *options[at:]]

    return change


def every(*changes: Callable[[Options], Options]) -> Callable[[Options], Options]:
    def change(options: Options) -> Options:
        for step in changes:
            options = step(options)
        return options

    return change


SHM = ("--size", str(bubblewrap.DEV_SHM_BYTES))
TMP = ("--size", str(inspection.LIMITS.tmp_size))
LAYERS = {
    "network namespace": (without("--unshare-net"), "network"),
    "network namespace, by its number": (without("--unshare-net"), "network namespace"),
    "pid namespace": (without("--unshare-pid"), "proc"),
    "pid namespace, by its number": (without("--unshare-pid"), "process namespace"),
    "ipc namespace": (without("--unshare-ipc"), "ipc namespace"),
    "uts namespace": (
        without("--unshare-uts", "--unshare-cgroup-try"),
        "box",  # the option --hostname requires it
    ),
    "host name": (without("--hostname", "worker"), "host name"),
    "cgroup namespace": (without("--unshare-cgroup-try"), "cgroup namespace"),
    "capabilities": (replaced(("--cap-drop", "ALL"), ("--cap-add", "ALL")), "capabilities"),
    "user map": (replaced(("--uid", "1000"), ("--uid", "77")), "user namespace"),
    "no nested user namespaces": (
        without("--disable-userns", "--assert-userns-disabled"),
        "nested user namespaces",
    ),
    "no nested user namespaces, but asserted": (without("--disable-userns"), "box"),
    "seccomp": (without_seccomp, "seccomp"),
    "seccomp, by the hypervisor's socket": (without_seccomp, "vsock"),
    "cover of process 1": (
        without("--tmpfs", "/proc/1", "--remount-ro", "/proc/1"),
        "process 1",
    ),
    "new session": (without("--new-session"), "session"),
    "read-only root": (without("--remount-ro", "/"), "read-only system"),
    "read-only /usr": (
        writable_usr,
        "read-only system",
    ),
    "read-only /dev": (without("--remount-ro", "/dev"), "read-only system"),
    "one more writable place": (added("--tmpfs", "/run/more"), "read-only system"),
    "a folder of the machine": (added("--ro-bind", "/var", "/var"), "files of the machine"),
    "the whole machine": (added("--ro-bind", "/", "/host"), "files of the machine"),
    "devices of the machine": (added("--dev-bind", "/dev", "/run/dev"), "no devices"),
    "size of /dev/shm": (without(*SHM), "memory file systems"),
    "size of /tmp": (without(*TMP), "memory file systems"),
    "fresh /proc": (replaced(("--proc", "/proc"), ("--tmpfs", "/proc")), "box"),
    "/proc of the machine": (replaced(("--proc", "/proc"), ("--bind", "/proc", "/proc")), "proc"),
}


async def failed(setup: SandboxSetup) -> tuple[list[str], IsolationReport]:
    report = await setup.sandbox.probe()
    return [name for name, passed, _ in report.checks if not passed], report


@pytest.mark.parametrize("layer", LAYERS)
async def test_a_missing_layer_of_isolation_is_detected(
    setup: SandboxSetup, layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, check = LAYERS[layer]
    original = bubblewrap.arguments
    monkeypatch.setattr(bubblewrap, "arguments", lambda *arguments: change(original(*arguments)))
    detected, report = await failed(setup)
    assert report.level is Isolation.NONE
    assert check in detected, report
    assert report.reason


Popen = Callable[..., "subprocess.Popen[bytes]"]


def popen_with(change: Callable[[list[str], dict[str, Any]], list[str]]) -> Popen:
    """``subprocess.Popen`` that changes the arguments and options of bubblewrap only."""

    def start(words: list[str], **options: Any) -> subprocess.Popen[bytes]:
        if words[0] == bubblewrap.PROGRAM and "--args" in words:
            words = change(words, options)
        return original(words, **options)

    original = subprocess.Popen
    return start


def with_environment(words: list[str], options: dict[str, Any]) -> list[str]:
    options["env"] = {"SECRET": "of the platform"}
    return words


def with_visible_arguments(words: list[str], options: dict[str, Any]) -> list[str]:
    number = int(words[2])
    listed = os.pread(number, 2**20, 0).rstrip(b"\0").decode().split("\0")
    return [words[0], *listed, *words[3:]]


def with_a_descriptor(words: list[str], options: dict[str, Any]) -> list[str]:
    leaked = os.memfd_create("leaked", 0)
    options["pass_fds"] = [*options["pass_fds"], leaked]
    return words


STARTS = {
    "empty environment": (with_environment, "environment of process 1"),
    "options through a descriptor": (with_visible_arguments, "options out of sight"),
    "no descriptor passed on": (with_a_descriptor, "descriptors"),
}


@pytest.mark.parametrize("layer", STARTS)
async def test_a_leaking_start_is_detected(
    setup: SandboxSetup, layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, check = STARTS[layer]
    monkeypatch.setattr(process_io.subprocess, "Popen", popen_with(change))
    detected, report = await failed(setup)
    assert (report.level, check in detected) == (Isolation.NONE, True), report


async def test_a_name_server_is_detected(
    setup: SandboxSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(bubblewrap.ETC, "resolv.conf", "nameserver 192.0.2.53\n")
    detected, report = await failed(setup)
    assert (report.level, detected) == (Isolation.NONE, ["no name server", "limits"])


async def test_core_files_are_detected(
    setup: SandboxSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = IsolatedSandbox.process_limits
    own = str(int(resource.RLIMIT_CORE))

    def without_core(sandbox: IsolatedSandbox) -> list[tuple[str, str]]:
        return [item for item in original(sandbox) if not item[1].startswith(f"{own}=")]

    monkeypatch.setattr(IsolatedSandbox, "process_limits", without_core)
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    detected, report = await failed(setup)
    if most == 0:  # forbidden to every user of this machine
        assert detected == ["limits"]
    else:
        assert (report.level, detected) == (Isolation.NONE, ["core files", "limits"]), report


def without_rule(program: bytes, number: int) -> bytes:
    """The filter, with one call number allowed right after the check of the architecture."""
    at = 4 * 8  # after the three steps of the architecture and the load of the number
    hole = struct.pack("=HBBI", seccomp.JUMP_EQUAL, 0, 1, number)
    return program[:at] + hole + struct.pack("=HBBI", *seccomp.ALLOW) + program[at:]


FILTERS: dict[str, tuple[str, Any, str]] = {
    "ptrace allowed": ("DENIED", "ptrace", "seccomp"),
    "io_uring allowed": ("DENIED", "io_uring_setup", "seccomp"),
    "keyrings allowed": ("DENIED", "keyctl", "seccomp"),
    "namespaces by clone": ("CLONE_NEW_ANY", 0, "seccomp"),
    "typing into a terminal": ("TIOCSTI", 0x5413, "seccomp"),
    "raw sockets": ("PROTOCOLS", (0, 6, 1), "seccomp"),
    "the hypervisor's sockets": ("AF_UNIX", 40, "vsock"),
    "packet sockets": ("AF_UNIX", 17, "seccomp"),
    "unknown calls allowed": ("ENOSYS", 0, "seccomp"),
    "leases": ("F_SETLEASE", 1025, "seccomp"),
    "dnotify": ("F_NOTIFY", 1025, "seccomp"),
    "watches of shared files": ("WATCHES", True, "watches"),
}


@pytest.mark.parametrize("layer", FILTERS)
async def test_a_hole_in_the_system_call_filter_is_detected(
    setup: SandboxSetup, layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, value, check = FILTERS[layer]
    if name == "DENIED":
        machine = platform.machine()
        program = without_rule(seccomp.program(), syscalls.denied(machine)[value])
        monkeypatch.setattr(seccomp, "program", lambda **_: program)
    elif name == "WATCHES":
        program = seccomp.program(watches=value)
        monkeypatch.setattr(seccomp, "program", lambda **_: program)
    else:
        monkeypatch.setattr(seccomp, name, value)
        monkeypatch.setattr(seccomp, "program", seccomp.program.__wrapped__)  # it is cached
    detected, report = await failed(setup)
    assert report.level is Isolation.NONE
    assert check in detected, report


async def test_a_filter_that_denies_nothing_is_detected(
    setup: SandboxSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow = struct.pack("=HBBI", *seccomp.ALLOW)
    monkeypatch.setattr(seccomp, "program", lambda **_: allow)
    detected, report = await failed(setup)
    assert report.level is Isolation.NONE
    assert {"seccomp", "vsock"} & set(detected)
    assert report.reason.startswith("seccomp: mode 2, request_key returned")


async def test_missing_limits_are_named(setup: SandboxSetup) -> None:
    report = await setup.sandbox.probe()
    assert report.level is Isolation.NO_LIMITS
    assert "left out by the test" in report.reason


async def test_the_error_for_a_missing_program_has_the_package_to_install(
    setup: SandboxSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "PROGRAM", "/usr/bin/no-such-bwrap")
    report = await setup.sandbox.probe()
    assert report.level is Isolation.NONE
    assert "apt install bubblewrap" in report.reason


async def test_an_outdated_program_is_named(
    setup: SandboxSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "MIN_VERSION", (99, 0, 0))
    report = await setup.sandbox.probe()
    assert report.level is Isolation.NONE
    assert "99.0.0 is needed" in report.reason
