"""A platform with strict settings: a public name, required callbacks, a short wait in sync mode,
short-lived links, few subtasks, and visible rows of failures.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx2
import pytest

from support.any_booted import any_booted
from support.booted import Booted
from support.projects import python_project, zoo
from support.v2_client import V2Client

READY, RUNNING, SUCCEEDED = 1, 2, 3
WORDS = {
    "properties": [{"name": "words", "type": "array"}],
    "concurrency": {"fields": ["words"]},
}


@pytest.fixture(scope="module")
def strict() -> Iterator[Booted]:
    with any_booted(
        public_url="https://fyke.example/scraping/",
        require_callback_url="true",
        callback_allow="127.0.0.1/32",
        sync_wait_seconds="1",
        abort_grace_seconds="600",
        download_seconds="2",
        failed_rows="keep",
        max_subtasks="5",
    ) as running:
        yield running


def test_links_have_the_public_name_and_expire(strict: Booted) -> None:
    run = strict.start_run(strict.push(zoo("upserts"), "strict-links"))
    strict.ended(run)
    public = "https://fyke.example/scraping"
    for which in (0, 1):
        link = strict.links(run, **{"x-forwarded-host": "evil.example"})[which]
        assert link.startswith(f"{public}/files/")
        local = link.replace(public, strict.url)
        assert httpx2.get(local).status_code == 200
        named = httpx2.get(local, headers={"host": "fyke.example"})
        assert named.status_code == 200
        strict.wait_for(lambda at=local: httpx2.get(at).status_code == 404, "the link's end", 10)
        assert httpx2.get(local).json()["code"] == 4040


def test_a_sync_start_returns_after_its_time_limit_and_the_run_continues(strict: Booted) -> None:
    waits = "import time; time.sleep(2.5)\nfrom sdk import CoreSDK\nCoreSDK.Result.push_data({})"
    slug = strict.push(python_project(waits), "strict-waits")
    body = {"scraper_slug": slug, "is_async": False, "input": {"parameters": {"custom": {}}}}
    started = time.monotonic()
    data = strict.call("/api/v1/scraper/run", body)
    assert 1 <= time.monotonic() - started < 2.5
    assert data["run_status"] == "running"
    assert data["status"] in (READY, RUNNING)
    assert (data["execution_end_timestamp"], data["results"]["list"]) == (0, [])
    assert strict.ended(data["run_slug"])["results"] == 1


def test_a_strict_platform_requires_callback_urls_like_the_guide(strict: Booted) -> None:
    slug = strict.push(python_project("print(1)"), "strict-prints")
    run = strict.start_run(slug)  # a callback is not required here
    strict.ended(run)
    for path, body in (
        ("/api/v1/rerun", {"run_slug": run}),
        ("/api/v1/task/run", {"task_slug": "01KJXSR49GEMBEZZ5FZDPVNBWK"}),
    ):
        answer = strict.raw(path, body)
        assert answer.status_code == 400
        assert answer.json()["code"] == 4000
        assert "callback_url is required" in answer.json()["message"]
    again = strict.call(
        "/api/v1/rerun", {"run_slug": run, "callback_url": "http://127.0.0.1:9999/"}
    )
    assert strict.ended(again["run_slug"])["status"] == SUCCEEDED


def test_rows_of_failed_workers_are_shown_if_the_operator_keeps_them(strict: Booted) -> None:
    run = strict.start_run(
        strict.push(zoo("fails_by_word", schema=WORDS), "strict-fails"),
        {"words": ["one", "bad-two"]},
    )
    detail = strict.ended(run)
    assert detail["status"] == SUCCEEDED
    assert {row["word"] for row in strict.rows(run) if "word" in row} == {"one", "bad-two"}
    assert detail["results"] == len(strict.rows(run)) == 3


def test_the_configured_limit_of_subtasks_applies(strict: Booted) -> None:
    body = {
        "scraper_slug": strict.push(zoo("fails_by_word", schema=WORDS), "strict-fails"),
        "input": {"parameters": {"custom": {"words": list("abcdef")}}},
    }
    answer = strict.raw("/api/v1/scraper/run", body)
    assert answer.status_code == 400
    assert "concurrency_num (6) exceeds limit (5)" in answer.json()["message"]


@pytest.mark.parametrize("place", ["run", "last"])
def test_an_aborted_run_is_first_aborting_and_then_aborted(strict: Booted, place: str) -> None:
    """A client that has read ``aborting`` reads ``aborted`` once the Worker has stopped."""
    v2 = V2Client(strict)
    name = f"strict-endless-{place}"
    strict.push(zoo("never_exits"), name)
    data = v2.data("POST", f"/workers/owner~{name}/runs", {"is_async": False})
    run = data["run_slug"]
    assert (data["run_status"], data["is_finished"]) == ("running", False)
    v2.until(run, "running")
    path = f"/worker-runs/{run}" if place == "run" else f"/workers/owner~{name}/runs/last"
    assert v2.data("POST", f"{path}/abort") is None
    assert v2.data("GET", path)["status"] == "aborting"
    assert v2.data("POST", f"{path}/abort") is None
    ended = v2.until(run, "aborted", "succeeded", "failed")
    assert (ended["status"], ended["err_msg"]) == ("aborted", "Aborted on request")
    assert v2.data("GET", path)["status"] == "aborted"
    assert v2.data("GET", "/worker-runs?status=aborting&limit=1")["list"][0]["slug"] == run
