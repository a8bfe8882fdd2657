"""What a server that starts takes for the start of another one."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from fyke.app.agreement import _others
from fyke.model.settings_version import NEIGHBOURS, SettingsVersion


def test_a_change_while_servers_run_is_no_start() -> None:
    servers = SimpleNamespace(active=lambda since: [])
    tx = cast(Any, SimpleNamespace(now=100_000, servers=servers))
    version = SettingsVersion(3, {}, "", (NEIGHBOURS,), "", "a", 99_000)
    assert _others(tx, version, "b") == {}
    assert _others(tx, replace(version, changed=("keep_days",)), "b") == {"a": 99_000}
