"""Methods of the client for uploads from git and for builds of dependencies."""

from __future__ import annotations

from msgspec import UNSET

from fyke import wire
from fyke.client.connection import Connection, segment


class PublishingCalls:
    """Uploads from git, and the permission to run code of dependencies during installation."""

    _wire: Connection

    def upload_git(self, url: str, ref: str = "", folder: str = "") -> wire.fyke.uploads.UploadItem:
        """Start fetching and checking a repository."""
        body = wire.fyke.uploads.GitUpload(url, ref, folder)
        return self._wire.post("/api/fyke/uploads/git", wire.fyke.uploads.UploadItem, body)

    def upload(self, upload: str) -> wire.fyke.uploads.UploadItem:
        return self._wire.get(f"/api/fyke/uploads/{segment(upload)}", wire.fyke.uploads.UploadItem)

    def publish_upload(
        self, upload: str, *, name: str = "", title: str = "", public: bool | None = None
    ) -> wire.fyke.uploads.PublishedUpload:
        body = wire.fyke.uploads.UploadPublication(name, title, UNSET if public is None else public)
        path = f"/api/fyke/uploads/{segment(upload)}/publish"
        return self._wire.post(path, wire.fyke.uploads.PublishedUpload, body)

    def remove_upload(self, upload: str) -> None:
        """Delete an upload; versions published from it stay."""
        self._wire.delete(f"/api/fyke/uploads/{segment(upload)}", type(None))

    def builds(self, worker: str) -> wire.fyke.workers.BuildsAllowed:
        return self._wire.get(_builds_path(worker), wire.fyke.workers.BuildsAllowed)

    def allow_builds(self, worker: str, *, allowed: bool) -> wire.fyke.workers.BuildsAllowed:
        """Allow or forbid builds, for the operator only."""
        return self._wire.put(
            _builds_path(worker),
            wire.fyke.workers.BuildsAllowed,
            wire.fyke.workers.BuildsChange(allowed),
        )


def _builds_path(worker: str) -> str:
    return f"/api/fyke/workers/{segment(worker.replace('/', '~'))}/builds"
