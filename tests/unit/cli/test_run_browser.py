"""Output of ``fyke run browser``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fyke.cli.errors import CommandFailed
from fyke.cli.run_browser import browser
from fyke.wire.fyke.run_browser import (
    ConsoleLevelItem,
    ConsoleLineItem,
    LastPageItem,
    PageFileItem,
    RequestTypeItem,
    RunBrowserReport,
    StatusClassItem,
    UnblockedLoadItem,
)
from support.scripted import ScriptedServer, Turns

REPORT = RunBrowserReport(
    state="ended",
    program="headless-shell",
    version="156.0.1.2",
    headful=True,
    own_sandbox=True,
    starts=2,
    ms=61_000,
    memory_peak=200_000_000,
    pages=3,
    crashes=0,
    requests=[RequestTypeItem("image", 40, 12, 9_000_000)],
    statuses=[StatusClassItem("2xx", 39), StatusClassItem("failed", 1)],
    console=[ConsoleLevelItem("error", 1)],
    lines=[ConsoleLineItem(1_000, "", "error", "broken\x1b[2J", "https://a.example/x.js:1")],
    urls=["https://a.example/1", "https://a.example/2"],
    last_pages=[
        LastPageItem(
            attempt="A1",
            subtask="7",
            timestamp=1_000,
            url="https://a.example/2",
            title="Shop",
            files=[PageFileItem("screenshot", 3, False), PageFileItem("html", 3, False)],
            missing=[],
        )
    ],
)


def run(report: RunBrowserReport, save: Path | None = None, **more: Any) -> ScriptedServer:
    server: Any = ScriptedServer(browser=report, **more)
    browser(server, "R1", save)
    return server  # type: ignore[no-any-return]


def test_figures_requests_and_the_console_are_shown() -> None:
    data = run(REPORT).data
    for line in (
        "browser      headless-shell 156.0.1.2",
        "windows      yes",
        "own sandbox  yes",
        "time         1 m 01 s",
        "peak memory  191 MB",
        "statuses     39 2xx, 1 failed",
        "console      1 error",
        "last page    https://a.example/2",
        "image  40        12          9.0 MB",
        "7        https://a.example/2  screenshot, html",
    ):
        assert line in data
    assert "error  broken" in data and "\x1b" not in data


def test_json_is_the_answer_of_the_server() -> None:
    assert json.loads(run(REPORT, as_json=True).data)["requests"] == [
        {"type": "image", "count": 40, "cached": 12, "received": 9_000_000, "blocked": 0}
    ]


def test_what_was_blocked_is_shown_and_what_an_earlier_run_loaded() -> None:
    values = {name: getattr(REPORT, name) for name in REPORT.__struct_fields__}
    report = RunBrowserReport(
        **values
        | {
            "block": ["images", "fonts"],
            "requests": [RequestTypeItem("image", 40, 0, 0, 38)],
            "unblocked": UnblockedLoadItem("R0", 44, 9_000_000),
        }
    )
    server = run(report)
    assert "does not load  images, fonts" in server.data
    assert "image  40        0           0 B       38" in server.data
    assert "(R0) received 9.0 MB in 44 such requests." in server.messages
    assert "blocked" not in run(REPORT).data


def test_a_run_without_a_browser_and_a_client_that_lets_it_report_nothing() -> None:
    nothing = {"requests": [], "statuses": [], "console": [], "lines": [], "urls": []}
    nothing["last_pages"] = []
    values = {name: getattr(REPORT, name) for name in REPORT.__struct_fields__}
    quiet = run(RunBrowserReport(**values | nothing))
    assert "no page was opened, or the Worker's client does not enable the events" in quiet.messages
    assert "statuses     -" in quiet.data
    none = run(RunBrowserReport(**values | nothing | {"state": "none"}))
    assert "has had a browser" in none.messages and not none.data


def test_the_files_of_last_pages_are_saved(tmp_path: Path) -> None:
    server = run(REPORT, tmp_path, page_file=Turns([b"jpg", b"<p>"]))
    assert server.client.calls[1:] == [
        ("page_file", "R1", "A1", "screenshot"),
        ("page_file", "R1", "A1", "html"),
    ]
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert files == {"A1.jpg": b"jpg", "A1.html.txt": b"<p>"}
    assert "The files of the last pages are in" in server.messages


def test_a_missing_folder_is_created_if_there_are_files(tmp_path: Path) -> None:
    values = {name: getattr(REPORT, name) for name in REPORT.__struct_fields__}
    folder = tmp_path / "new" / "pages"
    empty = run(RunBrowserReport(**values | {"last_pages": []}), folder)
    assert "No last page of this run is kept" in empty.messages
    assert not folder.exists()
    server: Any = ScriptedServer(browser=REPORT, page_file=b"jpg")
    browser(server, "R1", folder)
    assert {path.name for path in folder.iterdir()} == {"A1.jpg", "A1.html.txt"}
    with pytest.raises(CommandFailed, match=r"--save .*A1.jpg: File exists"):
        browser(server, "R1", folder / "A1.jpg")
