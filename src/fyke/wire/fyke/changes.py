"""What has changed between the versions of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from fyke.domain.workers.compare import FileChange, LineChange, OmissionReason
from fyke.domain.workers.declared_changes import DeclaredKind
from fyke.domain.workers.schema_changes import ChangeKind, SchemaSide
from fyke.wire.common import Count
from fyke.wire.fields import Answer, Name, Request
from fyke.wire.fyke.versions import VersionItem, version_members

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fyke.domain.workers.compare import DiffLine, FileDiff
    from fyke.domain.workers.declared_changes import DeclaredChange
    from fyke.domain.workers.history import Changelog, HistoryStep, VersionComparison
    from fyke.domain.workers.schema_changes import SchemaChange


# --- requests ------------------------------------------------------------------------------


class VersionPair(Request):
    before: Annotated[Name, Meta(description="number of the earlier version")]
    after: Annotated[Name, Meta(description="number of the later version")]


# --- answers -------------------------------------------------------------------------------


class SchemaChangeItem(Answer):
    side: SchemaSide
    kind: ChangeKind
    field: str
    before: str
    after: str
    breaking: Annotated[bool, Meta(description="saved inputs or later programs may no longer fit")]
    text: Annotated[str, Meta(description="the change as a sentence")]

    @classmethod
    def all_of(cls, changes: Iterable[SchemaChange]) -> list[SchemaChangeItem]:
        return [
            cls(c.side, c.kind, c.field, c.before, c.after, c.breaking, c.text) for c in changes
        ]


class DeclaredChangeItem(Answer):
    """A change of what fyke.json declares."""

    kind: DeclaredKind
    domain: Annotated[str, Meta(description="empty where it is not about one; of a list all")]
    wider: Annotated[bool, Meta(description="the later version may do more")]

    @classmethod
    def of(cls, change: DeclaredChange) -> DeclaredChangeItem:
        return cls(change.kind, change.domain, change.wider)


class DiffLineItem(Answer):
    change: Annotated[LineChange, Meta(description="gap: unchanged lines that are left out")]
    text: str
    before: Annotated[Count, Meta(description="its number; 0 = not there; of a gap how many lines")]
    after: Count

    @classmethod
    def of(cls, line: DiffLine) -> DiffLineItem:
        return cls(line.change, line.text, line.before, line.after)


class FileDiffItem(Answer):
    path: str
    change: FileChange
    size_before: Count
    size_after: Count
    lines: list[DiffLineItem]
    hidden: Annotated[OmissionReason, Meta(description="why lines are missing, or empty")]

    @classmethod
    def of(cls, file: FileDiff) -> FileDiffItem:
        lines = [DiffLineItem.of(line) for line in file.lines]
        return cls(file.path, file.change, file.size_before, file.size_after, lines, file.omission)


class ComparedVersions(Answer):
    before: str
    after: str
    schema_changes: list[SchemaChangeItem]
    declared_changes: Annotated[
        list[DeclaredChangeItem], Meta(description="of what fyke.json declares")
    ]
    files: Annotated[
        list[FileDiffItem] | None, Meta(description="null: only for the worker's account")
    ]
    unchanged: Count
    more: Annotated[Count, Meta(description="files that differ and are not in the list")]

    @classmethod
    def of(cls, found: VersionComparison) -> ComparedVersions:
        files = found.files
        return cls(
            before=found.before.number,
            after=found.after.number,
            schema_changes=SchemaChangeItem.all_of(found.schema),
            declared_changes=[DeclaredChangeItem.of(change) for change in found.declared],
            files=[FileDiffItem.of(file) for file in files.files] if files else None,
            unchanged=files.unchanged if files else 0,
            more=files.more if files else 0,
        )


class ChangelogStep(VersionItem):
    first: Annotated[bool, Meta(description="there is no version before it")]
    schema_changes: list[SchemaChangeItem]

    @classmethod
    def step(cls, found: HistoryStep) -> ChangelogStep:
        return cls(
            **version_members(found.version),
            first=found.first,
            schema_changes=SchemaChangeItem.all_of(found.changes),
        )


class WorkerChangelog(Answer):
    text: Annotated[str, Meta(description="CHANGELOG.md of the latest version; empty: none")]
    steps: list[ChangelogStep]

    @classmethod
    def of(cls, found: Changelog) -> WorkerChangelog:
        return cls(found.text, [ChangelogStep.step(step) for step in found.steps])
