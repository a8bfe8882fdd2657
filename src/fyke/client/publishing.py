"""The part of the client that brings projects in by git, and says which workers may build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from fyke.client import models
from fyke.client.connection import Connection, segment

MOVING = frozenset({"queued", "working"})


@dataclass(frozen=True, slots=True)
class UploadStep:
    """``state``: waiting, running, passed, warned, failed or skipped."""

    name: str
    state: str
    note: str


Steps = list[UploadStep]
Findings = list[models.Finding]


@dataclass(frozen=True, slots=True)
class Upload:
    """A project on its way in; ``state``: queued, working, ready, faulty, failed or published."""

    id: str
    state: str
    label: str
    commit: str
    title: str
    steps: Steps
    findings: Findings

    @property
    def moving(self) -> bool:
        """Whether it goes on by itself."""
        return self.state in MOVING


@dataclass(frozen=True, slots=True)
class BuildsAllowed:
    """``versions``: numbers of those that ask for it, newest first."""

    allowed: bool
    versions: list[str]


class PublishingCalls:
    """Uploads from git, and the permission to build."""

    _wire: Connection

    def upload_git(self, url: str, ref: str = "", folder: str = "") -> Upload:
        """Begin to fetch a repository and to check it."""
        body = {"url": url, "ref": ref, "folder": folder}
        return self._wire.post("/api/fyke/uploads/git", Upload, body)

    def upload(self, upload: str) -> Upload:
        return self._wire.get(f"/api/fyke/uploads/{segment(upload)}", Upload)

    def publish_upload(
        self, upload: str, *, name: str = "", title: str = "", public: bool | None = None
    ) -> models.Published:
        body: dict[str, Any] = {"name": name, "title": title}
        if public is not None:
            body["public"] = public
        path = f"/api/fyke/uploads/{segment(upload)}/publish"
        return self._wire.post(path, models.Published, body)

    def remove_upload(self, upload: str) -> None:
        """Forget it; what was published of it stays."""
        self._wire.call("DELETE", f"/api/fyke/uploads/{segment(upload)}")

    def builds(self, worker: str) -> BuildsAllowed:
        return self._wire.get(_builds(worker), BuildsAllowed)

    def allow_builds(self, worker: str, *, allowed: bool) -> BuildsAllowed:
        """For the operator."""
        data = self._wire.call("PUT", _builds(worker), json={"allowed": allowed})
        return msgspec.convert(data, BuildsAllowed)


def _builds(worker: str) -> str:
    return f"/api/fyke/workers/{segment(worker.replace('/', '~'))}/builds"
