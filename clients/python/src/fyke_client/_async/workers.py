"""Methods of the client for the catalog and for Workers of the account."""

from __future__ import annotations

from os import PathLike

from fyke_client import types
from fyke_client._async.connection import AsyncConnection
from fyke_client._files import archive_of
from fyke_client._requests import Request, decoded, worker_path, worker_segment


class AsyncWorkerCalls:
    """Workers: find, read, publish, delete."""

    _connection: AsyncConnection

    async def search(
        self, text: str, limit: int = 10, *, browser: str = ""
    ) -> list[types.v1.StoreWorker]:
        """Workers of the catalog. ``browser``: ``with`` or ``without``; empty: all."""
        if browser:
            query = {"search": text, "page_size": limit, "browser": browser}
            catalog = types.fyke.workers.CatalogList
            found = await self._connection.get("/api/fyke/catalog", catalog, query)
            return [
                types.v1.StoreWorker(
                    item.slug,
                    item.title,
                    item.description,
                    item.path,
                    name=item.path.rpartition("/")[2],
                    username=item.path.partition("/")[0],
                )
                for item in found.items
            ]
        query = {"search": text, "limit": limit}
        return (await self._connection.get("/api/store", types.v1.Store, query)).scraper

    async def worker(self, ref: str) -> types.v1.WorkerDetail:
        """The newest version of a Worker (``owner/name`` or its slug), with its input schema."""
        return await self._connection.get("/api/scraper", types.v1.WorkerDetail, {"slug": ref})

    async def regions(self) -> list[types.v1.Region]:
        """The proxy regions that a run may use."""
        return (await self._connection.get("/api/proxy/region", types.v1.Regions)).items

    async def push_worker(
        self,
        project: bytes | str | PathLike[str],
        *,
        name: str,
        title: str = "",
        description: str | None = None,
        public: bool | None = None,
    ) -> types.fyke.uploads.PublishedUpload:
        """Publish a project as the next version of a Worker.

        ``project``: a folder, a ZIP file, or the content of one. ``name``: ``owner/name``, or a
        name in the caller's account. Creates a missing Worker. Omitted arguments leave its page as
        it is. Raises ``OSError`` if the project cannot be read, and ``ValueError`` for a folder
        with a link.
        """
        if "/" not in name and "~" not in name:
            account = await self._connection.get(
                "/api/fyke/account", types.fyke.accounts.OwnAccount
            )
            name = f"{account.name}~{name}"
        form: dict[str, str] = {"title": title}
        if description is not None:
            form["description"] = description
        if public is not None:
            form["public"] = "true" if public else "false"
        archive = await self._connection.aside(archive_of, project)
        files = {"scraper_file": ("worker.zip", archive, "application/zip")}
        path = f"/api/v2/workers/{worker_segment(name)}/versions"
        data = await self._connection.data(Request("POST", path, form=form, files=files))
        published = decoded(data, types.fyke.uploads.PublishedUpload, self._connection.url)
        published.path = published.path.replace("~", "/")
        return published

    async def own_workers(self) -> list[types.fyke.workers.OwnWorker]:
        """The Workers of the account."""
        list_type = types.fyke.workers.OwnWorkerList
        return (await self._connection.get("/api/fyke/workers", list_type)).items

    async def versions(self, ref: str) -> list[types.fyke.versions.VersionEntryItem]:
        """The versions of a Worker, newest first."""
        path = f"{worker_path(ref)}/versions"
        return (await self._connection.get(path, types.fyke.versions.VersionList)).items

    async def delete_worker(self, ref: str) -> int:
        """Delete a Worker; return how many of its waiting runs have failed because of it."""
        deleted = types.fyke.workers.DeletedWorker
        return (await self._connection.delete(worker_path(ref), deleted)).ended_runs

    async def estimate(
        self, ref: str, version: str = "", subtasks: int = 0, **system: object
    ) -> types.fyke.estimates.EstimateReport:
        """The probable usage and cost of a run; ``system`` as in ``start``."""
        query = {"version": version, "subtasks": subtasks, **system}
        path = f"{worker_path(ref)}/estimate"
        return await self._connection.get(path, types.fyke.estimates.EstimateReport, query)
