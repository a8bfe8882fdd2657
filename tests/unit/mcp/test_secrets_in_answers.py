"""Answers about runs whose texts have a secret, which the server hides: the letter s."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from fyke.mcp import coreclaw_runs, run_tools
from fyke.mcp.coreclaw import coreclaw_tools
from fyke.mcp.session import McpSession

TOOLS = {tool.name: tool.handler for tool in coreclaw_tools()}
STARTED = {"run_slug": "r", "error_message": "is", "results": {"list": []}}
SUMMARY = {
    "slug": "r",
    "state": "running",
    "finished_at": 0,
    "reason": "",
    "reason_code": "",
    "reason_params": {},
    "results": 0,
    "hidden": 0,
    "usage": "0",
    "traffic": 0,
    "duration": 1.0,
    "hint": None,
    "errors": [],
}
SITES = [
    {
        "domain": "shop.example", "failures": 1, "refused": 0, "why": "",
        "statuses": {"200": 7, "403": 2},
    },
    {"domain": "fine.example", "failures": 0, "refused": 0, "why": "", "statuses": {"other": 1}},
]  # fmt: skip


class Server:
    """A client with these answers by the last part of the path; a run that it waits for fails."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    async def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> msgspec.Raw:
        if path.endswith("/hidden-texts"):
            texts = [text.replace("s", "*") for text in body["texts"]]
            return msgspec.Raw(msgspec.json.encode({"texts": texts}))
        return msgspec.Raw(msgspec.json.encode(self.answers[path.rsplit("/", 1)[-1]]))

    async def wait(self, run: str, timeout: float) -> Any:
        return SimpleNamespace(slug=run, status_name="failed", err_msg="is", ended=True)


def session_of(**answers: Any) -> McpSession:
    return McpSession(cast(Any, Server(**answers)))


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("run_worker", {"worker_id": "w"}),
        ("run_worker_task", {"worker_task_id": "t"}),
        ("rerun_worker_run", {"run_id": "r"}),
        ("rerun_last_worker_run", {}),
        ("rerun_worker_last_run", {"worker_id": "w"}),
    ],
)
async def test_the_error_of_a_start_that_waits(tool: str, arguments: dict[str, Any]) -> None:
    session = session_of(runs=STARTED, rerun=STARTED)
    answer = await TOOLS[tool](session, arguments | {"is_async": False})
    assert msgspec.json.decode(answer.parts[0]) == STARTED | {"error_message": "i*"}
    answer = await TOOLS[tool](session, arguments | {"is_async": True})
    assert msgspec.json.decode(answer.parts[0]) == STARTED


async def test_the_errors_of_a_batch() -> None:
    arguments = {"items": [{"worker_id": "w"}], "concurrency": 1, "timeout_seconds": 1}
    answer = await coreclaw_runs.run_batch(session_of(runs=STARTED), arguments | {"verify": False})
    [result] = msgspec.json.decode(answer.parts[0])["results"]
    assert (result["verdict"], result["err_msg"]) == ("FAILED", "i*")


async def test_the_sites_of_a_diagnosis() -> None:
    session = session_of(
        r=SUMMARY,
        waiting={"reason": ""},
        subtasks={"count": 0, "list": []},
        sites={"list": SITES},
        page={"list": []},
    )
    answer = await run_tools.diagnose_run(session, {"run": "r", "max_tokens": 1000})
    [site] = msgspec.json.decode(answer.parts[0])["sites_with_trouble"]
    assert site == {
        "site": "*hop.example", "failures": 1, "refused": "", "error_answers": {"403": 2},
    }  # fmt: skip
