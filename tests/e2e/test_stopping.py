"""Signals that end the platform, however it was started."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from support.booted import PLAIN_UID, Booted, booted
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


@pytest.fixture(scope="module")
def own() -> Iterator[Booted]:
    """A platform that the tests start and stop."""
    with booted(start=False) as platform:
        yield platform


@contextlib.contextmanager
def in_the_background() -> Iterator[None]:
    """Ignore SIGINT, as in a background job of a shell without job control."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@ROOT_ONLY
def test_ctrl_c_in_a_terminal_lets_a_worker_finish(own: Booted) -> None:
    own.start()
    run = own.start_run(own.push(SOON_DONE, "soon-done"))
    own.wait_for(lambda: own.detail(run)["results"] > 0, "a row")
    assert own.stop(signal.SIGINT, group=True) == 0
    assert "launcher_ended" not in own.log.read_text()
    with in_the_background():
        own.start()  # the next test stops it
    detail = own.detail(run)
    assert (detail["status"], detail["results"]) == (SUCCEEDED, 2), detail["err_msg"]


@pytest.mark.long
def test_a_background_process_ends_on_sigint_and_sigterm(own: Booted) -> None:
    with in_the_background():
        if own.process is None:
            own.start()
        assert own.stop(signal.SIGINT) == 0
        own.start()
        assert own.stop(signal.SIGTERM) == 0


@ROOT_ONLY
@pytest.mark.long
def test_a_background_process_of_a_plain_user_ends_on_sigint_and_sigterm() -> None:
    with in_the_background(), booted(uid=PLAIN_UID) as platform:
        assert platform.stop(signal.SIGINT) == 0
        platform.start()
        assert platform.stop(signal.SIGTERM) == 0
