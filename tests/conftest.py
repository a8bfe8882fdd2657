"""Fixtures for every test, and the selection of tests."""

from __future__ import annotations

import gc
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from support.postgres import (
    postgres,
    postgres_results_url,
    postgres_state_url,
    postgres_states,
    postgres_stores,
    postgres_url,
)
from support.tools import ToolWatch, installed, missing_packages, needs_of

__all__ = [
    "postgres",
    "postgres_results_url",
    "postgres_state_url",
    "postgres_states",
    "postgres_stores",
    "postgres_url",
]

# The folders of script/test fast. It passes none of them to pytest, which would otherwise read
# their conftest.py in the process that only distributes the tests.
FAST = ("tests/unit", "tests/contract", "tests/integration/api")

# Slow tests go first, so that no process is left with one at the end.
ORDER = ("tests/e2e/", "tests/integration/", "tests/contract/", "tests/unit/")

LINES_AT_ONCE = 8  # of a failure; all of it is printed at the end

WATCH = ToolWatch()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two databases, empty but for their tables, for tests to copy."""
    from support.app import make_templates

    return make_templates(tmp_path_factory.mktemp("databases"))


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fyke")
    group.addoption(
        "--fast",
        action="store_true",
        help="only tests of " + ", ".join(FAST) + " that are neither long nor slow and need no "
        "program beside Python; without paths",
    )
    group.addoption(
        "--missing-packages",
        action="store_true",
        help="run nothing; print what the selected tests need: 'tools' if they need any program "
        "beside Python, then the Debian packages that this machine lacks",
    )


def pytest_configure(config: pytest.Config) -> None:
    # a shell starts background commands with SIGINT ignored, nohup with SIGHUP, and so would be all
    # that tests start
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if config.getoption("numprocesses", None):
        config.pluginmanager.register(FailuresAtOnce(config))


class FailuresAtOnce:
    """Names each test that fails as it fails; pytest itself waits for the end, which may be far."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            terminal = self._config.pluginmanager.getplugin("terminalreporter")
            terminal.ensure_newline()
            terminal.write_line(f"FAILED {report.nodeid} ({report.when})")
            terminal.write_line("\n".join(report.longreprtext.splitlines()[-LINES_AT_ONCE:]))


def pytest_collection(session: pytest.Session) -> None:
    from support import examples  # noqa: F401  # loads the profile of hypothesis

    gc.disable()  # collected tests live until the end; pytest_runtestloop enables it again


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not config.getoption("fast"):
        return None
    path = f"{collection_path.relative_to(config.rootpath)}/"
    return (
        None if any(path.startswith(f"{item}/") or item.startswith(path) for item in FAST) else True
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.nodeid))
    if config.getoption("fast"):
        left_out = [item for item in items if not _is_fast(item)]
        items[:] = [item for item in items if _is_fast(item)]
        config.hook.pytest_deselected(items=left_out)
    for item in items:
        missing = sorted(tool for tool in needs_of(item) if not installed(tool))
        if missing:
            item.add_marker(pytest.mark.skip(reason=f"not installed: {', '.join(missing)}"))


def _is_fast(item: pytest.Item) -> bool:
    return not (needs_of(item) or any(item.get_closest_marker(name) for name in ("long", "slow")))


def _place(test: str) -> int:
    return next((place for place, folder in enumerate(ORDER) if test.startswith(folder)), 0)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    if config.getoption("dist") != "loadfile":
        return None
    from support.units import UnitScheduling

    return UnitScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    if not session.config.getoption("missing_packages"):
        # imported modules and collected tests stay until the end: the collector can skip them
        gc.collect()
        gc.freeze()
        gc.enable()
        return None
    named = ["tools"] if any(map(needs_of, session.items)) else []
    print("packages:", *named, *missing_packages(session.items))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    WATCH.begin(item)
    try:
        return (yield)
    finally:
        WATCH.end()
