"""How an operation describes itself in ``/openapi.json``: requests, answers, errors.

What is said of a field is what is done with it: a number that may come as text says so, and a rule
that only bends a value (a page size above the maximum) is told in words, not as a limit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, create_model

from fyke.api.envelope import V2, Dialect
from fyke.api.media import SAMPLE_ULID, RequestHeader
from fyke.api.v1.errors import INTERNAL, INVALID, TABLE
from fyke.api.v2.errors import INTERNAL as INTERNAL_V2
from fyke.api.v2.errors import INVALID as INVALID_V2
from fyke.api.v2.errors import TABLE_V2
from fyke.api.wire_errors import WireError
from fyke.errors import (
    ExpiredKey,
    InvalidFields,
    InvalidRequest,
    MissingKey,
    RateLimited,
    Unauthenticated,
    Unavailable,
    UserDisabled,
    UserMissing,
)

Data = TypeVar("Data")

CODES = "x-codes"  # where a response keeps its codes until the document gets its examples
MAX_DIGITS = 10**18 - 1  # what a whole number that comes as text may have

# What every operation may answer, whatever it does.
_COMMON: tuple[WireError, ...] = (
    INVALID,
    TABLE[Unauthenticated],
    TABLE[ExpiredKey],
    TABLE[UserMissing],
    TABLE[UserDisabled],
    TABLE[RateLimited],
    INTERNAL,
    TABLE[Unavailable],
)
_COMMON_V2: tuple[WireError, ...] = (
    TABLE_V2[InvalidRequest],
    TABLE_V2[InvalidFields],
    TABLE_V2[MissingKey],
    TABLE_V2[Unauthenticated],
    TABLE_V2[RateLimited],
    INTERNAL_V2,
    TABLE_V2[Unavailable],
)
# What the transport may say of a body before any operation sees it.
_BODY_STATUSES = {
    408: "the body took too long",
    413: "the body is too large",
    415: "the body is compressed",
}


class Answer(BaseModel):
    """Base of the models that document ``data``; tests read every answer with them."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Success(BaseModel, Generic[Data]):
    """The envelope of an answer to a request that worked."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: Literal[0]
    message: Literal["success"]
    data: Data


class SuccessV2(BaseModel, Generic[Data]):
    """The envelope of an answer to a request that worked, in the second dialect."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: Literal[0]
    message: Literal["success"]
    request_id: str
    data: Data


class Failure(BaseModel):
    """The envelope of an error; ``details`` has one sentence per problem."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: int
    message: str
    data: None
    details: list[str] | None = None


class FailureV2(BaseModel):
    """The envelope of an error in the second dialect."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: int
    message: str
    request_id: str
    details: list[str] | None


_OF_A_MODEL = ("$defs", "description")  # a model's docstring is for us


@dataclass(frozen=True, slots=True)
class Media:
    """A body that is no envelope: its media type, its schema, and what one may look like."""

    type: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    example: Any = None

    def described(self) -> dict[str, Any]:
        """The value of ``content`` for this media type."""
        definitions = self.schema.get("$defs", {})
        schema = {key: value for key, value in self.schema.items() if key not in _OF_A_MODEL}
        described: dict[str, Any] = {"schema": _inlined(schema, definitions)}
        if self.example is not None:
            described["example"] = self.example
        return described


@cache
def envelope_of(answer: type[BaseModel] | None, dialect: Dialect) -> type[BaseModel]:
    """The model of a whole answer whose ``data`` is ``answer`` (or null)."""
    second = dialect is V2
    name = f"{answer.__name__ if answer else 'Empty'}Response{'V2' if second else ''}"
    base = SuccessV2[answer] if second else Success[answer]  # type: ignore[valid-type]
    return create_model(name, __base__=base)


