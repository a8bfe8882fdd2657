"""Workers of the account and in the catalog, and their pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import UNSET, Meta, UnsetType, field

from fyke.domain.workers.page import (
    MAX_CATEGORIES,
    MAX_CATEGORY,
    MAX_DESCRIPTION,
    MAX_ICON,
    MAX_TITLE,
    PageChange,
)
from fyke.model.worker import MAX_SEARCH, BrowserFilter, BrowserNeed, WorkerOrder
from fyke.wire.common import Count, Items, PageQuery, TimeOrNever, Ulid
from fyke.wire.fields import (
    Answer,
    Boolean,
    DocumentedAs,
    FieldError,
    Integer,
    ParsedBy,
    Request,
    ToChoice,
    to_text,
)
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fyke.domain.catalog.output_fields import OutputField, WorkerOutputFields
    from fyke.domain.catalog.service import CatalogEntry, CatalogListing, CategoryCount
    from fyke.model.worker import Version, Worker


# --- requests ------------------------------------------------------------------------------


def to_category_numbers(value: object) -> tuple[int, ...]:
    """Category numbers from an array."""
    if not isinstance(value, list) or any(type(number) is not int for number in value):
        raise FieldError("must be an array of integers, for example [3, 5]")
    return tuple(value)


_Category = Annotated[int, Meta(ge=1, le=MAX_CATEGORY)]
CategoryNumbers = Annotated[
    tuple[int, ...],
    ParsedBy(to_category_numbers),
    DocumentedAs(Annotated[list[_Category], Meta(max_length=MAX_CATEGORIES)]),
]


BrowserUse = Annotated[
    BrowserNeed,
    Meta(
        description="whether it uses a browser: required, headful (required, with windows), "
        "optional (sometimes), none; empty: nothing is declared or was detected"
    ),
]


class CatalogSearch(PageQuery):
    search: Annotated[
        str,
        ParsedBy(to_text),
        Meta(
            max_length=MAX_SEARCH, description="part of id, path, title or description; empty: all"
        ),
    ] = ""
    category: Annotated[
        Integer, Meta(ge=0, le=MAX_CATEGORY, description="number of a category; 0 = all")
    ] = 0
    browser: Annotated[
        BrowserFilter,
        ParsedBy(ToChoice(BrowserFilter)),
        Meta(description="with: those that use a browser, always or sometimes; without: others"),
    ] = BrowserFilter.ANY
    order: Annotated[
        WorkerOrder,
        ParsedBy(ToChoice(WorkerOrder)),
        Meta(description="used: most runs first; new: latest first; name: by title"),
    ] = WorkerOrder.USED


class WorkerPageChange(Request):
    """Absent members stay as they are."""

    title: Annotated[str, ParsedBy(to_text), Meta(max_length=MAX_TITLE)] | UnsetType = UNSET
    description: Annotated[str, ParsedBy(to_text), Meta(max_length=MAX_DESCRIPTION)] | UnsetType = (
        UNSET
    )
    categories: CategoryNumbers | UnsetType = UNSET
    icon: (
        Annotated[
            str,
            ParsedBy(to_text),
            Meta(
                max_length=MAX_ICON,
                description="http or https URL of a picture",
                examples=["https://example.org/icon.png"],
            ),
        ]
        | UnsetType
    ) = UNSET

    @property
    def page(self) -> PageChange:
        return PageChange(
            None if self.title is UNSET else self.title,
            None if self.description is UNSET else self.description,
            None if self.categories is UNSET else self.categories,
            None if self.icon is UNSET else self.icon,
        )


class BuildsChange(Request):
    allowed: Boolean


# --- answers -------------------------------------------------------------------------------


class OwnWorker(Answer):
    slug: Ulid
    path: Annotated[str, Meta(description="`owner/name`")]
    title: str
    description: str
    public: bool
    version: Annotated[str, Meta(description="the newest that can be started, or empty")]
    created_at: TimeOrNever

    @classmethod
    def of(cls, worker: Worker) -> OwnWorker:
        return cls(**_members(worker))


class OwnWorkerList(Items[OwnWorker]):
    pass


class DeletedWorker(Answer):
    ended_runs: Annotated[Count, Meta(description="waiting runs that have failed because of this")]


class CatalogItem(OwnWorker):
    categories: list[int]
    icon: Annotated[str, Meta(description="URL of a picture, or empty")]
    runs: Annotated[Count, Meta(description="runs of all accounts that have ended")]
    success_rate: Annotated[
        float | None, Meta(description="0 to 1, of the latest runs; null before the first")
    ]
    rated_runs: Annotated[
        Count, Meta(description="runs that the rate is calculated from, at most 30")
    ]
    last_ok_at: Annotated[TimeOrNever, Meta(description="when a run last succeeded")]
    favourite: bool
    browser: BrowserUse

    @classmethod
    def entry(cls, entry: CatalogEntry) -> CatalogItem:
        worker, facts = entry.worker, entry.facts
        return cls(
            **_members(worker),
            categories=list(worker.categories),
            icon=worker.icon,
            runs=facts.runs,
            success_rate=facts.success_rate,
            rated_runs=facts.rated_runs,
            last_ok_at=seconds(facts.last_ok_at),
            favourite=entry.favourite,
            browser=entry.browser,
        )


class CategoryItem(Answer):
    number: int
    name: str
    count: Annotated[Count, Meta(description="matching workers of this category")]

    @classmethod
    def of(cls, category: CategoryCount) -> CategoryItem:
        return cls(category.number, category.name, category.count)


class SimilarWorker(Answer):
    slug: Ulid
    path: str
    title: str

    @classmethod
    def of(cls, worker: Worker) -> SimilarWorker:
        return cls(worker.id, worker.path, worker.title)


class CatalogList(Answer):
    items: list[CatalogItem] = field(name="list")
    count: Count
    page_index: int
    page_size: int
    categories: list[CategoryItem]
    proposals: Annotated[
        list[SimilarWorker], Meta(description="workers with similar names if nothing matches")
    ]

    @classmethod
    def of(cls, listing: CatalogListing, query: CatalogSearch) -> CatalogList:
        return cls(
            items=[CatalogItem.entry(entry) for entry in listing.entries],
            count=listing.total,
            page_index=query.page_index,
            page_size=query.page_size,
            categories=[CategoryItem.of(category) for category in listing.categories],
            proposals=[SimilarWorker.of(worker) for worker in listing.proposals],
        )


class FavouriteList(Items[CatalogItem]):
    pass


class OutputColumn(Answer):
    key: str
    label: str
    format: str
    declared: Annotated[bool, Meta(description="whether the output schema has it")]
    seen: Annotated[bool, Meta(description="whether the account's newest run with rows had it")]

    @classmethod
    def of(cls, output_field: OutputField) -> OutputColumn:
        return cls(
            output_field.key,
            output_field.label,
            output_field.format,
            output_field.declared,
            output_field.in_rows,
        )


class OutputColumnList(Answer):
    items: list[OutputColumn] = field(name="list")
    run_slug: Annotated[str, Meta(description="the run whose rows were read, or empty")]
    problem: Annotated[str, Meta(description="why the output schema cannot be used, or empty")]

    @classmethod
    def of(cls, output_fields: WorkerOutputFields) -> OutputColumnList:
        return cls(
            [OutputColumn.of(item) for item in output_fields.fields],
            output_fields.run_id,
            output_fields.problem,
        )


class BuildsAllowed(Answer):
    """Whether dependencies of a worker may run code while they are installed."""

    allowed: bool
    versions: Annotated[list[str], Meta(description="versions that request it, newest first")]

    @classmethod
    def of(cls, worker: Worker, versions: Iterable[Version]) -> BuildsAllowed:
        return cls(worker.builds_allowed, [version.number for version in versions])


def _members(worker: Worker) -> dict[str, Any]:
    return {
        "slug": worker.id,
        "path": worker.path,
        "title": worker.title,
        "description": worker.description,
        "public": worker.public,
        "version": worker.latest,
        "created_at": seconds(worker.created_at),
    }
