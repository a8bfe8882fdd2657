"""Operations as OpenAPI 3.1: their input and answers, with every code of every status."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from fyke import errors
from fyke.api import etags
from fyke.api.docs.schemas import (
    Schema,
    docstring_of,
    member_schemas,
    object_schema,
    reference,
    schemas_of,
    type_schema,
)
from fyke.api.envelope import V2_PREFIX
from fyke.api.errors import ErrorTable, table_of
from fyke.api.media import SAMPLE_ULID, Media, RequestHeader
from fyke.api.serving import Operation
from fyke.api.start_keys import HEADER_DOC
from fyke.domain.runs.start_keys import HEADER
from fyke.wire.common import Failure, FailureV2

_JSON = "application/json"
_CONVERTER = re.compile(r":[a-z]+}")

# Errors of every operation.
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
# Errors of a body that is refused before it is parsed.
_BODY_STATUSES = {
    408: "the body took too long",
    413: "the body is too large",
    415: "the body is compressed",
}


def describe(operations: Sequence[Operation]) -> tuple[Schema, Schema]:
    """The paths and components of a document of ``operations``."""
    documented = [operation for operation in operations if operation.declaration.documented]
    shapes = [shape for item in documented for shape in item.answer_shapes]
    components = schemas_of([*shapes, Failure, FailureV2])
    paths: dict[str, Schema] = {}
    for item in documented:
        path = _CONVERTER.sub("}", item.path)
        paths.setdefault(path, {})[item.method.lower()] = _operation(item, components)
    return paths, components


def _operation(operation: Operation, components: Schema) -> Schema:
    summary, description = operation.texts
    document: Schema = {"tags": [operation.tag], "summary": summary}
    if description:
        document["description"] = description
    document["operationId"] = operation.id
    parameters = [*_path_parameters(operation, components), *_query(operation, components)]
    parameters += [_header(name, header) for name, header in headers_of(operation).items()]
    if parameters:
        document["parameters"] = parameters
    body = _body(operation, components)
    if body:
        document["requestBody"] = body
    document["responses"] = _responses(operation, components)
    return document


# --- requests ------------------------------------------------------------------------------


def _path_parameters(operation: Operation, components: Schema) -> list[Schema]:
    return [
        _parameter(name, "path", type_schema(operation.path_type(name), components), True)
        for name in operation.declaration.path_names
    ]


def _query(operation: Operation, components: Schema) -> list[Schema]:
    if operation.input_argument is None or operation.declaration.reads_json:
        return []
    properties, required = member_schemas(operation.input_argument[1], components)
    return [
        _parameter(name, "query", schema, name in required) for name, schema in properties.items()
    ]


def _parameter(name: str, location: str, schema: Schema, required: bool) -> Schema:
    plain = {key: value for key, value in schema.items() if key != "description"}
    parameter = {"name": name, "in": location, "required": required, "schema": plain}
    text = schema.get("description")
    return parameter | {"description": text} if text else parameter


def headers_of(operation: Operation) -> Mapping[str, RequestHeader]:
    """The request headers of an operation."""
    declaration = operation.declaration
    texts = {**declaration.headers, **(etags.IF_NONE_MATCH if declaration.validated else {})}
    headers = {name: RequestHeader(text) for name, text in texts.items()}
    return headers | {HEADER: HEADER_DOC} if declaration.starts else headers


def _header(name: str, header: RequestHeader) -> Schema:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": header.text,
        "schema": header.schema,
    } | ({"example": header.example} if header.example else {})


def _body(operation: Operation, components: Schema) -> Schema:
    if operation.declaration.consumes:
        content = {
            media.type: _media(media, components) for media in operation.declaration.consumes
        }
        return {"required": True, "content": content}
    if operation.input_argument is None or not operation.declaration.reads_json:
        return {}
    shape = operation.input_argument[1]
    properties, required = member_schemas(shape, components)
    body_schema = object_schema(properties, required, docstring_of(shape))
    components[shape.__name__] = body_schema | (
        {"additionalProperties": False} if operation.strict else {}
    )
    schema = {"$ref": f"#/components/schemas/{shape.__name__}"}
    return {"required": bool(required), "content": {_JSON: {"schema": schema}}}


def _media(media: Media, components: Schema) -> Schema:
    if media.form is not None:
        properties, required = member_schemas(media.form, components)
        document: Schema = {"schema": object_schema(properties, required, "")}
    else:
        document = {"schema": dict(media.schema)}
    return document | ({} if media.example is None else {"example": media.example})


# --- answers -------------------------------------------------------------------------------


def _responses(operation: Operation, components: Schema) -> Schema:
    declaration = operation.declaration
    is_v2 = declaration.path.startswith(V2_PREFIX)
    success: Schema = {"description": "Success"}
    if declaration.produces:
        success["content"] = {
            media.type: _media(media, components) for media in declaration.produces
        }
    else:
        schema = _envelope(operation, is_v2, components)
        success["content"] = {_JSON: {"schema": schema}}
    responses: Schema = {"200": success}
    statuses = {**declaration.statuses, **(etags.NOT_MODIFIED if declaration.validated else {})}
    responses |= {str(status): {"description": text} for status, text in sorted(statuses.items())}
    failure = {"$ref": f"#/components/schemas/{'FailureV2' if is_v2 else 'Failure'}"}
    for status, codes in _codes(operation, is_v2).items():
        responses[str(status)] = {
            "description": "; ".join(f"{code} {text}" for code, text in sorted(codes.items())),
            "content": {_JSON: {"schema": failure, "examples": _failures(codes, is_v2)}},
        }
    return responses


def _envelope(operation: Operation, is_v2: bool, components: Schema) -> Schema:
    """A reference to the envelope of ``operation``, whose schema is added to ``components``."""
    references = [reference(shape) for shape in operation.answer_shapes]
    names = [item["$ref"].rpartition("/")[2] for item in references]
    choices: list[Schema] = [*references]
    if operation.answers_null or not references:
        names.append("Empty")
        choices.append({"type": "null"})
    data = choices[0] if len(choices) == 1 else {"anyOf": choices}
    name = "Or".join(names) + ("ResponseV2" if is_v2 else "Response")
    properties: dict[str, Schema] = {
        "code": {"type": "integer", "const": 0},
        "message": {"type": "string", "const": "success"},
    }
    if is_v2:
        properties["request_id"] = {"type": "string"}
    properties["data"] = data
    components[name] = object_schema(properties, list(properties), "")
    return {"$ref": f"#/components/schemas/{name}"}


def _codes(operation: Operation, is_v2: bool) -> dict[int, dict[int, str]]:
    """The codes and texts of each status."""
    table: ErrorTable = table_of(operation.path)
    error_types = [*_COMMON, *(() if is_v2 else _COMMON_V1), *operation.declaration.errors]
    if operation.declaration.starts:
        error_types.append(errors.Conflict)
    rows: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for row in map(table.row_of, error_types):
        rows[row.status][row.code] = row.text
    if operation.declaration.reads_json or operation.declaration.consumes:
        for status, text in _BODY_STATUSES.items():
            rows[status][table.invalid.code] = f"{table.invalid.text}: {text}"
    return dict(sorted(rows.items()))


def _failures(codes: Mapping[int, str], is_v2: bool) -> Schema:
    """One example for each code of a status."""
    return {str(code): {"value": _failure(code, text, is_v2)} for code, text in codes.items()}


def _failure(code: int, text: str, is_v2: bool) -> Schema:
    if is_v2:
        return {"code": code, "message": text, "request_id": SAMPLE_ULID, "details": None}
    return {"code": code, "message": text, "data": None}
