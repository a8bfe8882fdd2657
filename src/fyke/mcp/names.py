"""Errors of the REST API in the words of a tool: the names of its arguments, not of the API."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fyke.mcp.tool import McpTool

_OWN_INPUT = "input.parameters.custom"
_SYSTEM = "input.parameters.system."

# Names of the API, each with the arguments that it may be: the first that the tool has.
_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    _OWN_INPUT: ("input", "input_json"),
    f"{_SYSTEM}memory": ("memory_mb",),
    f"{_SYSTEM}execute_limit_time_seconds": ("max_seconds",),
    f"{_SYSTEM}max_total_charge": ("max_charge_usd",),
    f"{_SYSTEM}max_total_traffic": ("max_traffic_mb",),
    "runId": ("run", "run_id"),
    "run_slug": ("run", "run_id"),
    "workerId": ("worker", "worker_id"),
    "scraper_slug": ("worker", "worker_id"),
    "workerTaskId": ("worker_task_id",),
    "queueId": ("queue_id",),
    "slug": ("run", "run_id", "worker", "worker_id", "worker_task_id"),
    "filter": ("where",),
    "Idempotency-Key": ("once",),
}
_NAMES = re.compile(r"(?<![\w.])(?:" + "|".join(map(re.escape, _ARGUMENTS)) + r")(?!\w)")
_OF_CURSORS = {
    "begin again with *": "begin without a cursor",
    "the next_cursor of an earlier answer, or * to begin": "the cursor of an earlier answer",
}


def in_words_of(tool: McpTool, sentence: str) -> str:
    """``sentence`` of the API with the names of the arguments of ``tool``."""

    def argument(found: re.Match[str]) -> str:
        names = _ARGUMENTS[found[0]]
        return next((name for name in names if name in tool.properties), found[0])

    if "cursor" in tool.properties:
        for words, others in _OF_CURSORS.items():
            sentence = sentence.replace(words, others)
    return _NAMES.sub(argument, sentence)
