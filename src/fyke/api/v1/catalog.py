"""The three public operations: searching the store, one worker's contract, the regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import PUBLIC, Json, get
from fyke.api.v1.regions import REGIONS
from fyke.domain.catalog.service import Catalog
from fyke.domain.workers.description import WorkerDescriptions
from fyke.errors import VersionUnavailable, WorkerNotFound
from fyke.wire import v1

REGION_LIST = Json(v1.Regions([v1.Region(code, name) for code, name in REGIONS.items()]))


@dataclass(frozen=True, slots=True)
class CatalogRoutes:
    tag: ClassVar[str] = "Public"

    catalog: Catalog
    descriptions: WorkerDescriptions

    @get("/api/store", scope=PUBLIC)
    async def search_store_v1(self, call: Call, wanted: v1.StoreSearch) -> v1.Store:
        """Search the store for workers.

        Empty when nothing matches. With a key also the private workers of its account are searched.
        """
        limit = min(max(wanted.limit, 1), 100)
        found = await self.catalog.search(call.known_caller, wanted.search, limit)
        return v1.Store([v1.StoreWorker.of(worker) for worker in found])

    @get("/api/scraper", scope=PUBLIC, errors=(WorkerNotFound, VersionUnavailable))
    async def get_worker_v1(self, call: Call, wanted: v1.WorkerRef) -> v1.WorkerDetail:
        """Newest version, input schema and defaults of a worker.

        For a private worker that is named by its slug without a key, `readme` is empty, `system`
        has the defaults of the platform, and `custom` has no defaults of secret fields. The setting
        `schema_by_slug` refuses such requests. Without a key, `details` of a 404 say what to send
        if the worker is private.
        """
        return v1.WorkerDetail.of(await self.descriptions.newest(call.known_caller, wanted.slug))

    @get("/api/proxy/region", scope=PUBLIC)
    async def list_regions_v1(self, _call: Call, _wanted: v1.RegionList) -> Json[v1.Regions]:
        """Regions a run may ask its proxy for."""
        return REGION_LIST
