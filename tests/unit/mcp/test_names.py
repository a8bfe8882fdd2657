"""Errors of the API in the words of a tool, and once."""

from __future__ import annotations

import pytest

from fyke.mcp.calls import sentence_of
from fyke.mcp.names import in_words_of
from fyke.mcp.server import all_tools
from fyke_client import ApiError

TOOLS = {tool.name: tool for tool in all_tools()}


@pytest.mark.parametrize(
    ("tool", "sentence", "expected"),
    [
        ("read_rows", "runId must not be blank", "run must not be blank"),
        ("read_rows", 'filter: no operator "foo"', 'where: no operator "foo"'),
        (
            "read_rows",
            "cursor belongs to another run, sort or filter; keep them as they were, or begin again "
            "with *",
            "cursor belongs to another run, sort or where; keep them as they were, or begin "
            "without a cursor",
        ),
        (
            "read_rows",
            "cursor must be the next_cursor of an earlier answer, or * to begin",
            "cursor must be the cursor of an earlier answer",
        ),
        ("diagnose_run", "slug must not be blank", "run must not be blank"),
        ("describe_worker", "slug must not be blank", "worker must not be blank"),
        ("start_run", "input.parameters.custom.urls is required", "input.urls is required"),
        ("start_run", "input.parameters.system.memory: 512 to 16384", "memory_mb: 512 to 16384"),
        ("run_worker", "input.parameters.custom.urls is required", "input_json.urls is required"),
        ("get_worker_run", "runId must not be blank", "run_id must not be blank"),
        ("get_worker_task", "workerTaskId: unknown", "worker_task_id: unknown"),
        ("get_account_info", "slug and myslug", "slug and myslug"),
    ],
)
def test_names_are_those_of_the_tool(tool: str, sentence: str, expected: str) -> None:
    assert in_words_of(TOOLS[tool], sentence) == expected


def test_details_are_said_once() -> None:
    error = ApiError(
        400, 11000, "invalid argument: a is bad; b is bad", ["a is bad", "b is bad", "c is bad"]
    )
    assert sentence_of(error) == "[11000] invalid argument: a is bad; b is bad; c is bad"
