"""Misbehaving Workers with a browser: each ends as it must, and nothing of its browser is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.booted import Booted
from support.browser_site import BrowserSite, site_in_thread
from support.left_over import descriptors, nothing_is_left
from zoo.bundles import browser_bundle
from zoo.expected import BROWSER, SUCCEEDED, Behaviour

pytestmark = [
    pytest.mark.needs("bwrap", "chromium", "driver"),
    pytest.mark.slow,
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def site() -> Iterator[BrowserSite]:
    with site_in_thread() as running:
        yield running


@pytest.fixture(scope="module")
def worker(platform: Booted) -> str:
    return platform.push(browser_bundle(), "zoo-browser")


@pytest.fixture(scope="module")
def idle(platform: Booted, worker: str, site: BrowserSite) -> dict[str, tuple[int, int]]:
    """The descriptors of the roles after a first run with a browser."""
    run = platform.start_run(worker, {"behaviour": "never_closes"})
    platform.ended(run, 200)
    nothing_is_left(platform, run)
    return descriptors(platform)


def every_behaviour() -> list[Any]:
    return [
        pytest.param(item, id=item.name, marks=[] if item.quick else [pytest.mark.long])
        for item in BROWSER
    ]


@pytest.mark.parametrize("behaviour", every_behaviour())
def test_each_misbehaving_worker_with_a_browser_ends_as_expected(
    platform: Booted,
    worker: str,
    site: BrowserSite,
    idle: dict[str, tuple[int, int]],
    behaviour: Behaviour,
) -> None:
    if behaviour.hard and platform.isolation() != "full":
        pytest.skip("memory is not limited by the kernel here")
    target = f"127.0.0.1:{site.port}"
    given = {"behaviour": behaviour.name, "site": f"http://{target}"}
    run = platform.start_run(worker, given, egress_allow=[target], **behaviour.system)
    detail = platform.ended(run, behaviour.seconds)
    log = platform.log_text(run)
    assert detail["status"] == behaviour.status, (detail, log)
    words = (behaviour.err_msg,) if isinstance(behaviour.err_msg, str) else behaviour.err_msg
    assert any(text in detail["err_msg"] for text in words), detail
    assert bool(detail["err_msg"]) == bool(behaviour.err_msg), detail
    assert behaviour.log in log
    rows = platform.rows(run)
    assert behaviour.rows in (len(rows), -1), (rows, log)
    if behaviour.row is not None:
        assert rows[-1] == behaviour.row, log
    nothing_is_left(platform, run)
    platform.wait_for(
        lambda: all(
            pid == idle[role][0] and number <= idle[role][1]
            for role, (pid, number) in descriptors(platform).items()
        ),
        f"the descriptors to be {idle} again",
        10,
    )
    assert not [line for line in site.requests if "it-ran" in line]


def test_there_are_25_workers_and_some_of_them_in_the_ordinary_suite() -> None:
    assert len({item.name for item in BROWSER}) == len(BROWSER) == 25
    assert sum(item.quick for item in BROWSER) >= 7
    assert sum(item.status == SUCCEEDED for item in BROWSER) >= 20
