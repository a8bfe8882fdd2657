"""The tools of CoreClaw's MCP server, with the same names and arguments.

``coreclaw_tools.json`` has the names, arguments and hints as facts; here is what each does. Most
are one request of API v2, and answer its ``data`` unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, partial
from importlib.resources import files
from typing import Any

import msgspec

from fyke.mcp import calls, coreclaw_runs, hidden, starts
from fyke.mcp.session import McpSession
from fyke.mcp.tool import (
    Arguments,
    Handler,
    McpTool,
    ToolAnswer,
    ToolHints,
    ToolRefused,
    answer_of,
)

_JSON = frozenset({"input_json", "raw_input_json", "queue_refs", "items", "skip_run_ids"})
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_INPUTS = ("input_json", "raw_input_json")


class About(Enum):
    """What an answer is about."""

    OTHER = 0
    RUN = 1
    RUNS = 2
    LOG = 3


@dataclass(frozen=True, slots=True)
class RestCall:
    """One request. Arguments that are not in ``path`` are the query of a GET, or else the body.

    ``untrusted``: the answer contains rows, logs or texts of Workers. ``starts``: it starts a run.
    ``about``: the answer has texts about runs, in which secrets of their inputs are hidden.
    """

    method: str
    path: str
    text: str
    untrusted: bool = False
    starts: bool = False
    about: About = About.OTHER


_get = partial(RestCall, "GET")
_rows = partial(RestCall, "GET", untrusted=True)
_run, _runs, _log = (partial(_rows, about=about) for about in (About.RUN, About.RUNS, About.LOG))
_post = partial(RestCall, "POST")
_start = partial(RestCall, "POST", starts=True, untrusted=True)

_OFFSET = "offset is the number of a page, from 1."
_LINK = "The answer has a temporary download_url, which needs no key."
_RUNS, _WORKERS, _TASKS = "/api/v2/worker-runs", "/api/v2/workers", "/api/v2/worker-tasks"
_QUEUE = "/api/v2/run-queue/items"
_RUN, _WORKER, _TASK = f"{_RUNS}/{{run_id}}", f"{_WORKERS}/{{worker_id}}", "{worker_task_id}"
_LAST, _WORKER_LAST = f"{_RUNS}/last", f"{_WORKER}/runs/last"
_ONE_TASK = f"{_TASKS}/{_TASK}"

REST: Mapping[str, RestCall] = {
    "list_proxy_regions": _get(
        "/api/v2/proxy/region", "The countries that a Worker's proxy_region may name."
    ),
    "list_store_workers": _rows(
        "/api/v2/store", f"Search the published Workers by keyword. {_OFFSET}"
    ),
    "list_workers": _rows(_WORKERS, f"The Workers of this account. {_OFFSET}"),
    "get_worker": _rows(_WORKER, "A Worker: newest version, README, default limits, input schema."),
    "get_worker_input_schema": _rows(
        f"{_WORKER}/input-schema",
        "The input schema of a Worker. Read it before a start: it names the required fields.",
    ),
    "list_worker_tasks": _rows(_TASKS, f"Saved tasks: inputs with a name. {_OFFSET}"),
    "get_worker_task": _rows(_ONE_TASK, "A saved task with its input and schedule."),
    "get_worker_task_input": _get(f"{_ONE_TASK}/input", "The input and version of a saved task."),
    "get_account_info": _get("/api/v2/users/account", "Balance and traffic that are left."),
    "create_worker_task": _post(
        _TASKS,
        "Save an input of a Worker as a task, if wanted with a schedule (schedule_type 1 daily, "
        "2 weekly, 3 monthly, 4 once). input_json is the Worker's own input as a JSON object.",
    ),
    "update_worker_task": RestCall(
        "PUT", _ONE_TASK, "Change title, description or schedule of a task; the rest stays."
    ),
    "update_worker_task_input": RestCall(
        "PUT", f"{_ONE_TASK}/input", "Replace the input of a saved task, or its version."
    ),
    "run_worker": _start(
        f"{_WORKER}/runs",
        "Start a run. input_json is the Worker's own input as a JSON object; raw_input_json "
        "instead is the complete input with parameters.system. start_run limits the cost too.",
    ),
    "run_worker_task": _start(f"{_ONE_TASK}/runs", "Start a run of a saved task."),
    "queue_worker_run": _post(
        f"{_WORKER}/queued-runs",
        "Put a start into the run queue. It starts only when it is activated.",
    ),
    "list_run_queue_items": _rows(_QUEUE, f"Starts in the run queue. {_OFFSET}"),
    "activate_run_queue_items": _post(
        f"{_QUEUE}/activate",
        "Start items of the run queue. queue_refs is a JSON array of their queue_ref.",
        starts=True,
    ),
    "release_run_queue_items": _post(
        f"{_QUEUE}/release",
        "Remove items from the run queue for good. queue_refs is a JSON array.",
    ),
    "release_run_queue_item": _post(
        f"{_QUEUE}/{{queue_id}}/release", "Remove one item from the run queue for good."
    ),
    "list_worker_runs": _runs(
        _RUNS, f"Runs, newest first, by Worker, status or time (Unix seconds). {_OFFSET}"
    ),
    "get_last_worker_run": _run(_LAST, "The newest run of this account."),
    "get_worker_run": _run(_RUN, "State, rows, cost and error of a run."),
    "get_worker_last_run": _run(_WORKER_LAST, "The newest run of a Worker."),
    "list_last_worker_run_results": _rows(f"{_LAST}/result", f"Rows of the newest run. {_OFFSET}"),
    "export_last_worker_run_results": _get(
        f"{_LAST}/export", f"A file with the rows of the newest run. {_LINK}"
    ),
    "get_last_worker_run_log": _log(f"{_LAST}/log", "The last log lines of the newest run."),
    "list_worker_run_results": _rows(
        f"{_RUN}/result", f"Rows of a run. {_OFFSET} read_rows keeps to a number of tokens."
    ),
    "export_worker_run_results": _get(
        f"{_RUN}/result/export", f"A file with the rows of a run. {_LINK}"
    ),
    "list_worker_last_run_results": _rows(
        f"{_WORKER_LAST}/result", f"Rows of the newest run of a Worker. {_OFFSET}"
    ),
    "export_worker_last_run_results": _get(
        f"{_WORKER_LAST}/export", f"A file with the rows of a Worker's newest run. {_LINK}"
    ),
    "get_worker_last_run_log": _log(
        f"{_WORKER_LAST}/log", "The last log lines of the newest run of a Worker."
    ),
    "rerun_last_worker_run": _start(f"{_LAST}/rerun", "Start the newest run again."),
    "rerun_worker_run": _start(f"{_RUN}/rerun", "Start a run again, with the same input."),
    "rerun_worker_last_run": _start(
        f"{_WORKER_LAST}/rerun", "Start the newest run of a Worker again."
    ),
    "abort_last_worker_run": _post(f"{_LAST}/abort", "Stop the newest run. Its rows stay."),
    "abort_worker_run": _post(f"{_RUN}/abort", "Stop a run. Its rows stay."),
    "abort_worker_last_run": _post(
        f"{_WORKER_LAST}/abort", "Stop the newest run of a Worker. Its rows stay."
    ),
    "delete_worker_task": RestCall("DELETE", _ONE_TASK, "Delete a saved task. Its runs stay."),
}

# Those that are more than one request.
OTHERS: Mapping[str, tuple[str, Handler]] = {
    "get_worker_run_log": (
        "The last log lines of a run. With grep, keywords separated by |, only the lines of the "
        "whole log that contain one of them, with context_lines around each.",
        coreclaw_runs.read_log,
    ),
    "poll_run": (
        "Wait until a run has ended or timeout_seconds have passed. wait_for_run is the same for "
        "programs that end long calls.",
        coreclaw_runs.poll,
    ),
    "verify_run": (
        "Whether a run has collected data: PASS, NO_DATA, FAILED, ERROR_RECORD (the rows only "
        "report errors) or RUNNING. diagnose_run says why a run failed.",
        coreclaw_runs.verify,
    ),
    "run_workers_batch": (
        "Start several runs, wait for them and check their rows. items is a JSON array of at most "
        "50 objects {worker_id, input_json, version}.",
        coreclaw_runs.run_batch,
    ),
}


@cache
def coreclaw_tools() -> tuple[McpTool, ...]:
    """The tools in CoreClaw's order."""
    text = files("fyke.mcp").joinpath("coreclaw_tools.json").read_bytes()
    return tuple(_tool(fact) for fact in msgspec.json.decode(text))


