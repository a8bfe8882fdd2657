"""How an operation describes itself in ``/openapi.json``: requests, answers, errors, keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any, Generic, Literal, TypeVar

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, create_model

from fyke.api.envelope import V2, Dialect
from fyke.api.errors import INTERNAL, INTERNAL_V2, INVALID, TABLE, TABLE_V2, WireError
from fyke.errors import (
    ExpiredKey,
    InvalidFields,
    InvalidRequest,
    MissingKey,
    RateLimited,
    Unauthenticated,
    UserDisabled,
    UserMissing,
)

Data = TypeVar("Data")

# What every operation may answer, whatever it does.
_COMMON: tuple[WireError, ...] = (
    INVALID,
    TABLE[Unauthenticated],
    TABLE[ExpiredKey],
    TABLE[UserMissing],
    TABLE[UserDisabled],
    TABLE[RateLimited],
    INTERNAL,
)
_COMMON_V2: tuple[WireError, ...] = (
    TABLE_V2[InvalidRequest],
    TABLE_V2[InvalidFields],
    TABLE_V2[MissingKey],
    TABLE_V2[Unauthenticated],
    TABLE_V2[RateLimited],
    INTERNAL_V2,
)


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


@cache
def envelope_of(answer: type[BaseModel] | None, dialect: Dialect) -> type[BaseModel]:
    """The model of a whole answer whose ``data`` is ``answer`` (or null)."""
    second = dialect is V2
    name = f"{answer.__name__ if answer else 'Empty'}Response{'V2' if second else ''}"
    base = SuccessV2[answer] if second else Success[answer]  # type: ignore[valid-type]
    return create_model(name, __base__=base)


def responses(
    answer: type[BaseModel] | None, errors: Sequence[WireError], dialect: Dialect
) -> dict[int | str, dict[str, Any]]:
    """FastAPI's ``responses``: the success, and for each status the codes it may carry."""
    second = dialect is V2
    found: dict[int | str, dict[str, Any]] = {
        200: {"model": envelope_of(answer, dialect), "description": "Success"}
    }
    rows: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for row in (*(_COMMON_V2 if second else _COMMON), *errors):
        rows[row.status][row.code] = row.text
    for status, codes in sorted(rows.items()):
        text = "; ".join(f"{code} {text}" for code, text in sorted(codes.items()))
        found[status] = {"model": FailureV2 if second else Failure, "description": text}
    return found


def request(
    fields: type[BaseModel], *, in_body: bool, path_fields: Sequence[str], public: bool
) -> dict[str, Any]:
    """The parts of an OpenAPI operation that say what it takes."""
    schema = fields.model_json_schema(ref_template="#/components/schemas/{model}")
    extra: dict[str, Any] = {"security": [] if public else [{"apiKey": []}, {"bearer": []}]}
    properties: dict[str, Any] = schema.get("properties", {})
    required: list[str] = schema.get("required", [])
    parameters = [
        {
            "name": name,
            "in": "path" if name in path_fields else "query",
            "required": name in path_fields or name in required,
            "schema": {key: value for key, value in described.items() if key != "title"},
        }
        for name, described in properties.items()
        if not in_body or name in path_fields
    ]
    if parameters:
        extra["parameters"] = parameters
    if in_body:
        body = {
            "type": "object",
            "properties": {n: d for n, d in properties.items() if n not in path_fields},
            "required": [name for name in required if name not in path_fields],
        }
        if not body["required"]:
            del body["required"]
        extra["requestBody"] = {
            "required": "required" in body,
            "content": {"application/json": {"schema": body}},
        }
    return extra


def install(app: FastAPI) -> None:
    """Let ``app`` answer ``/openapi.json`` with the key schemes filled in."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            components = document.setdefault("components", {})
            components["securitySchemes"] = {
                "apiKey": {"type": "apiKey", "in": "header", "name": "api-key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            }
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
