"""Methods of the client for uploads from git and for builds of dependencies."""

from __future__ import annotations

from msgspec import UNSET

from fyke_client import types
from fyke_client._async.connection import AsyncConnection
from fyke_client._requests import segment, worker_segment


class AsyncPublishingCalls:
    """Uploads from git, and the permission to run code of dependencies during installation."""

    _connection: AsyncConnection

    async def upload_git(
        self, url: str, ref: str = "", folder: str = ""
    ) -> types.fyke.uploads.UploadItem:
        """Start fetching and checking a repository."""
        body = types.fyke.uploads.GitUpload(url, ref, folder)
        return await self._connection.post(
            "/api/fyke/uploads/git", types.fyke.uploads.UploadItem, body
        )

    async def upload(self, upload: str) -> types.fyke.uploads.UploadItem:
        return await self._connection.get(
            f"/api/fyke/uploads/{segment(upload)}", types.fyke.uploads.UploadItem
        )

    async def publish_upload(
        self,
        upload: str,
        *,
        name: str = "",
        title: str = "",
        public: bool | None = None,
        promote: bool = True,
    ) -> types.fyke.uploads.PublishedUpload:
        """Publish an upload whose checks have passed. Without ``promote`` the current version stays
        the current one.
        """
        body = types.fyke.uploads.UploadPublication(
            name, title, UNSET if public is None else public, promote=promote
        )
        path = f"/api/fyke/uploads/{segment(upload)}/publish"
        return await self._connection.post(path, types.fyke.uploads.PublishedUpload, body)

    async def remove_upload(self, upload: str) -> None:
        """Delete an upload; versions published from it stay."""
        await self._connection.delete(f"/api/fyke/uploads/{segment(upload)}", type(None))

    async def builds(self, worker: str) -> types.fyke.workers.BuildsAllowed:
        return await self._connection.get(_builds_path(worker), types.fyke.workers.BuildsAllowed)

    async def allow_builds(self, worker: str, *, allowed: bool) -> types.fyke.workers.BuildsAllowed:
        """Allow or forbid builds, for the operator only."""
        return await self._connection.put(
            _builds_path(worker),
            types.fyke.workers.BuildsAllowed,
            types.fyke.workers.BuildsChange(allowed),
        )


def _builds_path(worker: str) -> str:
    return f"/api/fyke/workers/{worker_segment(worker)}/builds"
