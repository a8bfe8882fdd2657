"""``fyke worker run`` with a browser: the one that a Worker has on the platform."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.booted import PLAIN_UID
from support.commands import Cli
from support.javascript_site import ROWS, JavascriptSite, javascript_site
from support.pictured_site import pictured_site
from support.projects import python_project
from zoo.bundles import DEVTOOLS

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]
ROWS_WORKER = '''
import os
from devtools import Devtools
from sdk import CoreSDK

ITEMS = """new Promise((resolve, reject) => {
  setTimeout(reject, 10000);
  const read = () => {
    const items = [...document.querySelectorAll(".item")];
    if (!items.length) return setTimeout(read, 20);
    console.error("read " + items.length);
    resolve(items.map((item) => ({name: item.textContent, price: +item.dataset.price})));
  };
  read();
})"""
given = CoreSDK.Parameter.get_input_json_dict()
assert os.environ["BROWSER_WS"].endswith("@127.0.0.1:9222")
browser = Devtools(address=given.get("address", os.environ["ChromeWs"]))
page = browser.page()
for domain in ("Page", "Network", "Runtime"):
    browser.ask(domain + ".enable", page)
browser.open(page, given["url"])
for row in browser.value(page, ITEMS):
    CoreSDK.Result.push_data(row)
'''
WAITING_WORKER = """
import time
from devtools import Devtools

