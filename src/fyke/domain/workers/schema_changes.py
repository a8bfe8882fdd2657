"""The changes between the schemas of two versions, by field.

An unreadable schema counts as one without fields, because an older release of Fyke may have
published it under less strict rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from fyke.domain.workers import jsontext
from fyke.domain.workers.input_schema import names, text_of, type_of

REQUIRED = ", required"  # suffix of the type of an added field
_MAX_QUOTED = 80  # characters of a quoted value


class SchemaSide(StrEnum):
    """Which of the two schemas a field belongs to."""

    INPUT = "input"
    OUTPUT = "output"


class ChangeKind(StrEnum):
    """The kind of a change."""

    ADDED = "added"
    REMOVED = "removed"
    TYPE = "type"
    EDITOR = "editor"
    NOW_REQUIRED = "now_required"
    NOW_OPTIONAL = "now_optional"
    DEFAULT = "default"
    OPTIONS = "options"
    SPLIT = "split"  # by which fields a run is split into subtasks


class SchemaChange(msgspec.Struct, frozen=True):
    """One change of one field; ``before`` and ``after`` are values as text, ``""`` for none. Of
    ``SPLIT`` they are the names of fields, and ``field`` is empty.

    A struct, because thousands come from a process that compares schemas, and they are read in the
    server's loop five times as fast as dataclasses.
    """

    side: SchemaSide
    kind: ChangeKind
    field: str
    before: str = ""
    after: str = ""

    @property
    def needed(self) -> bool:
        """Whether every input without the field is refused, which earlier ones may lack."""
        if self.kind is ChangeKind.ADDED:
            return self.side is SchemaSide.INPUT and self.after.endswith(REQUIRED)
        return self.kind is ChangeKind.NOW_REQUIRED

    @property
    def breaking(self) -> bool:
        """Whether inputs or programs for the earlier version may no longer work."""
        if self.kind is ChangeKind.SPLIT:
            return bool(self.after)  # an input without entries to split is refused
        if self.needed or self.kind in (ChangeKind.REMOVED, ChangeKind.TYPE):
            return True
        return self.kind is ChangeKind.OPTIONS

    @property
    def text(self) -> str:
        """The change as one sentence."""
        if self.kind is ChangeKind.SPLIT:
            return _split_text(self.before, self.after)
        label = f"{'Input field' if self.side is SchemaSide.INPUT else 'Column'} {self.field}"
        before, after = self.before or "nothing", self.after or "nothing"
        return f"{label} {_SENTENCES[self.kind].format(before=before, after=after)}"


def schema_changes(before: tuple[str, str], after: tuple[str, str]) -> tuple[SchemaChange, ...]:
    """Return the changes between two pairs of input and output schema, inputs first."""
    return (
        *_changes(SchemaSide.INPUT, _inputs(before[0]), _inputs(after[0])),
        *_split_changes(_splitting(before[0]), _splitting(after[0])),
        *_changes(SchemaSide.OUTPUT, _columns(before[1]), _columns(after[1])),
    )


_SENTENCES = {
    ChangeKind.ADDED: "was added ({after})",
    ChangeKind.REMOVED: "was removed",
    ChangeKind.TYPE: "changed its type from {before} to {after}",
    ChangeKind.EDITOR: "changed its editor from {before} to {after}",
    ChangeKind.NOW_REQUIRED: "is now required",
    ChangeKind.NOW_OPTIONAL: "is no longer required",
    ChangeKind.DEFAULT: "changed its default from {before} to {after}",
    ChangeKind.OPTIONS: "has other options",
}


def _split_text(before: str, after: str) -> str:
    if not after:
        return f"The run is no longer split by {before}: it is one subtask"
    instead = f" instead of {before}" if before else ""
    return f"The run is now split by {after}{instead}: each entry is one subtask"


@dataclass(frozen=True, slots=True)
class _Field:
    type: str
    required: bool = False
    editor: str = ""
    default: str = ""
    options: str = ""


def _changes(
    side: SchemaSide, before: dict[str, _Field], after: dict[str, _Field]
) -> Iterator[SchemaChange]:
    for name, old in before.items():
        if name not in after:
            yield SchemaChange(side, ChangeKind.REMOVED, name, before=old.type)
    for name, new in after.items():
        if name in before:
            yield from _changes_of_field(side, name, before[name], new)
        else:
            description = (new.type or "no type") + (REQUIRED if new.required else "")
            yield SchemaChange(side, ChangeKind.ADDED, name, after=description)


def _changes_of_field(
    side: SchemaSide, name: str, old: _Field, new: _Field
) -> Iterator[SchemaChange]:
    if old.type != new.type:
        yield SchemaChange(side, ChangeKind.TYPE, name, old.type, new.type)
    if old.required != new.required:
        kind = ChangeKind.NOW_REQUIRED if new.required else ChangeKind.NOW_OPTIONAL
        yield SchemaChange(side, kind, name)
    if old.default != new.default:
        yield SchemaChange(side, ChangeKind.DEFAULT, name, _short(old.default), _short(new.default))
    if old.options != new.options:
        yield SchemaChange(side, ChangeKind.OPTIONS, name)
    if old.editor != new.editor:
        yield SchemaChange(side, ChangeKind.EDITOR, name, old.editor, new.editor)


def _split_changes(before: str, after: str) -> Iterator[SchemaChange]:
    if before != after:
        yield SchemaChange(SchemaSide.INPUT, ChangeKind.SPLIT, "", before, after)


def _splitting(schema: str) -> str:
    """The fields by which a run is split, as the rules in ``domain.runs.split`` say."""
    document = _loaded(schema)
    if not isinstance(document, dict):
        return ""
    rules = document.get("concurrency")
    fields = names(rules.get("fields")) if isinstance(rules, dict) else ()
    return _short(", ".join(fields) or text_of(document.get("b")).strip())


def _inputs(schema: str) -> dict[str, _Field]:
    document = _loaded(schema)
    properties = document.get("properties") if isinstance(document, dict) else None
    return {
        name: _Field(
            type=type_of(item),
            required=item.get("required") is True,
            editor=text_of(item.get("editor")),
            default=_encoded(item["default"]) if "default" in item else "",
            options=_encoded(item["options"]) if "options" in item else "",
        )
        for name, item in _named(properties)
    }


def _columns(schema: str) -> dict[str, _Field]:
    return {name: _Field(text_of(item.get("type"))) for name, item in _named(_loaded(schema))}


def _named(items: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a list that have a name, only the first of each name."""
    seen: set[str] = set()
    for item in items if isinstance(items, list) else []:
        name = item.get("name") if isinstance(item, dict) else None
        if isinstance(name, str) and name.strip() and name not in seen:
            seen.add(name)
            yield name, item


def _loaded(schema: str) -> Any:
    try:
        return jsontext.loads(schema) if schema else None
    except jsontext.BadJson:
        return None


def _encoded(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _short(text: str) -> str:
    return text if len(text) <= _MAX_QUOTED else text[: _MAX_QUOTED - 3] + "..."