def _tool(fact: dict[str, Any]) -> McpTool:
    name: str = fact["name"]
    if name in REST:
        description, handler = REST[name].text, _handler(REST[name])
    else:
        description, handler = OTHERS[name]
    return McpTool(
        name=name,
        description=description,
        properties=fact["properties"],
        handler=handler,
        required=tuple(fact["required"]),
        hints=ToolHints(
            read_only=fact["read_only"],
            destructive=fact["destructive"],
            idempotent=fact["idempotent"],
            open_world=fact["open_world"],
        ),
        text_of_json=_JSON & frozenset(fact["properties"]),
    )


def _handler(rest: RestCall) -> Handler:
    async def handle(session: McpSession, arguments: Arguments) -> ToolAnswer:
        return await _answer(session, rest, dict(arguments))

    return handle


async def _answer(session: McpSession, rest: RestCall, values: dict[str, Any]) -> ToolAnswer:
    if rest is REST["run_worker"]:
        return await _run_worker(session, values)
    if rest.starts or _changes_schedule(rest, values):
        starts.refuse_under_cap(session)
    path = _PLACEHOLDER.sub(lambda found: calls.segment(values.pop(found[1])), rest.path)
    if rest.about is About.LOG:
        return await _log_of(session, path)
    if rest.method == "GET":
        data = await calls.call(session, "GET", path, query=values)
        if rest.about is About.RUN:
            data = await hidden.run_of_v2(session, data)
        elif rest.about is About.RUNS:
            data = await hidden.runs_of_v2(session, data)
        return answer_of(data, untrusted=rest.untrusted)
    body = None if rest.method == "DELETE" else _with_input(values)
    waits = calls.SYNC_SECONDS if values.get("is_async") is False else 0
    data = await calls.call(session, rest.method, path, body=body, extra_seconds=waits)
    return answer_of(data, untrusted=rest.untrusted and waits > 0)


