"""Splits the custom input of a run into the inputs of its subtasks.

A schema may name array fields that are split by item. Each non-empty item of each active field
becomes one subtask: a union, not a product of the fields. All other keys are copied into every
subtask. Without such fields the run is one subtask with the whole input.

The fields are named by ``concurrency.fields``, or else by the older ``b`` with a single field. A
field that is neither declared as an array nor has an array as its value cannot be split: then the
run is one subtask, as on the original platform.
"""

from __future__ import annotations

import json
from typing import Any

from fyke.domain.workers.input_schema import InputSchema
from fyke.errors import InvalidRequest

MAX_SUBTASKS = 1000
MAX_COPIED = 64 * 2**20  # characters of JSON of all subtasks in total

Custom = dict[str, Any]


class NothingToSplit(InvalidRequest):
    """Each of ``fields``, by which the input is split, is empty."""

    def __init__(self, message: str, fields: tuple[str, ...]) -> None:
        super().__init__(message)
        self.fields = fields


def split(schema: InputSchema, custom: Custom, limit: int = MAX_SUBTASKS) -> list[Custom]:
    """Return the custom inputs of the subtasks, in order; at least one.

    ``custom`` is not changed, but the results may share nested values with it. Raise
    ``InvalidRequest`` when the input cannot be split, results in more than ``limit`` subtasks, or
    is too large to be copied into all of them.
    """
    if not isinstance(custom, dict):
        raise InvalidRequest("custom parameters must contain a single JSON object")
    if schema.split_fields:
        return _by_fields(schema, custom, limit)
    if schema.legacy_split_field:
        return _by_legacy_field(schema, custom, limit)
    return [dict(custom)]


def is_empty(item: object) -> bool:
    """Whether an item is empty: null, blank text, or an object of empty values only.

    Not recursive, because hostile input may be nested deeper than Python's stack.
    """
    if isinstance(item, list):
        return False
    pending = [item]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif not (value is None or value == [] or (isinstance(value, str) and not value.strip())):
            return False
    return True


def _by_fields(schema: InputSchema, custom: Custom, limit: int) -> list[Custom]:
    fields, removable = schema.split_fields, frozenset(schema.remove_fields)
    types = {field.name: field.type for field in schema.fields}
    items = {name: _non_empty_items(name, _array(types, name, custom)) for name in fields}
    preferred = [name for name in fields if name not in removable and items[name]]
    active = preferred or [name for name in fields if items[name]]
    if not active:
        if _cannot_split(fields, types, custom):
            return [dict(custom)]
        raise NothingToSplit("concurrency fields have no non-empty fields", tuple(fields))
    _check_count(sum(len(items[name]) for name in active), limit)
    removed = removable if preferred else frozenset[str]()
    base = _base(custom, fields, removed)
    _check_copies(base, sum(len(items[name]) for name in active))
    return [_part(base, name, item) for name in active for item in items[name]]


def _by_legacy_field(schema: InputSchema, custom: Custom, limit: int) -> list[Custom]:
    name = schema.legacy_split_field
    if name not in custom:
        raise NothingToSplit(f"missing concurrency field [{name}]", (name,))
    types = {field.name: field.type for field in schema.fields}
    submitted = _array(types, name, custom)
    if submitted is None and custom[name] is not None:
        return [dict(custom)]
    items = _non_empty_items(name, submitted)
    if not items:
        raise NothingToSplit(f"concurrency field [{name}] is empty", (name,))
    _check_count(len(items), limit)
    base = {**custom, name: [""]}
    _check_copies(base, len(items))
    return [_part(base, name, item) for item in items]


def _array(types: dict[str, str], name: str, custom: Custom) -> list[Any] | None:
    """Return the field's array, None when it has no array."""
    value = custom.get(name)
    if isinstance(value, list):
        return value
    if value is not None and types.get(name) == "array":
        raise InvalidRequest(f"field [{name}] must be an array")
    return None


def _cannot_split(fields: tuple[str, ...], types: dict[str, str], custom: Custom) -> bool:
    """Whether a field has a value that is not an array, or all are declared with other types and
    have no value.
    """
    values = [custom.get(name) for name in fields]
    if any(value is not None and not isinstance(value, list) for value in values):
        return True
    plain = all(types.get(name, "") not in ("", "array") for name in fields)
    return plain and all(value is None for value in values)


def _non_empty_items(name: str, submitted: list[Any] | None) -> list[Any]:
    items = submitted or []
    for index, item in enumerate(items):
        if isinstance(item, list):
            raise InvalidRequest(
                f"item at index {index} in [{name}] must be an object or primitive value"
            )
    kinds = {isinstance(item, dict) for item in items if item is not None}
    if len(kinds) > 1:
        raise InvalidRequest(f"field [{name}] must not mix object and primitive items")
    return [item for item in items if not is_empty(item)]


def _check_count(count: int, limit: int) -> None:
    if count > limit:
        raise InvalidRequest(f"concurrency_num ({count}) exceeds limit ({limit})")


def _check_copies(base: Custom, count: int) -> None:
    """Refuse an input whose other fields are too large for one copy in each subtask."""
    size = len(json.dumps(base, ensure_ascii=False)) * count if count > 1 else 0
    if size > MAX_COPIED:
        raise InvalidRequest(
            f"the fields that are not split are copied into {count:,} subtasks, {size:,} "
            f"characters in total; at most {MAX_COPIED:,} are allowed; shorten them, or start "
            "several runs"
        )


def _base(custom: Custom, fields: tuple[str, ...], removed: frozenset[str]) -> Custom:
    base = {key: value for key, value in custom.items() if key not in removed}
    base.update({name: [""] for name in fields if name not in removed})
    return base


def _part(base: Custom, name: str, item: Any) -> Custom:
    part = dict(base)
    if isinstance(item, dict):
        del part[name]
        part.update(item)
    else:
        part[name] = [item]
    return part
