"""The OpenAPI document with all that the server accepts besides what it asks for.

The served document says what to send: an integer. The parser also reads ``"5"``, ``null`` and
other forms that old clients use. Generated requests are held against this document, so that each
form is known: what is described here must be accepted, all else refused.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, get_args

from fyke.api.members import Member, members_of
from fyke.domain.workers.page import MAX_CATEGORIES, MAX_CATEGORY
from fyke.model.queue import MOST_AT_ONCE
from fyke.snippets.render import IDS
from fyke.wire import fields, rows, v1
from fyke.wire.fyke import forms, schedules, workers
from fyke.wire.rows import FormatName
from fyke.wire.v2 import fields as v2
from fyke.wire.v2 import queue, status, tasks

Schema = dict[str, Any]

DIGITS = 10**18 - 1  # what a whole number that comes as text may have
INTEGER_TEXT = r"^\s*[+-]?[0-9]{1,18}(\.0{1,18})?\s*$"
BOOLEAN_TEXT = r"^\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[01])\s*$"
OFFSET_TEXT = r"^\s*(\+?[0-9]{1,18}|-0{1,18})(\.0{1,18})?\s*$"
LIMIT_TEXT = r"^\s*\+?0{0,8}[1-9][0-9]{0,8}(\.0{1,18})?\s*$"
NUMBER_TEXT = r"^\s*[+-]?[0-9]{1,18}(\.[0-9]{1,18})?\s*$"
# Without the length: tools build a pattern with 100,000 repetitions of it otherwise.
TEXT: Schema = {"type": "string", "pattern": r"^[^\u0000]*$"}
NAME: Schema = {"type": "string", "minLength": 1, "pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}
OBJECT: Schema = {"type": "object"}
NUMBER: Schema = {"type": ["number", "string", "null"]}


def text_too(schema: Schema, pattern: str) -> Schema:
    return {"anyOf": [schema, {"type": "string", "pattern": pattern}]}


INTEGER = text_too({"type": "integer"}, INTEGER_TEXT)
INPUT: Schema = {
    "type": "object",
    "properties": {
        "parameters": {
            "type": ["object", "null"],
            "properties": {
                "custom": {"type": ["object", "null"]},
                "system": {
                    "type": ["object", "null"],
                    "properties": {
                        "cpus": NUMBER,
                        "memory": NUMBER,
                        "execute_limit_time_seconds": NUMBER,
                        "max_total_charge": NUMBER,
                        "max_total_traffic": NUMBER,
                        "proxy_region": {"type": ["string", "null"]},
                        "egress_allow": {"type": ["array", "null"], "items": {"type": "string"}},
                    },
                },
            },
        }
    },
}

ACCEPTED: dict[Callable[..., Any], Schema] = {
    fields.to_integer: INTEGER,
    fields.to_page_index: INTEGER,
    fields.to_boolean: {
        "anyOf": [
            {"type": "boolean"},
            {"type": "integer", "enum": [0, 1]},
            {"type": "string", "pattern": BOOLEAN_TEXT},
        ]
    },
    fields.to_decimal: text_too(
        {"type": "number", "exclusiveMinimum": -(10**18), "exclusiveMaximum": 10**18}, NUMBER_TEXT
    ),
    fields.to_text: TEXT,
    fields.to_name: NAME,
    fields.to_object: OBJECT,
    fields.to_texts: {"type": "array", "items": TEXT},
    fields.to_names: {
        "anyOf": [{"type": "array", "items": TEXT, "maxItems": fields.MAX_NAMES}, TEXT]
    },
    rows.to_field_names: {"type": "string"},
    rows.to_filters: {"type": "array", "items": {"type": "string"}},
    v1.to_status: {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 5},
            {"type": "string", "enum": sorted(v1.STATUS_NAMES)},
            {"type": "string", "pattern": r"^\s*(\+?0{0,17}[0-5](\.0{1,18})?)?\s*$"},
        ]
    },
    v1.to_keys: {"anyOf": [{"type": "array", "items": TEXT}, TEXT]},
    v2.to_offset: text_too({"type": "integer", "minimum": 0}, OFFSET_TEXT),
    v2.to_limit: text_too({"type": "integer", "minimum": 1}, LIMIT_TEXT),
    v2.to_status_filter: {
        "type": "string",
        "enum": [*status.FILTERS, *status.NUMBER_FILTERS],
    },
    v2.to_format: {"type": "string", "enum": [*get_args(FormatName), ""]},
    v2.to_column_keys: TEXT,
    queue.to_queue_refs: {
        "type": "array",
        "items": {"type": ["string", "integer"]},
        "maxItems": MOST_AT_ONCE,
    },
    tasks.to_task_input: OBJECT,
    forms.to_pairs: {
        "type": "array",
        "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
    },
    forms.to_long_text: {"type": "string"},
    forms.to_language: {"type": "string", "enum": [*IDS]},
    workers.to_category_numbers: {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": MAX_CATEGORY},
        "maxItems": MAX_CATEGORIES,
    },
    schedules.to_month: {"type": "string", "pattern": r"^\s*[0-9]{4}-[0-9]{2}\s*$"},
}
# rules that are made by a function, by its name
MADE: dict[str, Schema] = {"to_page_size": INTEGER}


def tolerant(document: Mapping[str, Any], operations: Iterable[Any]) -> Schema:
    """``document`` with what ``operations`` accept in place of what they ask for."""
    whole = copy.deepcopy(dict(document))
    for operation in operations:
        if not operation.says.documented:
            continue
        path = re.sub(r":[a-z]+}", "}", operation.path)
        described = whole["paths"][path][operation.method.lower()]
        members = members_of(operation.takes[1]) if operation.takes else ()
        for parameter in described.get("parameters", ()):
            _open_parameter(parameter, [*members, *operation.path_members])
        if "requestBody" in described and operation.says.reads_json:
            described["requestBody"] = _open_body(whole, described["requestBody"], members)
    for name, schema in whole["components"]["schemas"].items():
        if "properties" in schema and not name.endswith("Old"):
            schema.setdefault("additionalProperties", False)
    return whole


def _accepted(member: Member) -> Schema | None:
    if member.names[0] == "input" and member.rule is fields.to_object:
        return INPUT
    rule: Any = member.rule
    if isinstance(rule, fields.ToChoice):
        return _choice(rule)
    maker = getattr(rule, "__qualname__", "").partition(".<locals>")[0]
    return ACCEPTED.get(rule) or MADE.get(maker) or None


def _choice(rule: fields.ToChoice) -> Schema:
    """One of the words in any case, or nothing where that is the same as absent."""
    words = "|".join("".join(map(_in_any_case, choice)) for choice in rule.choices)
    return {"type": "string", "pattern": rf"^\s*({words}){'?' if rule.optional else ''}\s*$"}


def _in_any_case(letter: str) -> str:
    return f"[{letter.upper()}{letter}]" if letter.isalpha() else re.escape(letter)


def _open_parameter(parameter: Schema, members: Sequence[Member]) -> None:
    """In a query all is text, so of several forms the plain one counts."""
    found = [each for each in members if each.names[0] == parameter["name"]]
    schema = _accepted(found[0]) if found and parameter["in"] != "header" else None
    if schema is None:
        return
    plain = {**schema, **schema.get("anyOf", [{}])[0]}
    plain.pop("anyOf", None)
    if plain.get("type") == "integer" and "enum" not in plain:
        plain.setdefault("minimum", -DIGITS)
        plain.setdefault("maximum", DIGITS)
    parameter["schema"] = plain
    parameter.pop("example", None)


def _open_body(document: Schema, body: Schema, members: Sequence[Member]) -> Schema:
    media = body["content"]["application/json"]
    strict = document["components"]["schemas"][media["schema"]["$ref"].rpartition("/")[2]]
    needed = [each.names[0] for each in members if each.required]
    properties = {}
    for member in members:
        name = member.names[0]
        schema = _accepted(member) or strict["properties"][name]
        properties[name] = schema if member.required else _or_null(schema)
    schema = {"type": "object" if needed else ["object", "null"], "properties": properties}
    if needed:
        schema["required"] = needed
    example = {"example": media["example"]} if "example" in media else {}
    return {**body, "content": {"application/json": {"schema": schema, **example}}}


def _or_null(schema: Schema) -> Schema:
    plain = {key: value for key, value in schema.items() if key != "default"}
    return {"anyOf": [plain, {"type": "null"}]}
