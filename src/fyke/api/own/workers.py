"""Publishing workers, listing one's own, and their versions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fyke.api.decode import Wire, WireBool, WireName, WireText, decode
from fyke.api.envelope import encode
from fyke.api.errors import TABLE
from fyke.api.operations import Call, Nothing, Operation
from fyke.api.own import answers
from fyke.api.own.uploads import read_upload
from fyke.api.v1.words import seconds
from fyke.domain.overview import Overview
from fyke.domain.workers.model import Version, Worker
from fyke.domain.workers.service import Workers
from fyke.errors import Conflict, Forbidden, WorkerNotFound


class Publish(Wire):
    """In the query or, with a form, beside the file. What is not given stays as it is."""

    name: WireText | None = None
    title: WireText | None = None
    description: WireText | None = None
    public: WireBool | None = None


class WorkerRef(Wire):
    """``slug`` may also be ``owner~name``; in a path there is no room for a slash."""

    slug: WireName


class VersionRef(WorkerRef):
    version: WireName


@dataclass(frozen=True, slots=True)
class WorkerOperations:
    workers: Workers
    overview: Overview

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "POST",
                "/api/fyke/workers",
                id="publishWorker",
                tag="Workers",
                summary="Publish a project as the next version of a worker",
                description="The body is the ZIP itself, or a form with the ZIP as `file`.",
                fields=Publish,
                handler=self.publish,
                answer=answers.Published,
                errors=(TABLE[Forbidden], TABLE[Conflict]),
                raw_body=True,
            ),
            Operation(
                "GET",
                "/api/fyke/workers",
                id="listOwnWorkers",
                tag="Workers",
                summary="The account's own workers, public and private",
                fields=Nothing,
                handler=self.list,
                answer=answers.OwnWorkerList,
            ),
            Operation(
                "GET",
                "/api/fyke/workers/{slug}/versions",
                id="listVersions",
                tag="Workers",
                summary="The versions of a worker, newest first",
                fields=WorkerRef,
                handler=self.versions,
                answer=answers.VersionList,
                errors=(TABLE[WorkerNotFound],),
                path_fields=("slug",),
            ),
            Operation(
                "POST",
                "/api/fyke/workers/{slug}/versions/{version}/withdraw",
                id="withdrawVersion",
                tag="Workers",
                summary="Take a version out of use; runs on their way go on",
                fields=VersionRef,
                handler=self.withdraw,
                answer=answers.VersionItem,
                errors=(TABLE[WorkerNotFound], TABLE[Forbidden]),
                path_fields=("slug", "version"),
            ),
        ]

    async def publish(self, call: Call, query: Publish) -> bytes:
        data, form = await read_upload(call.request)
        given = query.model_dump(exclude_none=True)
        wanted = decode(Publish, {**given, **form}) if form else query
        worker, version, findings = await self.workers.publish(
            call.caller,
            data,
            name=wanted.name or None,
            title=wanted.title or None,
            description=wanted.description,
            public=wanted.public,
        )
        return encode(
            {
                "slug": worker.id,
                "path": worker.path,
                "version": version.number,
                "findings": [asdict(finding) for finding in findings],
            }
        )

    async def list(self, call: Call, _wanted: Nothing) -> bytes:
        found = await self.overview.workers(call.caller)
        return encode({"list": [_own_worker(worker) for worker in found]})

    async def versions(self, call: Call, wanted: WorkerRef) -> bytes:
        found = await self.workers.versions(call.caller, wanted.slug)
        return encode({"list": [_version(version) for version in found]})

    async def withdraw(self, call: Call, wanted: VersionRef) -> bytes:
        version = await self.workers.withdraw(call.caller, wanted.slug, wanted.version)
        return encode(_version(version))


def _version(version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "state": version.state.value,
        "language": version.language.value,
        "digest": version.digest,
        "created_at": seconds(version.created_at),
    }


def _own_worker(worker: Worker) -> dict[str, Any]:
    return {
        "slug": worker.id,
        "path": worker.path,
        "title": worker.title,
        "description": worker.description,
        "public": worker.public,
        "version": worker.latest,
        "created_at": seconds(worker.created_at),
    }
