"""Our own tools for Workers: what one needs, and whether an input fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fyke.mcp import calls
from fyke.mcp.arguments import SHOWN_UNKNOWN, unknown_name
from fyke.mcp.calls import segment
from fyke.mcp.row_text import shortened
from fyke.mcp.session import McpSession
from fyke.mcp.tool import Arguments, McpTool, ToolAnswer, ToolHints, ToolRefused, answer_of

_OPTIONS = 20  # choices of a field that are shown
_EXAMPLE_TOKENS = 1000
_SHOWN_ERRORS = 20
_FIELD = ("name", "type", "title", "description", "required", "minimum", "maximum", "unit")


async def describe_worker(session: McpSession, arguments: Arguments) -> ToolAnswer:
    return answer_of(
        await description_of(session, arguments["worker"], arguments.get("version", "")),
        untrusted=True,
    )


async def description_of(session: McpSession, worker: str, version: str = "") -> dict[str, Any]:
    """The fields of a Worker in a few tokens, an input to start from, and what runs cost."""
    path = f"/api/fyke/workers/{segment(worker)}"
    form = await calls.read(session, f"{path}/form", version=version)
    answer: dict[str, Any] = {
        "worker": worker,
        "version": form["version"],
        "description": form["description"],
        "fields": [_field(field) for section in form["sections"] for field in section["fields"]],
    }
    if form["broken"]:
        schema = await calls.read(session, f"/api/v2/workers/{segment(worker)}/input-schema")
        answer["input_schema"] = schema["input_schema"]
    initial = await calls.read(session, f"{path}/beginning", version=version, safe_input=True)
    example = initial["input"].get("parameters", {}).get("custom", {})
    answer["example_input"] = shortened(example, _EXAMPLE_TOKENS)
    if initial["source"] == "saved":
        answer["example_note"] = "saved by the user; *** hides a secret: ask the user for it"
    answer["earlier_runs"] = await _earlier_runs(session, path, version)
    return answer


def _field(field: dict[str, Any]) -> dict[str, Any]:
    """A field without members that say nothing."""
    shown = {name: field[name] for name in _FIELD if field[name] not in ("", None, False)}
    if field["has_default"]:
        shown["default"] = field["default"]
    if field["options"]:
        shown["options"] = [option["value"] for option in field["options"][:_OPTIONS]]
    return shown


async def _earlier_runs(session: McpSession, path: str, version: str) -> dict[str, Any]:
    estimate = await calls.read(session, f"{path}/estimate", version=version)
    figures = {
        name: estimate[member]
        for name, member in (("seconds", "time"), ("traffic_bytes", "traffic"), ("usd", "charge"))
        if estimate[member]
    }
    return {"runs": estimate["runs"], "prices_are_set": estimate["priced"], **figures}


async def check_input(session: McpSession, arguments: Arguments) -> ToolAnswer:
    """Nothing is started."""
    custom = arguments["input"]
    if "parameters" in custom:
        raise ToolRefused("input must be the Worker's own fields, without parameters")
    checked = await calls.call(
        session,
        "POST",
        f"/api/fyke/workers/{segment(arguments['worker'])}/normalise",
        body={"input": {"parameters": {"custom": custom}}, "version": arguments.get("version", "")},
    )
    answer: dict[str, Any] = msgspec.json.decode(checked)
    answer["input"] = shortened(answer["input"], _EXAMPLE_TOKENS)
    if len(answer["errors"]) > _SHOWN_ERRORS:
        answer |= {
            "errors": answer["errors"][:_SHOWN_ERRORS],
            "number_of_errors": len(answer["errors"]),
        }
    if unknown := await unknown_fields(
        session, arguments["worker"], custom, arguments.get("version", "")
    ):
        answer["unknown_fields"] = unknown
    return answer_of(answer, untrusted=True)


async def unknown_fields(
    session: McpSession, worker: str, custom: Mapping[str, Any], version: str
) -> list[str]:
    """Sentences about fields of an input that the Worker does not have."""
    form = await calls.read(session, f"/api/fyke/workers/{segment(worker)}/form", version=version)
    known = [field["name"] for section in form["sections"] for field in section["fields"]]
    if form["broken"] or not known:
        return []
    unknown = [name for name in custom if name not in known]
    found = [unknown_name(name, known, "a field of it") for name in unknown[:SHOWN_UNKNOWN]]
    more = len(unknown) - SHOWN_UNKNOWN
    return [*found, f"{more} more names are not fields of it"] if more > 0 else found


_READS = ToolHints(read_only=True, idempotent=True)
_WORKER = {"type": "string", "description": "owner/name, or the id of a Worker"}
_VERSION = {"type": "string", "description": "empty: the newest"}

WORKER_TOOLS = (
    McpTool(
        "describe_worker",
        "What a Worker needs and collects: its fields, an example input, and what earlier runs "
        "took. Shorter than its input schema.",
        {"worker": _WORKER, "version": _VERSION},
        describe_worker,
        required=("worker",),
        hints=_READS,
    ),
    McpTool(
        "check_input",
        "Whether an input fits a Worker: errors by field, the number of subtasks, what it may "
        "cost, fields that the Worker does not have, and what a run would wait for. Starts "
        "nothing.",
        {
            "worker": _WORKER,
            "input": {"type": "object", "description": "the Worker's own fields"},
            "version": _VERSION,
        },
        check_input,
        required=("worker", "input"),
        hints=_READS,
    ),
)
