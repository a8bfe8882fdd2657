"""Runs of several subtasks: the split of an input, and the end of the run when some fail."""

from __future__ import annotations

import json
import os
from typing import Any

import httpx2
import pytest

from fyke.reasons import HintCode
from support.booted import Booted
from support.projects import python_project, zoo
from support.reasons import reaches

SUCCEEDED, FAILED, ABORTED = 3, 4, 5
ECHOES = """
from sdk import CoreSDK

CoreSDK.Result.push_data({"given": CoreSDK.Parameter.get_input_json_str()})
"""


def splitting(*fields: str, remove: list[str] | None = None, **types: str) -> dict[str, Any]:
    """A schema that splits by ``fields``; ``types`` has the types of those that are not arrays."""
    properties = [{"name": name, "type": types.get(name, "array")} for name in fields]
    concurrency: dict[str, Any] = {"fields": list(fields)}
    if remove:
        concurrency["remove_fields"] = remove
    return {"properties": properties, "concurrency": concurrency}


def legacy(field: str) -> dict[str, Any]:
    return {"properties": [{"name": field, "type": "array"}], "b": f" {field} "}


MAPS = splitting("keywords", "urls", "ids", remove=["keywords"])
CUTS: list[tuple[str, dict[str, Any], dict[str, Any], list[dict[str, Any]]]] = [
    (
        "preferred fields, the removed one goes",
        MAPS,
        {"keywords": ["pizza", "iphone"], "urls": ["A", "B"], "ids": [], "base": "NY"},
        [{"urls": ["A"], "ids": [""], "base": "NY"}, {"urls": ["B"], "ids": [""], "base": "NY"}],
    ),
    (
        "only the removable field says something",
        MAPS,
        {"keywords": ["pizza", "iphone"], "urls": [], "ids": [""], "base": "NY"},
        [
            {"keywords": ["pizza"], "urls": [""], "ids": [""], "base": "NY"},
            {"keywords": ["iphone"], "urls": [""], "ids": [""], "base": "NY"},
        ],
    ),
    (
        "a union of two fields, never a product",
        splitting("a", "b2"),
        {"a": [1, 2], "b2": ["x"]},
        [{"a": [1], "b2": [""]}, {"a": [2], "b2": [""]}, {"a": [""], "b2": ["x"]}],
    ),
    (
        "objects are merged over the rest",
        splitting("startUrl"),
        {"startUrl": [{"url": "u1", "n": 5}, {"url": "u2"}], "n": 1},
        [{"n": 5, "url": "u1"}, {"n": 1, "url": "u2"}],
    ),
    (
        "b, with the field's own name inside",
        legacy("url"),
        {"url": [{"url": "u1"}, {"url": "u2"}]},
        [{"url": "u1"}, {"url": "u2"}],
    ),
    (
        "b, with plain items",
        legacy("ids"),
        {"ids": ["25025320", "9"], "most": 3},
        [{"ids": ["25025320"], "most": 3}, {"ids": ["9"], "most": 3}],
    ),
    (
        "concurrency wins over b, empty items are left out",
        {**splitting("a"), "b": "c"},
        {"a": ["x", None, " "], "c": [1, 2, 3]},
        [{"a": ["x"], "c": [1, 2, 3]}],
    ),
    (
        "a field that is no array leaves the run whole",
        splitting("location", location="string"),
        {"location": "NYC"},
        [{"location": "NYC"}],
    ),
    ("nothing to split by", {"properties": []}, {"urls": [1, 2]}, [{"urls": [1, 2]}]),
    (
        "big numbers are cut with all their digits",
        splitting("ids"),
        {"ids": [2**63, 10**39 + 7], "url": "https://a.example/?x=1&y=<2>"},
        [
            {"ids": [2**63], "url": "https://a.example/?x=1&y=<2>"},
            {"ids": [10**39 + 7], "url": "https://a.example/?x=1&y=<2>"},
        ],
    ),
]
# The rules are also tested without a platform, in tests/unit/domain/runs/test_split.py.
ORDINARY = (
    "preferred fields, the removed one goes",
    "objects are merged over the rest",
    "b, with plain items",
    "big numbers are cut with all their digits",
)


@pytest.mark.parametrize(
    ("schema", "custom", "parts"),
    [
        pytest.param(*cut, id=name, marks=() if name in ORDINARY else pytest.mark.long)
        for name, *cut in CUTS
    ],
)
def test_every_subtask_gets_its_own_item(
    platform: Booted, schema: dict[str, Any], custom: dict[str, Any], parts: list[dict[str, Any]]
) -> None:
    slug = platform.push(python_project(ECHOES, schema=schema), "split-echoes")
    run = platform.start_run(slug, custom)
    detail = platform.ended(run)
    assert (detail["status"], detail["results"]) == (SUCCEEDED, len(parts))
    given = [json.loads(row["given"]) for row in platform.rows(run)]
    assert sorted(given, key=json.dumps) == sorted(parts, key=json.dumps)
    line = f"Total {len(parts)} subtasks: {len(parts)} succeeded, 0 failed."
    assert line in platform.log_text(run)


