"""The OpenAPI document with all forms that the server accepts.

The served document has only the preferred form, such as an integer. The parser also reads ``"5"``,
``null`` and other forms that old clients use. Generated requests are checked against this document:
the forms that it describes must be accepted, all others refused.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, get_args

from fyke.api.members import Member, members_of
from fyke.domain.workers.page import MAX_CATEGORIES, MAX_CATEGORY
from fyke.model.formats import FormatName
from fyke.model.queue import MAX_ITEMS_PER_REQUEST
from fyke.snippets.render import IDS
from fyke.wire import fields, rows, v1
from fyke.wire.fyke import accounts, forms, schedules, workers
from fyke.wire.fyke.nodes import to_labels
from fyke.wire.fyke.run_diagnosis import to_long_texts
from fyke.wire.units import MAX_SECONDS
from fyke.wire.v2 import fields as v2
from fyke.wire.v2 import queue, status, tasks

Schema = dict[str, Any]

DIGITS = 10**18 - 1  # the largest whole number as text
INTEGER_TEXT = r"^\s*[+-]?[0-9]{1,18}(\.0{1,18})?\s*$"
BOOLEAN_TEXT = r"^\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[01])\s*$"
OFFSET_TEXT = r"^\s*(\+?[0-9]{1,18}|-0{1,18})(\.0{1,18})?\s*$"
TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
LIMIT_TEXT = r"^\s*\+?0{0,8}[1-9][0-9]{0,8}(\.0{1,18})?\s*$"
NUMBER_TEXT = r"^\s*[+-]?[0-9]{1,18}(\.[0-9]{1,18})?\s*$"
# Without a maximum length: tools would build a pattern with 100,000 repetitions of it.
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


def up_to(most: int) -> Schema:
    """An integer from 0 to a small ``most``."""
    digits = "|".join(map(str, range(most + 1)))
    pattern = rf"^\s*\+?0{{0,16}}({digits})(\.0{{1,18}})?\s*$"
    return text_too({"type": "integer", "minimum": 0, "maximum": most}, pattern)


def word_of(words: Iterable[str], *, optional: bool = False) -> Schema:
    """One of the words in any case; ``optional``: or an empty text."""
    return {
        "type": "string",
        "pattern": rf"^\s*({_any_of(words)}){'?' if optional else ''}\s*$",
    }


def _any_of(words: Iterable[str]) -> str:
    return "|".join("".join(map(_in_any_case, word)) for word in words)


def _in_any_case(letter: str) -> str:
    return f"[{letter.upper()}{letter}]" if letter.isalpha() else re.escape(letter)


KINDS = f"({_any_of(v2.EVENT_KINDS)})"

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
    to_long_texts: {"type": "array", "items": {"type": "string"}},
    to_labels: {"type": "object", "additionalProperties": TEXT},
    fields.to_names: {
        "anyOf": [{"type": "array", "items": TEXT, "maxItems": fields.MAX_NAMES}, TEXT]
    },
    rows.to_field_names: {"type": "string"},
    rows.to_filters: {"type": "array", "items": {"type": "string"}},
    v1.to_status: {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 5},
            {"type": "string", "enum": sorted(v1.NUMBER_BY_STATUS)},
            {"type": "string", "pattern": r"^\s*(\+?0{0,17}[0-5](\.0{1,18})?)?\s*$"},
        ]
    },
    v1.to_keys: {"anyOf": [{"type": "array", "items": TEXT}, TEXT]},
    v2.to_offset: text_too({"type": "integer", "minimum": 0}, OFFSET_TEXT),
    v2.to_limit: text_too({"type": "integer", "minimum": 1}, LIMIT_TEXT),
    v2.to_status_filter: {
        "type": "string",
        "enum": [*status.STATUS_FILTERS, *status.FILTER_BY_NUMBER],
    },
    v2.to_format: {"type": "string", "enum": [*get_args(FormatName), ""]},
    v2.to_column_keys: TEXT,
    v2.to_seconds: {"type": "integer", "minimum": 0, "maximum": MAX_SECONDS},
    v2.to_wait: up_to(v2.MAX_WAIT),
    v2.to_event_kinds: {
        "type": "string",
        "pattern": rf"^[\s,]*{KINDS}(\s*,[\s,]*{KINDS})*[\s,]*$",
    },
    queue.to_queue_status: word_of(("waiting", "inactive"), optional=True),
    queue.to_reason: TEXT | {"maxLength": queue.MAX_REASON},
    queue.to_queue_refs: {
        "type": "array",
        "items": {"type": ["string", "integer"]},
        "maxItems": MAX_ITEMS_PER_REQUEST,
    },
    tasks.to_task_input: OBJECT,
    tasks.to_time: {"type": "string", "pattern": rf"^\s*({TIME})?\s*$"},
    tasks.to_date: {
        "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "pattern": r"^\s*$"}]
    },
    accounts.to_scopes: {"type": "array", "items": TEXT, "minItems": 1},
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
# the functions that make a rule, by name, with a function that makes the schema for its arguments
MADE: dict[str, Callable[..., Schema]] = {
    "to_page_size": lambda default, maximum: INTEGER,
    "to_number_up_to": lambda maximum: up_to(maximum),
}


def tolerant(document: Mapping[str, Any], operations: Iterable[Any]) -> Schema:
    """``document`` with all forms that ``operations`` accept."""
    tolerant = copy.deepcopy(dict(document))
    for operation in operations:
        if not operation.declaration.documented:
            continue
        path = re.sub(r":[a-z]+}", "}", operation.path)
        described = tolerant["paths"][path][operation.method.lower()]
        members = members_of(operation.input_argument[1]) if operation.input_argument else ()
        for parameter in described.get("parameters", ()):
            _open_parameter(parameter, [*members, *operation.path_members])
        if "requestBody" in described and operation.declaration.reads_json:
            body = _open_body(described["requestBody"], members, operation.strict)
            if operation.strict:
                body["content"]["application/json"]["schema"]["additionalProperties"] = False
            described["requestBody"] = body
    for schema in tolerant["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return tolerant


def _accepted(member: Member) -> Schema:
    """The schema of a member's rule. Raise ``KeyError`` for a rule that is not listed."""
    rule: Any = member.rule
    if rule is None:
        return {}
    if member.names[0] == "input" and rule is fields.to_object:
        return INPUT
    if isinstance(rule, fields.ToChoice):
        return word_of(rule.choices, optional=rule.optional)
    maker = MADE.get(rule.__qualname__.partition(".<locals>")[0])
    return maker(**inspect.getclosurevars(rule).nonlocals) if maker else ACCEPTED[rule]


