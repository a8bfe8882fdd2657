"""The catalog with figures, each user's favourites, and what a worker's page says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from fyke.api.call import Call
from fyke.api.decode import PageIndex, PageSize20, Wire, WireInt, WireName, WireText, wrong
from fyke.api.envelope import encode
from fyke.api.operations import Nothing, Operation
from fyke.api.own import worker_answers as answers
from fyke.api.v1.errors import TABLE
from fyke.api.v1.vocabulary import seconds
from fyke.domain.catalog.output_fields import OutputFields
from fyke.domain.catalog.service import Catalog, CatalogEntry, CatalogListing, CatalogQuery
from fyke.domain.workers.page import MAX_CATEGORIES, MAX_CATEGORY, PageChange
from fyke.domain.workers.service import Workers
from fyke.errors import Forbidden, VersionUnavailable, WorkerNotFound
from fyke.model.worker import WorkerOrder

ORDERS = ", ".join(WorkerOrder)


def _order(value: object) -> WorkerOrder:
    if isinstance(value, str) and value.strip() in [*WorkerOrder]:
        return WorkerOrder(value.strip())
    raise wrong(f"must be one of {ORDERS}")


def _numbers(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or any(type(n) is not int for n in value):
        raise wrong("must be an array of whole numbers such as [3, 5]")
    return tuple(value)


Order = Annotated[
    WorkerOrder,
    BeforeValidator(_order),
    WithJsonSchema({"type": "string", "enum": [*WorkerOrder]}),
]
Numbers = Annotated[
    tuple[int, ...] | None,
    BeforeValidator(_numbers),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": MAX_CATEGORY},
            "maxItems": MAX_CATEGORIES,
        }
    ),
]


class CatalogFields(Wire):
    search: WireText = Field("", description="in id, path, title or description; empty: all")
    category: WireInt = Field(0, description="number of a category; 0 = all")
    order: Order = Field(WorkerOrder.USED, description=f"one of {ORDERS}")
    page_index: PageIndex = 1
    page_size: PageSize20 = 20


class WorkerRef(Wire):
    slug: WireName


class PageFields(WorkerRef):
    """What is left out stays as it is."""

    title: WireText | None = None
    description: WireText | None = None
    categories: Numbers = None
    icon: WireText | None = Field(None, description="http or https URL of a picture")


@dataclass(frozen=True, slots=True)
class CatalogOperations:
    catalog: Catalog
    workers: Workers
    output_fields: OutputFields

    def operations(self) -> list[Operation[Any]]:
        return [*self._of_all(), *self._of_favourites(), *self._of_one()]

    def _of_all(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/fyke/catalog",
                id="browseCatalog",
                tag="Workers",
                summary="Published workers and one's own, with how their runs have gone",
                fields=CatalogFields,
                handler=self.browse,
                answer=answers.CatalogList,
            ),
        ]

    def _of_favourites(self) -> list[Operation[Any]]:
        unknown = (TABLE[WorkerNotFound],)
        return [
            Operation(
                "GET",
                "/api/fyke/favourites",
                id="listFavourites",
                tag="Workers",
                summary="The workers that the user of this key has marked, the latest first",
                fields=Nothing,
                handler=self.favourites,
                answer=answers.FavouriteList,
            ),
            Operation(
                "PUT",
                "/api/fyke/favourites/{slug}",
                id="addFavourite",
                tag="Workers",
                summary="Mark a worker as a favourite",
                fields=WorkerRef,
                handler=self.mark,
                answer=answers.CatalogItem,
                errors=unknown,
                path_fields=("slug",),
            ),
            Operation(
                "DELETE",
                "/api/fyke/favourites/{slug}",
                id="removeFavourite",
                tag="Workers",
                summary="Take a worker out of the favourites",
                fields=WorkerRef,
                handler=self.unmark,
                answer=answers.CatalogItem,
                errors=unknown,
                path_fields=("slug",),
            ),
        ]

    def _of_one(self) -> list[Operation[Any]]:
        unknown = TABLE[WorkerNotFound]
        return [
            Operation(
                "GET",
                "/api/fyke/workers/{slug}/output-fields",
                id="listOutputFields",
                tag="Workers",
                summary="The columns of a worker's rows, as declared and as last seen",
                fields=WorkerRef,
                handler=self.columns,
                answer=answers.OutputFieldList,
                errors=(unknown, TABLE[VersionUnavailable]),
                path_fields=("slug",),
            ),
            Operation(
                "PATCH",
                "/api/fyke/workers/{slug}",
                id="changeWorkerPage",
                tag="Workers",
                summary="Change what the page of a worker says",
                fields=PageFields,
                handler=self.change,
                answer=answers.CatalogItem,
                errors=(unknown, TABLE[Forbidden]),
                path_fields=("slug",),
            ),
        ]

    async def browse(self, call: Call, wanted: CatalogFields) -> bytes:
        page = await self.catalog.browse(
            call.caller,
            CatalogQuery(
                wanted.search,
                wanted.category or None,
                wanted.order,
                offset=(wanted.page_index - 1) * wanted.page_size,
                limit=wanted.page_size,
            ),
        )
        return encode(_page(page, wanted))

    async def favourites(self, call: Call, _wanted: Nothing) -> bytes:
        found = await self.catalog.favourites(call.caller)
        return encode({"list": [_entry(entry) for entry in found]})

    async def mark(self, call: Call, wanted: WorkerRef) -> bytes:
        return encode(_entry(await self.catalog.mark(call.caller, wanted.slug, favourite=True)))

    async def unmark(self, call: Call, wanted: WorkerRef) -> bytes:
        return encode(_entry(await self.catalog.mark(call.caller, wanted.slug, favourite=False)))

    async def change(self, call: Call, wanted: PageFields) -> bytes:
        wish = PageChange(wanted.title, wanted.description, wanted.categories, wanted.icon)
        worker = await self.workers.change_page(call.caller, wanted.slug, wish)
        return encode(_entry(await self.catalog.entry(call.caller, worker.id)))

    async def columns(self, call: Call, wanted: WorkerRef) -> bytes:
        worker = await self.workers.find(call.caller, wanted.slug)
        version = await self.workers.version(call.caller, worker)
        found = await self.output_fields.of(call.caller, worker, version)
        columns = [
            {
                "key": field.key,
                "label": field.label,
                "format": field.format,
                "declared": field.declared,
                "seen": field.seen,
            }
            for field in found.fields
        ]
        return encode({"list": columns, "run_slug": found.run_id, "problem": found.problem})


def _page(page: CatalogListing, wanted: CatalogFields) -> dict[str, Any]:
    return {
        "list": [_entry(entry) for entry in page.entries],
        "count": page.total,
        "page_index": wanted.page_index,
        "page_size": wanted.page_size,
        "categories": [
            {"number": one.number, "name": one.name, "count": one.count} for one in page.categories
        ],
        "proposals": [
            {"slug": worker.id, "path": worker.path, "title": worker.title}
            for worker in page.proposals
        ],
    }


def _entry(entry: CatalogEntry) -> dict[str, Any]:
    worker, facts = entry.worker, entry.facts
    return {
        "slug": worker.id,
        "path": worker.path,
        "title": worker.title,
        "description": worker.description,
        "public": worker.public,
        "version": worker.latest,
        "created_at": seconds(worker.created_at),
        "categories": worker.categories,
        "icon": worker.icon,
        "runs": facts.runs,
        "success_rate": facts.success_rate,
        "judged": facts.rated_runs,
        "last_ok_at": seconds(facts.last_ok_at),
        "favourite": entry.favourite,
    }
