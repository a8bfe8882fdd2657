"""The reference as Markdown, and an operation as a command line."""

from __future__ import annotations

from dataclasses import replace

from fyke.console.docs.as_markdown import curl, index_markdown, operation_markdown
from fyke.console.docs.reference import (
    Example,
    OperationPage,
    Reference,
    ReferenceAnswer,
    ReferenceField,
    ReferenceGroup,
)

WORKER = ReferenceField("workerId", "path", "string", True, "Which one.", "owner~reader")
WAIT = ReferenceField("wait", "query", "integer", False, "Seconds | none.\nAt most 60.", "60")
FORMAT = ReferenceField("format", "query", "string", True, "", "csv")
INPUT = ReferenceField("input.urls", "body", "list", True, "Where to start.")
START = OperationPage(
    id="runWorker",
    method="POST",
    path="/api/v2/workers/{workerId}/runs",
    version="v2",
    tag="Runs",
    summary="Start a run",
    text="",
    open=False,
    parameters=(WORKER, WAIT),
    body_media="application/json",
    body_fields=(INPUT,),
    body='{"input": "it\'s"}',
    answers=(
        ReferenceAnswer("200", "Done", "application/json", (INPUT,), (Example("", '{"code": 0}'),)),
        ReferenceAnswer("404", "Not there", "", (), (Example("gone", "{}"),)),
    ),
)
FILE = replace(
    START, id="getFile", method="GET", path="/files/{token}", version="", tag="Files",
    summary="A file", text="Bytes.", open=True, parameters=(), body_media="", body_fields=(),
    body="", answers=(),
)  # fmt: skip


def test_the_page_has_fields_examples_and_all_responses() -> None:
    text = operation_markdown(START, "http://here")
    assert text.startswith("# Start a run\n\n`POST /api/v2/workers/{workerId}/runs` (API v2)\n")
    assert "## Body (application/json)\n\n| field | type | required | |" in text
    assert "| `input.urls` | list | yes | Where to start. |" in text
    assert "### 200\n\nDone\n" in text
    assert "### 404\n\nNot there\n\ngone\n\n```json\n{}\n```\n" in text
    assert text.endswith("```\n")


def test_a_cell_stays_one_cell_on_one_line() -> None:
    text = operation_markdown(START, "http://here")
    assert "| `wait` | query | integer | no | Seconds \\| none. At most 60. |" in text
    assert (
        "| field | in | type | required | |\n| --- | --- | --- | --- | --- |\n"
        "| `workerId` | path | string | yes | Which one. |\n"
    ) in text


def test_missing_parts_of_an_operation_have_no_heading() -> None:
    text = operation_markdown(FILE, "http://here")
    assert "(This server's own API)\n\nBytes.\n\nNo key is needed." in text
    assert "## Parameters" not in text
    assert "## Body" not in text
    assert "```json" not in text


def test_a_command_has_the_path_and_only_required_query_parameters() -> None:
    line = curl(replace(START, parameters=(WORKER, WAIT, FORMAT)), "http://here")
    assert line.startswith(
        "curl -X POST 'http://here/api/v2/workers/owner~reader/runs?format=csv' \\\n"
    )


def test_a_quote_in_an_example_does_not_end_the_command() -> None:
    assert curl(START, "http://here").endswith("-d '{\"input\": \"it'\\''s\"}'")


def test_a_command_sends_a_key_only_if_needed() -> None:
    assert '-H "api-key: $FYKE_KEY"' in curl(START, "http://here")
    assert "api-key" not in curl(FILE, "http://here")
    assert "content-type" not in curl(FILE, "http://here")


def test_the_index_lists_every_operation_once_in_its_group() -> None:
    groups = (
        ReferenceGroup("v2", "Runs", "Starting.", (START,)),
        ReferenceGroup("", "Files", "F.", (FILE,)),
    )
    reference = Reference("Fyke", "About it.\nMore.", groups, {"runWorker": START, "getFile": FILE})
    text = index_markdown(reference, "http://here")
    assert text.startswith("# Fyke\n\n> About it.\n> More.\n")
    assert (
        "## API v2: Runs\n\nStarting.\n\n"
        "* [Start a run](http://here/docs/runWorker.md): `POST /api/v2/workers/{workerId}/runs`\n\n"
        "## This server's own API: Files"
    ) in text
    assert text.count("http://here/docs/getFile.md") == 1
