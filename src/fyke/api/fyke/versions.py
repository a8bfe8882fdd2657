"""The versions of a worker: listed, compared, taken out of use and back, rolled back to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import get, post
from fyke.domain.workers.history import VersionHistory
from fyke.domain.workers.service import Workers
from fyke.errors import Conflict, Forbidden, VersionUnavailable, WorkerNotFound
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.fyke import changes
from fyke.wire.fyke import versions as wire
from fyke.wire.v2.fields import WorkerId

WORKER = "/api/fyke/workers/{slug}"
VERSION = f"{WORKER}/versions/{{version}}"
_UNKNOWN = (WorkerNotFound, VersionUnavailable)
_REFUSED = (WorkerNotFound, Forbidden, VersionUnavailable)


@dataclass(frozen=True, slots=True)
class VersionRoutes:
    tag: ClassVar[str] = "Workers"

    workers: Workers
    history: VersionHistory

    @get(f"{WORKER}/versions", scope=Scope.READ, errors=(WorkerNotFound,))
    async def list_versions(self, call: Call, slug: WorkerId) -> wire.VersionList:
        """The versions of a worker, newest first."""
        _, found = await self.history.list(call.caller, slug)
        return wire.VersionList([wire.VersionEntryItem.entry(entry) for entry in found])

    @get(f"{WORKER}/compare", scope=Scope.READ, errors=_UNKNOWN)
    async def compare_versions(
        self, call: Call, slug: WorkerId, wanted: changes.VersionPair
    ) -> changes.ComparedVersions:
        """The differences between two versions of a worker.

        Files are compared for the worker's own account only.
        """
        found = await self.history.compare(call.caller, slug, wanted.before, wanted.after)
        return changes.ComparedVersions.of(found)

    @get(f"{WORKER}/changelog", scope=Scope.READ, errors=_UNKNOWN)
    async def read_changelog(self, call: Call, slug: WorkerId) -> changes.WorkerChangelog:
        """What has changed in a worker, by its author and by its schemas."""
        return changes.WorkerChangelog.of(await self.history.changelog(call.caller, slug))

    @post(f"{VERSION}/withdraw", scope=Scope.WRITE, errors=_REFUSED)
    async def withdraw_version(
        self, call: Call, slug: WorkerId, version: Name, wanted: wire.VersionNotice
    ) -> wire.VersionItem:
        """Take a version out of use; its active runs continue.

        The reason is shown to users who name the version.
        """
        found = await self.workers.withdraw(call.caller, slug, version, wanted.reason)
        return wire.VersionItem.of(found)

    @post(f"{VERSION}/deprecate", scope=Scope.WRITE, errors=_REFUSED)
    async def deprecate_version(
        self, call: Call, slug: WorkerId, version: Name, wanted: wire.VersionNotice
    ) -> wire.VersionItem:
        """Deprecate a version, which then runs only when a start names it."""
        found = await self.workers.deprecate(call.caller, slug, version, wanted.reason)
        return wire.VersionItem.of(found)

    @post(f"{VERSION}/restore", scope=Scope.WRITE, errors=_REFUSED)
    async def restore_version(self, call: Call, slug: WorkerId, version: Name) -> wire.VersionItem:
        """Put a withdrawn or deprecated version into use again."""
        return wire.VersionItem.of(await self.workers.restore(call.caller, slug, version))

    @post(f"{VERSION}/rollback", scope=Scope.WRITE, errors=(*_REFUSED, Conflict))
    async def roll_back_version(
        self, call: Call, slug: WorkerId, version: Name
    ) -> wire.RolledBackVersion:
        """Publish the files of an earlier version again, as the newest.

        The page of the worker stays as it is. Refused when the latest version has these very files.
        """
        _, newest, findings = await self.workers.roll_back(call.caller, slug, version)
        return wire.RolledBackVersion.of(newest, findings)
