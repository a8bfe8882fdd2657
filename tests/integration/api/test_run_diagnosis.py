"""The archive that explains a run: its files, without secrets, for those who may read the run."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from contextlib import aclosing
from pathlib import Path

import pytest

from fyke.api.diagnosis import archive as writing
from fyke.api.downloads import Stream
from fyke.domain.runs import diagnosis as limits
from fyke.domain.runs import hidden_input
from fyke.domain.runs.outcome import end_of
from fyke.domain.runs.service import StartRequest
from fyke.errors import TooComplex
from fyke.model.attempt import AttemptEnd, AttemptReport, SiteTraffic
from fyke.model.browser import BrowserReport
from fyke.model.last_page import LastPage, PageContent, PageFile, PageFileKind
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch
from fyke.model.run import Origin, Outcome
from fyke.model.runner import AttemptUsage
from fyke.reasons import Reason, ReasonCode
from fyke_client import AsyncFyke
from support.api import Api, fails
from support.app import SCHEMA, App
from support.served import serving

pytestmark = pytest.mark.anyio

SECRET = "hunter2-hunter2"
ALWAYS = {
    "run.json", "input.json", "events.json", "sites.csv", "usage.csv", "attempts.json", "log.txt",
    "diagnosis.md",
}  # fmt: skip
ENTRY = {
    "startedDateTime": "2026-11-30T08:00:00.000+00:00",
    "time": 31.5,
    "request": {"method": "GET", "url": f"https://a.example/=1?t={SECRET}"},
    "response": {"status": 403, "_transferSize": 10},
    "timings": {"send": 0, "wait": 30, "receive": 1.5},
    "_resourceType": "document",
}
HAR = json.dumps({"log": {"entries": [ENTRY, ENTRY | {"response": {"status": 200}}]}}).encode()
HIDDEN_TEXTS = "/api/fyke/hidden-texts"
FILES = {
    PageFileKind.SCREENSHOT: b"\xff\xd8\xff",
    PageFileKind.HTML: f"<b>{SECRET}</b>".encode(),
    PageFileKind.HAR: HAR,
}
PAGE = LastPage(
    7, "https://a.example/", "Shop", tuple(PageFile(k, len(d)) for k, d in FILES.items())
)


async def archive(api: Api, run: str, query: str = "") -> zipfile.ZipFile:
    answer = await api.get(f"/api/fyke/runs/{run}/diagnosis{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert f'filename="{run}-diagnosis.zip"' in answer.headers["content-disposition"]
    return opened(answer.content)


def opened(data: bytes) -> zipfile.ZipFile:
    found = zipfile.ZipFile(io.BytesIO(data))
    assert found.testzip() is None
    return found


def table(found: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(found.read(name).decode()))]


async def failed(app: App, *, secret: str = SECRET) -> str:
    """A run with a secret in its input, whose attempt has failed with a last page."""
    worker = await app.publish(schema=SCHEMA)
    custom = {"urls": [{"url": "https://a.example/"}], "api_token": secret}
    body = {"parameters": {"custom": custom}}
    run = await app.services.runs.start(
        app.owner, StartRequest(worker.id, None, body, "", Origin.WEB)
    )
    [lease] = await app.begin()
    sites = (
        SiteTraffic("a.example", 3, 0, 9, statuses={"200": 1, "403": 2}),
        SiteTraffic("=b.example", refused=1),
    )
    usage = AttemptUsage(browser_ms=1, browser_version="headless-shell 156.0.1.2")
    report = AttemptReport(lease.attempt.key, usage, sites, browser=BrowserReport(is_open=True))
    await app.attempts.report([report], 60_000)
    await app.push(lease, [{"n": 1}], log=[f"got {secret}", "\x1b[31mred"])
    await app.services.last_pages.put(lease.attempt.id, PageContent(PAGE, FILES))
    words = f"bad {secret} | `x`"
    reason = Reason.of(ReasonCode.EXIT_CODE, exit_code=3, last_words=words)
    end = AttemptEnd(
        end_of(reason), AttemptUsage(busy_ms=1500, memory_peak_bytes=50 * 2**20), page=PAGE
    )
    await app.attempts.ended(lease.attempt.key, end, actor="runner")
    return run.id


async def test_a_failed_run_is_explained(app: App, api: Api) -> None:
    run = await failed(app)
    found = await archive(api, run)
    assert {*found.namelist()} == ALWAYS | {
        "browser.json", "requests.csv", "last-page.jpg", "last-page.har", "last-page.html.txt",
    }  # fmt: skip
    page = found.read("diagnosis.md").decode()
    for text in (
        f"# Run {run}: failed",
        "* Code: `exit\\_code`".replace("\\", ""),
        "exit_code: `3`",
    ):
        assert text in page, page
    assert "## What to do" in page and "| `=b.example` | 0 | - | 0 | 1 | rule |" in page
    assert "| `a.example` | 3 | 200: 1, 403: 2 | 0 | 0 |" in page
    assert "| 403 | `GET https://a.example/=1?t=***api_token***`" in page
    assert "look at it before you pass it on" in page
    assert "such as a note, cannot be found" in page and "Look at `input.json`" in page
    run_json = json.loads(found.read("run.json"))
    assert run_json["reason_params"]["exit_code"] == 3
    assert run_json["limits"]["memory_mb"] == 512 and run_json["memory_peak"] == 50 * 2**20
    [subtask] = json.loads(found.read("attempts.json"))["list"]
    assert subtask["attempts"][0]["busy_ms"] == 1500 and "https://a.example/" in subtask["input"]
    assert [row["site"] for row in table(found, "sites.csv")] == ["a.example", "'=b.example"]
    assert [row["statuses"] for row in table(found, "sites.csv")] == ["200:1 403:2", ""]
    first, second = table(found, "requests.csv")
    assert (first["status"], first["wait_ms"], first["bytes"]) == ("403", "30", "10")
    assert second["status"] == "200"
    assert " [" in found.read("log.txt").decode() and "\x1b" not in found.read("log.txt").decode()


async def test_no_file_but_the_picture_contains_a_secret(app: App, api: Api) -> None:
    found = await archive(api, await failed(app))
    for name in found.namelist():
        assert SECRET.encode() not in found.read(name), name
    assert json.loads(found.read("input.json"))["api_token"] == "***"
    assert "got ***api_token***" in found.read("log.txt").decode()
    assert b"***api_token***" in found.read("last-page.html.txt")


async def test_a_secret_with_markup_is_in_no_file(app: App, api: Api) -> None:
    run = await failed(app, secret="sk_live_1234|abcd")
    found = await archive(api, run, "?picture=false")
    for name in found.namelist():
        assert not re.search(rb"sk.{0,2}live", found.read(name)), name


async def test_texts_are_left_out_when_the_secrets_are_unknown(
    app: App, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await failed(app)

    def too_complex(input_json: str, names: frozenset[str]) -> None:
        raise TooComplex

    monkeypatch.setattr(hidden_input, "find_secrets", too_complex)
    found = await archive(api, run)
    assert {*found.namelist()} == {"run.json", "input.json", "usage.csv", "diagnosis.md"}
    for name in found.namelist():
        assert SECRET.encode() not in found.read(name), name
    page = found.read("diagnosis.md").decode()
    assert "* Code: `exit_code`" in page and "are left out" in page
    assert found.read("input.json") == b'"***"'
    hidden = await api.ok(HIDDEN_TEXTS, {"runs": [run, run], "texts": ["a line", ""]})
    assert hidden == {"texts": ["***", ""]}
    listed = await api.get(f"/api/fyke/runs/{run}/subtasks?safe_input=true")
    assert listed.json()["data"]["list"][0]["input"] == "***"


async def test_secrets_are_hidden_in_texts_about_runs(app: App, api: Api) -> None:
    run, other = await failed(app), await failed(app, secret="another-long-secret")
    texts = [f"got {SECRET}", "got another-long-secret", "nothing"]
    hidden = await api.ok(HIDDEN_TEXTS, {"runs": [run, other, run], "texts": texts})
    assert hidden == {"texts": ["got ***api_token***", "got ***api_token***", "nothing"]}
    answer = await api.post(HIDDEN_TEXTS, {"runs": [run], "texts": []})
    fails(answer, 400, 4000, "texts must be as many as runs")
    many = [f"{number}" for number in range(21)]
    answer = await api.post(HIDDEN_TEXTS, {"runs": many, "texts": many})
    fails(answer, 400, 4000, "at most 20 different ones")
    answer = await api.post(HIDDEN_TEXTS, {"runs": [run], "texts": [1]})
    fails(answer, 400, 4000, "list of strings")


async def test_an_account_gets_one_archive_at_a_time(app: App, api: Api, run_slug: str) -> None:
    with app.services.diagnoses.turn(app.owner):
        path = f"/api/fyke/runs/{run_slug}/diagnosis"
        fails(await api.get(path), 429, 4290, "another diagnosis")
        fails(await Api(api.http, app.other_key).get(path), 404, 70001)
    response = await writing.diagnosis_file(app.services.diagnoses, app.owner, run_slug)
    assert isinstance(response, Stream)
    async with aclosing(response._source) as chunks:  # of a client that leaves
        await anext(chunks)
    await archive(api, run_slug)
    await archive(api, run_slug)


async def test_the_page_says_if_values_are_not_searched_for(app: App, api: Api) -> None:
    found = await archive(api, await failed(app, secret="short"))
    assert "The input has others (1)" in found.read("diagnosis.md").decode()


async def test_the_picture_can_be_left_out(app: App, api: Api) -> None:
    found = await archive(api, await failed(app), "?picture=false")
    assert "last-page.jpg" not in found.namelist() and "last-page.har" in found.namelist()
    assert "look at it" not in found.read("diagnosis.md").decode()


async def test_a_run_that_waits_is_explained(app: App, api: Api, run_slug: str) -> None:
    found = await archive(api, run_slug)
    assert {*found.namelist()} == ALWAYS
    page = found.read("diagnosis.md").decode()
    assert "* It waits: " in page and "so all figures are so far" in page
    assert json.loads(found.read("run.json"))["waiting"]["code"]
    assert len(json.loads(found.read("attempts.json"))["list"]) == 2


async def test_a_run_that_succeeded_has_one_too(app: App, api: Api, run_slug: str) -> None:
    await app.execute([{"n": 1}], log=["done"])
    found = await archive(api, run_slug)
    assert "* Nothing failed." in found.read("diagnosis.md").decode()
    assert "done" in found.read("log.txt").decode()


async def test_the_output_of_the_installer_is_a_file(app: App, api: Api, run_slug: str) -> None:
    reason = Reason.of(ReasonCode.PACKAGES_FAILED, detail="no version of x")
    first, second = await app.begin()
    for lease in (first, second):
        await app.push(lease, [], log=[f"ERROR: no x for {lease.attempt.ordinal}"])
        await app.end(lease, Outcome.INSTALL_FAILED, "no", reason)
    found = await archive(api, run_slug)
    text = found.read("install.log").decode()
    assert "no x for 0" in text and "no x for 1" not in text
    assert "`install.log`" in found.read("diagnosis.md").decode()


async def test_long_parts_are_cut_and_say_so(
    app: App, api: Api, run_slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (limits, writing):
        monkeypatch.setattr(module, "MAX_LOG_LINES", 3)
    monkeypatch.setattr(limits, "MAX_SUBTASKS", 1)
    monkeypatch.setattr(limits, "MAX_EVENTS", 1)
    lease, _ = await app.begin()
    lines = [NewLogEntry(2, lease.attempt.number, f"line {n}", n) for n in range(10)]
    batch = AttemptBatch(lease.run.id, lease.attempt.id, [], None, lines)
    assert await app.results.commit([batch]) == [True]
    found = await archive(api, run_slug)
    log = found.read("log.txt").decode()
    assert log.count("\n") == 3 and log.endswith("line 9\n")
    attempts = json.loads(found.read("attempts.json"))
    assert (attempts["count"], len(attempts["list"])) == (2, 1)
    assert len(json.loads(found.read("events.json"))["list"]) == 1
    page = found.read("diagnosis.md").decode()
    for text in (
        "the last 3 of 10 entries",
        "the first 1 of 2 subtasks",
        "earlier ones are left out",
    ):
        assert text in page


async def test_only_the_account_of_the_run_gets_it(app: App, api: Api, run_slug: str) -> None:
    path = f"/api/fyke/runs/{run_slug}/diagnosis"
    fails(await Api(api.http, app.other_key).get(path), 404, 70001)
    fails(await api.get(f"{path}?picture=perhaps"), 400, 4000, "picture")


async def test_the_client_writes_the_archive(app: App, run_slug: str, tmp_path: Path) -> None:
    async with serving(app) as url, AsyncFyke(url, app.owner_key) as fyke:
        path = await fyke.diagnose(run_slug, tmp_path / "a.zip", picture=False)
    assert "diagnosis.md" in opened(path.read_bytes()).namelist()
