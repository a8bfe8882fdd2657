"""The inspector, run on this process; the integration tests run it in a real sandbox."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from fyke.sandbox.isolation import inspector
from fyke.sandbox.isolation.checks import samples

UNKNOWN = samples()["an unknown call"]
GETPID = {"x86_64": 39}.get(os.uname().machine, 172)


def test_each_call_returns_the_name_of_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = f'{{"unknown": [{UNKNOWN[0]}, []], "pid": [{GETPID}, []]}}'
    monkeypatch.setenv("FYKE_CALLS", calls)
    assert inspector.calls() == {"unknown": "ENOSYS", "pid": "done"}


def test_a_connection_to_the_machine_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("FYKE_CANARY_PORT", str(listener.getsockname()[1]))
        assert inspector.canary() == "connected"
    assert inspector.canary() == "ECONNREFUSED"


def test_try_open_returns_the_error_and_closes_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    before = len(os.listdir("/proc/self/fd"))
    assert inspector.try_open(str(tmp_path / "file"), os.O_RDWR) == "opened"
    assert inspector.try_open(str(tmp_path / "none"), os.O_RDWR) == "ENOENT"
    assert inspector.try_open(str(tmp_path), os.O_RDWR) == "EISDIR"
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_status_has_the_fields_that_the_checks_read() -> None:
    fields = inspector.status()
    assert fields["Pid"] == str(os.getpid())
    names = {"Seccomp", "NoNewPrivs", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}
    assert names <= set(fields)
    assert set(inspector.namespaces()) == set(inspector.NAMESPACES)


def test_each_mount_has_its_path_and_its_options() -> None:
    mounts = dict(inspector.mounts())
    assert "/proc" in mounts
    assert {"rw", "ro"} & set(mounts["/proc"])


def test_the_size_of_memory_is_in_bytes() -> None:
    stat = os.statvfs("/dev/shm")
    assert inspector.sizes()["/dev/shm"] == stat.f_blocks * stat.f_frsize
