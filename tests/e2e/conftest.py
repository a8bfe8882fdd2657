"""One platform for all tests of a session that do not break it."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest

from support import reasons
from support.booted import Booted, booted
from support.two_servers import answers, any_booted

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand out users")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A test that is marked with codes has to see each of them."""
    reasons.begin()
    yield
    assert reasons.missing(item) == []


@pytest.fixture(scope="session")
def platform() -> Iterator[Booted]:
    """Started as the user who runs the suite; as root that means through the launcher."""
    with any_booted(work_mb="64", callback_allow="127.0.0.1/32") as running:
        yield running


@pytest.fixture(scope="session")
def breakable() -> Iterator[Booted]:
    with booted(callback_allow="127.0.0.1/32", keep_days="1", drain_seconds="1") as running:
        yield running


@pytest.fixture
def own_platform(breakable: Booted) -> Booted:
    """A platform that a test may break or stop; it is whole again. It keeps runs for a day and
    waits a second for Workers when it is stopped.
    """
    if breakable.process is None:
        breakable.start()
    for role in ("server", "runner", "egress"):
        breakable.role(role)
    breakable.wait_for(lambda: answers(breakable.url), "an answer")
    breakable.wait_for(lambda: not breakable.sandboxes(), "the end of what ran before")
    return breakable
