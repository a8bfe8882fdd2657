"""The three public operations: the store, a worker's input schema, the regions."""

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
    async def search_store_v1(self, call: Call, query: v1.StoreSearch) -> v1.Store:
        """Search the store for workers.

        Empty when nothing matches. A key adds the private workers of its account.
        """
        limit = min(max(query.limit, 1), 100)
        workers = await self.catalog.search(call.optional_caller, query.search, limit)
        return v1.Store([v1.StoreWorker.of(worker) for worker in workers])

    @get("/api/scraper", scope=PUBLIC, errors=(WorkerNotFound, VersionUnavailable))
    async def get_worker_v1(self, call: Call, query: v1.WorkerRef) -> v1.WorkerDetail:
        """Newest version, input schema and defaults of a worker.

        For a private worker that is named by its slug without a key, `readme` is empty, `system`
        has the defaults of the platform, and `custom` has no defaults of secret fields. The setting
        `schema_by_slug` can refuse such requests. Without a key, the `details` of a 404 name the
        remedy for a private worker.
        """
        return v1.WorkerDetail.of(await self.descriptions.newest(call.optional_caller, query.slug))

    @get("/api/proxy/region", scope=PUBLIC)
    async def list_regions_v1(self, _call: Call, _query: v1.RegionList) -> Json[v1.Regions]:
        """Proxy regions that a run may use."""
        return REGION_LIST
