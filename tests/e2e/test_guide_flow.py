"""The flow of the integration guide as its readers follow it: with curl, and like its samples in
five languages. Only host, key, slugs and input differ.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.booted import Booted
from support.projects import python_project, zoo

pytestmark = pytest.mark.needs("curl")

READY, RUNNING, SUCCEEDED, FAILED, ABORTED = 1, 2, 3, 4, 5
READER = """
from sdk import CoreSDK

given = CoreSDK.Parameter.get_input_json_dict()
CoreSDK.Result.set_table_header(
    [
        {"label": "Address", "key": "url", "format": "text"},
        {"label": "Price", "key": "price", "format": "number"},
    ]
)
CoreSDK.Log.info("reading " + str(len(given["urls"])) + " pages")
for number, url in enumerate(given["urls"]):
    CoreSDK.Result.push_data({"url": url, "price": number + 0.5, "seen": True})
"""
READER_SCHEMA = {
    "description": "Which pages to read",
    "properties": [
        {"name": "urls", "title": "Pages", "type": "array", "editor": "stringList",
         "required": True, "default": ["https://a.example/?q=1&r=2"], "description": "Addresses"},
        {"name": "max_results", "title": "Most", "type": "integer", "editor": "number",
         "required": False, "description": "How many at most"},
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """A platform with the Worker that the reader of the guide uses."""

    platform: Booted
    slug: str
    folder: Path

    def curl(self, path: str, *arguments: str) -> tuple[int, str]:
        """Run curl as in the guide; return status and body."""
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "30", "-w", "\n%{http_code}", *arguments,
             f"{self.platform.url}{path}"],
            capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        body, _, status = done.stdout.decode().rpartition("\n")
        return int(status), body

    def post(self, path: str, body: Any) -> tuple[int, str]:
        """Send a request of the guide: key and content type in headers, the body on the command
        line.
        """
        return self.curl(
            path,
            "-X", "POST",
            "-H", f"api-key: {self.platform.key}",
            "-H", "Content-Type: application/json",
            "-d", json.dumps(body),
        )  # fmt: skip

    def data(self, path: str, body: Any) -> Any:
        status, text = self.post(path, body)
        answer = json.loads(text)
        assert (status, answer["code"], answer["message"]) == (200, 0, "success"), text
        return answer["data"]

    def start_body(self, urls: list[str], **more: Any) -> dict[str, Any]:
        """The start of the guide with all listed members."""
        return {
            "scraper_slug": self.slug,
            "version": "v1.0.1",
            "is_async": True,
            "input": {
                "parameters": {
                    "system": {
                        "cpus": 0.125,
                        "memory": 512,
                        "execute_limit_time_seconds": 1800,
                        "max_total_charge": 0,
                        "max_total_traffic": 0,
                    },
                    "custom": {"urls": urls},
                }
            },
            **more,
        }

    def polled(self, run: str) -> dict[str, Any]:
        """Poll like the guide: 3, 4 and 5 are final."""
        for _ in range(300):
            data: dict[str, Any] = self.data("/api/v1/run/detail", {"run_slug": run})
            if data["status"] in (SUCCEEDED, FAILED, ABORTED):
                return data
            time.sleep(0.1)
        raise AssertionError(f"the run {run} did not end")


@pytest.fixture(scope="module")
def reader(platform: Booted, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    archive = python_project(READER, schema=READER_SCHEMA, **{"README.md": "# Reads pages"})
    slug = platform.push(archive, "guide-reader", public=True)
    return Reader(platform, slug, tmp_path_factory.mktemp("guide"))


# --- the quick test, with curl ----------------------------------------------------------------


def test_the_quick_test_from_search_to_log(reader: Reader) -> None:
    status, text = reader.curl("/api/store?search=guide-reader&limit=5")
    assert status == 200
    [found] = json.loads(text)["data"]["scraper"]
    assert found["slug"] == reader.slug
    assert found["title"] == "Reads pages"

    status, text = reader.curl(f"/api/scraper?slug={found['slug']}")
    detail = json.loads(text)["data"]
    assert (status, detail["version"], detail["readme"]) == (200, "v1.0.1", "# Reads pages")

    urls = ["https://a.example/?q=1&r=2", "https://b.example/ü"]
    run = reader.data("/api/v1/scraper/run", reader.start_body(urls))["run_slug"]
    ended = reader.polled(run)
    assert ended["status"] == SUCCEEDED
    assert (ended["results"], ended["err_msg"], ended["version"]) == (2, "", "v1.0.1")

    page = reader.data(
        "/api/v1/run/result/list", {"run_slug": run, "page_index": 1, "page_size": 20}
    )
    assert page["count"] == 2
    assert [row["url"] for row in page["list"]] == urls
    assert all(isinstance(row["__coreclaw_data_id__"], str) for row in page["list"])
    assert page["headers"][0] == {"label": "Address", "key": "url", "format": "text"}

    export = {"run_slug": run, "filter_keys": ["url", "price"], "format": "csv"}
    link = reader.data("/api/v1/run/result/export", export)["download_url"]
    assert _download(link) == (
        f'url,price\r\n{urls[0]},0.5\r\n{urls[1]},1.5\r\n'
    )  # fmt: skip

    log = reader.data("/api/v1/run/last/log", {"run_slug": run})
    contents = [entry["content"] for entry in log["list"]]
    assert "reading 2 pages" in contents
    assert log["result_count"] == 2
    assert "reading 2 pages" in _download(log["all_logs_url"])


def _download(link: str) -> str:
    """Send a plain GET without headers; a redirect fails the test."""
    done = subprocess.run(
        ["curl", "-sS", "-f", "--max-time", "30", "--max-redirs", "0", link],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.decode()


def test_the_schema_helper_of_the_guide_finds_names_required_and_defaults(reader: Reader) -> None:
    answer = httpx2.get(f"{reader.platform.url}/api/scraper", params={"slug": reader.slug})
    schema = answer.json()["data"]["parameters"]["custom"]
    custom: dict[str, Any] = {}
    for prop in schema["properties"]:
        if prop.get("required"):
            custom[prop["name"]] = prop.get("default", [])
    assert custom == {"urls": ["https://a.example/?q=1&r=2"]}
    system = answer.json()["data"]["parameters"]["system"]
    assert (system["memory"], system["memory_bytes"], system["cpus"]) == (512, 512, 0.125)
    body = reader.start_body([])
    body["input"]["parameters"]["custom"] = custom
    run = reader.data("/api/v1/scraper/run", body)["run_slug"]
    assert reader.polled(run)["results"] == 1


def test_a_body_written_by_powershell_is_accepted(reader: Reader) -> None:
    """``Out-File -Encoding utf8`` puts a byte order mark in front and CRLF at the end."""
    body = {
        "scraper_slug": reader.slug,
        "version": "v1.0.1",
        "input": {
            "parameters": {
                "system": {"cpus": 0.125, "memory": 512},
                "custom": {"urls": ["https://ä.example/"]},
            }
        },
    }
    text = json.dumps(body, indent=4, ensure_ascii=False).replace("\n", "\r\n") + "\r\n"
    file = reader.folder / "body.json"
    file.write_bytes(text.encode("utf-8-sig"))
    assert file.read_bytes().startswith(b"\xef\xbb\xbf{")
    status, answer = reader.curl(
        "/api/v1/scraper/run",
        "-X", "POST",
        "-H", f"api-key: {reader.platform.key}",
        "-H", "Content-Type: application/json",
        "--data-binary", f"@{file}",
    )  # fmt: skip
    assert status == 200, answer
    run = json.loads(answer)["data"]["run_slug"]
    assert reader.polled(run)["results"] == 1
    assert reader.platform.rows(run)[0]["url"] == "https://ä.example/"


@pytest.mark.parametrize(
    "credentials",
    [["-H", "api-key: {key}"], ["-H", "Authorization: Bearer {key}"],
     ["-H", "authorization:bearer   {key}"], ["-H", "api-key: {key}", "-H",
     "Authorization: Bearer {key}"]],
)  # fmt: skip
def test_the_account_operation_accepts_the_key_in_every_place(
    reader: Reader, credentials: list[str]
) -> None:
    filled = [part.format(key=reader.platform.key) for part in credentials]
    status, text = reader.curl("/api/v1/account/info", "-X", "POST", *filled)
    assert status == 200, text
    data = json.loads(text)["data"]
    assert re.fullmatch(r"\d+\.\d{2,4}", data["balance"])
    assert type(data["traffic"]) is int
    assert type(data["traffic_expiration_at"]) is int


def test_an_invalid_key_gets_an_error_in_the_envelope(reader: Reader) -> None:
    for headers in ([], ["-H", "api-key: scraper_api_01KJXSR49GEMBEZZ5FZDPVNBWK"]):
        status, text = reader.curl("/api/v1/account/info", "-X", "POST", *headers)
        assert status == 401
        assert json.loads(text) == {"code": 20001, "message": "Invalid API key", "data": None}


def test_the_regions_are_public(reader: Reader) -> None:
    status, text = reader.curl("/api/proxy/region")
    regions = json.loads(text)["data"]["list"]
    assert status == 200
    assert len(regions) == 249
    assert {"code": "US", "name": "United States"} in regions


# --- the habits of the samples ----------------------------------------------------------------


def _digits_after(text: str, key: str) -> int:
    """Read a number like the Java sample: the digits right after the first ``"key":``."""
    start = text.index(f'"{key}":') + len(key) + 3
    end = start
    while text[end].isdigit():
        end += 1
    return int(text[start:end])


def _text_after(text: str, key: str) -> str:
    marker = f'"{key}":"'
    start = text.index(marker) + len(marker)
    return text[start : text.index('"', start)]


def test_java_reads_the_fields_by_searching_the_bytes(reader: Reader) -> None:
    status, text = reader.post("/api/v1/scraper/run", reader.start_body(["https://a.example"]))
    assert (status, _digits_after(text, "code")) == (200, 0)
    run = _text_after(text, "run_slug")
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", run)
    for _ in range(300):
        _, text = reader.post("/api/v1/run/detail", {"run_slug": run})
        if _digits_after(text, "status") in (SUCCEEDED, FAILED, ABORTED):
            break
        time.sleep(0.1)
    assert _digits_after(text, "status") == SUCCEEDED
    _, text = reader.post("/api/v1/run/result/list", {"run_slug": run})
    assert (_digits_after(text, "code"), _digits_after(text, "count")) == (0, 1)
    status, text = reader.post("/api/v1/run/detail", {"run_slug": "01KJXSR49GEMBEZZ5FZDPVNBWK"})
    assert (status, _digits_after(text, "code")) == (404, 70001)


def test_fields_that_go_decodes_as_int_are_whole_numbers(reader: Reader) -> None:
    run = reader.data("/api/v1/scraper/run", reader.start_body(["https://a.example"]))["run_slug"]
    reader.polled(run)
    wanted = {
        "/api/v1/run/detail": ["status", "results", "duration", "started_at", "finished_at",
                               "traffic"],
        "/api/v1/run/result/list": ["count", "page_index", "page_size"],
        "/api/v1/run/last/log": ["result_count"],
    }  # fmt: skip
    for path, fields in wanted.items():
        _, text = reader.post(path, {"run_slug": run})
        answer = json.loads(text)
        assert type(answer["code"]) is int
        for field in fields:
            assert type(answer["data"][field]) is int, (path, field)
    _, text = reader.post("/api/v1/run/last/log", {"run_slug": run})
    for entry in json.loads(text)["data"]["list"]:
        assert set(entry) == {"type", "group", "content", "timestamp"}
        assert type(entry["type"]) is type(entry["timestamp"]) is int
        assert entry["group"].isdigit()


def test_php_and_python_check_the_status_before_the_code(reader: Reader) -> None:
    """A client that reads only the status and one that reads only the code must agree."""
    good = reader.start_body(["https://a.example"])
    cases: list[tuple[str, Any, int, int]] = [
        ("/api/v1/scraper/run", good, 200, 0),
        ("/api/v1/scraper/run", {**good, "scraper_slug": "nobody/nothing"}, 404, 50001),
        ("/api/v1/scraper/run", {**good, "version": "v9.9.9"}, 400, 4000),
        ("/api/v1/scraper/run", {**good, "input": {}}, 400, 4000),
        ("/api/v1/task/run", {"task_slug": "01KJXSR49GEMBEZZ5FZDPVNBWK"}, 404, 60001),
        ("/api/v1/rerun", {"run_slug": "01KJXSR49GEMBEZZ5FZDPVNBWK"}, 404, 70001),
        ("/api/v1/run/result/list", {}, 400, 4000),
        ("/api/v1/nothing/here", {}, 404, 4040),
    ]
    for path, body, status, code in cases:
        got, text = reader.post(path, body)
        answer = json.loads(text)
        assert (got, answer["code"]) == (status, code), (path, body, text)
        assert list(answer)[:3] == ["code", "message", "data"]
        if code:
            assert answer["data"] is None
            assert answer["message"]


# --- saved tasks, reruns, lists, waiting ------------------------------------------------------


def test_a_saved_task_runs_with_its_own_input(reader: Reader) -> None:
    body = {"worker_id": reader.slug, "title": "daily", "input": {
        "parameters": {"system": {"memory": 1024}, "custom": {"urls": ["https://t.example"]}}}
    }  # fmt: skip
    task = reader.platform.call("/api/v2/worker-tasks", body)["slug"]
    run = reader.data("/api/v1/task/run", {"task_slug": task})["run_slug"]
    assert reader.polled(run)["status"] == SUCCEEDED
    assert [row["url"] for row in reader.platform.rows(run)] == ["https://t.example"]


def test_a_rerun_is_a_new_run_with_the_same_input(reader: Reader) -> None:
    urls = ["https://r.example/1", "https://r.example/2"]
    first = reader.data("/api/v1/scraper/run", reader.start_body(urls))["run_slug"]
    reader.polled(first)
    second = reader.data("/api/v1/rerun", {"run_slug": first})["run_slug"]
    assert second != first
    assert reader.polled(second)["results"] == 2
    assert reader.platform.rows(second) == reader.platform.rows(first)


def test_the_list_of_runs_filters_by_worker_and_status(reader: Reader) -> None:
    platform = reader.platform
    good = platform.push(python_project(READER), "guide-listed")
    bad = platform.push(zoo("raises"), "guide-raises")
    runs = [platform.start_run(good, {"urls": [str(n)]}) for n in range(3)]
    failed = platform.start_run(bad)
    for run in (*runs, failed):
        platform.ended(run)
    listed = reader.data(
        "/api/v1/run/list",
        {"page_index": 1, "page_size": 2, "status": 0, "scraper_slug": good},
    )
    assert listed["count"] == 3
    assert [item["slug"] for item in listed["list"]] == [runs[2], runs[1]]
    assert {item["scraper_slug"] for item in listed["list"]} == {good}
    only = {"scraper_slug": good, "page_size": 2, "page_index": 2}
    assert [item["slug"] for item in reader.data("/api/v1/run/list", only)["list"]] == [runs[0]]
    assert reader.data("/api/v1/run/list", {"scraper_slug": good, "status": FAILED})["count"] == 0
    failures = reader.data("/api/v1/run/list", {"scraper_slug": bad, "status": FAILED})
    assert [item["slug"] for item in failures["list"]] == [failed]
    assert failures["list"][0]["err_msg"].endswith(
        "ValueError: price not found on page 7 (main.py:6)"
    )
    assert reader.data("/api/v1/run/list", {"scraper_slug": "no/body"})["count"] == 0
    status, text = reader.post("/api/v1/run/list", {"status": 6})
    assert (status, json.loads(text)["code"]) == (400, 4000)


def test_sync_mode_answers_with_the_rows(reader: Reader) -> None:
    body = reader.start_body(["https://a.example", "https://b.example"], is_async=False)
    before = time.time()
    data = reader.data("/api/v1/scraper/run", {**body, "page_index": 2, "page_size": 1})
    assert (data["run_status"], data["status"], data["error_message"]) == (
        "completed",
        SUCCEEDED,
        "",
    )
    start, end = data["execution_start_timestamp"], data["execution_end_timestamp"]
    assert before - 1 < start / 1000 <= end / 1000 < time.time() + 1
    results = data["results"]
    assert (results["count"], results["page_index"], results["page_size"]) == (2, 2, 1)
    assert [row["url"] for row in results["list"]] == ["https://b.example"]


def test_a_failed_sync_run_is_reported_with_status_200(reader: Reader) -> None:
    slug = reader.platform.push(zoo("raises"), "guide-raises")
    body = {"scraper_slug": slug, "is_async": False, "input": {"parameters": {"custom": {}}}}
    data = reader.data("/api/v1/scraper/run", body)
    assert (data["run_status"], data["status"]) == ("completed", FAILED)
    assert "price not found on page 7" in data["error_message"]
    assert data["results"]["count"] == 0


def test_a_sync_run_continues_after_the_client_disconnects(reader: Reader) -> None:
    waits = "import time; time.sleep(1.5)\nfrom sdk import CoreSDK\nCoreSDK.Result.push_data({})"
    slug = reader.platform.push(python_project(waits), "guide-waits")
    body = {"scraper_slug": slug, "is_async": False, "input": {"parameters": {"custom": {}}}}
    with pytest.raises(httpx2.ReadTimeout):
        reader.platform.raw("/api/v1/scraper/run", body, timeout=0.5)
    [run] = reader.data("/api/v1/run/list", {"scraper_slug": slug})["list"]
    ended = reader.polled(run["slug"])
    assert (ended["status"], ended["results"]) == (SUCCEEDED, 1)


# --- too many requests ------------------------------------------------------------------------


def test_the_retry_helper_of_the_guide_succeeds_under_a_low_limit(platform: Booted) -> None:
    info = f"{platform.url}/api/v1/account/info"
    slow = platform.call("/api/fyke/keys", {"name": "guide-slow", "rate_limit": 1})

    def ask() -> httpx2.Response:
        return httpx2.post(info, headers={"api-key": slow["key"]}, json={}, timeout=30)

    # a server reads the rate of a key at its first request
    refused = next(found for found in (ask() for _ in range(50)) if found.status_code == 429)
    assert refused.json() == {
        "code": 4290,
        "message": "Too many requests, please try again later",
        "data": None,
    }
    assert int(refused.headers["retry-after"]) >= 1

    waited: list[int] = []
    result = refused.json()
    while result["code"] == 4290 and len(waited) < 5:
        waited.append(2 ** len(waited))
        time.sleep(waited[-1])
        result = ask().json()
    assert result["code"] == 0
    # another key has a separate limit, and public operations need no key
    assert platform.raw("/api/v1/account/info").json()["code"] == 0
    assert httpx2.get(f"{platform.url}/api/proxy/region").json()["code"] == 0