async def _log_of(session: McpSession, path: str) -> ToolAnswer:
    """The log of the run that ``path``, the address of a newest run and ``/log``, names now."""
    run = (await calls.read(session, path.removesuffix("/log")))["slug"]
    data = await calls.call(session, "GET", f"{_RUNS}/{run}/log")
    return answer_of(await hidden.log_of_v2(session, run, data), untrusted=True)


def _changes_schedule(rest: RestCall, values: Mapping[str, Any]) -> bool:
    """Whether a call can change which runs a schedule starts, or when."""
    if rest is REST["update_worker_task_input"] or values.get("schedule_enabled"):
        return True
    return rest is REST["update_worker_task"] and any(
        name.startswith("schedule_") and name != "schedule_enabled" for name in values
    )


async def _run_worker(session: McpSession, values: dict[str, Any]) -> ToolAnswer:
    worker, waits = values.pop("worker_id"), not values["is_async"]
    data = await starts.start(
        session, worker, _with_input(values), extra_seconds=calls.SYNC_SECONDS if waits else 0
    )
    return answer_of(data, untrusted=waits)


def _with_input(values: dict[str, Any]) -> dict[str, Any]:
    """The body: ``input_json`` is the Worker's own input, ``raw_input_json`` all of it."""
    own, complete = (values.pop(name, None) for name in _INPUTS)
    if own is not None and complete is not None:
        raise ToolRefused("send either input_json or raw_input_json, not both")
    if own is not None:
        values["input"] = own_input(own)
    elif complete is not None:
        values["input"] = complete
    return values


def own_input(custom: object) -> dict[str, Any]:
    """The input of a start from the Worker's own fields."""
    if not isinstance(custom, dict):
        raise ToolRefused("input_json must be a JSON object")
    return {"parameters": {"custom": custom}}
