"""The client for JavaScript does the main job after its package was built and installed."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from support import language_versions
from support.booted import Booted
from support.projects import python_project

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "javascript"
PAGE = ROOT / "docs" / "how-to" / "javascript-client.md"
PROGRAM = Path(__file__).parent / "own_clients" / "main_job.mjs"
COUNTER = """
import time

from sdk import CoreSDK

given = CoreSDK.Parameter.get_input_json_dict()
for n in range(given["count"]):
    CoreSDK.Result.push_data({"n": n, "empty": ""})
CoreSDK.Log.info(f"counted {given['count']}")
while given.get("forever"):
    time.sleep(1)
"""
SCHEMA = {
    "description": "Counts",
    "properties": [
        {"name": "count", "title": "Count", "type": "integer", "editor": "number",
         "required": True, "default": 1, "description": "How far"},
        {"name": "forever", "title": "Forever", "type": "boolean", "editor": "switch",
         "required": False, "default": False, "description": "Whether it never ends"},
    ],
}  # fmt: skip

pytestmark = [pytest.mark.needs("node", "npm"), pytest.mark.timeout(300)]


def run(*command: str | Path, folder: Path, **variables: str) -> str:
    """Return what a command prints; its home is ``folder``, so nothing is kept between tests."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FYKE_")}
    environment = {**inherited, "HOME": str(folder), **variables}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with the built package installed, without any network."""
    folder = tmp_path_factory.mktemp("client")
    [built] = json.loads(
        run("npm", "pack", "--json", "--pack-destination", folder, CLIENT, folder=folder)
    )
    package = folder / built["filename"].replace("@", "").replace("/", "-")
    with tarfile.open(package) as content:
        names = {name.removeprefix("package/") for name in content.getnames()}
    assert names >= {"package.json", "README.md", "LICENSE", "src/index.js", "src/index.d.ts"}
    assert {name.partition("/")[0] for name in names} == {
        *("package.json", "README.md", "LICENSE", "src")
    }
    (folder / "package.json").write_text("{}")
    run("npm", "install", "--offline", "--no-audit", "--no-fund", package, folder=folder)
    assert not (folder / "node_modules" / "@fyke" / "client").is_symlink()
    return folder


def test_the_installed_client_does_the_main_job(
    installed: Path, platform: Booted, tmp_path: Path
) -> None:
    do_the_main_job("node", installed, platform, tmp_path, "javascript-counter")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", language_versions.NODE)
def test_the_installed_client_does_the_main_job_in_each_node(
    installed: Path, platform: Booted, tmp_path: Path, version: str
) -> None:
    node = language_versions.node_of(version)
    do_the_main_job(node, installed, platform, tmp_path, f"javascript-counter-{version}")


def do_the_main_job(
    node: str | Path, installed: Path, platform: Booted, tmp_path: Path, name: str
) -> None:
    project = tmp_path / "counter"
    with zipfile.ZipFile(io.BytesIO(python_project(COUNTER, schema=SCHEMA))) as archive:
        archive.extractall(project)
    program = installed / PROGRAM.name
    program.write_text(PROGRAM.read_text())
    exported = tmp_path / "rows.csv"
    secret = platform.read("/api/fyke/account")["webhook_secret"]
    server = {"FYKE_URL": platform.url, "FYKE_KEY": platform.key, "SECRET": secret}
    arguments = (project, name, exported)
    output = run(node, program, *arguments, folder=installed, **server)
    assert platform.key not in output
    seen = json.loads(output)
    assert seen == {
        "versions": ["v1.0.1", "v1.0.1"],
        "found": f"owner/{name}",
        "others": [],
        "required": ["count", "forever"],
        "detail": "v1.0.1",
        "run": ["succeeded", 2500],
        "rows": [2500, {"n": 0}, {"n": 2499}],
        "callbacks": ["running", "succeeded"],
        "selected": [{"n": 2}, {"n": 1}, {"n": 0}],
        "file": str(exported),
        "log": ["counted 2500"],
        "followed": [0, "running"],
        "aborted": "aborted",
        "error": True,
        "task": [[{"n": 0}, {"n": 1}, {"n": 2}], "succeeded"],
        "once": True,
        "runs": 5,
        "balance": "string",
        "refused": [True, 11000, 26],
        "field": True,
        "forged": True,
    }
    with exported.open(encoding="utf-8", newline="") as file:
        assert [row["n"] for row in csv.DictReader(file)] == [str(n) for n in range(2500)]


READER = """
from sdk import CoreSDK

for url in CoreSDK.Parameter.get_input_json_dict()["urls"]:
    CoreSDK.Result.push_data({"url": url, "title": "A page"})
CoreSDK.Log.info("read all pages")
"""
URLS = {
    "description": "Pages to read",
    "properties": [
        {"name": "urls", "title": "Pages", "type": "array", "editor": "stringList",
         "required": True, "default": ["https://a.example/"], "description": "Addresses"},
    ],
}  # fmt: skip


def test_the_program_of_the_page_works(installed: Path, platform: Booted, tmp_path: Path) -> None:
    """Its parts one after another, with another address and another name of the Worker."""
    with zipfile.ZipFile(io.BytesIO(python_project(READER, schema=URLS))) as archive:
        archive.extractall(installed / "page-hello")
    parts = re.findall(r"^```js\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    text = "".join(parts).replace("http://127.0.0.1:8100", platform.url)
    text = re.sub(r"(?<=[\"/])hello(?=\")", "page-hello", text)
    program = installed / "page.mjs"
    program.write_text(text)
    output = run("node", program, folder=installed, FYKE_KEY=platform.key)
    assert "owner/page-hello v1.0.1" in output
    assert output.count("A page") == 3  # followed, selected, of the task
    assert "succeeded 1" in output
    assert "read all pages" in output
    assert (installed / "rows.xlsx").read_bytes().startswith(b"PK")
