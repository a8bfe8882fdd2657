"""Listing one's own workers, and deleting them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fyke.api.call import Call
from fyke.api.decode import Wire, WireName
from fyke.api.envelope import encode
from fyke.api.operations import Nothing, Operation
from fyke.api.own import answers
from fyke.api.v1.errors import TABLE
from fyke.api.v1.vocabulary import seconds
from fyke.domain.catalog.removal import WorkerRemoval
from fyke.domain.overview import Overview
from fyke.errors import Forbidden, WorkerNotFound
from fyke.model.worker import Worker


class WorkerRef(Wire):
    """``slug`` may also be ``owner~name``; in a path there is no room for a slash."""

    slug: WireName


@dataclass(frozen=True, slots=True)
class WorkerOperations:
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

    async def delete(self, call: Call, wanted: WorkerRef) -> bytes:
        ended = await self.removal.delete(call.caller, wanted.slug)
        return encode({"ended_runs": ended})


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
