"""The supervisor with real processes that report to it."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest

from fyke.cli import supervisor
from fyke.cli.supervisor import roles_of
from support.preload import run_scenario


def test_the_roles_that_are_only_started_when_they_are_needed_are_left_out() -> None:
    roles = roles_of(7, servers=2)
    assert [role.name for role in roles] == ["egress", "runner", "server", "server-2"]
    assert [role.descriptors for role in roles] == [(), (), (7,), (7,)]


def test_a_node_has_no_servers() -> None:
    assert [role.name for role in roles_of(None, servers=2)] == ["egress", "runner"]


@pytest.mark.parametrize(
    ("launcher", "lease", "limits"),
    [(False, 12, {"runner": 9}), (False, 15, {"runner": 12}), (False, 600, {"runner": 12}),
     (True, 12, {})],
)  # fmt: skip
def test_a_frozen_runner_without_a_launcher_is_killed_before_its_leases_expire(
    monkeypatch: pytest.MonkeyPatch, launcher: bool, lease: float, limits: dict[str, float]
) -> None:
    for name in ("SupervisorLog", "PreloadClient", "Children"):
        monkeypatch.setattr(supervisor, name, MagicMock())
    watch = MagicMock()
    monkeypatch.setattr(supervisor, "RoleWatch", watch)
    supervisor.Supervisor(
        7, 8, 2, "info", lease_seconds=lease, launcher=launcher, browser=False, record=MagicMock()
    )
    assert watch.call_args.kwargs["loop_silence"] == limits


@pytest.mark.slow
def test_a_frozen_role_is_killed_and_restarted_while_the_others_continue() -> None:
    found = run_scenario("role_frozen")
    assert found["status"] == -9
    assert found["ends"] == [["launcher_ended", -9], ["launcher_ended", -9], ["role_ended", -9]]
    assert found["same"] == ["egress", "server", "server-2"]
    assert found["recorded"] == found["running"]


@pytest.mark.slow
def test_a_gateway_is_started_when_a_server_needs_one_and_then_kept_running() -> None:
    found = run_scenario("gateway_needed")
    assert found["before"] == ["egress", "runner", "server", "server-2"]
    assert found["after"] == ["egress", "gateway", "runner", "server", "server-2"]
    assert found["same"] == found["before"]
    assert found["status"] == 0


@pytest.mark.slow
def test_the_role_browser_runs_from_when_a_runner_needs_it_until_it_has_nothing_to_do() -> None:
    found = run_scenario("browser_needed")
    assert found["before"] == found["idle"] == ["egress", "runner"]
    assert found["needed"] == found["again"] == ["browser", "egress", "runner"]
    assert found["statuses"] == [-9, 0]
    assert found["ends"] == [["browser", -9]]  # its other end is none of a fault


@pytest.mark.slow
def test_without_browsers_no_report_starts_the_role() -> None:
    assert run_scenario("no_browser")["roles"] == ["egress", "runner"]


@pytest.mark.slow
def test_a_runner_that_the_installation_does_not_serve_any_more_is_not_started_again() -> None:
    found = run_scenario("node_ended")
    assert found["roles"] == ["egress", "runner"]
    assert found["before"] is False  # another end is not that of the node
    assert found["ends"] == ["egress"]
    assert found["statuses"] == {"egress": 0, "runner": 7}
