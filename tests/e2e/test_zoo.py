"""Misbehaving Workers: the expected end of each run, and the rows that it must keep."""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from fyke.reasons import HintCode, ReasonCode
from fyke_client import ApiError
from support.booted import Booted
from support.left_over import nothing_is_left
from support.projects import python_project, zoo
from support.reasons import reaches
from zoo import expected
from zoo.bundles import GO_SOURCES, SCHEMA, built, go_project, node_bundle, packed, python_bundle
from zoo.expected import BEHAVIOURS

SUCCEEDED, FAILED = 3, 4


@dataclass(frozen=True)
class Behaviour:
    """``seconds`` bounds the time from the start to the end of the run. ``or_err_msg`` is accepted
    instead of ``err_msg`` where no cgroup limits the Worker, because another limit may be reached
    first.
    """

    name: str
    status: int
    err_msg: str = ""
    or_err_msg: str = ""
    rows: int = 1
    seconds: float = 20
    system: dict[str, Any] = field(default_factory=dict)
    marks: tuple[pytest.MarkDecorator, ...] = ()


SHORT = {"execute_limit_time_seconds": 2}
TIMEOUT = "Timeout: the run went over its execute_limit_time_seconds of 2 s"
OUT_OF_MEMORY = "Out of memory: the Worker went over its 512 MB"
ELF_FOR_ARM = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHI", 2, 183, 1) + bytes(200)
ZOO = [
    Behaviour("exits_at_once", SUCCEEDED, rows=0, marks=(reaches(HintCode.NO_ROWS),)),
    Behaviour(
        "exits_with_code",
        FAILED,
        "The Worker exited with code 3: the site said no",
        rows=0,
        marks=(reaches(ReasonCode.EXIT_CODE, HintCode.EXIT_CODE),),
    ),
    Behaviour("raises", FAILED, "code 1: ValueError: price not found on page 7", rows=0),
    Behaviour(
        "kills_itself",
        FAILED,
        "The Worker was ended by signal 11",
        rows=0,
        marks=(reaches(ReasonCode.SIGNAL, HintCode.CRASHED),),
    ),
    Behaviour(
        "never_exits",
        FAILED,
        TIMEOUT,
        system=SHORT,
        marks=(reaches(ReasonCode.TIMEOUT, HintCode.TIMEOUT),),
    ),
    Behaviour("ignores_sigterm", FAILED, TIMEOUT, system=SHORT),
    Behaviour("fork_bomb", FAILED, TIMEOUT, OUT_OF_MEMORY, system=SHORT),
    Behaviour("leaves_daemons", SUCCEEDED),
    Behaviour(
        "eats_memory",
        FAILED,
        OUT_OF_MEMORY,
        marks=(reaches(ReasonCode.OUT_OF_MEMORY, HintCode.OUT_OF_MEMORY),),
    ),
    Behaviour(
        "fills_the_disk",
        FAILED,
        "Stopped: the Worker's files went over 64 MB",
        marks=(reaches(ReasonCode.DISK_CAP, HintCode.DISK_CAP),),
    ),
    Behaviour("floods_the_log", SUCCEEDED),
    Behaviour("pushes_before_headers", SUCCEEDED, rows=2),
    Behaviour("pushes_json_text", SUCCEEDED, rows=4),
    Behaviour("calls_unknown_method", SUCCEEDED),
    Behaviour("pushes_odd_numbers", SUCCEEDED),
    Behaviour("pushes_a_big_row", SUCCEEDED, rows=2),
    Behaviour("prints_bad_utf8", SUCCEEDED),
    Behaviour("upserts", SUCCEEDED, rows=2),
]


@pytest.fixture(scope="module")
def program() -> bytes:
    """One program with all behaviours in Go, built from source without a network."""
    return built(GO_SOURCES)


