"""Client libraries at the host names of the browser that published Workers have in their code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.booted import Booted
from support.projects import EMPTY_SCHEMA, python_project
from zoo.bundles import SDK, packed

pytestmark = [
    pytest.mark.needs("bwrap", "chromium", "driver"),
    pytest.mark.timeout(900),
]

WORKERS = Path(__file__).parent / "browser_workers" / "names"
PACKAGES = ("DrissionPage", "playwright", "requests", "selenium", "websocket-client", "websockets")
SUCCEEDED = 3
INSTALL_SECONDS = 600


def check(platform: Booted, slug: str, count: int, **given: object) -> None:
    run = platform.start_run(slug, given)
    detail = platform.ended(run, INSTALL_SECONDS)
    log = platform.log_text(run)
    said = {row["client"]: row["said"] for row in platform.rows(run)}
    assert said == dict.fromkeys(said, "ok"), log[-3000:]
    assert len(said) == count
    assert detail["status"] == SUCCEEDED, log[-3000:]
    assert detail["traffic"] == 0  # nothing left the machine


@pytest.mark.long
def test_python_libraries_reach_the_browser_at_its_old_names(platform: Booted) -> None:
    """Without the proxy, and through it, as of a Worker that removes ``no_proxy``."""
    source = (WORKERS / "main.py").read_text()
    project = python_project(source, requirements="\n".join(PACKAGES))
    slug = platform.push(project, "names-python")
    check(platform, slug, 7)
    check(platform, slug, 6, proxied=True)


@pytest.mark.long
@pytest.mark.needs("node", "npm")
def test_node_libraries_reach_the_browser_at_its_old_names(platform: Booted) -> None:
    files = {path.name: path.read_text() for path in (SDK / "node").glob("*.js")}
    files["main.js"] = (WORKERS / "main.js").read_text()
    packages = dict.fromkeys(("playwright", "puppeteer-core"), "*")
    files["package.json"] = json.dumps({"dependencies": packages})
    files["input_schema.json"] = json.dumps(EMPTY_SCHEMA)
    check(platform, platform.push(packed(dict(files)), "names-node"), 6)
