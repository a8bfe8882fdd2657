"""The versions of a worker: list, compare, promote, tag, withdraw, deprecate and restore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import get, post
from fyke.domain.workers.history import VersionHistory
from fyke.domain.workers.promotion import Promotions
from fyke.domain.workers.service import Workers
from fyke.errors import (
    Conflict,
    Forbidden,
    NotFound,
    Refused,
    VersionUnavailable,
    WorkerNotFound,
)
from fyke.model.account import Scope
from fyke.model.worker import VersionState
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
    promotions: Promotions

    @get(f"{WORKER}/versions", scope=Scope.READ, errors=(WorkerNotFound,))
    async def list_versions(self, call: Call, slug: WorkerId) -> wire.VersionList:
        """The versions of a worker, newest first."""
        _, entries = await self.history.list(call.caller, slug)
        return wire.VersionList([wire.VersionEntryItem.entry(entry) for entry in entries])

    @get(f"{VERSION}/environment", scope=Scope.READ, errors=(WorkerNotFound,))
    async def read_environment(
        self, call: Call, slug: WorkerId, version: Name
    ) -> wire.EnvironmentAnswer:
        """Whether the dependencies of a version are installed, or why they cannot be.

        A runner installs them after the publication, in the background and without charge.
        """
        environment = await self.history.environment(call.caller, slug, version)
        return wire.EnvironmentAnswer(wire.EnvironmentItem.of(environment))

    @get(f"{WORKER}/compare", scope=Scope.READ, errors=_UNKNOWN)
    async def compare_versions(
        self, call: Call, slug: WorkerId, query: changes.VersionPair
    ) -> changes.ComparedVersions:
        """The differences between two versions of a worker.

        Files are compared for the worker's own account only.
        """
        comparison = await self.history.compare(call.caller, slug, query.before, query.after)
        return changes.ComparedVersions.of(comparison)

    @get(f"{WORKER}/changelog", scope=Scope.READ, errors=_UNKNOWN)
    async def read_changelog(self, call: Call, slug: WorkerId) -> changes.WorkerChangelog:
        """The changes of a worker, as its author and its schemas describe them."""
        return changes.WorkerChangelog.of(await self.history.changelog(call.caller, slug))

    @post(f"{VERSION}/withdraw", scope=Scope.WRITE, errors=_REFUSED)
    async def withdraw_version(
        self, call: Call, slug: WorkerId, version: Name, body: wire.VersionNotice
    ) -> wire.VersionItem:
        """Withdraw a version, which then cannot be started; its active runs continue.

        If it was the current version, the newest published one is current then; if there is none,
        the newest deprecated one. The reason is shown to users who name the version.
        """
        _, withdrawn = await self.workers.set_state(
            call.caller, slug, version, VersionState.WITHDRAWN, body.reason
        )
        return wire.VersionItem.of(withdrawn)

    @post(f"{VERSION}/deprecate", scope=Scope.WRITE, errors=_REFUSED)
    async def deprecate_version(
        self, call: Call, slug: WorkerId, version: Name, body: wire.VersionNotice
    ) -> wire.VersionItem:
        """Deprecate a version, which then starts only when a request names it.

        If it was the current version, the newest published one is current then; if there is none,
        the newest deprecated one, which may be this one.
        """
        _, deprecated = await self.workers.set_state(
            call.caller, slug, version, VersionState.DEPRECATED, body.reason
        )
        return wire.VersionItem.of(deprecated)

    @post(f"{VERSION}/restore", scope=Scope.WRITE, errors=_REFUSED)
    async def restore_version(self, call: Call, slug: WorkerId, version: Name) -> wire.VersionItem:
        """Make a withdrawn or deprecated version available again.

        It becomes the current version only if it is the newest published one and no other was
        chosen, by `promote` or by a publication that left the current version as it was. The same
        applies to other accounts, among the approved versions.
        """
        _, restored = await self.workers.set_state(
            call.caller, slug, version, VersionState.PUBLISHED
        )
        return wire.VersionItem.of(restored)

    @get(f"{VERSION}/promotion", scope=Scope.READ, errors=(*_REFUSED, Refused))
    async def preview_promotion(
        self, call: Call, slug: WorkerId, version: Name
    ) -> changes.PromotionPreview:
        """What would change if a version became the current one.

        Nothing is changed. For the worker's own account.
        """
        promotion = await self.promotions.preview(call.caller, slug, version)
        return changes.PromotionPreview.of(promotion)

    @post(f"{VERSION}/promote", scope=Scope.WRITE, errors=(*_REFUSED, Refused))
    async def promote_version(self, call: Call, slug: WorkerId, version: Name) -> wire.VersionItem:
        """Let runs that name no version use this one, also to roll back to an earlier version.

        Other accounts get it when it is approved. The next publication makes its version the
        current one.
        """
        _, promoted = await self.promotions.promote(call.caller, slug, version)
        return wire.VersionItem.of(promoted)

    @post(f"{VERSION}/tag", scope=Scope.WRITE, errors=(*_REFUSED, Refused))
    async def tag_version(
        self, call: Call, slug: WorkerId, version: Name, body: wire.VersionTag
    ) -> wire.VersionItem:
        """Give a version a tag such as `stable`, which runs and tasks may name instead of a number.

        The version that had the tag loses it.
        """
        tagged = await self.promotions.tag(call.caller, slug, body.tag, version)
        return wire.VersionItem.of(tagged)

    @post(f"{WORKER}/untag", scope=Scope.WRITE, errors=(WorkerNotFound, Forbidden, NotFound))
    async def untag_version(self, call: Call, slug: WorkerId, body: wire.VersionTag) -> None:
        """Remove a tag. Runs and tasks that name it can no longer start."""
        await self.promotions.remove_tag(call.caller, slug, body.tag)

    @post(f"{VERSION}/rollback", scope=Scope.WRITE, errors=(*_REFUSED, Conflict))
    async def roll_back_version(
        self, call: Call, slug: WorkerId, version: Name
    ) -> wire.RolledBackVersion:
        """Publish the files of an earlier version again, as the newest.

        The page of the worker stays as it is. Refused when the newest version has the same files.
        `promote` makes the earlier version itself the current one.
        """
        _, newest, findings = await self.workers.roll_back(call.caller, slug, version)
        return wire.RolledBackVersion.of(newest, findings)
