"""What has been forked and what can be, when the preload process dies or is stopped."""

from __future__ import annotations

import pytest

from support.preload import seen

pytestmark = pytest.mark.slow


def test_it_outlives_the_preload_process_which_is_started_again() -> None:
    found = seen("preload_killed")
    assert found["alive"]
    assert found["parents"] == [found["supervisor"]] * 2
    assert found["ended"] == 1
    assert found["statuses"] == [-15, -15]


def test_after_a_stop_nothing_is_forked_and_what_runs_goes_on() -> None:
    found = seen("stopped")
    assert found["alive"]
    assert found["status"] == -9
    assert found["refused"]
