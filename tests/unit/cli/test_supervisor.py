"""The supervisor with real processes that report to it."""

from __future__ import annotations

import pytest

from support.preload import run_scenario

pytestmark = pytest.mark.slow


def test_a_frozen_role_is_killed_and_restarted_while_the_others_continue() -> None:
    found = run_scenario("role_frozen")
    assert found["status"] == -9
    assert found["ends"] == [["launcher_ended", -9], ["launcher_ended", -9], ["role_ended", -9]]
    assert found["same"] == ["browser", "egress", "server", "server-2"]
    assert found["recorded"] == found["running"]
