"""Operations as OpenAPI 3.1: what each takes and answers, with every code of every status."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from fyke import errors
from fyke.api import etags
from fyke.api.docs.schemas import (
    Schema,
    member_schemas,
    object_schema,
    own_text,
    reference,
    schemas_of,
    type_schema,
)
from fyke.api.envelope import V2_PREFIX
from fyke.api.errors import ErrorTable, table_of
from fyke.api.media import SAMPLE_ULID, Media, RequestHeader
from fyke.api.serving import Operation
from fyke.api.start_keys import DESCRIBED
from fyke.domain.runs.start_keys import HEADER
from fyke.wire.common import Failure, FailureV2

_JSON = "application/json"
_CONVERTER = re.compile(r":[a-z]+}")

# What every operation may answer, whatever it does.
_COMMON = (
    errors.InvalidRequest,
    errors.InvalidFields,
    errors.MissingKey,
    errors.InvalidKey,
    errors.RateLimited,
    errors.FykeError,
    errors.Unavailable,
)
_COMMON_V1 = (errors.ExpiredKey, errors.UserMissing, errors.UserDisabled)
# What the transport may say of a body before any operation sees it.
_BODY_STATUSES = {
    408: "the body took too long",
    413: "the body is too large",
    415: "the body is compressed",
}


def describe(operations: Sequence[Operation]) -> tuple[Schema, Schema]:
    """The paths and the components of a document of ``operations``."""
    documented = [each for each in operations if each.says.documented]
    shapes = [shape for each in documented for shape in each.answers]
    components = schemas_of([*shapes, Failure, FailureV2])
    paths: dict[str, Schema] = {}
    for each in documented:
        path = _CONVERTER.sub("}", each.path)
        paths.setdefault(path, {})[each.method.lower()] = _operation(each, components)
    return paths, components


def _operation(operation: Operation, components: Schema) -> Schema:
    summary, description = operation.texts
    described: Schema = {"tags": [operation.tag], "summary": summary}
    if description:
        described["description"] = description
    described["operationId"] = operation.id
    parameters = [*_path_parameters(operation, components), *_query(operation, components)]
    parameters += [_header(name, header) for name, header in headers_of(operation).items()]
    if parameters:
        described["parameters"] = parameters
    body = _body(operation, components)
    if body:
        described["requestBody"] = body
    described["responses"] = _responses(operation, components)
    return described


# --- requests ------------------------------------------------------------------------------


def _path_parameters(operation: Operation, components: Schema) -> list[Schema]:
    return [
        _parameter(name, "path", type_schema(operation.path_type(name), components), True)
        for name in operation.says.path_names
    ]


def _query(operation: Operation, components: Schema) -> list[Schema]:
    if operation.takes is None or operation.says.reads_json:
        return []
    properties, required = member_schemas(operation.takes[1], components)
    return [
        _parameter(name, "query", schema, name in required) for name, schema in properties.items()
    ]


def _parameter(name: str, place: str, schema: Schema, required: bool) -> Schema:
    plain = {key: value for key, value in schema.items() if key != "description"}
    parameter = {"name": name, "in": place, "required": required, "schema": plain}
    text = schema.get("description")
    return parameter | {"description": text} if text else parameter


def headers_of(operation: Operation) -> Mapping[str, RequestHeader]:
    """The request headers of an operation."""
    says = operation.says
    plain = {**says.headers, **(etags.IF_NONE_MATCH if says.validated else {})}
    found = {name: RequestHeader(text) for name, text in plain.items()}
    return found | {HEADER: DESCRIBED} if says.starts else found


def _header(name: str, header: RequestHeader) -> Schema:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": header.text,
        "schema": header.schema,
    } | ({"example": header.example} if header.example else {})


def _body(operation: Operation, components: Schema) -> Schema:
    if operation.says.consumes:
        content = {each.type: _media(each, components) for each in operation.says.consumes}
        return {"required": True, "content": content}
    if operation.takes is None or not operation.says.reads_json:
        return {}
    shape = operation.takes[1]
    properties, required = member_schemas(shape, components)
    described = object_schema(properties, required, own_text(shape))
    components[shape.__name__] = described | (
        {"additionalProperties": False} if operation.strict else {}
    )
    schema = {"$ref": f"#/components/schemas/{shape.__name__}"}
    return {"required": bool(required), "content": {_JSON: {"schema": schema}}}


def _media(media: Media, components: Schema) -> Schema:
    if media.form is not None:
        properties, required = member_schemas(media.form, components)
        described: Schema = {"schema": object_schema(properties, required, "")}
    else:
        described = {"schema": dict(media.schema)}
    return described | ({} if media.example is None else {"example": media.example})


# --- answers -------------------------------------------------------------------------------


def _responses(operation: Operation, components: Schema) -> Schema:
    says = operation.says
    second = says.path.startswith(V2_PREFIX)
    success: Schema = {"description": "Success"}
    if says.produces:
        success["content"] = {each.type: _media(each, components) for each in says.produces}
    else:
        schema = _envelope(operation, second, components)
        success["content"] = {_JSON: {"schema": schema}}
    found: Schema = {"200": success}
    statuses = {**says.statuses, **(etags.NOT_MODIFIED if says.validated else {})}
    found |= {str(status): {"description": text} for status, text in sorted(statuses.items())}
    failure = {"$ref": f"#/components/schemas/{'FailureV2' if second else 'Failure'}"}
    for status, codes in _codes(operation, second).items():
        found[str(status)] = {
            "description": "; ".join(f"{code} {text}" for code, text in sorted(codes.items())),
            "content": {_JSON: {"schema": failure, "examples": _failures(codes, second)}},
        }
    return found


def _envelope(operation: Operation, second: bool, components: Schema) -> Schema:
    """A reference to the envelope of the answers of ``operation``, which joins the components."""
    found = [reference(shape) for shape in operation.answers]
    data = found[0] if len(found) == 1 else {"anyOf": found} if found else {"type": "null"}
    names = [each["$ref"].rpartition("/")[2] for each in found] or ["Empty"]
    name = "Or".join(names) + ("ResponseV2" if second else "Response")
    properties: dict[str, Schema] = {
        "code": {"type": "integer", "const": 0},
        "message": {"type": "string", "const": "success"},
    }
    if second:
        properties["request_id"] = {"type": "string"}
    properties["data"] = data
    components[name] = object_schema(properties, list(properties), "")
    return {"$ref": f"#/components/schemas/{name}"}


def _codes(operation: Operation, second: bool) -> dict[int, dict[int, str]]:
    """The codes and texts of each status."""
    table: ErrorTable = table_of(operation.path)
    kinds = [*_COMMON, *(() if second else _COMMON_V1), *operation.says.errors]
    if operation.says.starts:
        kinds.append(errors.Conflict)
    rows: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for row in map(table.row_of, kinds):
        rows[row.status][row.code] = row.text
    if operation.says.reads_json or operation.says.consumes:
        for status, text in _BODY_STATUSES.items():
            rows[status][table.invalid.code] = f"{table.invalid.text}: {text}"
    return dict(sorted(rows.items()))


def _failures(codes: Mapping[int, str], second: bool) -> Schema:
    """One example for each code of a status."""
    return {str(code): {"value": _failure(code, text, second)} for code, text in codes.items()}


def _failure(code: int, text: str, second: bool) -> Schema:
    if second:
        return {"code": code, "message": text, "request_id": SAMPLE_ULID, "details": None}
    return {"code": code, "message": text, "data": None}
