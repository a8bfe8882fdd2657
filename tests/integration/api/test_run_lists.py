"""The list of all runs, and bulk actions."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from fyke.model.run import Outcome
from fyke.reasons import Reason, ReasonCode, sentence
from fyke.wire.fyke import run_lists as wire
from support.answers import data_as
from support.api import Api, fails, start_body
from support.app import App

pytestmark = pytest.mark.anyio

RUNS = "/api/fyke/runs"
BULK = "/api/fyke/runs/bulk"
NOWHERE = "01HFXXXXXXXXXXXXXXXXXXXXXX"


async def started(app: App, api: Api, worker: Any, number: int = 1) -> list[str]:
    """Ids of new runs, oldest first."""
    run_ids = []
    for _ in range(number):
        run_ids.append((await api.ok("/api/v1/scraper/run", start_body(worker.id)))["run_slug"])
    return run_ids


async def listed(api: Api, **query: Any) -> dict[str, Any]:
    page: dict[str, Any] = data_as(wire.RunItemPage, await api.get(RUNS, params=query))
    return page


def slugs(page: dict[str, Any]) -> list[str]:
    return [item["slug"] for item in page["list"]]


async def test_a_run_is_listed_with_its_figures_and_parameters(app: App, api: Api) -> None:
    worker = await app.publish()
    [slug] = await started(app, api, worker)
    leases = await app.begin()
    await app.push(leases[0], [{"n": 1}, {"n": 2}])
    [item] = (await listed(api))["list"]
    assert (item["slug"], item["worker"], item["version"]) == (slug, "owner/reader", "v1.0.1")
    assert (item["state"], item["results"], item["finished_at"]) == ("running", 2, 0)
    assert item["parameters"] == "urls: https://a.example (+1)"
    for lease in leases:
        await app.end(lease, Outcome.TIMEOUT, "Timeout: too slow")
    [item] = (await listed(api))["list"]
    assert (item["state"], item["outcome"], item["error"]) == (
        "failed", "timeout", "Timeout: too slow",
    )  # fmt: skip
    assert item["traffic"] == 4096 and item["duration"] >= 0
    other = await api.get(RUNS, key=app.other_key)
    assert other.json()["data"]["list"] == []


async def test_every_filter_is_applied_by_the_server(app: App, api: Api) -> None:
    reader, other = await app.publish(), await app.publish("other")
    [failed] = await started(app, api, reader)
    reason = Reason.of(ReasonCode.EXIT_CODE, exit_code=1, last_words="KeyError 'title'")
    await app.execute([], Outcome.EXIT_CODE, sentence(reason), reason=reason)
    [ended] = await started(app, api, other)
    await app.execute([{"n": 1}])
    [waits] = await started(app, api, reader)
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, [waits, ended, failed]),
        ({"state": "failed"}, [failed]),
        ({"state": "succeeded,ready"}, [waits, ended]),
        ({"state": "active"}, [waits]),
        ({"outcome": "exit_code"}, [failed]),
        ({"reason": "exit_code"}, [failed]),
        ({"reason": "timeout, exit_code", "state": "failed"}, [failed]),
        ({"reason": "timeout"}, []),
        ({"worker": "owner/reader"}, [waits, failed]),
        ({"worker": reader.id, "state": "failed"}, [failed]),
        ({"origin": "api"}, [waits, ended, failed]),
        ({"origin": "schedule"}, []),
        ({"version": "v1.0.1", "state": "ready"}, [waits]),
        ({"version": "v9"}, []),
        ({"error": "keyerror"}, [failed]),
        ({"error": "keyerror", "worker": other.id}, []),
        ({"run": ended}, [ended]),
        ({"from": "2020-01-01", "until": "2199-01-01"}, [waits, ended, failed]),
        ({"from": "2199-01-01"}, []),
        ({"until": 1_000_000}, []),
        ({"task": NOWHERE}, []),
    ]
    for query, expected in cases:
        page = await listed(api, **query)
        assert slugs(page) == expected, query
        assert (page["count"], page["count_is_minimum"]) == (len(expected), False)
        assert (page["next_cursor"], page["looked_back_to"]) == ("", 0)
    beginning = await listed(api, run=ended[:20].lower())
    assert ended in slugs(beginning)
    assert all(slug.startswith(ended[:20]) for slug in slugs(beginning))


async def test_the_error_for_an_invalid_filter_names_it_and_the_remedy(api: Api) -> None:
    answer = await api.get(RUNS, params={"state": "done", "from": "yesterday"})
    body = fails(answer, 400, 4000, "state: unknown state 'done'", "2026-11-24")
    assert len(body["details"]) == 2
    fails(await api.get(RUNS, params={"cursor": "x"}), 400, 4000, "cursor: use next_cursor")
    deep = {"page_index": 102, "page_size": 100}
    fails(await api.get(RUNS, params=deep), 400, 4000, "page_index", "next_cursor")


async def test_pages_by_number_and_by_cursor_return_the_same_runs(app: App, api: Api) -> None:
    run_ids = (await started(app, api, await app.publish(), 5))[::-1]
    by_number = [await listed(api, page_index=n, page_size=2) for n in (1, 2, 3, 4)]
    assert [slugs(page) for page in by_number] == [run_ids[:2], run_ids[2:4], run_ids[4:], []]
    assert {page["count"] for page in by_number} == {5}
    walked, page = [], await listed(api, page_size=2)
    walked.append(slugs(page))
    newest = await started(app, api, await app.publish("later"))  # does not change further pages
    while page["next_cursor"]:
        page = await listed(api, page_size=2, cursor=page["next_cursor"])
        walked.append(slugs(page))
    assert walked == [run_ids[:2], run_ids[2:4], run_ids[4:]]
    back = await listed(api, page_size=2, cursor=page["previous_cursor"])
    assert slugs(back) == run_ids[2:4]
    first = await listed(api, page_size=3, cursor=back["previous_cursor"])
    assert slugs(first) == [*newest, *run_ids[:2]]
    assert first["previous_cursor"] == ""


async def test_the_whole_list_is_exported_as_csv_without_formulas(app: App, api: Api) -> None:
    worker = await app.publish()
    failed = await started(app, api, worker, 2)
    await app.execute([], Outcome.EXIT_CODE, '=cmd|"/c calc"!A1, with "quotes"')
    answer = await api.get(f"{RUNS}/export", params={"state": "failed"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="runs.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["run"] for row in rows] == failed[::-1]
    assert rows[0]["error"] == '\'=cmd|"/c calc"!A1, with "quotes"'
    assert rows[0]["state"] == "failed" and rows[0]["created_at"].endswith("+00:00")
    fails(await api.get(f"{RUNS}/export", params={"state": "x"}), 400, 4000, "state")


# --- bulk actions --------------------------------------------------------------------------


async def act(api: Api, action: str, **body: Any) -> dict[str, Any]:
    answer = await api.post(BULK, {"action": action, **body})
    results: dict[str, Any] = data_as(wire.BulkResults, answer)
    return results


async def test_a_bulk_action_returns_a_result_for_each_run(app: App, api: Api) -> None:
    worker = await app.publish()
    [ended] = await started(app, api, worker)
    await app.execute([{"n": 1}])
    first, second = await started(app, api, worker, 2)
    results = await act(api, "abort", runs=[first, ended, NOWHERE, second, first])
    assert [(i["slug"], i["code"]) for i in results["list"]] == [
        (first, 0), (ended, 70002), (NOWHERE, 70001), (second, 0),
    ]  # fmt: skip
    assert (results["done"], results["more"]) == (2, False)
    assert "already succeeded" in results["list"][1]["message"]
    [waits] = await started(app, api, worker)
    results = await act(api, "delete", runs=[waits, ended, first])
    assert [i["code"] for i in results["list"]] == [4000, 0, 0]
    assert results["list"][0]["message"] == "only a finished run can be deleted; abort it first"
    assert slugs(await listed(api)) == [waits, second]


async def test_runs_are_rerun_once_for_one_key(app: App, api: Api) -> None:
    run_ids = await started(app, api, await app.publish(), 2)
    body = {"action": "rerun", "runs": run_ids}
    headers = {"idempotency-key": "twice"}
    first = await api.post(BULK, body, headers=headers)
    repeated = await api.post(BULK, body, headers=headers)
    assert first.json() == repeated.json()
    new = [item["run_slug"] for item in first.json()["data"]["list"]]
    assert slugs(await listed(api)) == [*new[::-1], *run_ids[::-1]]
    third = await act(api, "rerun", runs=run_ids)
    assert third["done"] == 2 and len(slugs(await listed(api))) == 6


async def test_an_action_on_all_matching_runs_changes_no_others(app: App, api: Api) -> None:
    worker = await app.publish()
    failed = await started(app, api, worker, 3)
    await app.execute([], Outcome.EXIT_CODE, "The Worker exited with code 1")
    waits = await started(app, api, worker, 2)
    results = await act(api, "abort", all_matching=True, worker=worker.id)
    assert [i["slug"] for i in results["list"]] == waits and results["done"] == 2
    assert (await act(api, "abort", all_matching=True, state="failed"))["list"] == []
    results = await act(api, "delete", all_matching=True, error="code 1")
    assert [i["slug"] for i in results["list"]] == failed
    assert slugs(await listed(api)) == waits[::-1]


async def test_matching_runs_above_the_limit_are_reported_and_unchanged(
    app: App, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fyke.domain.runs.bulk.MAX_MATCHED", 2)
    run_ids = await started(app, api, await app.publish(), 3)
    results = await act(api, "abort", all_matching=True)
    assert [i["slug"] for i in results["list"]] == run_ids[1:] and results["more"]
    assert not (await act(api, "abort", all_matching=True))["more"]


@pytest.mark.common_app
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "action is required"),
        ({"action": "explode"}, "action must be one of abort, rerun, delete"),
        ({"action": "abort"}, "runs: name at least one run"),
        (
            {"action": "abort", "runs": [NOWHERE[:-3] + f"{n:03d}" for n in range(101)]},
            "at most 100",
        ),
        ({"action": "abort", "runs": [NOWHERE], "all_matching": True}, "not both"),
        ({"action": "abort", "runs": [1]}, "runs must be a list of strings"),
        ({"action": "abort", "runs": " "}, "runs: name at least one run"),
        ({"action": "abort", "all_matching": True, "state": "x"}, "state: unknown state"),
    ],
)
async def test_a_bad_request_changes_nothing(api: Api, body: dict[str, Any], words: str) -> None:
    fails(await api.post(BULK, body), 400, 4000, words)


async def test_a_single_id_is_accepted_for_one_run(api: Api) -> None:
    data = await api.ok(BULK, {"action": "abort", "runs": NOWHERE})
    assert [item["slug"] for item in data["list"]] == [NOWHERE]


async def test_the_reason_of_an_end_is_returned_as_code_and_parameters(app: App, api: Api) -> None:
    worker = await app.publish()
    [slug] = await started(app, api, worker)
    reason = Reason.of(ReasonCode.TIMEOUT, seconds=60)
    await app.execute([], Outcome.TIMEOUT, sentence(reason), reason=reason)
    [item] = (await listed(api, reason="timeout"))["list"]
    assert (item["slug"], item["reason_code"], item["reason_params"], item["error"]) == (
        slug, "timeout", {"seconds": 60}, sentence(reason),
    )  # fmt: skip
    ended = (await api.get(f"{RUNS}/{slug}")).json()["data"]
    assert (ended["reason_code"], ended["reason_params"]) == ("timeout", {"seconds": 60})
    assert (ended["hint"]["code"], ended["hint"]["params"]) == ("timeout", {})
    part = (await api.get(f"{RUNS}/{slug}/subtasks")).json()["data"]["list"][0]
    assert part["reason_code"] == part["attempts"][0]["reason_code"] == "timeout"
    events = (await api.get(f"{RUNS}/{slug}/events")).json()["data"]["list"]
    assert [event["reason_code"] for event in events if event["detail"]] == ["timeout"]
    export = (await api.get(f"{RUNS}/export")).text.splitlines()
    assert export[0].split(",")[6:8] == ["outcome", "reason_code"]
    assert export[1].split(",")[6:8] == ["timeout", "timeout"]


async def test_an_invalid_reason_code_is_refused_with_the_valid_codes(api: Api) -> None:
    answer = await api.get(RUNS, params={"reason": "plan_full"})
    fails(answer, 400, 4000, "reason: unknown reason 'plan_full'; use exit_code, no_browser,")


async def test_a_run_of_an_older_release_has_a_sentence_and_no_hint(app: App, api: Api) -> None:
    [slug] = await started(app, api, await app.publish())
    await app.execute([], Outcome.INSTALL_FAILED, "stored by an older release")
    ended = (await api.get(f"{RUNS}/{slug}")).json()["data"]
    assert (ended["reason"], ended["reason_code"], ended["hint"]) == (
        "stored by an older release", "", None,
    )  # fmt: skip
