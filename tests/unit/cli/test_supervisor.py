"""The supervisor with real processes that report to it."""

from __future__ import annotations

import pytest

from fyke.cli.supervisor import roles_of
from support.preload import run_scenario


def test_the_role_browser_is_left_out_where_it_serves_nothing() -> None:
    roles = roles_of(7, browser=False, servers=2)
    assert [role.name for role in roles] == ["egress", "runner", "server", "server-2"]
    assert [role.descriptors for role in roles] == [(), (), (7,), (7,)]
    assert roles_of(7, browser=True, servers=1)[1].role == "browser"


@pytest.mark.slow
def test_a_frozen_role_is_killed_and_restarted_while_the_others_continue() -> None:
    found = run_scenario("role_frozen")
    assert found["status"] == -9
    assert found["ends"] == [["launcher_ended", -9], ["launcher_ended", -9], ["role_ended", -9]]
    assert found["same"] == ["browser", "egress", "server", "server-2"]
    assert found["recorded"] == found["running"]
