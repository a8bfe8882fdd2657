"""Listing one's own workers, deleting them, and taking versions out of use and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fyke.api.decode import Wire, WireName
from fyke.api.envelope import encode
from fyke.api.errors import TABLE
from fyke.api.operations import Call, Nothing, Operation
from fyke.api.own import answers
from fyke.api.v1.words import seconds
from fyke.domain.overview import Overview
from fyke.domain.workers.model import Version, Worker
from fyke.domain.workers.removal import WorkerRemoval
from fyke.domain.workers.service import Workers
from fyke.errors import Forbidden, WorkerNotFound


class WorkerRef(Wire):
    """``slug`` may also be ``owner~name``; in a path there is no room for a slash."""

    slug: WireName


class VersionRef(WorkerRef):
    version: WireName


@dataclass(frozen=True, slots=True)
class WorkerOperations:
    workers: Workers
    removal: WorkerRemoval
    overview: Overview

    def operations(self) -> list[Operation[Any]]:
        refused = (TABLE[WorkerNotFound], TABLE[Forbidden])
        return [
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
                errors=refused,
                path_fields=("slug", "version"),
            ),
            Operation(
                "POST",
                "/api/fyke/workers/{slug}/versions/{version}/restore",
                id="restoreVersion",
                tag="Workers",
                summary="Put a withdrawn version into use again",
                fields=VersionRef,
                handler=self.restore,
                answer=answers.VersionItem,
                errors=refused,
                path_fields=("slug", "version"),
            ),
            Operation(
                "DELETE",
                "/api/fyke/workers/{slug}",
                id="deleteWorker",
                tag="Workers",
                summary="Delete a worker; its past runs stay",
                fields=WorkerRef,
                handler=self.delete,
                answer=answers.DeletedWorker,
                errors=refused,
                path_fields=("slug",),
            ),
        ]

    async def list(self, call: Call, _wanted: Nothing) -> bytes:
        found = await self.overview.workers(call.caller)
        return encode({"list": [_own_worker(worker) for worker in found]})

    async def versions(self, call: Call, wanted: WorkerRef) -> bytes:
        found = await self.workers.versions(call.caller, wanted.slug)
        return encode({"list": [_version(version) for version in found]})

    async def delete(self, call: Call, wanted: WorkerRef) -> bytes:
        ended = await self.removal.delete(call.caller, wanted.slug)
        return encode({"ended_runs": ended})

    async def restore(self, call: Call, wanted: VersionRef) -> bytes:
        version = await self.workers.restore(call.caller, wanted.slug, wanted.version)
        return encode(_version(version))

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
