"""Output of ``fyke run browser``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fyke.cli.errors import CommandFailed
from fyke.cli.run_browser import GAPS, browser
from fyke.model.last_page import PageGap
from fyke_client.types.fyke.run_browser import (
    ConsoleLevelItem,
    ConsoleLineItem,
    LastPageItem,
    PageFileItem,
    PageGapItem,
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
            kept_until=604_800_000,
        )
    ],
)


def with_(**changes: Any) -> RunBrowserReport:
    values = {name: getattr(REPORT, name) for name in REPORT.__struct_fields__}
    return RunBrowserReport(**values | changes)


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
        "7        https://a.example/2  screenshot, html  -        1970-01-08",
    ):
        assert line in data
    assert "error  broken" in data and "\x1b" not in data
    assert "https://a.example/x.js:1" in data


def test_what_is_missing_of_a_last_page_has_its_reason() -> None:
    page = REPORT.last_pages[0]
    values = {name: getattr(page, name) for name in page.__struct_fields__}
    for gap in PageGap:
        missing = [PageGapItem("screenshot", gap), PageGapItem("html", gap)]
        shown = run(with_(last_pages=[LastPageItem(**values | {"missing": missing})])).data
        assert f"picture and HTML: {GAPS[gap]}" in shown
    new = [PageGapItem("screenshot", "no_page"), PageGapItem("video", "of a later release")]
    shown = run(with_(last_pages=[LastPageItem(**values | {"missing": new})])).data
    assert "picture: no page was open; video: of a later release" in shown


def test_blocked_requests_are_not_shown_as_all_of_them() -> None:
    server = run(
        with_(block=["images"], statuses=[], requests=[RequestTypeItem("image", 9, 0, 0, 9)])
    )
    assert "image  -         0           0 B       9" in server.data
    assert "does not enable the events from which requests are counted" in server.messages


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
    quiet = run(RunBrowserReport(**values | nothing | {"pages": 0}))
    assert "no page was opened, or the Worker's client does not enable the events" in quiet.messages
    opened = run(RunBrowserReport(**values | nothing))
    assert "no page was opened" not in opened.messages
    assert "The Worker's client does not enable the events" in opened.messages
    assert "statuses     -" in quiet.data
    none = run(RunBrowserReport(**values | nothing | {"state": "none"}))
    assert "has had a browser" in none.messages and not none.data


def test_the_files_of_last_pages_are_saved(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "pages"
    server = run(REPORT, folder, page_file=Turns([b"jpg", b"<p>"]))
    assert server.client.calls[1:] == [
        ("page_file", "R1", "A1", "screenshot"),
        ("page_file", "R1", "A1", "html"),
    ]
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert files == {"R1-7.jpg": b"jpg", "R1-7.html.txt": b"<p>"}  # as the console names them
    assert "The files of the last pages are in" in server.messages


def test_nothing_is_created_without_files_and_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    values = {name: getattr(REPORT, name) for name in REPORT.__struct_fields__}
    folder = tmp_path / "new" / "pages"
    empty = run(RunBrowserReport(**values | {"last_pages": []}), folder)
    assert "No last page of this run is kept" in empty.messages
    assert not folder.exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandFailed, match="File exists"):
        run(REPORT, tmp_path / "file")