def responses(
    answer: type[BaseModel] | None,
    errors: Sequence[WireError],
    dialect: Dialect,
    *,
    takes_body: bool,
    produces: Sequence[Media] = (),
    statuses: Mapping[int, str] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """FastAPI's ``responses``: the success, and for each status the codes it may carry."""
    second = dialect is V2
    success: dict[str, Any] = {"description": "Success"}
    if produces:
        success["content"] = {media.type: media.described() for media in produces}
    else:
        success["model"] = envelope_of(answer, dialect)
    found: dict[int | str, dict[str, Any]] = {200: success}
    for status, text in (statuses or {}).items():
        found[status] = {"description": text}
    failure = FailureV2 if second else Failure
    reference = {"$ref": f"#/components/schemas/{failure.__name__}"}
    for status, codes in _rows(errors, second, takes_body).items():
        found[status] = {
            "description": "; ".join(f"{code} {text}" for code, text in sorted(codes.items())),
            "content": {"application/json": {"schema": reference}},
            CODES: codes,
        }
    # named once, so that it is among the components: each mention costs as much as a route
    found[500]["model"] = failure
    return found


def _rows(errors: Sequence[WireError], second: bool, takes_body: bool) -> dict[int, dict[int, str]]:
    """The codes and texts of each status."""
    rows: defaultdict[int, dict[int, str]] = defaultdict(dict)
    common = _COMMON_V2 if second else _COMMON
    for row in (*common, *errors):
        rows[row.status][row.code] = row.text
    if takes_body:
        invalid = INVALID_V2 if second else INVALID
        for status, text in _BODY_STATUSES.items():
            rows[status][invalid.code] = f"{invalid.text}: {text}"
    return dict(sorted(rows.items()))


def failures(codes: Mapping[int, str], dialect: Dialect) -> dict[str, Any]:
    """One example for each code of a status."""
    second = dialect is V2
    return {str(code): {"value": _failure(code, text, second)} for code, text in codes.items()}


def _failure(code: int, text: str, second: bool) -> dict[str, Any]:
    if second:
        return {"code": int(code), "message": text, "request_id": SAMPLE_ULID, "details": None}
    return {"code": int(code), "message": text, "data": None}


def request(
    fields: type[BaseModel],
    *,
    in_body: bool,
    path_fields: Sequence[str],
    consumes: Sequence[Media] = (),
    headers: Mapping[str, RequestHeader] | None = None,
) -> dict[str, Any]:
    """The parts of an OpenAPI operation that say what it takes."""
    schema = _schema_of(fields)
    required: list[str] = schema.get("required", [])
    properties = {
        name: _inlined(described, schema.get("$defs", {}))
        for name, described in schema.get("properties", {}).items()
    }
    parameters = [
        _parameter(name, described, name in path_fields, name in required)
        for name, described in properties.items()
        if not in_body or name in path_fields
    ]
    parameters += [
        {"name": name, "in": "header", "description": header.text, "schema": header.schema}
        for name, header in (headers or {}).items()
    ]
    extra: dict[str, Any] = {"parameters": parameters} if parameters else {}
    if in_body:
        inside = {name: d for name, d in properties.items() if name not in path_fields}
        extra["requestBody"] = _json_body(inside, required)
    elif consumes:
        content = {media.type: media.described() for media in consumes}
        extra["requestBody"] = {"required": True, "content": content}
    return extra


@cache
def _schema_of(fields: type[BaseModel]) -> Mapping[str, Any]:
    """The schema of a model, which every application of one process shares."""
    return fields.model_json_schema()


def _inlined(node: Any, definitions: Mapping[str, Any]) -> Any:
    """``node`` with the models that it refers to in their place, and without pydantic's titles."""
    if isinstance(node, list):
        return [_inlined(each, definitions) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rpartition("/")[2]], definitions)
    return {
        key: _inlined(value, definitions)
        for key, value in node.items()
        if key != "title" or not isinstance(value, str)
    }


def _parameter(
    name: str, described: Mapping[str, Any], in_path: bool, required: bool
) -> dict[str, Any]:
    """A field in the path or the query, where all is text: of its forms the plain one counts."""
    plain = {**described, **described.get("anyOf", [{}])[0]}
    plain.pop("anyOf", None)
    if plain.get("type") == "integer" and "enum" not in plain:
        plain.setdefault("minimum", -MAX_DIGITS)
        plain.setdefault("maximum", MAX_DIGITS)
    if plain.get("default", ...) in (None, "", []):
        del plain["default"]
    elif isinstance(plain.get("default"), list) and plain.get("type") == "string":
        plain["default"] = ",".join(plain["default"])
    parameter = {
        "name": name,
        "in": "path" if in_path else "query",
        "required": in_path or required,
        "schema": plain,
    }
    text = plain.pop("description", None)
    return parameter | {"description": text} if text else parameter


def _json_body(properties: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    """A JSON object; of a field that may be absent ``null`` says the same, and of the body too."""
    needed = [name for name in required if name in properties]
    schema: dict[str, Any] = {
        "type": "object" if needed else ["object", "null"],
        "properties": {
            name: described if name in needed else _or_null(described)
            for name, described in properties.items()
        },
    }
    if needed:
        schema["required"] = needed
    return {"required": bool(needed), "content": {"application/json": {"schema": schema}}}


def _or_null(described: Mapping[str, Any]) -> dict[str, Any]:
    changed = dict(described)
    if changed.get("default", ...) is None:
        del changed["default"]
    kind = changed.get("type")
    if "anyOf" in changed:
        if {"type": "null"} not in changed["anyOf"]:
            changed["anyOf"] = [*changed["anyOf"], {"type": "null"}]
    elif kind is not None:
        kinds = [kind] if isinstance(kind, str) else kind
        changed["type"] = kinds if "null" in kinds else [*kinds, "null"]
        if "enum" in changed and None not in changed["enum"]:
            changed["enum"] = [*changed["enum"], None]
    return changed
