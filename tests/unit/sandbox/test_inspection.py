"""How what was seen becomes a level and a sentence; the looking itself needs a real box."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fyke.domain.contracts import Isolation
from fyke.sandbox import inspection
from fyke.sandbox.cgroups import ALL_HOLD

GOOD: dict[str, Any] = {
    "uid": 1000,
    "seccomp": "2",
    "no_new_privs": "1",
    "capabilities": ["0" * 16] * 4,
    "denied_call": "EPERM",
    "interfaces": ["lo"],
    "canary": "ECONNREFUSED",
    "processes": [1, 2],
    "first_process": "ENOENT",
    "writable": [],
}


def failed(**seen: Any) -> list[str]:
    return [name for name, passed, _ in inspection._walls(GOOD | seen, 30_000) if not passed]


def test_all_walls_hold() -> None:
    assert failed() == []


@pytest.mark.parametrize(
    ("seen", "wall"),
    [
        ({"uid": 0}, "user namespace"),
        ({"seccomp": "0"}, "seccomp"),
        ({"denied_call": "EFAULT"}, "seccomp"),
        ({"denied_call": "done"}, "seccomp"),
        ({"interfaces": ["lo", "eth0"]}, "network"),
        ({"canary": "connected"}, "network"),
        ({"processes": list(range(1, 90))}, "proc"),
        ({"first_process": "opened"}, "process 1"),
        ({"capabilities": ["0" * 16] * 3 + ["000001ffffffffff"]}, "capabilities"),
        ({"no_new_privs": "0"}, "no new privileges"),
        ({"writable": ["/dev"]}, "read-only system"),
    ],
)
def test_each_wall_is_judged(seen: dict[str, Any], wall: str) -> None:
    assert failed(**seen) == [wall]


def test_user_0_outside_is_no_wall() -> None:
    assert [n for n, passed, _ in inspection._walls(GOOD, 0) if not passed] == ["unprivileged user"]


def test_levels() -> None:
    walls = inspection._walls(GOOD, 30_000)
    full = inspection._report([*walls, inspection._limits(ALL_HOLD, "v2", "")])
    assert (full.level, full.reason) == (Isolation.FULL, "all walls and limits hold")
    soft = inspection._report([*walls, inspection._limits(frozenset({"pids"}), "v2", "")])
    assert soft.level is Isolation.NO_LIMITS
    assert "no hard limit for cpu, memory" in soft.reason
    broken = inspection._report([*inspection._walls(GOOD | {"uid": 0}, 1), ("limits", False, "")])
    assert broken.level is Isolation.NONE
    assert broken.reason.startswith("user namespace")


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "bwrap-userns-restrict"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    ],
)
def test_what_forbids_a_box_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str, words: str
) -> None:
    (tmp_path / setting).parent.mkdir()
    (tmp_path / setting).write_text(value + "\n")
    monkeypatch.setattr(inspection, "SETTINGS", tmp_path)
    said = inspection._why_no_box("bwrap: setting up uid map: Permission denied")
    assert said.startswith("bwrap: setting up uid map")
    assert words in said


def test_a_masked_proc_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "SETTINGS", tmp_path)
    assert "systempaths=unconfined" in inspection._why_no_box("Can't mount proc on /newroot/proc")
    assert inspection._why_no_box("out of memory") == "out of memory"
