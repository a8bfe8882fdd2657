"""The wheel of the Python client, with nothing but what it requires, against a running platform."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from support import language_versions
from support.booted import Booted
from support.projects import python_project

ROOT = Path(__file__).parents[2]
PINNED = ROOT / "requirements" / "client.txt"
PROGRAM = Path(__file__).parent / "own_clients" / "main_job.py"
NAME = re.compile(r"[A-Za-z0-9._-]+")
COUNTS = """
import time
from sdk import CoreSDK

last = CoreSDK.Parameter.get_input_json_dict().get("last", 0)
CoreSDK.Result.set_table_header([{"label": "N", "key": "n", "format": "integer"}])
for n in range(1, last + 1):
    CoreSDK.Result.push_data({"n": n, "big": 2**80})
if last < 0:
    raise SystemExit(3)
"""
# Prints one JSON object: what the program of a user sees.
USES = """
import asyncio, json, sys
from pathlib import Path
from fyke_client import AsyncFyke, Fyke, RunFailed
import fyke_client

project, folder = sys.argv[1:]
seen = {"from": fyke_client.__file__}
with Fyke() as fyke:
    published = fyke.push_worker(project, name="packaged-counts")
    seen["worker"] = published.path
    seen["rows"] = fyke.run_and_collect(published.path, {"last": 3}, timeout=120)
    run = fyke.start(published.path, {"last": 2}, idempotency_key=published.slug)
    seen["same"] = fyke.start(published.path, {"last": 2}, idempotency_key=published.slug) == run
    seen["followed"] = [row["n"] for row in fyke.follow_rows(run)]
    seen["status"] = fyke.wait(run, 60).status_name
    seen["file"] = fyke.export_to(run, Path(folder) / "rows.csv", keys=["n"]).read_bytes().decode()
    seen["sorted"] = [row["n"] for row in fyke.rows(run, sort="-n", fields=["n"])]
    seen["newest"] = next(fyke.runs(worker=published.path)).slug == run
    try:
        fyke.run_and_collect(published.path, {"last": -1}, timeout=120)
    except RunFailed as error:
        seen["failed"] = error.run.status_name

async def main():
    async with AsyncFyke() as fyke:
        runs = [fyke.run_and_collect(seen["worker"], {"last": n}, timeout=120) for n in (1, 2)]
        return [len(rows) for rows in await asyncio.gather(*runs)]

seen["asynchronous"] = asyncio.run(main())
seen["modules"] = sorted({name.partition(".")[0] for name in sys.modules} & {"fyke", "pydantic"})
print(json.dumps(seen))
"""


def required(name: str, found: set[str]) -> set[str]:
    """``name`` and the packages that it requires here, without extras."""
    if name in found:
        return found
    found.add(name)
    for requirement in metadata.requires(name) or []:
        marker = requirement.partition(";")[2]
        if "extra" in marker or not _applies(marker):
            continue
        match = NAME.match(requirement)
        assert match is not None
        required(match[0].lower(), found)
    return found


def _applies(marker: str) -> bool:
    from packaging.markers import Marker

    return not marker.strip() or Marker(marker).evaluate()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT / "clients" / "python", check=True, timeout=100)
    [built] = folder.glob("fyke_client-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client from its wheel, and links to the packages that it requires."""
    site = tmp_path_factory.mktemp("client") / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        [about] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(about).decode()
    names: set[str] = set()
    for requirement in re.findall(r"^Requires-Dist: ([\w.-]+)(?!.*extra ==)", text, re.MULTILINE):
        required(requirement, names)
    assert {"httpx2", "msgspec"} <= names
    for name in names:
        for file in metadata.files(name) or []:
            top = site / file.parts[0]
            if ".." not in file.parts and not top.exists():
                top.symlink_to(Path(str(file.locate())).parents[len(file.parts) - 1] / top.name)
    return site


def test_a_program_uses_the_installed_wheel(
    platform: Booted, installed: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project.zip"
    project.write_bytes(python_project(COUNTS))
    start = f"import sys; sys.path.insert(0, {str(installed)!r}); exec(sys.argv.pop(1))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start, USES, str(project), str(tmp_path)],
        env={"PATH": os.environ["PATH"], "FYKE_URL": platform.url, "FYKE_KEY": platform.key},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen.pop("from").startswith(str(installed))
    assert seen == {
        "worker": "owner/packaged-counts",
        "rows": [{"n": n, "big": 2**80} for n in (1, 2, 3)],
        "same": True,
        "followed": [1, 2],
        "status": "succeeded",
        "file": "n\r\n1\r\n2\r\n",
        "sorted": [2, 1],
        "newest": True,
        "failed": "failed",
        "asynchronous": [1, 2],
        "modules": [],
    }


# Also prints what it counted, and has a text for the loaders.
TEXTS = """
from sdk import CoreSDK

last = CoreSDK.Parameter.get_input_json_dict()["last"]
CoreSDK.Result.set_table_header([{"label": "N", "key": "n", "format": "integer"}])
for n in range(1, last + 1):
    CoreSDK.Result.push_data({"n": n, "text": f"page {n}"})
CoreSDK.Log.info(f"counted {last}")
if last < 0:
    raise SystemExit(3)
"""
SCHEMA = {
    "description": "Counts",
    "properties": [
        {"name": "last", "title": "Last", "type": "integer", "editor": "number",
         "required": True, "default": 1, "description": "How far"},
    ],
}  # fmt: skip


@pytest.fixture
def python(version: str, wheel: Path, tmp_path: Path) -> Iterator[Path]:
    """The Python of an environment with the wheel and its extras, which are pinned. It is large."""
    python = language_versions.new_environment(tmp_path, version, PINNED)
    install = (language_versions.UV, "pip", "install", "-q", "--python", python, "--no-deps")
    language_versions.run(*install, wheel, folder=tmp_path)
    yield python
    shutil.rmtree(python.parents[1])


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", language_versions.PYTHON)
def test_the_wheel_does_the_main_job_in_a_new_environment(
    platform: Booted, python: Path, tmp_path: Path, version: str
) -> None:
    project = tmp_path / "project.zip"
    project.write_bytes(python_project(TEXTS, schema=SCHEMA))
    server = {"FYKE_URL": platform.url, "FYKE_KEY": platform.key, "HOME": str(tmp_path)}
    output = language_versions.run(
        python, "-I", PROGRAM, project, tmp_path, folder=tmp_path, **server
    )
    assert platform.key not in output
    seen: dict[str, Any] = json.loads(output.splitlines()[-1])
    assert Path(seen.pop("from")).is_relative_to(python.parents[1])
    minor = int(version.partition(".")[2])
    texts = [["page 1", 1], ["page 2", 2]]
    assert seen == {
        "version": [3, minor],
        "worker": f"owner/main-job-{minor}",
        "fields": ["last"],
        "rows": [{"n": n, "text": f"page {n}"} for n in (1, 2, 3)],
        "started": True,
        "followed": [1, 2],
        "kinds": ["end", "log", "rows", "status"],
        "status": "succeeded",
        "log": ["counted 2"],
        "selected": [2, 1],
        "file": "n\n1\n2\n",
        "callback": True,
        "forged": True,
        "refused": [400, 4000, True, 26],
        "failed": "failed",
        "pandas": [1, 2],
        "polars": [2, 1],
        "langchain": texts,
        "llama_index": texts,
        "asynchronous": [1, 2],
    }
