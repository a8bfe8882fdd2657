"""The shape of ``data`` in the answers about the catalog, versions and what changed in them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fyke.api.documents import Answer
from fyke.api.own.answers import OwnWorker


class CatalogItem(OwnWorker):
    categories: list[int]
    icon: str
    runs: Annotated[int, Field(description="runs of all accounts that have ended")]
    success_rate: Annotated[
        float | None, Field(description="0 to 1, of the latest runs; null before the first")
    ]
    judged: Annotated[int, Field(description="how many runs the rate stands on, at most 30")]
    last_ok_at: Annotated[int, Field(description="when a run last succeeded; 0 = never")]
    favourite: bool


class CategoryItem(Answer):
    number: int
    name: str
    count: int


class Proposal(Answer):
    slug: str
    path: str
    title: str


CatalogItems = list[CatalogItem]
CategoryItems = list[CategoryItem]
Proposals = list[Proposal]


class CatalogList(Answer):
    list: CatalogItems
    count: int
    page_index: int
    page_size: int
    categories: CategoryItems
    proposals: Annotated[Proposals, Field(description="similar names when nothing is found")]


class FavouriteList(Answer):
    list: CatalogItems


class FindingItem(Answer):
    severity: str
    code: str
    file: str
    line: int
    message: str
    remedy: str


Findings = list[FindingItem]


class VersionItem(Answer):
    version: str
    state: str
    notice: Annotated[str, Field(description="why it is deprecated or withdrawn")]
    language: str
    digest: str
    created_at: int
    egress: Annotated[
        list[str] | None,
        Field(description="the only domains that it may reach; null: every public one"),
    ]
    builds: Annotated[bool, Field(description="its dependencies run code when installed")]


class VersionEntryItem(VersionItem):
    latest: bool
    size: Annotated[int | None, Field(description="bytes of the bundle; null = not noted")]
    findings: Findings


VersionEntries = list[VersionEntryItem]


class VersionList(Answer):
    list: VersionEntries


class SchemaChangeItem(Answer):
    side: Annotated[str, Field(description="`input` or `output`")]
    kind: str
    field: str
    before: str
    after: str
    breaking: Annotated[bool, Field(description="what was saved before may no longer fit")]
    text: str


SchemaChanges = list[SchemaChangeItem]


class DeclaredItem(Answer):
    kind: Annotated[
        str, Field(description="`added`, `removed`, `opened`, `closed`, `builds` or `wheels`")
    ]
    domain: Annotated[str, Field(description="empty where it is not about one; of a list all")]
    wider: Annotated[bool, Field(description="the later version may do more")]


DeclaredItems = list[DeclaredItem]


class LineItem(Answer):
    change: Annotated[str, Field(description="`same`, `added`, `removed`; `gap` = lines left out")]
    text: str
    before: int
    after: int


Lines = list[LineItem]


class FileItem(Answer):
    path: str
    change: str
    size_before: int
    size_after: int
    hidden: Annotated[
        str, Field(description="why lines are missing: `binary`, `large`, `cut`, `mode`, or empty")
    ]
    lines: Lines


FileItems = list[FileItem]


class ComparedVersions(Answer):
    before: str
    after: str
    schema_changes: SchemaChanges
    declared_changes: Annotated[DeclaredItems, Field(description="of what fyke.json says")]
    files: Annotated[FileItems | None, Field(description="null: only for the worker's account")]
    unchanged: int
    more: Annotated[int, Field(description="files that differ and are not in the list")]


class StepItem(VersionItem):
    first: bool
    schema_changes: SchemaChanges


Steps = list[StepItem]


class ChangelogText(Answer):
    text: Annotated[str, Field(description="CHANGELOG.md of the latest version; empty: none")]
    steps: Steps


class RolledBack(Answer):
    version: VersionItem
    findings: Findings


class OutputFieldItem(Answer):
    key: str
    label: str
    format: str
    declared: Annotated[bool, Field(description="the output schema has it")]
    seen: Annotated[bool, Field(description="the account's newest run had it")]


OutputFieldItems = list[OutputFieldItem]


class OutputFieldList(Answer):
    list: OutputFieldItems
    run_slug: Annotated[str, Field(description="the run that was looked at; empty: none")]
    problem: str
