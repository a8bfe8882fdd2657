"""Publishing versions of a worker, and rewriting its page."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from fyke.api.call import Call
from fyke.api.decode import REPEATABLE, Wire, WireName, to_boolean, to_integer, to_text, wrong
from fyke.api.documents import Media
from fyke.api.envelope import NULL, encode
from fyke.api.errors import TABLE_V2
from fyke.api.operations import Operation
from fyke.api.uploads import FORM_TYPE, UploadedArchive, read_form
from fyke.api.v2 import catalog_answers as answers
from fyke.api.v2.catalog import tilde_path
from fyke.api.v2.fields import WorkerRef
from fyke.domain.workers.page import (
    MAX_CATEGORIES,
    MAX_CATEGORY,
    MAX_DESCRIPTION,
    MAX_ICON,
    MAX_TITLE,
    PageChange,
)
from fyke.domain.workers.service import Workers
from fyke.errors import Conflict, Forbidden, VersionUnavailable, WorkerNotFound

_RULE = "must be whole numbers, the field repeated for each one: categories=56 and categories=57"


def _text(value: object) -> str:
    return to_text(value).strip()


def _plain(most: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "maxLength": most, "pattern": r"^[^\u0000]*$"})


def _categories(value: object) -> tuple[int, ...]:
    given = [to_text(part).strip() for part in value] if isinstance(value, list) else []
    numbers = [part for part in given if part]
    for part in numbers:
        if part.startswith("["):
            raise wrong(f"{_RULE}; a JSON array is not taken")
        if not re.fullmatch("[0-9]{1,10}", part):
            raise wrong(_RULE)
    return tuple(map(to_integer, numbers))


Title = Annotated[str | None, BeforeValidator(_text), _plain(MAX_TITLE)]
Description = Annotated[str | None, BeforeValidator(_text), _plain(MAX_DESCRIPTION)]
# Every address of this form is taken; so are some of others, with a name that is not ASCII.
Icon = Annotated[
    str | None,
    BeforeValidator(_text),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": MAX_ICON,
            "pattern": "^(?:https?://[A-Za-z0-9._-]+(?::[1-9][0-9]{0,3})?(?:[/?#][!-~]*)?)?$",
        }
    ),
]
FormFlag = Annotated[bool | None, BeforeValidator(to_boolean), WithJsonSchema({"type": "boolean"})]
FormNumbers = Annotated[
    tuple[int, ...] | None,
    BeforeValidator(_categories),
    REPEATABLE,
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": MAX_CATEGORY},
            "maxItems": MAX_CATEGORIES,
        }
    ),
]


class PageForm(Wire):
    title: Title = Field(None, description="empty: the heading of README.md, else as it is")
    description: Description = None
    categories: FormNumbers = Field(None, description="repeat the field for each one")
    icon: Icon = Field(None, description="http or https URL of a picture")

    @property
    def page(self) -> PageChange:
        return PageChange(self.title, self.description, self.categories, self.icon)


class NewVersion(PageForm):
    scraper_file: UploadedArchive = Field(description="the ZIP of the project")
    public: FormFlag = Field(None, description="whether others may find and run the worker")


class ReplacedVersion(PageForm):
    scraper_file: UploadedArchive = Field(b"", description="the files of this version, or nothing")


class VersionRef(WorkerRef):
    """A version of a worker, both in the path."""

    version: WireName


@dataclass(frozen=True, slots=True)
class VersionOperations:
    workers: Workers

    def operations(self) -> list[Operation[Any]]:
        refused = tuple(TABLE_V2[kind] for kind in (Forbidden, WorkerNotFound, Conflict))
        return [
            Operation(
                "POST",
                "/api/v2/workers/{workerId:worker}/versions",
                id="publishWorkerVersion",
                tag="Workers",
                summary="Publish a project as the next version of a worker",
                description="An unknown `owner~name` of one's own becomes a new worker. The same "
                "files as those of the newest version are that version.",
                fields=WorkerRef,
                handler=self.publish,
                answer=answers.PublishedVersion,
                errors=refused,
                raw_body=True,
                path_fields=("workerId",),
                consumes=(Media(FORM_TYPE, NewVersion.model_json_schema()),),
            ),
            Operation(
                "PUT",
                "/api/v2/workers/{workerId:worker}/versions/{version}",
                id="replaceWorkerVersion",
                tag="Workers",
                summary="Replace what the page of a worker says",
                description="The files of a version never change: `scraper_file` may be left out, "
                "and other files than those of the version are refused.",
                fields=VersionRef,
                handler=self.replace,
                errors=(*refused, TABLE_V2[VersionUnavailable]),
                raw_body=True,
                path_fields=("workerId", "version"),
                consumes=(Media(FORM_TYPE, ReplacedVersion.model_json_schema()),),
            ),
        ]

    async def publish(self, call: Call, wanted: WorkerRef) -> bytes:
        form = await read_form(call.request, NewVersion)
        worker, version, findings = await self.workers.publish_at(
            call.caller, wanted.worker_id, form.scraper_file, form.page, public=form.public
        )
        return encode(
            {
                "slug": worker.id,
                "path": tilde_path(worker),
                "version": version.number,
                "findings": [asdict(finding) for finding in findings],
            }
        )

    async def replace(self, call: Call, wanted: VersionRef) -> bytes:
        form = await read_form(call.request, ReplacedVersion)
        await self.workers.replace_page(
            call.caller, wanted.worker_id, wanted.version, form.page, form.scraper_file
        )
        return NULL
