"""Signals that end the platform, however it was started."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from support.booted import PLAIN_UID, booted
from support.projects import python_project

SUCCEEDED = 3
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root has a launcher")
SOON_DONE = python_project(
    """
import time
from sdk import CoreSDK

CoreSDK.Result.push_data({"n": 1})
time.sleep(4)
CoreSDK.Result.push_data({"n": 2})
"""
)


@pytest.fixture
def ignored_sigint() -> Iterator[None]:
    """As a shell without job control leaves it to what it starts with "&"."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("uid", [None, pytest.param(PLAIN_UID, marks=ROOT_ONLY)])
def test_started_in_the_background_it_ends_by_sigint_and_by_sigterm(
    uid: int | None, ignored_sigint: None
) -> None:
    with booted(uid=uid) as platform:
        assert platform.stop(signal.SIGINT) == 0
        platform.start()
        assert platform.stop(signal.SIGTERM) == 0


@ROOT_ONLY
def test_ctrl_c_in_a_terminal_lets_a_worker_finish() -> None:
    with booted() as platform:
        run = platform.start_run(platform.push(SOON_DONE, "soon-done"))
        platform.wait_for(lambda: platform.detail(run)["results"] > 0, "a row")
        assert platform.stop(signal.SIGINT, group=True) == 0
        assert "the launcher ended" not in platform.log.read_text()
        platform.start()
        detail = platform.detail(run)
        assert (detail["status"], detail["results"]) == (SUCCEEDED, 2), detail["err_msg"]
