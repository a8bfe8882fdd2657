"""The store, the caller's own workers, and what one worker takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from fyke.api.call import Call
from fyke.api.decode import WireText
from fyke.api.envelope import encode
from fyke.api.errors import TABLE_V2
from fyke.api.operations import Operation
from fyke.api.v1 import answers as v1_answers
from fyke.api.v1 import fields as v1_fields
from fyke.api.v1.catalog import REGION_LIST
from fyke.api.v1.views import worker_detail
from fyke.api.v2 import catalog_answers as answers
from fyke.api.v2.fields import Page, WorkerRef, page
from fyke.domain.catalog.service import Catalog
from fyke.domain.workers.description import WorkerDescriptions
from fyke.domain.workers.service import Workers
from fyke.errors import VersionUnavailable, WorkerNotFound
from fyke.model.worker import Worker


class WorkerSearch(Page):
    keyword: WireText = Field("", description="a part of slug, path, title or description")


@dataclass(frozen=True, slots=True)
class CatalogOperations:
    catalog: Catalog
    workers: Workers
    descriptions: WorkerDescriptions

    def operations(self) -> list[Operation[Any]]:
        return [*self._lists(), *self._of_one_worker()]

    def _lists(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/v2/proxy/region",
                id="listProxyRegions",
                tag="Public",
                summary="Regions a run may ask its proxy for",
                fields=v1_fields.RegionList,
                handler=self.regions,
                answer=v1_answers.Regions,
            ),
            Operation(
                "GET",
                "/api/v2/store",
                id="listStore",
                tag="Public",
                summary="Published workers, newest first",
                fields=WorkerSearch,
                handler=self.store,
                answer=answers.CatalogPage,
            ),
            Operation(
                "GET",
                "/api/v2/workers",
                id="listWorkers",
                tag="Workers",
                summary="The account's own workers, newest first",
                fields=WorkerSearch,
                handler=self.own,
                answer=answers.CatalogPage,
            ),
        ]

    def _of_one_worker(self) -> list[Operation[Any]]:
        unknown, unavailable = TABLE_V2[WorkerNotFound], TABLE_V2[VersionUnavailable]
        return [
            Operation(
                "GET",
                "/api/v2/workers/{workerId:worker}",
                id="getWorker",
                tag="Workers",
                summary="Newest version, readme, input schema and defaults of a worker",
                fields=WorkerRef,
                handler=self.detail,
                answer=answers.WorkerContract,
                errors=(unknown, unavailable),
                path_fields=("workerId",),
            ),
            Operation(
                "GET",
                "/api/v2/workers/{workerId:worker}/input-schema",
                id="getWorkerInputSchema",
                tag="Public",
                summary="What a worker takes",
                fields=WorkerRef,
                handler=self.input_schema,
                answer=answers.WorkerInputSchema,
                errors=(unknown, unavailable),
                validated=True,
                path_fields=("workerId",),
            ),
            Operation(
                "GET",
                "/api/v2/workers/{workerId:worker}/internal",
                id="getWorkerInternal",
                tag="Public",
                summary="The page of a worker, as its publisher wrote it",
                fields=WorkerRef,
                handler=self.internal,
                answer=answers.WorkerPublicPage,
                errors=(unknown,),
                path_fields=("workerId",),
            ),
        ]

    async def regions(self, _call: Call, _wanted: v1_fields.RegionList) -> bytes:
        return REGION_LIST.data

    async def store(self, call: Call, wanted: WorkerSearch) -> bytes:
        skipped = (wanted.offset - 1) * wanted.limit
        count, found = await self.catalog.page(
            call.known_caller, wanted.keyword, offset=skipped, limit=wanted.limit
        )
        return _page(wanted, count, found)

    async def own(self, call: Call, wanted: WorkerSearch) -> bytes:
        skipped = (wanted.offset - 1) * wanted.limit
        count, found = await self.workers.own_page(
            call.caller, wanted.keyword, offset=skipped, limit=wanted.limit
        )
        return _page(wanted, count, found)

    async def detail(self, call: Call, wanted: WorkerRef) -> bytes:
        found = await self.descriptions.newest(call.known_caller, wanted.worker_id)
        detail = worker_detail(found)
        detail["parameters"]["system"]["proxy_region"] = ""
        return encode(catalog_worker(found.worker) | detail)

    async def input_schema(self, call: Call, wanted: WorkerRef) -> bytes:
        found = await self.descriptions.newest(call.known_caller, wanted.worker_id)
        schema = found.schema
        return encode({"input_schema": schema, "properties": schema.get("properties", [])})

    async def internal(self, call: Call, wanted: WorkerRef) -> bytes:
        worker = await self.descriptions.page(call.known_caller, wanted.worker_id)
        more = {
            "version": worker.latest,
            "categories": worker.categories,
            "icon": worker.icon,
        }
        return encode(catalog_worker(worker) | more)


def catalog_worker(worker: Worker) -> dict[str, Any]:
    """A worker as every list of v2 shows it."""
    return {
        "slug": worker.id,
        "title": worker.title,
        "description": worker.description,
        "name": worker.name,
        "username": worker.owner,
        "path": tilde_path(worker),
    }


def tilde_path(worker: Worker) -> str:
    """``owner~name``: the form that needs no encoding in a path."""
    return f"{worker.owner}~{worker.name}"


def _page(wanted: Page, count: int, found: list[Worker]) -> bytes:
    items = [catalog_worker(worker) for worker in found]
    listed = {"scraper": items, "list": items, "count": count}
    return encode(listed | page(wanted.offset, wanted.limit))