@pytest.fixture
def bundle(platform: Booted, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """The Worker with all behaviours of a language; the platform recognises its bytes."""

    def push(language: str) -> str:
        if language == "go":
            return platform.push(go_project(request.getfixturevalue("program")), "zoo-go")
        make = {"python": python_bundle, "node": node_bundle}[language]
        return platform.push(make(), f"zoo-{language}")

    return push


NEEDED = {"node": ("npm",)}  # to install the SDK's packages


def every_behaviour() -> list[Any]:
    return [
        pytest.param(
            language,
            behaviour,
            id=f"{language}-{behaviour.name}",
            marks=[
                pytest.mark.needs(*NEEDED.get(language, ())),
                *([] if behaviour.quick else [pytest.mark.long]),
            ],
        )
        for language, behaviours in BEHAVIOURS.items()
        for behaviour in behaviours
    ]


@pytest.mark.timeout(700)
@pytest.mark.needs("{language}")
@pytest.mark.parametrize(("language", "behaviour"), every_behaviour())
def test_each_misbehaving_worker_of_the_short_list_ends_as_expected(
    platform: Booted, bundle: Callable[[str], str], language: str, behaviour: expected.Behaviour
) -> None:
    if behaviour.hard and platform.isolation() != "full":
        pytest.skip("memory is not limited by the kernel here")
    started = time.monotonic()
    run = platform.start_run(bundle(language), {"behaviour": behaviour.name}, **behaviour.system)
    detail = platform.ended(run, behaviour.seconds)
    took = time.monotonic() - started
    assert detail["status"] == behaviour.status, detail
    words = (behaviour.err_msg,) if isinstance(behaviour.err_msg, str) else behaviour.err_msg
    if OUT_OF_MEMORY in words and platform.isolation() != "full":
        words = (*words, TIMEOUT)
    assert any(text in detail["err_msg"] for text in words), detail
    assert bool(detail["err_msg"]) == bool(behaviour.err_msg), detail
    assert took < behaviour.seconds
    nothing_is_left(platform, run)
    rows = detail["results"]
    assert behaviour.rows in (rows, -1), detail
    if rows <= 1000:
        listed = platform.rows(run)
        assert len(listed) == rows
        if behaviour.row is not None:
            assert listed[-1] == behaviour.row
    assert behaviour.log in platform.log_text(run)


@pytest.mark.parametrize(
    ("behaviour", "hint"),
    [
        pytest.param("kills_itself_hard", HintCode.KILLED, marks=reaches(HintCode.KILLED)),
        pytest.param("kills_all_it_can", HintCode.SIGNAL, marks=reaches(HintCode.SIGNAL)),
    ],
)
def test_other_signals_have_their_own_hints(
    platform: Booted, bundle: Callable[[str], str], behaviour: str, hint: HintCode
) -> None:
    run = platform.start_run(bundle("python"), {"behaviour": behaviour})
    platform.ended(run)
    assert platform.summary(run)["hint"]["code"] == hint


def test_there_are_enough_workers_of_each_kind() -> None:
    for language, behaviours in BEHAVIOURS.items():
        names = {behaviour.name for behaviour in behaviours}
        assert len(names) == len(behaviours) >= 30, language
        assert sum(behaviour.quick for behaviour in behaviours) >= 8, language


# --- what never comes so far


REFUSED = {
    "without an entry": ({"input_schema.json": SCHEMA}, "the project has no entry file"),
    "without a schema": ({"main.py": "1"}, "there is no input_schema.json"),
    "with a broken main.py": (
        {"main.py": "def (:", "input_schema.json": SCHEMA},
        "main.py:1: ",
    ),
    "with two entries": (
        {"main.py": "1", "main.js": "1", "input_schema.json": SCHEMA},
        "the project has 2 entry files",
    ),
    "a program for another machine": (
        {"main": ELF_FOR_ARM, "input_schema.json": SCHEMA},
        "main: ",
    ),
    "a program that is none": ({"main": b"#!/bin/sh\n", "input_schema.json": SCHEMA}, "main: "),
    "a broken schema": ({"main.py": "1", "input_schema.json": "{"}, "input_schema.json"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_bundles_that_cannot_run_are_refused_at_the_upload(platform: Booted, fault: str) -> None:
    files, words = REFUSED[fault]
    with pytest.raises(ApiError, match=re.escape(words)):
        platform.push(packed(files), "zoo-refused")


@pytest.mark.parametrize(
    "behaviour", [pytest.param(item, id=item.name, marks=item.marks) for item in ZOO]
)
def test_each_misbehaving_worker_ends_as_expected(platform: Booted, behaviour: Behaviour) -> None:
    slug = platform.push(zoo(behaviour.name), f"zoo-{behaviour.name}".replace("_", "-"))
    started = time.monotonic()
    run = platform.start_run(slug, {}, **behaviour.system)
    detail = platform.ended(run, behaviour.seconds)
    took = time.monotonic() - started
    assert detail["status"] == behaviour.status, detail
    expected = [behaviour.err_msg]
    if behaviour.or_err_msg and platform.isolation() != "full":
        expected.append(behaviour.or_err_msg)
    assert any(text in detail["err_msg"] for text in expected), detail
    assert bool(platform.summary(run)["reason_code"]) == bool(behaviour.err_msg)
    assert bool(detail["err_msg"]) == bool(behaviour.err_msg)
    assert detail["results"] == behaviour.rows == len(platform.rows(run))
    assert took < behaviour.seconds
    nothing_is_left(platform, run)


def test_large_integers_keep_their_digits(platform: Booted) -> None:
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


def test_a_row_over_the_limit_is_refused_and_the_run_continues(platform: Booted) -> None:
    slug = platform.push(zoo("pushes_a_big_row"), "zoo-pushes-a-big-row")
    run = platform.start_run(slug)
    platform.ended(run)
    first, last = platform.rows(run)
    assert len(first["text"]) == 5 * 2**20
    assert last["n"] == 3
    assert "8" in last["refused"]
    assert "MiB" in last["refused"]


def test_text_that_is_json_is_decoded_once_more(platform: Booted) -> None:
    slug = platform.push(zoo("pushes_json_text"), "zoo-pushes-json-text")
    run = platform.start_run(slug)
    platform.ended(run)
    assert platform.rows(run) == [
        {"n": 1},
        {"value": [1, 2]},
        {"value": 7},
        {"value": "plain words"},
    ]


def test_headers_may_be_declared_late_and_the_last_declaration_counts(platform: Booted) -> None:
    slug = platform.push(zoo("pushes_before_headers"), "zoo-pushes-before-headers")
    run = platform.start_run(slug)
    platform.ended(run)
    page = platform.call("/api/v1/run/result/list", {"run_slug": run})
    assert [(h["label"], h["key"], h["format"]) for h in page["headers"]] == [
        ("Title", "title", "text"),
        ("Price", "price", "number"),
    ]


def test_the_log_has_printed_output_and_notes_about_invalid_text(platform: Booted) -> None:
    slug = platform.push(zoo("prints_bad_utf8"), "zoo-prints-bad-utf8")
    run = platform.start_run(slug)
    platform.ended(run)
    text = platform.log_text(run)
    assert "caf\ufffd \ufffd\ufffd" in text
    assert "no end" in text
    assert "\x1b" not in text


def test_a_flood_of_log_lines_is_cut_with_a_notice(platform: Booted) -> None:
    slug = platform.push(zoo("floods_the_log"), "zoo-floods-the-log")
    run = platform.start_run(slug)
    platform.ended(run)
    text = platform.log_text(run)
    assert len(text) < 13 * 2**20
    assert "SYSTEM" in text.rpartition("x" * 100)[2]
    assert "All subtasks have completed execution! Total 1 subtasks: 1 succeeded, 0 failed." in text


def test_rows_of_failed_workers_are_hidden_but_not_those_of_a_timeout(
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


def test_the_worker_sees_its_input_and_no_data_of_the_platform(platform: Booted) -> None:
    slug = platform.push(zoo("echoes_input"), "zoo-echoes-input")
    run = platform.start_run(slug, {"big": 2**63, "text": "a&b<c>"})
    platform.ended(run)
    [row] = platform.rows(run)
    assert row["input"] == {"big": 2**63, "text": "a&b<c>"}
    assert row["text"] == '{"big":9223372036854775808,"text":"a&b<c>"}'
    assert set(row["env"]) <= {
        "PATH", "HOME", "LANG", "TMPDIR", "PYTHONUNBUFFERED",
        "PROXY_DOMAIN", "PROXY_AUTH", "LC_CTYPE",
        "ChromeWs", "ChromeHttp", "LightpandaDomain", "CamoufoxDomain", "BROWSER_WS",
        "http_proxy", "https_proxy", "all_proxy", "no_proxy", "no_grpc_proxy",
        "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    }  # fmt: skip
    assert platform.key not in str(row)


@reaches(HintCode.ROWS_NOT_PUSHED)
def test_rows_in_files_are_reported_when_none_was_pushed(platform: Booted) -> None:
    code = """
import os
os.makedirs("storage/datasets/default")
for number in range(3):
    with open(f"storage/datasets/default/{number}.json", "w") as file:
        file.write('{"title": "A"}')
"""
    run = platform.start_run(platform.push(python_project(code), "zoo-writes-files"))
    assert platform.ended(run)["status"] == SUCCEEDED
    text = platform.log_text(run)
    assert "pushed no row, but left files" in text
    assert "storage/datasets/default (3 files)" in text
    assert platform.summary(run)["hint"]["code"] == "rows_not_pushed"
