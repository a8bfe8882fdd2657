"""API v2 against a whole platform: a run from its start to its files, and both ways to end one."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from support.booted import Booted
from support.projects import python_project, zoo

READER = """
from sdk import CoreSDK

given = CoreSDK.Parameter.get_input_json_dict()
CoreSDK.Log.info("reading " + str(len(given["urls"])) + " pages")
for number, url in enumerate(given["urls"]):
    CoreSDK.Result.push_data({"url": url, "price": number + 0.5})
"""
SCHEMA = {
    "description": "Which pages to read",
    "properties": [{"name": "urls", "type": "array", "editor": "stringList", "required": True}],
}
URLS = ["https://a.example/?q=1&r=2", "https://b.example/ü", "https://c.example/"]


@dataclass(frozen=True)
class V2Client:
    """A caller of v2 with the key that its documents prefer."""

    platform: Booted

    def answer(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"authorization": f"Bearer {self.platform.key}"}
        content = None if body is None else json.dumps(body).encode()
        return httpx2.request(
            method,
            f"{self.platform.url}/api/v2{path}",
            headers=headers,
            content=content,
            timeout=60,
        )

    def data(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.answer(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (200, 0), answer.text
        return answer.json()["data"]

    def until(self, run: str, *words: str) -> Any:
        def look() -> Any:
            detail = self.data("GET", f"/worker-runs/{run}")
            return detail if detail["status"] in words else None

        return self.platform.wait_for(look, f"{run} to be {' or '.join(words)}", 60)


def reader(platform: Booted, name: str) -> str:
    platform.push(python_project(READER, schema=SCHEMA), name)
    return f"/workers/owner~{name}"


def test_a_run_from_its_start_to_its_files(platform: Booted) -> None:
    v2 = V2Client(platform)
    worker = reader(platform, "v2-reader")
    run = v2.data("POST", f"{worker}/runs", {"input": {"urls": URLS}})["run_slug"]
    detail = v2.until(run, "succeeded", "failed")
    assert (detail["status"], detail["results"], detail["err_msg"]) == ("succeeded", 3, "")
    assert v2.data("GET", f"{worker}/runs/last") == detail
    page = v2.data("GET", f"{worker}/runs/last/result?offset=2&limit=2")
    assert [row["url"] for row in page["list"]] == URLS[2:]
    assert (page["count"], page["page_index"], page["page_size"]) == (3, 2, 2)

    link = v2.data("GET", f"{worker}/runs/last/export?format=JSONL&filter_keys=url")["download_url"]
    lines = httpx2.get(link, timeout=60).text.splitlines()
    assert [json.loads(line) for line in lines] == [{"url": url} for url in URLS]
    log = v2.data("GET", f"/worker-runs/{run}/log")
    assert "reading 3 pages" in [line["content"] for line in log["list"]]
    assert "reading 3 pages" in httpx2.get(log["all_logs_url"], timeout=60).text
    listed = v2.data("GET", f"/worker-runs?worker_id={worker[9:]}&status=succeeded")
    assert listed["list"] == [detail]

    refused = v2.answer("POST", f"/worker-runs/{run}/abort")
    assert (refused.status_code, refused.json()["code"]) == (400, 70002)
    again = v2.data("POST", f"/worker-runs/{run}/rerun", {})["run_slug"]
    assert v2.until(again, "succeeded", "failed")["results"] == 3
    assert v2.data("GET", f"{worker}/runs/last")["slug"] == again != run


def test_a_sync_run_and_a_sync_rerun_bring_their_rows(platform: Booted) -> None:
    v2 = V2Client(platform)
    worker = reader(platform, "v2-sync")
    body = {"input": {"parameters": {"custom": {"urls": URLS}}}, "is_async": False, "limit": 2}
    for path in (f"{worker}/runs", f"{worker}/runs/last/rerun"):
        data = v2.data("POST", path, body)
        assert (data["run_status"], data["is_finished"]) == ("succeeded", True)
        assert data["execution_start_timestamp"] <= data["execution_end_timestamp"]
        assert [row["price"] for row in data["results"]["list"]] == [0.5, 1.5]
        assert (data["results"]["count"], data["results"]["page_size"]) == (3, 2)


@pytest.mark.parametrize("place", ["run", "last"])
def test_an_aborted_run_is_aborting_and_then_aborted(strict: Booted, place: str) -> None:
    """The platform of this test says ``aborting`` for two seconds, and waits one in sync mode."""
    v2 = V2Client(strict)
    name = f"v2-endless-{place}"
    strict.push(zoo("never_exits"), name)
    data = v2.data("POST", f"/workers/owner~{name}/runs", {"is_async": False})
    run = data["run_slug"]
    assert (data["run_status"], data["is_finished"]) == ("running", False)
    v2.until(run, "running")
    path = f"/worker-runs/{run}" if place == "run" else f"/workers/owner~{name}/runs/last"
    for _ in range(2):
        assert v2.data("POST", f"{path}/abort") is None
        assert v2.data("GET", path)["status"] == "aborting"
    ended = v2.until(run, "aborted", "succeeded", "failed")
    assert (ended["status"], ended["err_msg"]) == ("aborted", "Aborted on request")
    assert time.time() >= ended["finished_at"] + 2  # both are of this machine's clock
    assert v2.data("GET", "/worker-runs?status=aborting&limit=1")["list"][0]["slug"] == run
