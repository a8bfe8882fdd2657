"""Output and requests of ``fyke run``; waiting is in ``test_run_watch``."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import typer

from fyke.cli.errors import CommandFailed
from fyke.cli.run import (
    ActiveState,
    Status,
    abort,
    delete,
    events,
    list_runs,
    log,
    mark_text,
    show,
    start,
)
from fyke.reasons import ReasonCode
from fyke_client.errors import ApiError
from fyke_client.types.fyke.run_logs import LogItem
from fyke_client.types.fyke.runs import (
    BrowserUseItem,
    RunEventItem,
    RunUsageReport,
    UsageMarkItem,
    WaitingRun,
)
from fyke_client.types.v1 import RunDetail
from support.scripted import ScriptedServer, Turns
from unit.cli.test_callback import SENT
from unit.cli.test_run_ended import summary

READY, RUNNING, FAILED = 1, 2, 4
SUMMARY = summary("", None)
USAGE = RunUsageReport(0, 0.0, 0, 0, "0", [], [])


def detail(status: int, err_msg: str = "") -> RunDetail:
    return RunDetail(
        status, err_msg, "R1", "Reader", "W1", 3, "0.5", 0, 0, 65, "api", 1500, "v1.0.1"
    )


def run(command: Any, *arguments: Any, as_json: bool = False, **answers: Any) -> ScriptedServer:
    server = ScriptedServer(as_json, **{"run_usage": USAGE} | answers)
    command(server, *arguments)
    return server


def test_a_start_sends_the_input_and_the_limits_in_options() -> None:
    server = ScriptedServer(start="R1")
    input_json = '{"parameters": {"system": {"memory": 256}, "custom": {"a": 1}}}'
    start(server, "owner/reader", input_json, "v1.0.1", timeout=60, callback="https://c")  # type: ignore[arg-type]
    limits = {"memory": 256, "execute_limit_time_seconds": 60}
    assert server.client.calls == [
        (
            "start",
            "owner/reader",
            {"a": 1},
            {"system": limits, "version": "v1.0.1", "callback_url": "https://c"},
        )
    ]
    assert server.data == "R1\n"


@pytest.mark.parametrize("more", [{"wait": True}, {"follow": True}, {"timeout_seconds": 0.0}])
def test_queued_cannot_be_combined_with_waiting(more: dict[str, Any]) -> None:
    server: Any = ScriptedServer(hold="22")
    with pytest.raises(typer.BadParameter, match="omit --wait, --follow"):
        start(server, "owner/reader", queued=True, **more)
    assert server.client.calls == []
    start(server, "owner/reader", queued=True)
    assert server.data == "22\n"


def test_a_waiting_run_is_shown_with_the_reason() -> None:
    waits = WaitingRun("R1", "x", "all runners are busy", {})
    fields = run(show, "R1", run=detail(READY), run_summary=SUMMARY, waiting=waits).fields
    assert fields["waits"] == "all runners are busy"
    assert (fields["rows"], fields["traffic"], fields["took"]) == ("3", "1.5 kB", "1 m 05 s")


def test_a_run_is_deleted_only_with_a_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    server: Any = ScriptedServer(delete_run=None)
    with pytest.raises(CommandFailed, match=r"the run R1 would be deleted .* --yes"):
        delete(server, "R1")
    assert server.client.calls == []
    delete(server, "R1", yes=True)
    assert server.client.calls == [("delete_run", "R1")]


def test_an_active_run_is_shown_with_its_duration_so_far() -> None:
    active = msgspec.structs.replace(detail(RUNNING), duration=0)
    fields = run(show, "R1", run=active, run_summary=summary("", None, 4.4)).fields
    assert fields["took"] == "4 s"


def test_what_is_marked_in_the_usage_is_shown_with_its_time() -> None:
    marks = [
        UsageMarkItem("answers_429", 1_763_000_000_000, 1_763_000_025_000, 3),
        UsageMarkItem("cpu_limit", 1_763_000_030_000, 1_763_000_035_000, 4000),
    ]
    answers = {
        "run": detail(FAILED),
        "run_summary": SUMMARY,
        "run_usage": msgspec.structs.replace(USAGE, marks=marks),
    }
    shown = run(show, "R1", **answers).data.splitlines()
    [first, second] = [line for line in shown if line.startswith("marked")]
    assert "3 answers with status 429, 2025-11-1" in first and first[-8:-6].isdigit()
    assert "at the limit of its cores for 4 s, " in second
    assert mark_text(UsageMarkItem("memory_high", 0, 0, 2**20)).startswith("up to 1 MB of memory")
    assert mark_text(UsageMarkItem("of a newer server", 0, 0, 1)).startswith("of a newer server")
    data = json.loads(run(show, "R1", as_json=True, **answers).data)
    assert [mark["count"] for mark in data["marks"]] == [3, 4000]


def test_the_browser_of_a_run_is_shown_with_its_version_time_and_memory() -> None:
    browser = BrowserUseItem("headless-shell 156.0.8078.108", 65_000, 1000, 9.5, 150 * 2**20)
    answers = {
        "run": detail(FAILED),
        "run_summary": SUMMARY,
        "run_usage": msgspec.structs.replace(USAGE, browser=browser),
    }
    shown = run(show, "R1", **answers).fields["browser"]
    assert shown.startswith("headless-shell 156.0.8078.108, ") and shown.endswith(" of memory")
    data = run(show, "R1", as_json=True, **answers).data
    assert json.loads(data)["browser"]["ms"] == 65_000
    assert (
        json.loads(run(show, "R1", as_json=True, **answers | {"run_usage": USAGE}).data)["browser"]
        is None
    )


def test_the_machines_of_a_run_are_shown_where_they_are_known() -> None:
    answers = {
        "run": detail(FAILED),
        "run_summary": msgspec.structs.replace(SUMMARY, nodes=["a", "b"]),
    }
    assert run(show, "R1", **answers).fields["ran on"] == "a, b"
    assert json.loads(run(show, "R1", as_json=True, **answers).data)["nodes"] == ["a", "b"]
    own = ["01JG0000000000000000000000", "01JG0000000000000000000001"]
    answers["run_summary"] = msgspec.structs.replace(SUMMARY, nodes=[*own, "b"])
    assert run(show, "R1", **answers).fields["ran on"] == "this installation, b"
    assert "ran on" not in run(show, "R1", **answers | {"run_summary": SUMMARY}).fields


def test_the_pool_and_the_labels_of_a_run_are_shown_if_not_every_machine_takes_it() -> None:
    labels = {"gpu": "yes", "disk": "ssd"}
    placed = msgspec.structs.replace(SUMMARY, pool="eu", labels=labels)
    answers = {"run": detail(FAILED), "run_summary": placed}
    shown = run(show, "R1", **answers).fields
    assert (shown["pool"], shown["labels"]) == ("eu", "disk=ssd, gpu=yes")
    data = json.loads(run(show, "R1", as_json=True, **answers).data)
    assert (data["pool"], data["labels"]) == ("eu", labels)
    answers["run_summary"] = msgspec.structs.replace(SUMMARY, region="DE")
    assert run(show, "R1", **answers).fields["region"] == "DE"
    for pool in ("", "default"):
        answers["run_summary"] = msgspec.structs.replace(SUMMARY, pool=pool)
        assert not {"pool", "labels", "region"} & run(show, "R1", **answers).fields.keys()


def test_a_run_whose_machine_was_lost_says_that_it_was_tried_again() -> None:
    text = "it is tried again (1 of 2), because its machine was lost"
    lost = RunEventItem(1, "subtask", "running", "waiting", "system", text, "retry", {}, "1")
    started = RunEventItem(0, "run", "ready", "running", "system", "", "", {})
    summary_of = msgspec.structs.replace(SUMMARY, max_retries=2)
    answers = {"run": detail(FAILED), "run_summary": summary_of, "events": [started, lost]}
    shown = run(show, "R1", **answers).fields
    assert shown["retried"].startswith(f"once; {text}. ")
    assert json.loads(run(show, "R1", as_json=True, **answers).data)["retried"] == 1
    answers["events"] = [started]
    assert "retried" not in run(show, "R1", **answers).fields


def test_the_waiting_reason_of_an_ended_run_is_not_requested() -> None:
    ended = summary(ReasonCode.OUT_OF_MEMORY.value, None)
    server = run(show, "R1", run=detail(FAILED, "out of memory"), run_summary=ended)
    assert [call[0] for call in server.client.calls] == ["run", "run_summary", "run_usage"]
    assert (server.fields["reason"], server.fields["reason code"]) == (
        "out of memory",
        "out_of_memory",
    )


@pytest.mark.parametrize(("count", "words"), [(1, "1 row is stored"), (2, "2 rows are stored")])
def test_hidden_rows_are_reported_with_commands_to_show_them(count: int, words: str) -> None:
    with_hidden = msgspec.structs.replace(SUMMARY, hidden=count)
    server = run(show, "R1", run=detail(FAILED), run_summary=with_hidden)
    assert words in server.messages
    assert "fyke run results R1" in server.messages
    data = json.loads(
        run(show, "R1", as_json=True, run=detail(FAILED), run_summary=with_hidden).data
    )
    assert (data["state"], data["hidden"], data["hint"]) == ("failed", count, None)


def test_a_log_is_read_in_pages() -> None:
    lines = [LogItem(n, 2, "7", f"line {n}", 1_700_000_000_000) for n in (1, 2, 3)]
    server = ScriptedServer(True, log_after=Turns([lines[:2], lines[2:], []]))
    log(server, "R1", False)  # type: ignore[arg-type]
    assert [json.loads(line)["content"] for line in server.data.splitlines()] == [
        "line 1",
        "line 2",
        "line 3",
    ]
    assert [call[2] for call in server.client.calls] == [0, 2, 3]


def test_the_list_is_filtered_by_the_number_of_the_state() -> None:
    class Page(msgspec.Struct):
        count: int
        items: list[RunDetail] = msgspec.field(name="list")

    server = ScriptedServer(True, run_page=Page(1, [detail(FAILED)]))
    list_runs(server, Status.FAILED, "owner/reader", "", 2, 50)  # type: ignore[arg-type]
    arguments = {"status": 4, "worker": "owner/reader", "page_index": 2, "page_size": 50}
    assert server.client.calls == [("run_page", arguments)]
    assert json.loads(server.data)["list"][0]["state"] == "failed"
    server = ScriptedServer(True, run_page=Page(0, []))
    list_runs(server, None, "", "", 1, 20)  # type: ignore[arg-type]
    assert server.client.calls[0][1]["status"] == 0
    assert len(server.client.calls) == 1


def test_an_unknown_worker_is_not_an_empty_list_in_json() -> None:
    """v1 answers with no runs; the search answers with an error."""

    class Page(msgspec.Struct):
        count: int
        items: list[RunDetail] = msgspec.field(name="list")

    server = ScriptedServer(True, run_page=Page(0, []), search_runs=None)
    list_runs(server, None, "nope/none", "", 1, 20)  # type: ignore[arg-type]
    assert [(call[0], call[1]["worker"]) for call in server.client.calls] == [
        ("run_page", "nope/none"), ("search_runs", "nope/none"),
    ]  # fmt: skip


def test_deliveries_are_in_a_second_table() -> None:
    event = RunEventItem(1_700_000_000_000, "created", "", "ready", "api", "", "", {})
    server = run(events, "R1", events=[event], deliveries=[])
    assert len(server.data.splitlines()) == 2
    silent = msgspec.structs.replace(SENT, last_status=0, last_error="timed out")
    server = run(events, "R1", events=[event], deliveries=[SENT, silent])
    lines = server.data.splitlines()
    assert len(lines) == 2 + 1 + 3
    assert lines[-1].endswith("timed out")
    data = json.loads(run(events, "R1", as_json=True, events=[event], deliveries=[SENT]).data)
    assert (len(data["events"]), len(data["deliveries"])) == (1, 1)


def test_an_abort_is_reported() -> None:
    server = run(abort, "R1", abort=None)
    assert (server.client.calls, server.data) == ([("abort", "R1")], "")
    assert json.loads(run(abort, "R1", as_json=True, abort=None).data) == {"aborted": "R1"}
    with pytest.raises(typer.BadParameter, match="name one run, or choose runs with --state"):
        run(abort)


def test_all_runs_of_a_state_are_aborted() -> None:
    found = [SimpleNamespace(slug="R1"), SimpleNamespace(slug="R2")]
    server = run(abort, "", ActiveState.READY, "", True, runs=found, abort=None)
    assert server.client.calls == [
        ("runs", {"worker": "", "state": "ready"}), ("abort", "R1"), ("abort", "R2"),
    ]  # fmt: skip
    assert "Aborting 2 runs." in server.messages
    assert "No active run matches." in run(abort, "", None, "owner/a", runs=[]).messages
    with pytest.raises(CommandFailed, match="1 run could not be aborted: No access"):
        refused = ApiError(403, 4030, "No access")
        run(abort, "", ActiveState.READY, "", True, runs=found[:1], abort=refused)
