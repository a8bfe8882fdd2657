"""The traffic tab of a run: the sites that it connected to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.datastructures import QueryParams
from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.pages.run_frame import AREA, RunFrames
from fyke.console.view import View
from fyke.domain.runs.sites import RunSites, RunTraffic, SiteUsage

_Key = Callable[[SiteUsage], int | str]
_BY: dict[str, _Key] = {
    "site": lambda site: site.traffic.domain,
    "requests": lambda site: site.traffic.requests,
    "up": lambda site: site.traffic.bytes_up,
    "down": lambda site: site.traffic.bytes_down,
    "failed": lambda site: site.traffic.failures,
    "refused": lambda site: site.traffic.refused,
}


@dataclass(frozen=True, slots=True)
class SiteOrder:
    """The sort column of the sites; stored order when ``by`` is empty."""

    by: str = ""
    falling: bool = True

    @classmethod
    def read(cls, query: QueryParams) -> SiteOrder:
        """``sort`` is the name of a column, with a minus in front for the largest first."""
        text = query.get("sort", "")
        by = text.removeprefix("-")
        return cls(by, text.startswith("-")) if by in _BY else cls()

    @property
    def text(self) -> str:
        return ("-" if self.falling else "") + self.by if self.by else ""

    def towards(self, column: str) -> str:
        """The value of ``sort`` when the user chooses this column: figures start with the largest,
        and choosing the current column reverses the order.
        """
        falling = not self.falling if column == self.by else column != "site"
        return ("-" if falling else "") + column

    def of(self, sites: Sequence[SiteUsage]) -> list[SiteUsage]:
        if not self.by:
            return [*sites]
        return sorted(sites, key=_BY[self.by], reverse=self.falling)


@dataclass(frozen=True, slots=True)
class ShownSite:
    """The values of the tab; the stream of the page sends them too."""

    traffic: RunTraffic
    order: SiteOrder

    @property
    def sites(self) -> list[SiteUsage]:
        return self.order.of(self.traffic.sites)

    @property
    def refused(self) -> int:
        return sum(site.traffic.refused for site in self.traffic.sites)


@dataclass(frozen=True, slots=True)
class RunTrafficPages:
    frames: RunFrames
    sites: RunSites

    def pages(self) -> list[ConsolePage]:
        return [ConsolePage("GET", "/runs/{id}/traffic", self.traffic, area=AREA)]

    async def traffic(self, view: View) -> Response:
        order = SiteOrder.read(view.query)
        live = f"tab=traffic&sort={order.text}"
        frame = await self.frames.of(view, "/traffic", live)
        found = await self.sites.of_run(view.caller, frame.view.run.id)
        return view.page("run/traffic.html", frame=frame, shown=ShownSite(found, order))