browser = Devtools()
print(browser.ask("Browser.getVersion")["product"], flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def site() -> Iterator[JavascriptSite]:
    with javascript_site() as made:
        yield made


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "project.zip"


def project(main: str, **declared: str) -> bytes:
    files = {"devtools.py": DEVTOOLS.read_text(), "fyke.json": json.dumps(declared)}
    return python_project(main, **files)


def chromiums(home: Path) -> list[str]:
    """The processes of browsers whose sandboxes have their work folder below ``home``."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
                mounts = (folder / "mountinfo").read_text()
            except OSError:
                continue
            if b"--user-data-dir=/work/p" in command and str(home) in mounts:
                found.append(folder.name)
    return found


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:9222",
        pytest.param(
            "chrome-ws-inner.coreclaw.com",
            marks=[
                pytest.mark.long,
                pytest.mark.skipif(os.geteuid() != 0, reason="port 80 needs root"),
            ],
        ),
    ],
)
def test_a_page_that_needs_scripts_gives_its_rows(
    cli: Cli, archive: Path, site: JavascriptSite, address: str
) -> None:
    archive.write_bytes(project(ROWS_WORKER, browser="required"))
    given = json.dumps({"url": site.url, "address": address})
    line = ("worker", "run", archive, "-i", given, "--egress-allow", site.target)
    out, err = cli.process(*line, "--browser-memory", "640")
    assert [json.loads(row) for row in out.splitlines()] == ROWS
    assert "The browser has started: " in err
    assert "with up to 1 CPU and 640 MB" in err
    names = [text.split("  ")[0] for text in err.splitlines()]
    assert {"browser", "peak memory", "pages"} <= set(names)
    assert "1 error" in err


def test_the_result_has_what_the_browser_did(cli: Cli, archive: Path, site: JavascriptSite) -> None:
    archive.write_bytes(project(ROWS_WORKER))
    given = json.dumps({"url": site.url})
    ended = cli.process_json("worker", "run", archive, "-i", given, "--egress-allow", site.target)
    assert (ended["state"], ended["rows"]) == ("succeeded", ROWS)
    browser = ended["browser"]
    assert (browser["state"], browser["starts"], browser["pages"]) == ("ended", 1, 1)
    assert {item["type"]: item["count"] for item in browser["requests"]}["document"] == 1
    assert [line["text"] for line in browser["lines"]] == ["read 5"]
    assert browser["memory_peak"] > 10_000_000
    assert browser["ms"] > 0
    assert chromiums(cli.platform.home / "local") == []


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_plain_user_has_a_browser_too(cli: Cli, site: JavascriptSite) -> None:
    with tempfile.TemporaryDirectory(prefix="fyke-e2e-") as name:
        home = Path(name)
        (home / "project.zip").write_bytes(project(ROWS_WORKER, browser="required"))
        for path in (home, home / "project.zip"):
            os.chown(path, PLAIN_UID, PLAIN_UID)
        given = json.dumps({"url": site.url})
        ended = cli.process_json(
            *("worker", "run", home / "project.zip", "-i", given, "--egress-allow", site.target),
            user=PLAIN_UID,
            group=PLAIN_UID,
            extra_groups=[],
            cwd="/",
            env={"HOME": name, "FYKE_HOME": f"{name}/.fyke"},
        )
        assert (ended["rows"], ended["browser"]["pages"]) == (ROWS, 1)


@pytest.mark.long
def test_a_declared_none_is_refused_as_on_the_platform(cli: Cli, archive: Path) -> None:
    archive.write_bytes(project(WAITING_WORKER, browser="none"))
    err = cli.process("worker", "run", archive, code=1)[1]
    assert "403" in err
    assert "its fyke.json declares that it uses none" in err


@pytest.mark.long
@pytest.mark.parametrize(
    ("declared", "options"),
    [({"browser": "required"}, ()), ({}, ("--browser-memory", "512"))],
    ids=["required", "memory"],
)
def test_a_run_that_requires_a_browser_is_refused_where_it_is_switched_off(
    cli: Cli, archive: Path, declared: dict[str, str], options: tuple[str, ...]
) -> None:
    archive.write_bytes(project(WAITING_WORKER, **declared))
    off = {"FYKE_BROWSER": "off"}
    err = cli.process("worker", "run", archive, *options, code=2, env=off)[1]
    assert "Running..." not in err
    assert "browser" in err


def test_a_worker_without_a_browser_learns_why(cli: Cli, archive: Path) -> None:
    archive.write_bytes(project(WAITING_WORKER))
    off = {"FYKE_BROWSER": "off"}
    ended: dict[str, Any] = cli.process_json("worker", "run", archive, code=1, env=off)
    assert ended["note"] == "the setting browser is off; set it to auto."
    assert ended["browser"] is None


@pytest.mark.long
def test_a_run_has_the_browser_options_of_a_start(cli: Cli, archive: Path) -> None:
    archive.write_bytes(project(ROWS_WORKER))
    with pictured_site() as site:
        given = ("-i", json.dumps({"url": site.url}), "--egress-allow", site.target)
        block = ("--browser-block", "images,media,fonts")
        ended = cli.process_json("worker", "run", archive, *given, *block)
        assert ended["rows"] == ROWS
        assert set(site.requests) - {"/favicon.ico"} == {"/", "/items.json", "/style.css"}
    browser = ended["browser"]
    assert browser["block"] == ["images", "media", "fonts"]
    assert sum(item["blocked"] for item in browser["requests"]) == 4


@pytest.mark.long
@pytest.mark.needs("display")
def test_a_run_has_windows_if_it_asks_for_them(
    cli: Cli, archive: Path, site: JavascriptSite
) -> None:
    archive.write_bytes(project(ROWS_WORKER))
    given = ("-i", json.dumps({"url": site.url}), "--egress-allow", site.target)
    ended = cli.process_json("worker", "run", archive, *given, "--headful")
    assert ended["rows"] == ROWS
    assert (ended["browser"]["headful"], ended["browser"]["program"]) == (True, "chromium")


@pytest.mark.long
def test_the_last_page_of_a_failed_run_is_beside_its_rows(
    cli: Cli, archive: Path, site: JavascriptSite, tmp_path: Path
) -> None:
    archive.write_bytes(project(ROWS_WORKER + "raise SystemExit(7)\n"))
    given = ("-i", json.dumps({"url": site.url}), "--egress-allow", site.target)
    output = tmp_path / "rows.jsonl"
    err = cli.process("worker", "run", archive, *given, "-o", output, code=1)[1]
    [folder] = tmp_path.glob("rows-pages-*")
    assert f"The files of the last pages are in {folder}." in err
    files = {path.name.partition(".")[2]: path.read_bytes() for path in folder.iterdir()}
    assert files["jpg"].startswith(b"\xff\xd8\xff")
    assert b"item 5" in files["html.txt"]
    assert f"{site.url}items.json".encode() in files["har"]
    assert b"error read 5" in files["console.txt"]
    assert not [*cli.platform.home.glob("local/*/blobs/pages/*")]


@pytest.mark.long
def test_an_interrupted_run_leaves_no_browser(cli: Cli, archive: Path) -> None:
    archive.write_bytes(project(WAITING_WORKER))
    running = cli.start("worker", "run", archive, start_new_session=True)
    assert running.stderr is not None
    assert any("Chrome/" in line for line in running.stderr)
    local = cli.platform.home / "local"
    assert chromiums(local)
    os.killpg(running.pid, signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == 130
    assert chromiums(local) == []
