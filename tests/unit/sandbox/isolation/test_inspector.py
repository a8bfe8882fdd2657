"""What the inspector reports, of this process; the sandbox's tests run it in a real sandbox."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from fyke.sandbox.isolation import inspector
from fyke.sandbox.isolation.checks import samples

UNKNOWN = samples()["an unknown call"]
GETPID = {"x86_64": 39}.get(os.uname().machine, 172)


def test_each_call_is_answered_by_the_name_of_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = f'{{"unknown": [{UNKNOWN[0]}, []], "pid": [{GETPID}, []]}}'
    monkeypatch.setenv("FYKE_CALLS", calls)
    assert inspector.calls() == {"unknown": "ENOSYS", "pid": "done"}


def test_a_connection_to_the_machine_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("FYKE_CANARY_PORT", str(listener.getsockname()[1]))
        assert inspector.canary() == "connected"
    assert inspector.canary() == "ECONNREFUSED"


def test_opening_reports_the_error_and_closes_what_it_opened(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    before = len(os.listdir("/proc/self/fd"))
    assert inspector.opening(str(tmp_path / "file"), os.O_RDWR) == "opened"
    assert inspector.opening(str(tmp_path / "none"), os.O_RDWR) == "ENOENT"
    assert inspector.opening(str(tmp_path), os.O_RDWR) == "EISDIR"
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_fields_of_the_process_are_those_that_the_checks_read() -> None:
    own = inspector.status()
    assert own["Pid"] == str(os.getpid())
    assert {"Seccomp", "NoNewPrivs", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} <= set(own)
    assert set(inspector.namespaces()) == set(inspector.NAMESPACES)


def test_each_mount_has_its_place_and_its_options() -> None:
    found = dict(inspector.mounts())
    assert "/proc" in found
    assert {"rw", "ro"} & set(found["/proc"])


def test_the_size_of_memory_is_in_bytes() -> None:
    seen = inspector.sizes()["/dev/shm"]
    stat = os.statvfs("/dev/shm")
    assert seen == stat.f_blocks * stat.f_frsize
