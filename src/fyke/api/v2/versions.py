"""Publishing versions of a worker, and replacing its page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from msgspec import UNSET

from fyke.api.call import Call
from fyke.api.media import Media
from fyke.api.routes import post, put
from fyke.api.uploads import FORM_TYPE, read_form
from fyke.domain.workers.service import Workers
from fyke.errors import Conflict, Forbidden, VersionUnavailable, WorkerNotFound
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.v2.fields import WorkerId
from fyke.wire.v2.workers import NewVersion, PublishedVersion, ReplacedVersion

PATH = "/api/v2/workers/{workerId:worker}/versions"
_REFUSED = (Forbidden, WorkerNotFound, Conflict)


@dataclass(frozen=True, slots=True)
class VersionRoutes:
    tag: ClassVar[str] = "Workers"

    workers: Workers

    @post(PATH, scope=Scope.WRITE, errors=_REFUSED, consumes=(Media(FORM_TYPE, form=NewVersion),))
    async def publish_worker_version(self, call: Call, worker_id: WorkerId) -> PublishedVersion:
        """Publish a project as the next version of a worker.

        An unknown `owner~name` of the caller becomes a new worker, private unless `public` is true.
        Files equal to those of the newest version publish nothing; the other fields still apply.
        """
        form = await read_form(call.request, NewVersion)
        public = None if form.public is UNSET else form.public
        worker, version, findings = await self.workers.publish_at(
            call.caller,
            worker_id,
            form.scraper_file,
            form.page,
            public=public,
            promote=form.promote,
        )
        return PublishedVersion.of(worker, version, findings)

    @put(
        f"{PATH}/{{version}}",
        scope=Scope.WRITE,
        errors=(*_REFUSED, VersionUnavailable),
        consumes=(Media(FORM_TYPE, form=ReplacedVersion),),
    )
    async def replace_worker_version(
        self, call: Call, worker_id: WorkerId, version: Name
    ) -> PublishedVersion | None:
        """Replace the whole page of a worker, and publish its new files.

        Absent fields become empty, except the title, which stays. A version never changes:
        `scraper_file` is published as the next version, unless a version of the worker has these
        files. `data.version` is the version that has them. Without `scraper_file`, `data` is null.
        """
        form = await read_form(call.request, ReplacedVersion)
        if form.scraper_file is UNSET:
            await self.workers.replace_page(call.caller, worker_id, version, form.page)
            return None
        worker, published, findings = await self.workers.replace_version(
            call.caller, worker_id, version, form.page, form.scraper_file
        )
        return PublishedVersion.of(worker, published, findings)
