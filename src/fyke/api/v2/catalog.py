"""The store, the caller's own workers, and the input of a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import PUBLIC, Json, get
from fyke.api.v1.catalog import REGION_LIST
from fyke.domain.catalog.service import Catalog
from fyke.domain.workers.description import WorkerDescriptions
from fyke.domain.workers.service import Workers
from fyke.errors import VersionUnavailable, WorkerNotFound
from fyke.model.account import Scope
from fyke.wire import v1
from fyke.wire.v2 import workers as wire
from fyke.wire.v2.fields import WorkerId

_ONE = "/api/v2/workers/{workerId:worker}"
_ERRORS = (WorkerNotFound, VersionUnavailable)


@dataclass(frozen=True, slots=True)
class CatalogRoutes:
    tag: ClassVar[str] = "Public"

    catalog: Catalog
    workers: Workers
    descriptions: WorkerDescriptions

    @get("/api/v2/proxy/region", scope=PUBLIC)
    async def list_proxy_regions(self, _call: Call, _query: v1.RegionList) -> Json[v1.Regions]:
        """Proxy regions that a run may use."""
        return REGION_LIST

    @get("/api/v2/store", scope=PUBLIC)
    async def list_store(self, call: Call, query: wire.WorkerSearch) -> wire.CatalogPage:
        """Published workers, newest first.

        With a key also the private workers of its account.
        """
        skipped = (query.offset - 1) * query.limit
        count, workers = await self.catalog.page(
            call.optional_caller, query.keyword, offset=skipped, limit=query.limit
        )
        return wire.CatalogPage.of(query, count, workers)

    @get("/api/v2/workers", scope=Scope.READ, tag="Workers")
    async def list_workers(self, call: Call, query: wire.WorkerSearch) -> wire.CatalogPage:
        """The account's own workers, newest first.

        Private ones and those without a version are among them.
        """
        skipped = (query.offset - 1) * query.limit
        count, workers = await self.workers.own_page(
            call.caller, query.keyword, offset=skipped, limit=query.limit
        )
        return wire.CatalogPage.of(query, count, workers)

    @get(_ONE, scope=Scope.READ, tag="Workers", errors=_ERRORS)
    async def get_worker(self, call: Call, worker_id: WorkerId) -> wire.WorkerContract:
        """Newest version, readme, input schema and defaults of a worker."""
        description = await self.descriptions.newest(call.optional_caller, worker_id)
        return wire.WorkerContract.newest(description)

    @get(f"{_ONE}/input-schema", scope=PUBLIC, errors=_ERRORS, validated=True)
    async def get_worker_input_schema(
        self, call: Call, worker_id: WorkerId
    ) -> wire.WorkerInputSchema:
        """The input schema of a worker.

        Without a key it also answers for a private worker that is named by its slug, without the
        defaults of secret fields, unless the setting `schema_by_slug` refuses that. By its name
        such a worker is not found (404), and `details` name the remedy.
        """
        schema = (await self.descriptions.newest(call.optional_caller, worker_id)).schema
        return wire.WorkerInputSchema(schema, schema.get("properties", []))

    @get(f"{_ONE}/internal", scope=PUBLIC, errors=(WorkerNotFound,))
    async def get_worker_internal(self, call: Call, worker_id: WorkerId) -> wire.WorkerPublicPage:
        """The page of a worker, as its publisher wrote it.

        Private workers are answered as by `input-schema`.
        """
        worker = await self.descriptions.page(call.optional_caller, worker_id)
        return wire.WorkerPublicPage.of(worker)
