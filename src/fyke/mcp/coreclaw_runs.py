"""CoreClaw's tools that need more than one request: waiting, verdicts, logs, batches."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from fyke.mcp import calls, hidden, starts
from fyke.mcp.calls import refusals, segment
from fyke.mcp.session import McpSession
from fyke.mcp.tool import Arguments, ToolAnswer, ToolRefused, answer_of
from fyke_client.types.v1 import RunDetail

MAX_BATCH = 50
LOG_PART = 1000  # entries of one request
MAX_LOG_ENTRIES = 50_000  # that are searched
MAX_GREP, MAX_GREP_WORDS = 1000, 20  # characters, and keywords in them
ERROR_WORDS = ("error", "exception", "traceback", "raise", "banned", "captcha", "blocked", "403")
# Members of rows that say how a page was read, not what it contains.
_ABOUT_THE_PAGE = frozenset(
    {
        "__coreclaw_data_id__",
        "error",
        "error_code",
        "err",
        "err_code",
        "status",
        "status_code",
        "message",
        "msg",
        "input",
        "input_url",
    }
)
_SHOWN_FIELDS = 10


async def poll(session: McpSession, arguments: Arguments) -> ToolAnswer:
    """``poll_run``. The server reports the end, so the interval of the caller is not needed."""
    run, began = arguments["run_id"], time.monotonic()
    detail = await wait(session, run, arguments["timeout_seconds"])
    answer: dict[str, Any] = {
        "run_id": run,
        "status": detail.status_name,
        "err_msg": await _error_of(session, run, detail),
        "poll_count": 1,
        "elapsed_ms": round((time.monotonic() - began) * 1000),
        "terminal": detail.ended,
    }
    if not detail.ended:
        answer |= {"timed_out": True, "message": "Call poll_run again to go on waiting."}
    elif detail.status_name == "succeeded" and arguments["limit"]:
        count, rows = await _first_rows(session, run, arguments["limit"])
        answer |= {"result_count": count, "sample_fields": list(rows[0]) if rows else []}
    return answer_of(answer, untrusted=True)


async def wait(session: McpSession, run: str, seconds: float) -> RunDetail:
    """The detail of a run when it has ended, or after ``seconds``. Raises ``ToolRefused``."""
    run = calls.plain_id(run)
    with refusals():
        try:
            return await session.fyke.wait(run, seconds)
        except TimeoutError:
            return await session.fyke.run(run)


async def _error_of(session: McpSession, run: str, detail: RunDetail) -> str:
    """The error message of a run without the secrets in its input."""
    return (await hidden.hide(session, run, [detail.err_msg]))[0]


async def verify(session: McpSession, arguments: Arguments) -> ToolAnswer:
    """``verify_run``."""
    return answer_of(
        await verdict_of(session, arguments["run_id"], arguments["limit"]), untrusted=True
    )


async def verdict_of(session: McpSession, run: str, limit: int) -> dict[str, Any]:
    """What a run has collected, by its first ``limit`` rows."""
    run = calls.plain_id(run)
    with refusals():
        detail = await session.fyke.run(run)
    answer: dict[str, Any] = {
        "run_id": run,
        "status": detail.status_name,
        "err_msg": await _error_of(session, run, detail),
    }
    if not detail.ended:
        return answer | {"verdict": "RUNNING"}
    if detail.status_name != "succeeded":
        lines = await _log_lines(session, run)
        _, found = await asyncio.to_thread(_matching, lines, ERROR_WORDS, 0, 20)
        found = await hidden.hide(session, run, found)
        return answer | {"verdict": "FAILED", "err_lines": found}
    count, rows = await _first_rows(session, run, limit)
    fields = max((_payload(row) for row in rows), key=len, default=[])
    answer |= {"count": count, "real_field_count": len(fields)}
    if not rows:
        return answer | {"verdict": "NO_DATA"}
    answer["sample_fields"] = fields[:_SHOWN_FIELDS]
    if not set(fields) - {"url"}:
        reason = f"the first {len(rows)} rows only report how pages were read"
        return answer | {"verdict": "ERROR_RECORD", "verdict_reason": reason}
    return answer | {"verdict": "PASS"}


def _payload(row: dict[str, Any]) -> list[str]:
    return [
        name
        for name, value in row.items()
        if name not in _ABOUT_THE_PAGE and value not in (None, "", [], {})
    ]


async def _first_rows(
    session: McpSession, run: str, limit: int
) -> tuple[int, list[dict[str, Any]]]:
    page = await calls.read(session, f"/api/v2/worker-runs/{segment(run)}/result", limit=limit)
    return page["count"], page["list"]


async def read_log(session: McpSession, arguments: Arguments) -> ToolAnswer:
    """``get_worker_run_log``."""
    run = calls.plain_id(arguments["run_id"])
    words = _words(arguments.get("grep", ""))
    if not words:
        data = await calls.call(session, "GET", f"/api/v2/worker-runs/{segment(run)}/log")
        return answer_of(await hidden.log_of_v2(session, run, data), untrusted=True)
    lines = await _log_lines(session, run)
    around, most = arguments["context_lines"], arguments["max_matches"]
    count, found = await asyncio.to_thread(_matching, lines, words, around, most)
    found = await hidden.hide(session, run, found)
    return answer_of({"matched_count": count, "lines": found}, untrusted=True)


async def _log_lines(session: McpSession, run: str) -> list[str]:
    """The lines of a log, at most those of its first ``MAX_LOG_ENTRIES`` entries."""
    lines: list[str] = []
    position, read = 0, 0
    while read < MAX_LOG_ENTRIES:
        with refusals():
            part = await session.fyke.log_after(run, position, LOG_PART)
        if not part:
            break
        lines += [line for entry in part for line in entry.content.splitlines()]
        position, read = part[-1].position, read + len(part)
    return lines


def _words(grep: str) -> list[str]:
    if len(grep) > MAX_GREP:
        raise ToolRefused(f"grep must be at most {MAX_GREP:,} characters")
    words = [word.strip() for word in grep.split("|") if word.strip()]
    if len(words) > MAX_GREP_WORDS:
        raise ToolRefused(f"grep must have at most {MAX_GREP_WORDS} keywords")
    return words


def _matching(
    lines: Sequence[str], words: Sequence[str], around: int, most: int
) -> tuple[int, list[str]]:
    """How many lines have one of ``words``, and the first ``most`` of them, each with ``around``
    lines on both sides.
    """
    sought = [word.lower() for word in words]
    indexes = []
    for index, line in enumerate(lines):
        lower = line.lower()
        if any(word in lower for word in sought):
            indexes.append(index)
    matches = indexes[:most]
    shown = sorted(
        {
            index
            for match in matches
            for index in range(max(0, match - around), min(len(lines), match + around + 1))
        }
    )
    return len(indexes), [lines[index] for index in shown]


# --- batches -------------------------------------------------------------------------------


async def run_batch(session: McpSession, arguments: Arguments) -> ToolAnswer:
    """``run_workers_batch``. ``skip_run_ids`` is ignored: a new start has none of them."""
    items = _batch_items(arguments["items"])
    turns = asyncio.Semaphore(arguments["concurrency"])

    async def one(item: dict[str, Any]) -> dict[str, Any]:
        async with turns:
            return await _run_item(
                session, item, arguments["timeout_seconds"], check=arguments["verify"]
            )

    results = await asyncio.gather(*map(one, items))
    counts = Counter(result["verdict"] for result in results)
    return answer_of({"total": len(results), "counts": counts, "results": results}, untrusted=True)


def _batch_items(items: object) -> list[dict[str, Any]]:
    if not isinstance(items, list) or not 0 < len(items) <= MAX_BATCH:
        raise ToolRefused(f"items must be a JSON array of 1 to {MAX_BATCH} objects")
    for number, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get("worker_id"), str):
            raise ToolRefused(f"items[{number}] must be an object with worker_id")
        custom = item.get("input_json", {})
        if isinstance(custom, str):
            try:
                custom = msgspec.json.decode(custom)
            except msgspec.DecodeError:
                custom = None
        if not isinstance(custom, dict):
            raise ToolRefused(f"items[{number}].input_json must be a JSON object")
        item["input_json"] = custom
    return items


async def _run_item(
    session: McpSession, item: dict[str, Any], seconds: float, *, check: bool
) -> dict[str, Any]:
    answer = {"worker_id": item["worker_id"]}
    try:
        body = {
            "input": {"parameters": {"custom": item["input_json"]}},
            "version": str(item.get("version") or ""),
        }
        data = await starts.start(session, item["worker_id"], body)
    except ToolRefused as error:
        return answer | {"status": "submit_failed", "verdict": "SUBMIT_FAIL", "err_msg": str(error)}
    run = answer["run_slug"] = msgspec.json.decode(data)["run_slug"]
    try:
        detail = await wait(session, run, seconds)
        answer |= {"status": detail.status_name, "err_msg": detail.err_msg}
        if not detail.ended:
            return answer | {"verdict": "RUNNING"}
        if detail.status_name != "succeeded":
            return answer | {"verdict": "FAILED"}
        if not check:
            return answer | {"verdict": "PASS"}
        verdict = await verdict_of(session, run, 5)
    except ToolRefused as error:
        return answer | {"status": "unknown", "verdict": "RUNNING", "err_msg": str(error)}
    return answer | {
        "verdict": verdict["verdict"],
        "real_field_count": verdict.get("real_field_count", 0),
    }