@pytest.mark.parametrize(
    ("schema", "custom", "text"),
    [
        (splitting("a"), {"a": ["", None]}, "concurrency fields have no non-empty fields"),
        (splitting("a"), {}, "concurrency fields have no non-empty fields"),
        (legacy("a"), {}, "missing concurrency field [a]"),
        (legacy("a"), {"a": []}, "concurrency field [a] is empty"),
        (splitting("a"), {"a": "x"}, 'field "a" must be an array'),
        (splitting("a"), {"a": ["x", [1]]},
         "item at index 1 in [a] must be an object or primitive value"),
        (splitting("a"), {"a": ["x", {"url": "y"}]},
         "field [a] must not mix object and primitive items"),
        (splitting("a"), {"a": list(range(1001))}, "concurrency_num (1001) exceeds limit (1000)"),
    ],
)  # fmt: skip
def test_an_input_that_cannot_be_split_starts_no_run(
    platform: Booted, schema: dict[str, Any], custom: dict[str, Any], text: str
) -> None:
    slug = platform.push(python_project(ECHOES, schema=schema), "split-refuses")
    body = {"scraper_slug": slug, "input": {"parameters": {"custom": custom}}}
    answer = platform.raw("/api/v1/scraper/run", body)
    assert (answer.status_code, answer.json()["code"]) == (400, 4000)
    assert text in answer.json()["message"]
    assert platform.call("/api/v1/run/list", {"scraper_slug": slug})["count"] == 0


def behaving_worker(platform: Booted) -> str:
    return platform.push(zoo("fails_by_word", schema=splitting("words")), "split-behaves")


@reaches(HintCode.PARTLY_FAILED)
def test_a_run_with_failed_items_succeeds_without_their_rows(platform: Booted) -> None:
    # each subtask needs all cores, so they run one after another
    run = platform.start_run(
        behaving_worker(platform), {"words": ["one", "bad-two", "three"]}, cpus=os.cpu_count()
    )
    detail = platform.ended(run)
    assert (detail["status"], detail["err_msg"]) == (SUCCEEDED, "")
    rows = platform.rows(run)
    assert {row["word"] for row in rows if "word" in row} == {"one", "three"}
    # fields that the failed subtask merged into a row of a good one stay merged
    [shared] = [row for row in rows if row.get("id") == "shared"]
    assert shared == {"id": "shared", "one": True, "bad-two": True, "three": True}
    assert detail["results"] == len(rows) == 3
    assert platform.call("/api/v1/run/result/list", {"run_slug": run})["count"] == 3
    text = platform.log_text(run)
    assert "Total 3 subtasks: 2 succeeded, 1 failed." in text
    assert "The Worker exited with code 7: cannot read bad-two" in text
    assert platform.summary(run)["hint"]["params"] == {"failed": 1, "subtasks": 3}
    errors = [e for e in _log(platform, run) if e["type"] == 4]
    assert len({entry["group"] for entry in errors}) == 1, errors


def test_exports_omit_the_rows_of_failed_subtasks(platform: Booted) -> None:

    run = platform.start_run(behaving_worker(platform), {"words": ["bad-one", "two"]})
    platform.ended(run)
    body = {"run_slug": run, "format": "json", "filter_keys": "word"}
    link = platform.call("/api/v1/run/result/export", body)["download_url"]
    words = [row.get("word") for row in httpx2.get(link).json()]
    assert "two" in words
    assert "bad-one" not in words


def test_a_run_whose_subtasks_all_fail_has_failed(platform: Booted) -> None:
    run = platform.start_run(behaving_worker(platform), {"words": ["bad-one", "bad-two"]})
    detail = platform.ended(run)
    assert detail["status"] == FAILED
    assert detail["err_msg"].startswith("The Worker exited with code 7: cannot read bad-")
    assert (detail["results"], platform.rows(run)) == (0, [])
    assert "Total 2 subtasks: 0 succeeded, 2 failed." in platform.log_text(run)


def test_a_subtask_that_times_out_keeps_its_rows(platform: Booted) -> None:
    run = platform.start_run(
        behaving_worker(platform), {"words": ["slow-one", "two"]}, execute_limit_time_seconds=2
    )
    detail = platform.ended(run)
    assert detail["status"] == SUCCEEDED
    assert {row["word"] for row in platform.rows(run) if "word" in row} == {"slow-one", "two"}
    assert "Total 2 subtasks: 1 succeeded, 1 failed." in platform.log_text(run)


def test_an_abort_stops_running_subtasks_and_starts_no_others(platform: Booted) -> None:
    words = [f"slow-{number}" for number in range(200)]
    run = platform.start_run(behaving_worker(platform), {"words": words}, memory=16384)
    platform.wait_for(lambda: platform.detail(run)["results"] > 0, "the first row")
    platform.call("/api/v1/scraper/abort", {"run_slug": run})
    detail = platform.ended(run)
    assert (detail["status"], detail["err_msg"]) == (ABORTED, "Aborted on request")
    platform.wait_for(lambda: not platform.sandboxes(), "an empty process table", 15)
    started = {e["group"] for e in _log(platform, run) if e["content"].endswith(" - Running...")}
    assert 0 < len(started) < len(words)
    assert len(platform.rows(run)) == detail["results"]


def _log(platform: Booted, run: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = platform.call("/api/v1/run/last/log", {"run_slug": run})["list"]
    return entries
