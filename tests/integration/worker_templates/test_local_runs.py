"""New projects with a library, unchanged, in the sandbox: their rows, and their own tests.

Their libraries come from the package registry that the machine is configured for; without one the
tests are skipped. The site is a copy, behind the proxy of a region.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.cli.worker_new import choose_template, write_project
from fyke.model.worker import Language
from support.booted import FYKE
from support.library_templates import library_templates, skip_without_registry, start_folder
from support.practice_site import HOST, PracticeSite, practice_site, rows_of

pytestmark = [pytest.mark.needs("bwrap"), pytest.mark.timeout(900)]

ROWS = 10
RUN_SECONDS = 420
REGION = "ZZ"
TEST_RUN = {  # what the last line of the entry becomes, so that it runs the project's own tests
    Language.PYTHON: 'import unittest; unittest.main("test_main")',
    Language.NODE: 'if (require.main === module) require("./main.test");',
}


@pytest.fixture(scope="module")
def site() -> Iterator[PracticeSite]:
    with practice_site() as made:
        yield made


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder that the service user can reach, too."""
    with tempfile.TemporaryDirectory(prefix="fyke-templates-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def run(home: Path, site: PracticeSite, project: Path, **custom: object) -> dict[str, Any]:
    """The result of ``fyke worker run``; fail unless it succeeds."""
    inherited = {name: v for name, v in os.environ.items() if not name.startswith("FYKE_")}
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    settings = {
        "HOME": str(home),
        "FYKE_HOME": str(home / "fyke"),
        "FYKE_EGRESS_UPSTREAMS": json.dumps({REGION: site.upstream}),
        "FYKE_ATTEMPT_UID_BASE": str(30_000 + 4096 * number),
    }
    given = ("-i", json.dumps(custom), "--region", REGION, "--json")
    process = subprocess.Popen(
        [*FYKE, "worker", "run", str(project), *given],
        env=inherited | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            out, err = process.communicate(timeout=RUN_SECONDS)
        finally:
            process.terminate()  # after the time it ends its sandboxes itself
    assert process.returncode == 0, f"{out}\n{err}"
    result: dict[str, Any] = json.loads(out)
    return result


@pytest.mark.parametrize("name", library_templates("httpx"))
def test_a_new_project_runs_at_once_and_passes_its_own_tests(
    name: str, home: Path, site: PracticeSite
) -> None:
    language = choose_template(None, name).language
    skip_without_registry(language)
    project = home / name
    write_project(project, template=name)
    path = start_folder(project)
    ended = run(home, site, project, url=f"http://{HOST}{path}", max_results=ROWS)
    assert ended["rows"] == rows_of(path, ROWS)
    assert f"{HOST}:80" in site.hosts
    if language is Language.GO:
        subprocess.run(["go", "test", "."], cwd=project, check=True, timeout=RUN_SECONDS)
        return
    entry = project / {Language.PYTHON: "main.py", Language.NODE: "main.js"}[language]
    lines = entry.read_text().splitlines()
    indent = lines[-1][: len(lines[-1]) - len(lines[-1].lstrip())]
    entry.write_text("\n".join([*lines[:-1], indent + TEST_RUN[language], ""]))
    assert run(home, site, project)["rows"] == []
