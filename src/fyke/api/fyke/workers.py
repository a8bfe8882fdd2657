"""The account's workers, the catalog and favourites, and the page of a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import delete, get, patch, put
from fyke.domain.catalog.output_fields import OutputFields
from fyke.domain.catalog.removal import WorkerRemoval
from fyke.domain.catalog.service import Catalog, CatalogQuery
from fyke.domain.overview import Overview
from fyke.domain.workers.builds import Builds
from fyke.domain.workers.service import Workers
from fyke.errors import Forbidden, VersionUnavailable, WorkerNotFound
from fyke.model.account import Scope
from fyke.wire.fyke import workers as wire
from fyke.wire.v2.fields import WorkerId

PATH = "/api/fyke/workers"
WORKER = f"{PATH}/{{slug}}"
FAVOURITES = "/api/fyke/favourites"


@dataclass(frozen=True, slots=True)
class WorkerRoutes:
    tag: ClassVar[str] = "Workers"

    workers: Workers
    catalog: Catalog
    overview: Overview
    removal: WorkerRemoval
    output_fields: OutputFields
    builds: Builds

    @get(PATH, scope=Scope.READ)
    async def list_own_workers(self, call: Call) -> wire.OwnWorkerList:
        """The account's own workers, public and private."""
        workers = await self.overview.workers(call.caller)
        return wire.OwnWorkerList([wire.OwnWorker.of(worker) for worker in workers])

    @patch(WORKER, scope=Scope.WRITE, errors=(WorkerNotFound, Forbidden))
    async def change_worker_page(
        self, call: Call, slug: WorkerId, body: wire.WorkerPageChange
    ) -> wire.CatalogItem:
        """Change the page of a worker.

        Absent members and an empty title leave the page as it is.
        """
        worker = await self.workers.change_page(call.caller, slug, body.page)
        return wire.CatalogItem.entry(await self.catalog.entry(call.caller, worker.id))

    @delete(WORKER, scope=Scope.WRITE, errors=(WorkerNotFound, Forbidden))
    async def delete_worker(self, call: Call, slug: WorkerId) -> wire.DeletedWorker:
        """Delete a worker; its past runs stay.

        Active runs continue, waiting runs fail. Tasks stay, but do not start. A new worker can have
        the name.
        """
        return wire.DeletedWorker(await self.removal.delete(call.caller, slug))

    @get(f"{WORKER}/output-fields", scope=Scope.READ, errors=(WorkerNotFound, VersionUnavailable))
    async def list_output_fields(self, call: Call, slug: WorkerId) -> wire.OutputColumnList:
        """The columns of a worker's rows, as declared and as seen in the last rows."""
        worker = await self.workers.find(call.caller, slug)
        version = await self.workers.version(call.caller, worker)
        return wire.OutputColumnList.of(await self.output_fields.get(call.caller, worker, version))

    @get(f"{WORKER}/builds", scope=Scope.READ, errors=(WorkerNotFound, Forbidden))
    async def read_builds(self, call: Call, slug: WorkerId) -> wire.BuildsAllowed:
        """Whether dependencies of a worker may run code while they are installed."""
        return wire.BuildsAllowed.of(*await self.builds.get(call.caller, slug))

    @put(f"{WORKER}/builds", scope=Scope.ADMIN, errors=(WorkerNotFound, Forbidden))
    async def allow_builds(
        self, call: Call, slug: WorkerId, body: wire.BuildsChange
    ) -> wire.BuildsAllowed:
        """Allow or forbid that dependencies of a worker run code while they are installed.

        For the operator. Environments that are already built stay in use.
        """
        await self.builds.allow(call.caller, slug, allowed=body.allowed)
        return wire.BuildsAllowed.of(*await self.builds.get(call.caller, slug))

    @get("/api/fyke/catalog", scope=Scope.READ)
    async def browse_catalog(self, call: Call, query: wire.CatalogSearch) -> wire.CatalogList:
        """Published workers and the account's own, with the success of their runs.

        Runs that were aborted, stopped at a cap or failed through a fault of the platform do not
        count for the rate. Deleted runs still count.
        """
        catalog_query = CatalogQuery(
            query.search,
            query.category or None,
            query.browser,
            query.order,
            offset=query.offset,
            limit=query.page_size,
        )
        return wire.CatalogList.of(await self.catalog.browse(call.caller, catalog_query), query)

    @get(FAVOURITES, scope=Scope.READ)
    async def list_favourites(self, call: Call) -> wire.FavouriteList:
        """The favourite workers of the user of this key, the latest first."""
        favourites = await self.catalog.favourites(call.caller)
        return wire.FavouriteList([wire.CatalogItem.entry(entry) for entry in favourites])

    @put(f"{FAVOURITES}/{{slug}}", scope=Scope.WRITE, errors=(WorkerNotFound,))
    async def add_favourite(self, call: Call, slug: WorkerId) -> wire.CatalogItem:
        """Mark a worker as a favourite.

        At most 200.
        """
        return wire.CatalogItem.entry(await self.catalog.mark(call.caller, slug, favourite=True))

    @delete(f"{FAVOURITES}/{{slug}}", scope=Scope.WRITE, errors=(WorkerNotFound,))
    async def remove_favourite(self, call: Call, slug: WorkerId) -> wire.CatalogItem:
        """Remove a worker from the favourites."""
        return wire.CatalogItem.entry(await self.catalog.mark(call.caller, slug, favourite=False))
