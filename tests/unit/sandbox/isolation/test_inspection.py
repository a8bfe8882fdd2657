"""From the results of the checks to the level of isolation and its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.contracts.execution import Isolation
from fyke.sandbox.isolation import inspection
from fyke.sandbox.isolation.cgroups import ALL_LIMITS
from unit.sandbox.isolation.test_checks import checks_of


def test_the_level_follows_from_the_checks_that_fail() -> None:
    full = inspection._report([*checks_of({}), inspection._limits(ALL_LIMITS, "v2", "")])
    assert (full.level, full.reason) == (Isolation.FULL, "all isolation checks passed")
    partly = inspection._report([*checks_of({})], "locks are shared")
    assert partly.level is Isolation.FULL
    assert partly.reason == "all isolation checks passed; locks are shared"
    soft = inspection._report([*checks_of({}), inspection._limits(frozenset({"pids"}), "v2", "")])
    assert soft.level is Isolation.NO_LIMITS
    assert "no hard limit for cpu, memory" in soft.reason
    broken = inspection._report([*checks_of({"uid": 0}), ("limits", False, "")])
    assert broken.level is Isolation.NONE
    assert broken.reason.startswith("user namespace")


@pytest.mark.parametrize(
    ("setting", "value", "remedy"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "bwrap-userns-restrict"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    ],
)
def test_the_cause_that_prevents_a_sandbox_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str, remedy: str
) -> None:
    (tmp_path / setting).parent.mkdir()
    (tmp_path / setting).write_text(value + "\n")
    monkeypatch.setattr(inspection, "SETTINGS", tmp_path)
    message = inspection._explain_failure("bwrap: setting up uid map: Permission denied")
    assert message.startswith("bwrap: setting up uid map")
    assert remedy in message


def test_a_masked_proc_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "SETTINGS", tmp_path)
    assert "systempaths=unconfined" in inspection._explain_failure(
        "Can't mount proc on /newroot/proc"
    )
    assert inspection._explain_failure("out of memory") == "out of memory"
