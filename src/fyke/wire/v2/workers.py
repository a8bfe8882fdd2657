"""Workers in lists and with their input schemas, and published versions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import UNSET, Meta, UnsetType, field
from msgspec.structs import asdict

from fyke.domain.workers.page import (
    MAX_CATEGORIES,
    MAX_CATEGORY,
    MAX_DESCRIPTION,
    MAX_ICON,
    MAX_TITLE,
    PageChange,
)
from fyke.wire.archives import Archive, Promote
from fyke.wire.common import Count, Ulid
from fyke.wire.fields import (
    Answer,
    Boolean,
    DocumentedAs,
    FieldError,
    ParsedBy,
    Request,
    Text,
    to_integer,
    to_text,
)
from fyke.wire.findings import ProjectFinding
from fyke.wire.v1 import SystemParameters
from fyke.wire.v2.fields import PageRequest

if TYPE_CHECKING:
    from fyke.domain.workers.description import WorkerDescription
    from fyke.model.worker import Finding, Version, Worker

_RULE = "must be whole numbers, the field repeated for each one: categories=56 and categories=57"


# --- requests ------------------------------------------------------------------------------


def to_stripped(value: object) -> str:
    """Text without surrounding spaces."""
    return to_text(value).strip()


def to_categories(value: object) -> tuple[int, ...]:
    """Category numbers from a field that a form may repeat."""
    texts = [to_text(part).strip() for part in value] if isinstance(value, list) else []
    numbers = [part for part in texts if part]
    for part in numbers:
        if part.startswith("["):
            raise FieldError(f"{_RULE}; a JSON array is not accepted")
        if not re.fullmatch("[0-9]{1,10}", part):
            raise FieldError(_RULE)
    return tuple(map(to_integer, numbers))


_NO_NUL = r"^[^\u0000]*$"
_URL = "^(?:https?://[A-Za-z0-9._-]+(?::[1-9][0-9]{0,3})?(?:[/?#][!-~]*)?)?$"
_Category = Annotated[int, Meta(ge=1, le=MAX_CATEGORY)]

Title = Annotated[str, ParsedBy(to_stripped), Meta(max_length=MAX_TITLE, pattern=_NO_NUL)]
Description = Annotated[
    str, ParsedBy(to_stripped), Meta(max_length=MAX_DESCRIPTION, pattern=_NO_NUL)
]
# All addresses that match are accepted, and some others, with host names that are not ASCII.
Icon = Annotated[str, ParsedBy(to_stripped), Meta(max_length=MAX_ICON, pattern=_URL)]
Categories = Annotated[
    tuple[int, ...],
    ParsedBy(to_categories, repeated=True),
    DocumentedAs(Annotated[list[_Category], Meta(max_length=MAX_CATEGORIES)]),
    Meta(description="repeat the field for each number"),
]


class WorkerSearch(PageRequest):
    keyword: Annotated[Text, Meta(description="a part of slug, path, title or description")] = ""


class PageForm(Request):
    """The page of a worker; absent fields stay as they are."""

    title: (
        Annotated[
            Title,
            Meta(description="empty or absent: the heading of README.md, unless edited by hand"),
        ]
        | UnsetType
    ) = UNSET
    description: (
        Annotated[Description, Meta(description="absent: from the project, unless edited by hand")]
        | UnsetType
    ) = UNSET
    categories: Categories | UnsetType = UNSET
    icon: Annotated[Icon, Meta(description="http or https URL of a picture")] | UnsetType = UNSET

    @property
    def page(self) -> PageChange:
        return PageChange(
            None if self.title is UNSET else self.title,
            None if self.description is UNSET else self.description,
            None if self.categories is UNSET else self.categories,
            None if self.icon is UNSET else self.icon,
        )


class NewVersion(PageForm, kw_only=True):
    scraper_file: Annotated[Archive, Meta(description="the ZIP of the project, at most 50 MiB")]
    public: (
        Annotated[Boolean, Meta(description="whether others may find and run the worker")]
        | UnsetType
    ) = UNSET
    promote: Promote = True


class ReplacedVersion(PageForm, kw_only=True):
    scraper_file: Annotated[Archive, Meta(description="new files; may be absent")] | UnsetType = (
        UNSET
    )


# --- answers -------------------------------------------------------------------------------

WorkerPath = Annotated[str, Meta(description="`owner~name`")]


def tilde_path(worker: Worker) -> str:
    """``owner~name``, which needs no encoding in a path."""
    return f"{worker.owner}~{worker.name}"


class CatalogWorker(Answer):
    slug: Ulid
    title: str
    description: str
    name: str
    username: str
    path: WorkerPath

    @classmethod
    def of(cls, worker: Worker) -> CatalogWorker:
        return cls(**_worker(worker))


class CatalogPage(Answer):
    scraper: list[CatalogWorker]
    items: Annotated[list[CatalogWorker], Meta(description="the same as `scraper`")] = field(
        name="list"
    )
    count: Count
    page_index: int
    page_size: int

    @classmethod
    def of(cls, query: PageRequest, count: int, workers: list[Worker]) -> CatalogPage:
        items = [CatalogWorker.of(worker) for worker in workers]
        return cls(items, items, count, query.offset, query.limit)


class SystemInput(SystemParameters):
    proxy_region: Annotated[str, Meta(description="empty: the region of the installation")]


class WorkerInput(Answer):
    system: SystemInput
    custom: Annotated[dict[str, Any], Meta(description="the Worker's input schema")]


class WorkerContract(CatalogWorker):
    """The newest version of a worker, with its defaults and input schema."""

    version: Annotated[str, Meta(description="the newest that can be started")]
    readme: Annotated[str, Meta(description="Markdown")]
    parameters: WorkerInput

    @classmethod
    def newest(cls, description: WorkerDescription) -> WorkerContract:
        system = SystemInput(**asdict(SystemParameters.of(description.version)), proxy_region="")
        return cls(
            **_worker(description.worker),
            version=description.version.number,
            readme=description.version.readme,
            parameters=WorkerInput(system, description.schema),
        )


class WorkerInputSchema(Answer):
    input_schema: Annotated[dict[str, Any], Meta(description="as published")]
    properties: Annotated[list[Any], Meta(description="`input_schema.properties`")]


class WorkerPublicPage(CatalogWorker):
    """The page of a worker, as its publisher wrote it."""

    version: Annotated[str, Meta(description="the newest that can be started, or empty")]
    categories: list[int]
    icon: Annotated[str, Meta(description="URL of a picture, or empty")]

    @classmethod
    def of(cls, worker: Worker) -> WorkerPublicPage:
        return cls(
            **_worker(worker),
            version=worker.latest,
            categories=list(worker.categories),
            icon=worker.icon,
        )


class PublishedVersion(Answer):
    slug: Ulid
    path: WorkerPath
    version: Annotated[str, Meta(description="the version with these files, new or existing")]
    findings: list[ProjectFinding]

    @classmethod
    def of(cls, worker: Worker, version: Version, findings: list[Finding]) -> PublishedVersion:
        items = ProjectFinding.all_of(findings)
        return cls(worker.id, tilde_path(worker), version.number, items)


def _worker(worker: Worker) -> dict[str, str]:
    """The members of a worker in all lists of v2."""
    return {
        "slug": worker.id,
        "title": worker.title,
        "description": worker.description,
        "name": worker.name,
        "username": worker.owner,
        "path": tilde_path(worker),
    }
