"""The zoo: Workers that behave badly, each with what must become of it and of its rows."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from support.booted import Booted
from support.projects import zoo

SUCCEEDED, FAILED = 3, 4


@dataclass(frozen=True)
class Animal:
    """``seconds`` bounds the time from the start to the end of the run. ``or_err_msg`` may stand
    for ``err_msg`` where no cgroup limits the Worker: there another limit may be reached first.
    """

    name: str
    status: int
    err_msg: str = ""
    or_err_msg: str = ""
    rows: int = 1
    seconds: float = 20
    system: dict[str, Any] = field(default_factory=dict)


SHORT = {"execute_limit_time_seconds": 2}
TIMEOUT = "Timeout: the run went over its execute_limit_time_seconds of 2 s"
OUT_OF_MEMORY = "Out of memory: the Worker went over its 512 MB"
ZOO = [
    Animal("exits_at_once", SUCCEEDED, rows=0),
    Animal("exits_with_code", FAILED, "The Worker exited with code 3: the site said no", rows=0),
    Animal("raises", FAILED, "code 1: ValueError: price not found on page 7", rows=0),
    Animal("kills_itself", FAILED, "The Worker was ended by signal 11", rows=0),
    Animal("never_exits", FAILED, TIMEOUT, system=SHORT),
    Animal("ignores_sigterm", FAILED, TIMEOUT, system=SHORT),
    Animal("forks_bombs", FAILED, TIMEOUT, OUT_OF_MEMORY, system=SHORT),
    Animal("leaves_daemons", SUCCEEDED),
    Animal("eats_memory", FAILED, OUT_OF_MEMORY),
    Animal("fills_the_disk", FAILED, "Stopped: the Worker's files went over 64 MB"),
    Animal("floods_the_log", SUCCEEDED),
    Animal("pushes_before_headers", SUCCEEDED, rows=2),
    Animal("pushes_json_text", SUCCEEDED, rows=4),
    Animal("calls_unknown_method", SUCCEEDED),
    Animal("pushes_odd_numbers", SUCCEEDED),
    Animal("pushes_a_big_row", SUCCEEDED, rows=2),
    Animal("prints_bad_utf8", SUCCEEDED),
    Animal("upserts", SUCCEEDED, rows=2),
]


@pytest.mark.parametrize("animal", ZOO, ids=lambda animal: animal.name)
def test_each_animal_ends_as_it_must(platform: Booted, animal: Animal) -> None:
    slug = platform.push(zoo(animal.name), f"zoo-{animal.name}".replace("_", "-"))
    began = time.monotonic()
    run = platform.start_run(slug, {}, **animal.system)
    detail = platform.ended(run, animal.seconds)
    took = time.monotonic() - began
    assert detail["status"] == animal.status, detail
    expected = [animal.err_msg]
    if animal.or_err_msg and platform.isolation() != "full":
        expected.append(animal.or_err_msg)
    assert any(text in detail["err_msg"] for text in expected), detail
    assert bool(detail["err_msg"]) == bool(animal.err_msg)
    assert detail["results"] == animal.rows == len(platform.rows(run))
    assert took < animal.seconds
    platform.wait_for(lambda: not platform.boxes(), "an empty process table", 10)


def test_big_numbers_keep_their_digits(platform: Booted) -> None:
    slug = platform.push(zoo("pushes_odd_numbers"), "zoo-pushes-odd-numbers")
    run = platform.start_run(slug)
    platform.ended(run)
    [row] = platform.rows(run)
    assert row["two_63"] == 2**63
    assert row["forty"] == 10**39 + 7
    assert row["nan"] is None
    assert row["infinite"] is None
    assert row["text"] == "\x00 and \ufffd"
    assert "NaN or Infinity" in platform.log_text(run)


def test_a_row_over_the_limit_is_refused_by_name_and_the_run_goes_on(platform: Booted) -> None:
    slug = platform.push(zoo("pushes_a_big_row"), "zoo-pushes-a-big-row")
    run = platform.start_run(slug)
    platform.ended(run)
    first, last = platform.rows(run)
    assert len(first["text"]) == 5 * 2**20
    assert last["n"] == 3
    assert "8" in last["refused"]
    assert "MiB" in last["refused"]


def test_text_that_is_json_is_read_once_more(platform: Booted) -> None:
    slug = platform.push(zoo("pushes_json_text"), "zoo-pushes-json-text")
    run = platform.start_run(slug)
    platform.ended(run)
    assert platform.rows(run) == [
        {"n": 1},
        {"value": [1, 2]},
        {"value": 7},
        {"value": "plain words"},
    ]


def test_headers_may_come_late_and_the_last_ones_count(platform: Booted) -> None:
    slug = platform.push(zoo("pushes_before_headers"), "zoo-pushes-before-headers")
    run = platform.start_run(slug)
    platform.ended(run)
    page = platform.call("/api/v1/run/result/list", {"run_slug": run})
    assert [(h["label"], h["key"], h["format"]) for h in page["headers"]] == [
        ("Title", "title", "text"),
        ("Price", "price", "number"),
    ]


def test_the_log_says_what_was_printed_and_what_was_not_text(platform: Booted) -> None:
    slug = platform.push(zoo("prints_bad_utf8"), "zoo-prints-bad-utf8")
    run = platform.start_run(slug)
    platform.ended(run)
    text = platform.log_text(run)
    assert "caf\ufffd \ufffd\ufffd" in text
    assert "no end" in text
    assert "\x1b" not in text


def test_a_flood_of_log_lines_is_cut_and_says_so(platform: Booted) -> None:
    slug = platform.push(zoo("floods_the_log"), "zoo-floods-the-log")
    run = platform.start_run(slug)
    platform.ended(run)
    text = platform.log_text(run)
    assert len(text) < 13 * 2**20
    assert "SYSTEM" in text.rpartition("x" * 100)[2]
    assert "All subtasks have completed execution! Total 1 subtasks: 1 succeeded, 0 failed." in text


def test_rows_of_a_worker_that_failed_are_hidden_but_those_of_a_timeout_are_kept(
    platform: Booted,
) -> None:
    hidden = platform.start_run(platform.push(zoo("exits_with_code"), "zoo-exits-with-code"))
    kept = platform.start_run(
        platform.push(zoo("never_exits"), "zoo-never-exits"), {}, execute_limit_time_seconds=1
    )
    assert platform.ended(hidden)["results"] == 0
    assert platform.rows(hidden) == []
    assert platform.ended(kept)["results"] == 1
    assert platform.rows(kept) == [{"n": 1}]


def test_the_worker_sees_its_input_and_nothing_of_the_platform(platform: Booted) -> None:
    slug = platform.push(zoo("echoes_input"), "zoo-echoes-input")
    run = platform.start_run(slug, {"big": 2**63, "text": "a&b<c>"})
    platform.ended(run)
    [row] = platform.rows(run)
    assert row["input"] == {"big": 2**63, "text": "a&b<c>"}
    assert row["text"] == '{"big":9223372036854775808,"text":"a&b<c>"}'
    assert set(row["env"]) <= {
        "PATH", "HOME", "LANG", "TMPDIR", "PYTHONUNBUFFERED",
        "PROXY_DOMAIN", "PROXY_AUTH", "ChromeWs", "ChromeHttp", "LC_CTYPE",
        "http_proxy", "https_proxy", "all_proxy", "no_proxy", "no_grpc_proxy",
        "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    }  # fmt: skip
    assert platform.key not in str(row)
