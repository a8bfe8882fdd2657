"""The shape of ``data`` where v2 tells of workers and their versions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fyke.api.documents import Answer
from fyke.api.v1.answers import SystemParameters, Ulid, Whole

WorkerPath = Annotated[str, Field(description="`owner~name`")]


class CatalogWorker(Answer):
    slug: Ulid
    title: str
    description: str
    name: str
    username: str
    path: WorkerPath


CatalogWorkers = list[CatalogWorker]  # named, because a field called list hides the builtin


class CatalogPage(Answer):
    scraper: CatalogWorkers
    list: Annotated[CatalogWorkers, Field(description="the same as `scraper`")]
    count: Whole
    page_index: int
    page_size: int


class SystemInput(SystemParameters):
    proxy_region: Annotated[str, Field(description="empty: as this installation decides")]


class WorkerInput(Answer):
    system: SystemInput
    custom: Annotated[dict[str, Any], Field(description="the Worker's input schema")]


class WorkerContract(CatalogWorker):
    version: Annotated[str, Field(description="the newest that may run")]
    readme: Annotated[str, Field(description="Markdown")]
    parameters: WorkerInput


class WorkerInputSchema(Answer):
    input_schema: Annotated[dict[str, Any], Field(description="as it was published")]
    properties: Annotated[list[Any], Field(description="`input_schema.properties`")]


Categories = list[int]


class WorkerPublicPage(CatalogWorker):
    version: Annotated[str, Field(description="the newest that may run; empty when there is none")]
    categories: Categories
    icon: Annotated[str, Field(description="address of a picture, or empty")]


class Finding(Answer):
    severity: str
    code: str
    file: str
    line: int
    message: str
    remedy: str


class PublishedVersion(Answer):
    slug: Ulid
    path: WorkerPath
    version: Annotated[str, Field(description="of these files, new or the one that had them")]
    findings: list[Finding]
