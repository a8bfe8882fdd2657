"""Installing as a part of a run: a registry that hangs holds up its own run and nothing else."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator

import pytest

from support import package_index
from support.booted import Booted, booted
from support.package_index import Index
from support.projects import python_project

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is missing")

SECONDS = 6
HANGS = python_project("print('never')\n", requirements="slow\n")
RUNS = python_project("print('ran')\n")


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with package_index.served() as made:
        made.held = "slow"
        yield made


@pytest.fixture(scope="module")
def told(index: Index) -> Iterator[Booted]:
    """A platform whose package clients are set to that index."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_DEFAULT_INDEX", index.url)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.delenv("PIP_FIND_LINKS", raising=False)
        with booted(install_seconds=str(SECONDS)) as running:
            yield running


def tools(platform: Booted) -> list[str]:
    """The boxes in which something is installed."""
    return [name for name in os.listdir(platform.home / "work") if name.startswith("TOOL-")]


def waiting(index: Index) -> int:
    """How often the page that does not come was asked for."""
    return sum("/simple/slow/" in asked for asked in index.asked)


def test_the_queue_goes_on_beside_a_registry_that_hangs(told: Booted, index: Index) -> None:
    hanging = told.start_run(told.push(HANGS, "installing-hangs"))
    told.wait_for(lambda: waiting(index), "the index to be asked", 20)
    other = told.start_run(told.push(RUNS, "installing-runs"))
    assert told.ended(other)["status"] == 3, told.tail()
    ended = told.ended(hanging)
    assert ended["status"] == 4
    assert f"within {SECONDS} seconds" in ended["err_msg"]
    told.wait_for(lambda: not tools(told), "the box to be gone", 10)


def test_aborting_kills_the_installer(told: Booted, index: Index) -> None:
    before = waiting(index)
    hanging = told.start_run(told.push(HANGS, "installing-aborted"))
    told.wait_for(lambda: waiting(index) > before, "the index to be asked", 20)
    assert tools(told)
    begun = time.monotonic()
    told.call("/api/v1/scraper/abort", {"run_slug": hanging})
    ended = told.ended(hanging)
    told.wait_for(lambda: not tools(told), "the box to be gone", 10)
    assert time.monotonic() - begun < SECONDS
    assert "within" not in ended["err_msg"]
