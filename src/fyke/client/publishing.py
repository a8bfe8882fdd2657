"""The part of the client that brings projects in by git, and says which workers may build."""

from __future__ import annotations

from msgspec import UNSET

from fyke.client.connection import Connection, segment
from fyke.wire.fyke.uploads import GitUpload, PublishedUpload, UploadItem, UploadPublication
from fyke.wire.fyke.workers import BuildsAllowed, BuildsChange


class PublishingCalls:
    """Uploads from git, and the permission to build."""

    _wire: Connection

    def upload_git(self, url: str, ref: str = "", folder: str = "") -> UploadItem:
        """Fetch a repository and check it, without waiting for the end."""
        body = GitUpload(url, ref, folder)
        return self._wire.post("/api/fyke/uploads/git", UploadItem, body)

    def upload(self, upload: str) -> UploadItem:
        return self._wire.get(f"/api/fyke/uploads/{segment(upload)}", UploadItem)

    def publish_upload(
        self, upload: str, *, name: str = "", title: str = "", public: bool | None = None
    ) -> PublishedUpload:
        body = UploadPublication(name, title, UNSET if public is None else public)
        path = f"/api/fyke/uploads/{segment(upload)}/publish"
        return self._wire.post(path, PublishedUpload, body)

    def remove_upload(self, upload: str) -> None:
        """Delete it; what was published of it stays."""
        self._wire.delete(f"/api/fyke/uploads/{segment(upload)}", type(None))

    def builds(self, worker: str) -> BuildsAllowed:
        return self._wire.get(_builds(worker), BuildsAllowed)

    def allow_builds(self, worker: str, *, allowed: bool) -> BuildsAllowed:
        """For the operator."""
        return self._wire.put(_builds(worker), BuildsAllowed, BuildsChange(allowed))


def _builds(worker: str) -> str:
    return f"/api/fyke/workers/{segment(worker.replace('/', '~'))}/builds"
