"""Workers in each language, from the creation of a project to the rows of a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fyke.cli.worker import read_archive
from fyke.cli.worker_new import write_project
from fyke.domain.workers.archive import pack
from support.booted import Booted

pytestmark = pytest.mark.needs("go", "node", "npm")

LANGUAGES = ["python", "node", "go"]
ENTRY = {"python": "main.py", "node": "main.js", "go": "main.go"}
PAGE = b"<html><title>\n  One &amp; only </title></html>"
TOO_LARGE = 9_000_000

EVERYTHING = {
    "python": f"""
from sdk import CoreSDK, SDKError

task = CoreSDK.Parameter.get_input_json_dict()
CoreSDK.Result.set_table_header([
    {{"label": "Ident", "key": "id", "format": "integer"}},
    {{"label": "Text", "key": "text", "format": "text"}},
])
CoreSDK.Result.push_data({{"id": 1, "text": task["text"]}})
CoreSDK.Result.push_data('{{"id": 2, "text": "twice"}}')
CoreSDK.Result.upsert_data({{"id": 3, "text": "first"}}, "id")
CoreSDK.Result.upsert_data({{"id": 3, "text": "second"}}, "id")
try:
    CoreSDK.Result.push_data({{"text": "x" * {TOO_LARGE}}})
except SDKError as error:
    CoreSDK.Log.warn("refused: " + str(error))
CoreSDK.Progress.set(3, 3, "the end")
CoreSDK.Log.error("the end")
""",
    "node": f"""
const {{ parameter, progress, result, log }} = require("./sdk");

async function main() {{
  const task = await parameter.getInputJSONObject();
  await result.setTableHeader([
    {{ label: "Ident", key: "id", format: "integer" }},
    {{ label: "Text", key: "text", format: "text" }},
  ]);
  await result.pushData({{ id: 1, text: task.text }});
  await result.pushData(JSON.stringify({{ id: 2, text: "twice" }}));
  await result.upsertData({{ id: 3, text: "first" }}, "id");
  await result.upsertData({{ id: 3, text: "second" }}, "id");
  await result.pushData({{ text: "x".repeat({TOO_LARGE}) }})
    .catch((error) => log.warn("refused: " + error.message));
  await progress.set(3, 3, "the end");
  await log.error("the end");
}}
main();
""",
    "go": f"""package main

import (
	"context"
	"strings"
	"time"

	coresdk "worker/GoSdk"
)

type row struct {{
	ID   int    `json:"id"`
	Text string `json:"text"`
}}

func main() {{
	ctx := context.Background()
	time.Sleep(2 * time.Second) // as published Workers do, before their first call
	var task row
	if err := coresdk.Parameter.GetInput(ctx, &task); err != nil {{
		panic(err)
	}}
	coresdk.Result.SetTableHeader(ctx, []*coresdk.TableHeaderItem{{
		{{Label: "Ident", Key: "id", Format: "integer"}},
		{{Label: "Text", Key: "text", Format: "text"}},
	}})
	coresdk.Result.PushData(ctx, row{{1, task.Text}})
	coresdk.Result.PushData(ctx, `{{"id": 2, "text": "twice"}}`)
	coresdk.Result.UpsertData(ctx, row{{3, "first"}}, "id")
	coresdk.Result.UpsertData(ctx, map[string]any{{"id": 3, "text": "second"}}, "id")
	large := row{{4, strings.Repeat("x", {TOO_LARGE})}}
	if _, err := coresdk.Result.PushData(ctx, large); err != nil {{
		coresdk.Log.Warn(ctx, "refused: "+err.Error())
	}}
	coresdk.Progress.Set(ctx, 3, 3, "the end")
	coresdk.Log.Error(ctx, "the end")
}}
""",
}  # fmt: skip


HALFWAY = """
import time
from sdk import CoreSDK

for page in (1, 2):
    CoreSDK.Progress.set(page, 8, f"page {page}\\n<b>")
