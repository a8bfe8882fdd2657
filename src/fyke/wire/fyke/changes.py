"""Differences between the versions of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from fyke.domain.workers.compare import FileChange, LineChange, OmissionReason
from fyke.domain.workers.declared_changes import DeclaredKind
from fyke.domain.workers.schema_changes import ChangeKind, SchemaSide
from fyke.model.worker import BrowserNeed
from fyke.wire.common import Count, TimeOrNever, Ulid
from fyke.wire.fields import Answer, Name, Request
from fyke.wire.fyke.versions import VersionItem, version_members
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fyke.domain.workers.compare import DiffLine, FileDiff
    from fyke.domain.workers.declared_changes import DeclaredChange
    from fyke.domain.workers.history import Changelog, HistoryStep, VersionComparison
    from fyke.domain.workers.promotion import Promotion
    from fyke.domain.workers.schema_changes import SchemaChange


# --- requests ------------------------------------------------------------------------------


class VersionPair(Request):
    before: Annotated[Name, Meta(description="number of the earlier version")]
    after: Annotated[Name, Meta(description="number of the later version")]


# --- answers -------------------------------------------------------------------------------


class SchemaChangeItem(Answer):
    side: SchemaSide
    kind: ChangeKind
    field: Annotated[str, Meta(description="its name; empty for a change of the splitting")]
    before: str
    after: str
    breaking: Annotated[bool, Meta(description="whether saved inputs or programs may break")]
    text: Annotated[str, Meta(description="the change as a sentence")]

    @classmethod
    def all_of(cls, changes: Iterable[SchemaChange]) -> list[SchemaChangeItem]:
        return [
            cls(c.side, c.kind, c.field, c.before, c.after, c.breaking, c.text) for c in changes
        ]


class DeclaredChangeItem(Answer):
    """A change of the declarations in fyke.json, or of what was detected instead."""

    kind: DeclaredKind
    domain: Annotated[str, Meta(description="the domain, all domains of a new list, or empty")]
    browser: Annotated[BrowserNeed, Meta(description="of the later version; empty for other kinds")]
    wider: Annotated[bool, Meta(description="whether the later version may do more")]

    @classmethod
    def of(cls, change: DeclaredChange) -> DeclaredChangeItem:
        return cls(change.kind, change.domain, change.browser, change.wider)


class DiffLineItem(Answer):
    change: Annotated[LineChange, Meta(description="gap: omitted unchanged lines")]
    text: str
    before: Annotated[
        Count, Meta(description="line number, 0 = absent; for a gap, the number of lines")
    ]
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
        list[DeclaredChangeItem], Meta(description="of the declarations in fyke.json")
    ]
    files: Annotated[list[FileDiffItem] | None, Meta(description="null for other accounts")]
    unchanged: Count
    more: Annotated[Count, Meta(description="differing files that are not in the list")]

    @classmethod
    def of(cls, comparison: VersionComparison) -> ComparedVersions:
        files = comparison.files
        return cls(
            before=comparison.before.number,
            after=comparison.after.number,
            schema_changes=SchemaChangeItem.all_of(comparison.schema),
            declared_changes=[DeclaredChangeItem.of(change) for change in comparison.declared],
            files=[FileDiffItem.of(file) for file in files.files] if files else None,
            unchanged=files.unchanged if files else 0,
            more=files.more if files else 0,
        )


class FollowingTaskItem(Answer):
    """A task that names no version."""

    slug: Ulid
    title: str
    next_at: Annotated[
        TimeOrNever, Meta(description="when its schedule starts it, 0 without an active one")
    ]


class PromotionPreview(Answer):
    """What changes when a version becomes the one that runs when none is named."""

    before: Annotated[str, Meta(description="the current version, or empty")]
    after: str
    others: Annotated[
        str,
        Meta(description="what other accounts keep until the version is approved, or empty"),
    ]
    schema_changes: list[SchemaChangeItem]
    declared_changes: list[DeclaredChangeItem]
    tasks: Annotated[
        list[FollowingTaskItem], Meta(description="of the account, the newest 200 at most")
    ]
    more_tasks: Annotated[Count, Meta(description="such tasks that are not in the list")]

    @classmethod
    def of(cls, promotion: Promotion) -> PromotionPreview:
        return cls(
            before=promotion.before.number if promotion.before else "",
            after=promotion.after.number,
            others=promotion.others,
            schema_changes=SchemaChangeItem.all_of(promotion.schema),
            declared_changes=[DeclaredChangeItem.of(change) for change in promotion.declared],
            tasks=[
                FollowingTaskItem(item.task.id, item.task.title, seconds(item.next_at))
                for item in promotion.tasks
            ],
            more_tasks=promotion.tasks_total - len(promotion.tasks),
        )


class ChangelogStep(VersionItem):
    first: Annotated[bool, Meta(description="whether it is the first version")]
    schema_changes: list[SchemaChangeItem]

    @classmethod
    def step(cls, step: HistoryStep) -> ChangelogStep:
        return cls(
            **version_members(step.version),
            first=step.first,
            schema_changes=SchemaChangeItem.all_of(step.changes),
        )


class WorkerChangelog(Answer):
    text: Annotated[str, Meta(description="CHANGELOG.md of the newest version, or empty")]
    steps: list[ChangelogStep]

    @classmethod
    def of(cls, changelog: Changelog) -> WorkerChangelog:
        return cls(changelog.text, [ChangelogStep.step(step) for step in changelog.steps])
