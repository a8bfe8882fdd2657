"""The supervisor with real processes that report to it."""

from __future__ import annotations

import pytest

from support.preload import run_scenario

pytestmark = pytest.mark.slow


def test_a_role_that_is_frozen_is_killed_and_started_again_and_the_others_go_on() -> None:
    found = run_scenario("role_frozen")
    assert found["status"] == -9
    assert found["same"] == ["egress", "server"]
    assert found["recorded"] == found["running"]