time.sleep(300)
"""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """``host:port`` of a server that answers every path with a titled page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def project(folder: Path, language: str, main: str = "") -> bytes:
    """A project created and packed by the command line, with ``main`` as its entry file."""
    write_project(folder, language)
    if main:
        (folder / ENTRY[language]).write_text(main)
    return read_archive(folder)[0]


def lines(platform: Booted, run: str) -> list[dict[str, Any]]:
    body = {"run_slug": run}
    listed: list[dict[str, Any]] = platform.call("/api/v1/run/last/log", body)["list"]
    return listed


@pytest.mark.timeout(300)  # the first build with Go compiles what it needs
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_new_project_runs_at_once(
    platform: Booted, site: str, tmp_path: Path, language: str
) -> None:
    slug = platform.push(project(tmp_path / "w", language), f"owner/new-{language}")
    url = f"http://{site}/page"
    custom = {"urls": [{"url": url}, url]}
    run = platform.start_run(slug, custom, egress_allow=[site])
    detail = platform.ended(run, 110)
    assert detail["status"] == 3, platform.log_text(run)
    row = {"url": url, "status": 200, "title": "One & only", "bytes": len(PAGE), "error": ""}
    assert platform.rows(run) == [row, row]
    assert f"{url}: 200 One & only" in platform.log_text(run)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_go_project_of_sources_is_built_on_the_platform(
    platform: Booted, site: str, tmp_path: Path
) -> None:
    write_project(tmp_path / "w", "go")
    slug = platform.push(pack(tmp_path / "w"), "owner/source")
    for expected in (1, 2):  # the second run uses the program that the first has built
        run = platform.start_run(slug, {"urls": [f"http://{site}/{expected}"]}, egress_allow=[site])
        detail = platform.ended(run, 500)  # includes compiling the standard library once
        assert (detail["status"], detail["results"]) == (3, 1), platform.log_text(run)


@pytest.mark.parametrize("language", LANGUAGES)
def test_input_headers_rows_upserts_and_log_work_in_every_language(
    platform: Booted, tmp_path: Path, language: str
) -> None:
    archive = project(tmp_path / "w", language, EVERYTHING[language])
    slug = platform.push(archive, f"owner/everything-{language}")
    run = platform.start_run(slug, {"text": 'caf\u00e9 & "more" \U0001f41f'})
    detail = platform.ended(run, 110)
    assert (detail["status"], detail["results"]) == (3, 3), platform.log_text(run)
    assert platform.rows(run) == [
        {"id": 1, "text": 'caf\u00e9 & "more" \U0001f41f'},
        {"id": 2, "text": "twice"},
        {"id": 3, "text": "second"},
    ]
    body = {"run_slug": run, "page_index": 1, "page_size": 1}
    headers = platform.call("/api/v1/run/result/list", body)["headers"]
    assert [(header["label"], header["key"]) for header in headers] == [
        ("Ident", "id"),
        ("Text", "text"),
    ]
    said = {entry["content"]: entry["type"] for entry in lines(platform, run)}
    assert said["the end"] == 4
    [refused] = [text for text in said if text.startswith("refused: ")]
    assert "8388608 bytes (8 MiB)" in refused
    assert said[refused] == 3


def test_the_progress_that_a_worker_reports_is_shown_until_it_ends(
    platform: Booted, tmp_path: Path
) -> None:
    archive = project(tmp_path / "w", "python", HALFWAY)
    run = platform.start_run(platform.push(archive, "owner/halfway"), {})
    expected = {"basis": "worker", "done": 2, "total": 8, "percent": 25, "text": "page 2 <b>"}
    platform.wait_for(lambda: platform.summary(run)["progress"] == expected, "the progress", 60)
    platform.call("/api/v1/scraper/abort", {"run_slug": run})
    platform.ended(run)
    assert platform.summary(run)["progress"] is None
