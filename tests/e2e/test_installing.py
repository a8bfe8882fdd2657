"""Installing as a part of a run: a registry that hangs holds up its own run and nothing else."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest

from support import npm_registry, package_index
from support.booted import Booted, booted
from support.npm_registry import Registry, old_npm
from support.package_index import Index
from support.projects import python_project
from support.zips import Entry, make_zip

pytestmark = pytest.mark.needs("bwrap")

SECONDS = 6
HANGS = python_project("print('never')\n", requirements="slow\n")
RUNS = python_project("print('ran')\n")


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with package_index.served() as made:
        made.held = "slow"
        yield made


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with npm_registry.served(Registry()) as made:
        made.add("left", "1.2.3")
        yield made


@pytest.fixture(scope="module")
def told(index: Index, registry: Registry) -> Iterator[Booted]:
    """A platform whose package clients are set to these registries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_DEFAULT_INDEX", index.url)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.delenv("PIP_FIND_LINKS", raising=False)
        patch.setenv("npm_config_registry", registry.url)
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


@pytest.mark.skipif(old_npm(), reason="this npm is missing or needs a lock file in step")
def test_a_lock_file_out_of_step_is_a_warning_in_the_log(told: Booted) -> None:
    lock = {"lockfileVersion": 3, "packages": {"": {}}}
    project = make_zip(
        [
            Entry("main.js", b"require('left')\n"),
            Entry("input_schema.json", b'{"properties": []}'),
            Entry("package.json", b'{"dependencies": {"left": "^1.0.0"}}'),
            Entry("package-lock.json", json.dumps(lock).encode()),
        ]
    )
    slug = told.push(project, "installing-out-of-step")
    for _ in range(2):  # the second finds the environment of the first
        run = told.start_run(slug)
        assert told.ended(run)["status"] == 3, told.tail()
        entries = told.call("/api/v1/run/last/log", {"run_slug": run})["list"]
        [line] = [entry for entry in entries if "out of step" in entry["content"]]
        assert line["type"] == 3
