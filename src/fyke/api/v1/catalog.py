"""The three public operations: searching the store, one worker's contract, the regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fyke.api.envelope import encode
from fyke.api.errors import TABLE
from fyke.api.operations import Call, Operation
from fyke.api.v1 import answers, fields, views
from fyke.api.v1.regions import REGIONS
from fyke.domain.catalog.service import Catalog
from fyke.domain.workers.description import WorkerDescriptions
from fyke.errors import VersionUnavailable, WorkerNotFound

REGION_LIST = encode({"list": [{"code": code, "name": name} for code, name in REGIONS.items()]})


@dataclass(frozen=True, slots=True)
class CatalogOperations:
    catalog: Catalog
    descriptions: WorkerDescriptions

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/store",
                id="searchStoreV1",
                tag="Public",
                summary="Search the store for workers",
                fields=fields.StoreSearch,
                handler=self.search,
                answer=answers.Store,
            ),
            Operation(
                "GET",
                "/api/scraper",
                id="getWorkerV1",
                tag="Public",
                summary="Newest version, input schema and defaults of a worker",
                fields=fields.WorkerRef,
                handler=self.detail,
                answer=answers.WorkerDetail,
                errors=(TABLE[WorkerNotFound], TABLE[VersionUnavailable]),
            ),
            Operation(
                "GET",
                "/api/proxy/region",
                id="listRegionsV1",
                tag="Public",
                summary="Regions a run may ask its proxy for",
                fields=fields.RegionList,
                handler=self.regions,
                answer=answers.Regions,
            ),
        ]

    async def search(self, call: Call, wanted: fields.StoreSearch) -> bytes:
        limit = min(max(wanted.limit, 1), 100)
        found = await self.catalog.search(call.known_caller, wanted.search, limit)
        return encode({"scraper": [views.store_worker(worker) for worker in found]})

    async def detail(self, call: Call, wanted: fields.WorkerRef) -> bytes:
        found = await self.descriptions.newest(call.known_caller, wanted.slug)
        return encode(views.worker_detail(found))

    async def regions(self, _call: Call, _wanted: fields.RegionList) -> bytes:
        return REGION_LIST
