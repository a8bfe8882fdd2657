"""The changes between two schemas, field by field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.workers.schema_changes import ChangeKind, SchemaChange, SchemaSide, schema_changes


def inputs(*fields: dict[str, Any]) -> str:
    return json.dumps({"properties": list(fields)})


def changes_between(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> list[SchemaChange]:
    return list(schema_changes((inputs(*before), ""), (inputs(*after), "")))


BASE = {"name": "n", "type": "string", "editor": "input"}


@pytest.mark.parametrize(
    ("after", "text", "breaking"),
    [
        ({"type": "integer"}, "Input field n changed its type from string to integer", True),
        ({"required": True}, "Input field n is now required", True),
        ({"default": "a"}, 'Input field n changed its default from nothing to "a"', False),
        ({"editor": "textarea"}, "Input field n changed its editor from input to textarea", False),
        ({"options": [1]}, "Input field n has other options", True),
        ({"description": "other words"}, None, False),
    ],
)
def test_a_changed_field_is_described_in_a_sentence(
    after: dict[str, Any], text: str | None, breaking: bool
) -> None:
    found = changes_between([BASE], [BASE | after])
    assert [change.text for change in found] == ([text] if text else [])
    assert any(change.breaking for change in found) == breaking


def test_added_removed_and_now_optional_fields_are_listed() -> None:
    found = changes_between([BASE], [{"name": "m", "type": "array", "required": True}])
    assert [(c.kind, c.field, c.breaking) for c in found] == [
        (ChangeKind.REMOVED, "n", True),
        (ChangeKind.ADDED, "m", True),
    ]
    assert found[1].text == "Input field m was added (array, required)"
    assert not changes_between([], [BASE])[0].breaking
    assert [c.kind for c in changes_between([BASE | {"required": True}], [BASE])] == [
        ChangeKind.NOW_OPTIONAL
    ]


@pytest.mark.parametrize(
    ("before", "after", "text", "breaking"),
    [
        ({"concurrency": {"fields": ["n"]}}, {}, "no longer split by n: it is one subtask", False),
        ({}, {"concurrency": {"fields": ["n"]}}, "now split by n: each entry is one subtask", True),
        ({"b": "m"}, {"concurrency": {"fields": ["n", "m"]}}, "by n, m instead of m: each", True),
        ({"b": " n "}, {"concurrency": {"fields": ["n"]}, "b": "m"}, None, False),
        ({"b": 3, "concurrency": [1]}, {"concurrency": {"fields": "n"}}, None, False),
    ],
)
def test_a_change_of_the_splitting_is_one_sentence(
    before: dict[str, Any], after: dict[str, Any], text: str | None, breaking: bool
) -> None:
    old, new = ({"properties": [BASE], **rules} for rules in (before, after))
    found = schema_changes((json.dumps(old), ""), (json.dumps(new), ""))
    if text is None:
        assert found == ()
        return
    [change] = found
    assert text in change.text and change.text.startswith("The run is ")
    assert change.breaking == breaking


def test_inputs_without_a_field_that_is_required_now_are_refused() -> None:
    required = BASE | {"required": True}
    for before, after, needed in (
        ([], [required], True),
        ([BASE], [required], True),
        ([], [BASE], False),
        ([BASE], [BASE | {"type": "integer"}], False),
    ):
        [change] = changes_between(before, after)
        assert change.needed == needed
    column = SchemaChange(SchemaSide.OUTPUT, ChangeKind.ADDED, "c", after="x, required")
    assert not column.needed and not column.breaking


def test_columns_are_also_compared() -> None:
    before = json.dumps([{"name": "a", "type": "string"}, {"name": "b", "type": "string"}])
    after = json.dumps([{"name": "a", "type": "number"}, {"name": "c", "type": "string"}])
    found = schema_changes(("", before), ("", after))
    assert {c.side for c in found} == {SchemaSide.OUTPUT}
    assert [(c.kind, c.field, c.breaking) for c in found] == [
        (ChangeKind.REMOVED, "b", True),
        (ChangeKind.TYPE, "a", True),
        (ChangeKind.ADDED, "c", False),
    ]


@pytest.mark.parametrize("broken", ["{", "[]", '{"properties": 3}', '{"properties": [1, {}]}'])
def test_an_invalid_schema_is_treated_as_having_no_fields(broken: str) -> None:
    assert schema_changes((broken, "{"), (broken, "nonsense")) == ()
    [change] = schema_changes((broken, ""), (inputs(BASE), ""))
    assert change.kind is ChangeKind.ADDED


def test_a_long_default_is_shortened() -> None:
    [change] = changes_between([BASE], [BASE | {"default": "x" * 500}])
    assert len(change.after) == 80
