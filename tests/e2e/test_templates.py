"""Every template with a library on a platform: written and pushed by the command line, installed,
and run against a copy of the practice site, behind the proxy of a region.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.cli.worker_new import choose_template
from support.booted import booted
from support.commands import Cli
from support.library_templates import (
    TOOLS,
    library_templates,
    skip_without_registry,
    start_folder,
)
from support.practice_site import HOST, PracticeSite, practice_site, rows_of

pytestmark = pytest.mark.timeout(900)

ROWS = 10
SUCCEEDED = 3
SECONDS = 420  # of an installation, and of a run
REGION = "ZZ"
TEMPLATES = Path(__file__).parents[2] / "worker-templates"


@pytest.fixture(scope="module")
def site() -> Iterator[PracticeSite]:
    with practice_site() as made:
        yield made


@pytest.fixture(scope="module")
def own(site: PracticeSite) -> Iterator[Cli]:
    """The command line of a platform with a region that leads to the practice site."""
    with booted(egress_upstreams=json.dumps({REGION: site.upstream})) as platform:
        yield Cli(platform)


@pytest.mark.parametrize("name", library_templates())
def test_the_rows_of_a_new_project(own: Cli, site: PracticeSite, name: str, tmp_path: Path) -> None:
    skip_without_registry(choose_template(None, name).language)
    project, platform, before = tmp_path / name, own.platform, len(site.hosts)
    own.run("worker", "new", project, "--template", name)
    pushed = own.json("worker", "push", project, "--wait", "--timeout-seconds", SECONDS)
    assert pushed["path"] == f"owner/{name}"
    folder = start_folder(project)
    custom = {"url": f"http://{HOST}{folder}", "max_results": ROWS}
    run = platform.start_run(pushed["slug"], custom, proxy_region=REGION)
    detail = platform.ended(run, SECONDS)
    assert detail["status"] == SUCCEEDED, f"{detail['err_msg']}\n{platform.log_text(run)[-3000:]}"
    assert platform.rows(run) == rows_of(folder, ROWS)
    assert f"{HOST}:80" in site.hosts[before:]


def test_every_template_is_used() -> None:
    assert {path.name for path in TEMPLATES.iterdir()} == TOOLS.keys()
