"""The shape of ``data`` in every answer of our own routes. Times end in ``_at``: Unix seconds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fyke.api.documents import Answer


class OwnWorker(Answer):
    slug: str
    path: str
    title: str
    description: str
    public: bool
    version: str
    created_at: int


OwnWorkers = list[OwnWorker]


class OwnWorkerList(Answer):
    list: OwnWorkers


class DeletedWorker(Answer):
    ended_runs: Annotated[int, Field(description="runs that had not begun and never will")]