def _open_parameter(parameter: Schema, members: Sequence[Member]) -> None:
    """Give a query parameter its accepted form; of several forms the first one is used."""
    matching = [member for member in members if member.names[0] == parameter["name"]]
    if not matching or parameter["in"] == "header":
        return
    schema = _accepted(matching[0])
    plain = {**schema, **schema.get("anyOf", [{}])[0]}
    plain.pop("anyOf", None)
    if plain.get("type") == "integer" and "enum" not in plain:
        plain.setdefault("minimum", -DIGITS)
        plain.setdefault("maximum", DIGITS)
    parameter["schema"] = plain
    parameter.pop("example", None)


def _open_body(body: Schema, members: Sequence[Member], strict: bool) -> Schema:
    media = body["content"]["application/json"]
    needed = [item.names[0] for item in members if item.required]
    properties = {}
    for member in members:
        name = member.names[0]
        schema = _accepted(member)
        properties[name] = schema if member.required else _or_null(schema)
    schema: Schema = {"type": ["object", "null"], "properties": properties}
    if needed:
        schema |= {"type": "object", "required": needed}
    elif not strict:  # an empty array is read as an empty object
        schema |= {"type": ["object", "null", "array"], "maxItems": 0}
    example = {"example": media["example"]} if "example" in media else {}
    return {**body, "content": {"application/json": {"schema": schema, **example}}}


def _or_null(schema: Schema) -> Schema:
    plain = {key: value for key, value in schema.items() if key != "default"}
    return {"anyOf": [plain, {"type": "null"}]}
