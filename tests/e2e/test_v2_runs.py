"""API v2 on a whole platform: a run from its start to its files, and both ways to end one."""

from __future__ import annotations

import json

import httpx2

from support.booted import Booted
from support.projects import python_project
from support.v2_client import V2Client

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


def reader(platform: Booted, name: str) -> str:
    platform.push(python_project(READER, schema=SCHEMA), name)
    return f"/workers/owner~{name}"


def test_a_run_works_from_its_start_to_its_files(platform: Booted) -> None:
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


def test_a_sync_run_and_a_sync_rerun_return_their_rows(platform: Booted) -> None:
    v2 = V2Client(platform)
    worker = reader(platform, "v2-sync")
    body = {"input": {"parameters": {"custom": {"urls": URLS}}}, "is_async": False, "limit": 2}
    for path in (f"{worker}/runs", f"{worker}/runs/last/rerun"):
        data = v2.data("POST", path, body)
        assert (data["run_status"], data["is_finished"]) == ("succeeded", True)
        assert data["execution_start_timestamp"] <= data["execution_end_timestamp"]
        assert [row["price"] for row in data["results"]["list"]] == [0.5, 1.5]
        assert (data["results"]["count"], data["results"]["page_size"]) == (3, 2)
