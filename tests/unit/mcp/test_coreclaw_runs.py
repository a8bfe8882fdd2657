"""Searches of logs: bounded, and never on the loop that serves everybody."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from fyke.mcp import coreclaw_runs
from fyke.mcp.session import McpSession
from fyke.mcp.tool import ToolRefused


class Log:
    """A client whose run has one entry of three lines."""

    async def log_after(self, run: str, position: int, limit: int) -> list[Any]:
        text = "start\nBANNED by a site\nend"
        return [] if position else [SimpleNamespace(content=text, position=1)]

    async def request(self, method: str, path: str, *, body: Any, **_: Any) -> bytes:
        return msgspec.json.encode(
            {"texts": [text.replace("end", "***") for text in body["texts"]]}
        )


SESSION = McpSession(cast(Any, Log()))


def arguments(grep: str) -> dict[str, Any]:
    return {"run_id": "r", "grep": grep, "context_lines": 1, "max_matches": 5}


async def test_lines_are_searched_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    search = coreclaw_runs._matching

    def noted(lines: Sequence[str], *rest: Any) -> Any:
        threads.append(threading.current_thread())
        return search(lines, *rest)

    monkeypatch.setattr(coreclaw_runs, "_matching", noted)
    answer = await coreclaw_runs.read_log(SESSION, arguments("banned|Captcha"))
    found = msgspec.json.decode(answer.parts[0])
    assert found == {"matched_count": 1, "lines": ["start", "BANNED by a site", "***"]}
    assert threads[0] is not threading.main_thread()


@pytest.mark.parametrize("grep", ["x" * 1001, "|".join("abcdefghijklmnopqrstu")])
async def test_long_searches_are_refused(grep: str) -> None:
    with pytest.raises(ToolRefused, match="grep must"):
        await coreclaw_runs.read_log(SESSION, arguments(grep))


async def test_an_id_that_is_no_id_is_refused() -> None:
    for tool in (coreclaw_runs.read_log, coreclaw_runs.verify):
        with pytest.raises(ToolRefused, match="is not an id"):
            await tool(SESSION, arguments("x") | {"run_id": "..", "limit": 1})
