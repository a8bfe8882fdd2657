"""The traffic of a run by site."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import Field

from fyke.api.call import Call
from fyke.api.documents import Answer
from fyke.api.envelope import encode
from fyke.api.operations import Operation
from fyke.api.own.run_page import RunRef
from fyke.api.v1.errors import TABLE
from fyke.domain.runs.sites import RunSites, SiteUsage
from fyke.errors import RunNotFound


class SiteItem(Answer):
    domain: Annotated[str, Field(description="host name or address; `(other)`: all beyond 200")]
    requests: Annotated[int, Field(description="connections that stood; of plain HTTP requests")]
    bytes_up: int
    bytes_down: int
    failures: Annotated[int, Field(description="could not be reached")]
    refused: Annotated[int, Field(description="not let through")]
    why: Annotated[
        str,
        Field(description="of what was refused: `undeclared`, `not_public` or `rule`; else empty"),
    ]


SiteItems = list[SiteItem]
Domains = list[str]


class SiteList(Answer):
    list: SiteItems
    egress: Annotated[
        Domains | None,
        Field(description="the only domains that the version may reach; null: every public one"),
    ]


@dataclass(frozen=True, slots=True)
class RunSiteOperations:
    sites: RunSites

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/fyke/runs/{slug}/sites",
                id="listRunSites",
                tag="Runs",
                summary="Which sites a run has had to do with, and which were refused",
                fields=RunRef,
                handler=self.list,
                answer=SiteList,
                errors=(TABLE[RunNotFound],),
                path_fields=("slug",),
            )
        ]

    async def list(self, call: Call, wanted: RunRef) -> bytes:
        found = await self.sites.of_run(call.caller, wanted.slug)
        return encode({"list": [_site(site) for site in found.sites], "egress": found.declared})


def _site(site: SiteUsage) -> dict[str, Any]:
    return asdict(site.traffic) | {"why": site.barred.value if site.barred else ""}
