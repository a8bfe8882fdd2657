"""Output and requests of ``fyke task``."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import typer

from fyke.cli.run import start as start_run
from fyke.cli.task import create, delete, list_tasks, show, update
from fyke.model.browser import BrowserProgram
from fyke_client.errors import ApiError
from fyke_client.types.fyke.tasks import FieldProblem
from fyke_client.types.v2.tasks import WorkerTask, WorkerTaskPage
from support.scripted import ScriptedServer

INPUT = {"parameters": {"custom": {"urls": ["https://a.example"]}}}
TASK = WorkerTask(
    slug="T1",
    title="Docs",
    description="",
    version="latest",
    worker_id="W1",
    worker_slug="W1",
    worker_path="owner~reader",
    worker_title="Reader",
    input=msgspec.Raw(json.dumps(INPUT)),
    run_times=3,
    last_run_slug="",
    last_modified_at=1,
    created_at=0,
    updated_at=1,
    schedule_enabled=0,
    schedule_type=0,
)
DAILY = msgspec.structs.replace(
    TASK, schedule_enabled=1, schedule_type=1, schedule_kind="daily", schedule_next_at=1_700_000_000
)
WHOLE = {"parameters": {"system": {}, "custom": {"a": 1}}}


RUNNABLE = SimpleNamespace(problems=[])


def run(command: Any, *arguments: Any, as_json: bool = False, **answers: Any) -> ScriptedServer:
    server = ScriptedServer(as_json, **({"checked_task": RUNNABLE} | answers))
    command(server, *arguments)
    return server


def test_a_new_task_is_reported_with_its_slug() -> None:
    server = run(create, "owner/reader", '{"a": 1}', "Docs", "latest", "", create_task="T1")
    assert server.client.calls == [
        (
            "create_task",
            "owner/reader",
            WHOLE,
            {"title": "Docs", "version": "latest", "description": ""},
        ),
        ("checked_task", "T1"),
    ]
    assert (server.data, server.messages) == ("T1\n", 'Run it with "fyke task run T1".\n')


def test_a_task_without_a_schedule_is_shown_without_next_run() -> None:
    fields = run(show, "T1", task=TASK).fields
    assert (fields["worker"], fields["last run"]) == ("owner/reader", "never")
    assert (fields["schedule"], fields["next run"], fields["last error"]) == ("none", "-", "-")
    assert json.loads(fields["input"]) == INPUT


def test_a_schedule_is_shown_with_next_run_and_last_error() -> None:
    failing = msgspec.structs.replace(DAILY, schedule_last_error="the balance is used up")
    fields = run(show, "T1", task=failing).fields
    assert fields["schedule"] == "daily"
    assert fields["next run"].startswith("2023-11-1")
    assert fields["last error"] == "the balance is used up"
    paused = msgspec.structs.replace(DAILY, schedule_enabled=0, schedule_next_at=msgspec.UNSET)
    fields = run(show, "T1", task=paused).fields
    assert (fields["schedule"], fields["next run"]) == ("daily, off", "-")


def test_tasks_are_listed_with_worker_paths() -> None:
    page = WorkerTaskPage(count=1, items=[TASK], page_index=1, page_size=20)
    server = run(list_tasks, 2, 50, "docs", task_page=page)
    assert server.client.calls == [("task_page", 2, 50, "docs")]
    assert server.data.splitlines()[1].split() == ["T1", "Docs", "owner/reader", "latest", "3", "-"]


def test_an_update_without_options_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="--title, --description, --input, --version"):
        run(update, "T1", None, None, "", None)


@pytest.mark.parametrize(
    ("arguments", "calls"),
    [
        (
            (None, "", "", None),
            [("update_task", "T1", {"title": "", "description": None})],
        ),
        (
            ('{"a": 1}', None, "", None),
            [("task", "T1"), ("set_task_input", "T1", WHOLE, ""), ("checked_task", "T1")],
        ),
        (
            (None, None, "v1.0.2", None),
            [("task", "T1"), ("set_task_input", "T1", INPUT, "v1.0.2"), ("checked_task", "T1")],
        ),
        (
            ('{"a": 1}', None, "v1.0.2", "What"),
            [
                ("update_task", "T1", {"title": None, "description": "What"}),
                ("task", "T1"),
                ("set_task_input", "T1", WHOLE, "v1.0.2"),
                ("checked_task", "T1"),
            ],
        ),
    ],
)
def test_only_the_options_are_changed(
    arguments: tuple[str | None, ...], calls: list[tuple[Any, ...]]
) -> None:
    server = run(update, "T1", *arguments, update_task=None, set_task_input=None, task=TASK)
    assert server.client.calls == calls
    assert server.messages == "The task T1 was changed.\n"


OPTIONS: dict[str, Any] = {
    "memory": 1024,
    "cpus": 0.5,
    "timeout": 60,
    "max_charge": 1.5,
    "max_traffic": 10.0,
    "browser_memory": 2048,
    "headful": True,
    "browser_program": BrowserProgram.CHROMIUM,
    "region": "DE",
    "egress_allow": ["10.0.0.1:80"],
    "browser_block": "images,fonts",
}


def saved(system: dict[str, Any], custom: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"parameters": {"system": system, "custom": custom or {"a": 1}}}


def test_a_task_is_saved_with_the_run_options_of_a_start() -> None:
    start = ScriptedServer(start="R1")
    task = ScriptedServer(create_task="T1", checked_task=RUNNABLE)
    start_run(start, "owner/reader", '{"a": 1}', **OPTIONS)  # type: ignore[arg-type]
    create(task, "owner/reader", '{"a": 1}', **OPTIONS)  # type: ignore[arg-type]
    [(_, _, _, asked)], [(_, _, task_input, _), _] = start.client.calls, task.client.calls
    assert len(asked["system"]) == len(OPTIONS)
    assert task_input == saved(asked["system"])


@pytest.mark.parametrize(
    ("changes", "input"),
    [
        ({"memory": 1024}, saved({"memory": 1024, "browser_block": ["media"]}, {"u": 1})),
        ({"input": '{"a": 1}'}, saved({"memory": 512, "browser_block": ["media"]})),
        ({"input": json.dumps(saved({"cpus": 1})), "timeout": 9},
         saved({"cpus": 1, "execute_limit_time_seconds": 9})),
        ({"reset_option": ["browser_block"]}, saved({"memory": 512}, {"u": 1})),
        ({"reset_option": ["cpus"]}, saved({"memory": 512, "browser_block": ["media"]}, {"u": 1})),
        ({"reset_option": ["memory"], "input": '{"a": 1}', "timeout": 9},
         saved({"browser_block": ["media"], "execute_limit_time_seconds": 9})),
        ({"reset_options": True}, saved({}, {"u": 1})),
        ({"reset_options": True, "input": json.dumps(saved({"cpus": 1})), "timeout": 9},
         saved({"cpus": 1, "execute_limit_time_seconds": 9})),
        ({"reset_options": True, "browser_block": "fonts"},
         saved({"browser_block": ["fonts"]}, {"u": 1})),
    ],
)  # fmt: skip
def test_an_update_changes_the_given_run_options(
    changes: dict[str, Any], input: dict[str, Any]
) -> None:
    options = {"memory": 512, "browser_block": ["media"]}
    before = msgspec.structs.replace(TASK, input=msgspec.Raw(json.dumps(saved(options, {"u": 1}))))
    server = ScriptedServer(task=before, set_task_input=None, checked_task=RUNNABLE)
    update(server, "T1", **changes)  # type: ignore[arg-type]
    assert server.client.calls[-2] == ("set_task_input", "T1", input, "")


BLOCKING = msgspec.structs.replace(
    TASK, input=msgspec.Raw(json.dumps(saved({"memory": 512, "browser_block": ["media"]})))
)
UNFIT = "input.parameters.system.browser_block is for the browser; leave it out"


def test_an_error_about_a_saved_option_says_so_and_how_to_remove_it() -> None:
    refusal = ApiError(400, 11000, f"invalid argument: {UNFIT}", [UNFIT])
    with pytest.raises(ApiError) as refused:
        run(update, "T1", None, None, "v1.0.2", task=BLOCKING, set_task_input=refusal)
    sentence = (
        "the saved option browser-block is for the browser; "
        "remove it with fyke task update --reset-option browser-block"
    )
    assert refused.value.message == f"invalid argument: {sentence}"
    assert (str(refused.value), refused.value.details) == (refused.value.message, [sentence])


def test_an_error_about_a_given_option_is_not_about_the_saved_one() -> None:
    refusal = ApiError(400, 11000, f"invalid argument: {UNFIT}")
    server = ScriptedServer(task=BLOCKING, set_task_input=refusal)
    with pytest.raises(ApiError) as refused:
        update(server, "T1", browser_block="fonts")  # type: ignore[arg-type]
    assert "saved" not in refused.value.message


def test_a_task_that_cannot_run_is_saved_with_a_warning() -> None:
    problems = [
        FieldProblem("n", 'field "n" must be a string'),
        FieldProblem("input.parameters.system.browser_block", UNFIT),
    ]
    warning = (
        'cannot run as it is saved:\n  field "n" must be a string\n  the saved option '
        "browser-block is for the browser; "
        "remove it with fyke task update --reset-option browser-block\n"
    )
    checked = SimpleNamespace(problems=problems)
    made = run(create, "owner/reader", '{"n": 3}', create_task="T1", checked_task=checked)
    assert (made.data, made.messages.partition("T1 ")[2]) == ("T1\n", warning)
    changed = {"task": TASK, "set_task_input": None, "checked_task": checked}
    server = run(update, "T1", None, None, "v1.0.2", as_json=True, **changed)
    assert json.loads(server.data) == {"updated": "T1"}
    assert server.messages == f"The task T1 {warning}"


def test_a_key_that_may_not_read_still_creates_tasks() -> None:
    refusal = ApiError(403, 11000, "the key lacks the scope read")
    server = run(create, "owner/reader", create_task="T1", checked_task=refusal)
    assert server.data == "T1\n"


def test_deleting_a_task_is_reported() -> None:
    assert "its runs were kept" in run(delete, "T1", delete_task=None).messages
    assert json.loads(run(delete, "T1", as_json=True, delete_task=None).data) == {"deleted": "T1"}
