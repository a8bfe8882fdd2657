"""A platform that all tests of a session share, and one for tests that break it."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from support import reasons
from support.any_booted import any_booted
from support.booted import Booted, booted
from support.commands import Cli
from support.two_servers import answers

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand out users")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test marked with reason codes that has not seen all of them."""
    reasons.begin()
    yield
    assert reasons.missing(item) == []


@pytest.fixture(scope="session")
def platform() -> Iterator[Booted]:
    """A platform started by the user who runs the suite; as root it uses the launcher."""
    with any_booted(work_mb="64", callback_allow="127.0.0.1/32") as running:
        yield running


@pytest.fixture(scope="session")
def breakable() -> Iterator[Booted]:
    with booted(callback_allow="127.0.0.1/32", keep_days="1", drain_seconds="1") as running:
        yield running


@pytest.fixture
def own_platform(breakable: Booted) -> Booted:
    """A platform that a test may break or stop; it is repaired for each test. It keeps runs for a
    day and waits a second for Workers when it is stopped.
    """
    if breakable.process is None:
        breakable.start()
    for role in ("server", "runner", "egress"):
        breakable.role(role)
    breakable.wait_for(lambda: answers(breakable.url), "an answer")
    breakable.wait_for(lambda: not breakable.sandboxes(), "the end of what ran before")
    return breakable


@pytest.fixture(scope="session")
def cli(platform: Booted) -> Cli:
    return Cli(platform)


@pytest.fixture(scope="session")
def hello(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project, published as ``owner/hello``."""
    folder = tmp_path_factory.mktemp("projects") / "hello"
    out, err = cli.run("worker", "new", folder, "--language", "python")
    assert "main.py" in out
    assert "worker run" in err
    assert cli.run("worker", "check", folder)[1] == "No problems found.\n"
    pushed = cli.json("worker", "push", folder)
    assert set(pushed) == {"slug", "path", "version", "environment"}
    assert (pushed["path"], pushed["version"]) == ("owner/hello", "v1.0.1")
    return folder


@pytest.fixture(scope="session")
def ended(cli: Cli, hello: Path) -> str:
    """A successful run of ``hello``."""
    out, err = cli.process("run", "start", "owner/hello", "--wait", "--follow")
    assert "Running..." in err
    assert err.count("All subtasks have completed execution!") == 1
    assert "succeeded (1 row" in err
    return out.strip()
