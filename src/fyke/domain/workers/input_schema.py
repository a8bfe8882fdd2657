"""``input_schema.json``: the input that a Worker declares, parsed leniently.

Parsing rejects only what makes the schema unusable: invalid JSON, a root that is not an object, a
missing ``properties`` array, a field without a name or with a duplicate one. Everything else that
the specification requires is optional here, because published Workers omit it;
``input_findings.check`` reports it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from fyke.domain.workers import jsontext
from fyke.errors import InvalidRequest

FILE = "input_schema.json"
NOT_JSON = "input_schema is not a valid json"

TYPES = ("string", "integer", "number", "boolean", "array", "object")

_EDITOR_TYPES = {
    "input": "string",
    "textarea": "string",
    "datepicker": "string",
    "number": "number",
    "checkbox": "array",
    "switch": "boolean",
    "requestList": "array",
    "requestListSource": "array",
    "stringList": "array",
    "json": "object",
}


Labels = Mapping[tuple[type, object], str]  # 1, 1.0 and true are different values


@dataclass(frozen=True, slots=True)
class InputField:
    """One entry of ``properties``: the rules that a run's input is checked against, and the words
    for its values. ``labels``: type and value of an option to its label.

    ``type`` is the declared one, or follows from editor and default; ``""`` when it is unknown.
    """

    name: str
    type: str
    required: bool
    title: str = ""
    labels: Labels = dataclasses.field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class InputSchema:
    """An accepted schema: what validating and splitting an input needs.

    ``split_fields`` and ``remove_fields`` are the trimmed names of ``concurrency``;
    ``legacy_split_field`` is the trimmed ``b``. ``limits`` of ``concurrency`` is ignored: it would
    cap an advance charge per item, and there is none.
    """

    fields: tuple[InputField, ...]
    description: str
    split_fields: tuple[str, ...]
    remove_fields: tuple[str, ...]
    legacy_split_field: str


def parse(text: str) -> InputSchema:
    """Parse the content of an ``input_schema.json``. Raise ``InvalidRequest``."""
    try:
        document = jsontext.loads(text)
    except jsontext.BadJson as error:
        where = f"line {error.line}: " if error.line else ""
        raise InvalidRequest(NOT_JSON, details=[f"{FILE}: {where}{error}"]) from None
    if not isinstance(document, dict):
        raise InvalidRequest(f"{FILE}: the root must be an object with a properties array")
    properties = document.get("properties")
    if not isinstance(properties, list):
        raise InvalidRequest(f'{FILE}: properties must be an array; add "properties": []')
    fields = tuple(_field(item, index) for index, item in enumerate(properties))
    _refuse_duplicates(fields)
    concurrency = document.get("concurrency")
    rules = concurrency if isinstance(concurrency, dict) else {}
    split_fields = names(rules.get("fields"))
    splitting = frozenset(split_fields)
    legacy = document.get("b")
    return InputSchema(
        fields=fields,
        description=text_of(document.get("description")),
        split_fields=split_fields,
        remove_fields=tuple(n for n in names(rules.get("remove_fields")) if n in splitting),
        legacy_split_field=legacy.strip() if isinstance(legacy, str) else "",
    )


def defaults(text: str) -> dict[str, Any]:
    """Return the defaults of the fields by name, as a form is filled with them. Raise
    ``InvalidRequest`` as ``parse``.
    """
    parse(text)
    return {
        item["name"]: item["default"]
        for item in jsontext.loads(text)["properties"]
        if item.get("default") is not None
    }


def names(value: object) -> tuple[str, ...]:
    """Return the distinct, trimmed, non-blank strings of an array, in order."""
    items = value if isinstance(value, list) else []
    trimmed = (item.strip() for item in items if isinstance(item, str))
    return tuple(dict.fromkeys(name for name in trimmed if name))


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def type_of(item: dict[str, Any]) -> str:
    """Return the type of a property: declared, else from the editor, else from the default."""
    if item.get("editor") == "select" and item.get("multiple") is True:
        return "array"
    declared = item.get("type")
    if isinstance(declared, str) and declared in TYPES:
        return declared
    if declared is not None:
        return ""
    fallback = _EDITOR_TYPES.get(text_of(item.get("editor")))
    default = item.get("default")
    if fallback == "string" and default is not None:
        return json_type(default)
    return fallback or json_type(default)


def json_type(value: object) -> str:
    """Return the schema type of a decoded value; ``""`` for null."""
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "boolean"),
        (int, "integer"),
        (float, "number"),
        (str, "string"),
        (list, "array"),
        (dict, "object"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "")


def _field(item: object, index: int) -> InputField:
    name = item.get("name") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(name, str) or not name.strip():
        raise InvalidRequest(
            f"{FILE}: properties[{index}] has no name; give every property a unique name"
        )
    return InputField(
        name=name,
        type=type_of(item),
        required=item.get("required") is True,
        title=text_of(item.get("title")).strip(),
        labels=_labels(item.get("options")),
    )


def _labels(options: object) -> Labels:
    labels: dict[tuple[type, object], str] = {}
    for option in options if isinstance(options, list) else []:
        if not isinstance(option, dict) or not isinstance(option.get("value"), str | int | float):
            continue
        label = text_of(option.get("label", option.get("title", option.get("name")))).strip()
        if label:
            labels.setdefault((type(option["value"]), option["value"]), label)
    return labels


def _refuse_duplicates(fields: tuple[InputField, ...]) -> None:
    seen: set[str] = set()
    for field in fields:
        if field.name in seen:
            raise InvalidRequest(
                f'{FILE}: the name "{field.name}" is used twice; rename one of the properties'
            )
        seen.add(field.name)


def param_name(item: object) -> str:
    """Return the name of a ``param_list`` entry: ``param``, or its alias ``name``."""
    if not isinstance(item, dict):
        return ""
    return text_of(item.get("param")).strip() or text_of(item.get("name")).strip()
