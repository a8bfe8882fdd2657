"""The page about Workers matches the program: lists, limits, examples, log lines."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.logs import system
from fyke.domain.results import caps, intake
from fyke.domain.runs.split import split
from fyke.domain.workers import archive, entry_names
from fyke.domain.workers.field_findings import EDITORS
from fyke.domain.workers.input_schema import TYPES, parse
from fyke.model.results import MAX_HEADERS, MAX_ROW_BYTES, MAX_RUN_ROW_BYTES, MAX_RUN_ROWS
from fyke.model.worker import Language
from fyke.runner.worker_env import worker_env
from fyke.sandbox.isolation.python_command import BASE_ENVIRONMENT
from fyke.sdk import connection, server

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "worker.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)]


def rows_of(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    part = PAGE.partition(f"\n{heading}\n")[2]
    table = re.search(r"(?:^\|.*\n)+", part, re.M)
    assert table is not None, f"no table below {heading}"
    lines = [line.strip().strip("|") for line in table[0].splitlines()[2:]]
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def names_in(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_every_type_is_listed() -> None:
    assert [names_in(row[0])[0] for row in rows_of("### Types")] == list(TYPES)


def test_every_editor_is_listed_with_its_types() -> None:
    found = {names_in(row[0])[0]: tuple(names_in(row[1])) for row in rows_of("### Editors")}
    assert found.pop("select") == (*EDITORS["select"], "array", "multiple")
    assert found == {name: types for name, types in EDITORS.items() if name != "select"}


def test_the_page_has_examples_of_splitting() -> None:
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_splitting_has_the_documented_result(example: dict[str, Any]) -> None:
    schema = parse(json.dumps(example["schema"]))
    assert split(schema, example["custom"]) == example["subtasks"]


def test_the_environment_of_the_process_is_listed() -> None:
    named = {name for row in rows_of("## Around the process") for name in names_in(row[0])}
    variables = worker_env(
        Language.PYTHON, "id", "secret", has_port_80=True, traceparent="00-a-b-01"
    )
    ours = {"PATH", "NODE_OPTIONS"} | set(variables)
    assert named == ours | set(BASE_ENVIRONMENT)


def test_documented_limits_are_the_real_ones() -> None:
    limits = {row[0]: row[1] for row in rows_of("## Limits")}
    assert f"{MAX_ROW_BYTES:,} bytes" in limits["one row"]
    assert limits["one message to the SDK service"] == f"{connection.MAX_MESSAGE_BYTES >> 20} MiB"
    assert limits["rows of a run"] == f"{MAX_RUN_ROWS:,} rows or {MAX_RUN_ROW_BYTES >> 30} GiB"
    header = f"{MAX_HEADERS:,} columns, {intake.MAX_HEADER_CHARS:,} characters"
    assert limits["table header"] == header
    assert limits["one log line"] == f"{caps.LOG_LINE_BYTES >> 10} KiB"
    assert limits["log of a run"] == f"{caps.LOG_RUN_BYTES >> 20} MiB"
    assert limits["connections to the SDK service"] == str(server.MAX_CONNECTIONS)


def test_documented_limits_of_an_archive_are_the_real_ones() -> None:
    packed, unpacked = archive.MAX_PACKED >> 20, archive.MAX_UNPACKED >> 20
    assert f"{packed} MiB packed, {unpacked} MiB unpacked" in PAGE
    folders = f"{archive.MAX_FOLDERS:,} folders, {entry_names.MAX_DEPTH} folders deep"
    assert f"{archive.MAX_ENTRIES:,} entries, {folders}" in PAGE
    left_out = entry_names.CACHES - {"__MACOSX", ".DS_Store"}
    assert all(f"`{name}`" in PAGE for name in left_out | entry_names.BUILD_FOLDERS)


def test_documented_log_lines_are_the_real_ones() -> None:
    for line in (system.preparing("N", 0), system.running("N", 0), system.completed("N", 0)):
        assert f"`{line.content}`" in PAGE
    last = system.all_completed("G", 1, 1, 0, 0).content
    assert (
        f"`{last.replace('1 subtasks: 1', 'N subtasks: S').replace('0 failed', 'F failed')}`"
        in (PAGE)
    )
