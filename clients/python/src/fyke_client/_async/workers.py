"""Methods of the client for the catalog and for Workers of the account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

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
        """Workers of the catalog. ``browser``: ``with`` or ``without``; empty: all. A blank text
        finds all Workers.
        """
        if browser or not text.strip():
            query = {"search": text, "page_size": limit, "browser": browser or "any"}
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

    async def worker(self, worker: str) -> types.v1.WorkerDetail:
        """The newest version of a Worker (``owner/name`` or its slug), with its input schema."""
        return await self._connection.get("/api/scraper", types.v1.WorkerDetail, {"slug": worker})

    async def input_schema(self, worker: str) -> dict[str, Any]:
        """The input schema of a Worker, as published."""
        path = f"/api/v2/workers/{worker_segment(worker)}/input-schema"
        answer = await self._connection.get(path, dict[str, Any])
        schema: dict[str, Any] = answer["input_schema"]
        return schema

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
        categories: Sequence[int] | None = None,
        icon: str | None = None,
        promote: bool = True,
    ) -> types.fyke.uploads.PublishedUpload:
        """Publish a project as the next version of a Worker.

        ``project``: a folder, a ZIP file, or the content of one. ``name``: ``owner/name``, or a
        name in the caller's account. Creates a missing Worker. Omitted arguments leave its page as
        it is. ``icon``: URL of a picture. Without ``promote`` the current version stays the current
        one. Raises ``OSError`` if the project cannot be read, and
        ``ValueError`` for a folder with a link.
        """
        if "/" not in name and "~" not in name:
            account = await self._connection.get(
                "/api/fyke/account", types.fyke.accounts.OwnAccount
            )
            name = f"{account.name}~{name}"
        form: dict[str, Any] = {"title": title}
        if description is not None:
            form["description"] = description
        if public is not None:
            form["public"] = "true" if public else "false"
        if categories is not None:
            form["categories"] = [str(category) for category in categories]
        if icon is not None:
            form["icon"] = icon
        if not promote:
            form["promote"] = "false"
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

    async def versions(self, worker: str) -> list[types.fyke.versions.VersionEntryItem]:
        """The versions of a Worker, newest first."""
        path = f"{worker_path(worker)}/versions"
        return (await self._connection.get(path, types.fyke.versions.VersionList)).items

    async def delete_worker(self, worker: str) -> int:
        """Delete a Worker; return how many of its waiting runs have failed because of it."""
        deleted = types.fyke.workers.DeletedWorker
        return (await self._connection.delete(worker_path(worker), deleted)).ended_runs

    async def estimate(
        self,
        worker: str,
        version: str = "",
        subtasks: int = 0,
        *,
        system: Mapping[str, Any] | None = None,
    ) -> types.fyke.estimates.EstimateReport:
        """The probable usage and cost of a run; ``system`` as in ``start``."""
        query = {"version": version, "subtasks": subtasks, **(system or {})}
        path = f"{worker_path(worker)}/estimate"
        return await self._connection.get(path, types.fyke.estimates.EstimateReport, query)
