"""The traffic tab of a run: the sites that it connected to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from starlette.datastructures import QueryParams
from starlette.responses import Response

from fyke.console import site_bars
from fyke.console.page import ConsolePage
from fyke.console.pages.run_frame import AREA, RunFrames
from fyke.console.view import View
from fyke.domain.runs.sites import RunSites, RunTraffic, SiteUsage

_SortKey = Callable[[SiteUsage], int | str]
_SORT_KEYS: dict[str, _SortKey] = {
    "site": lambda site: site.traffic.domain,
    "requests": lambda site: site.traffic.requests,
    "up": lambda site: site.traffic.bytes_up,
    "down": lambda site: site.traffic.bytes_down,
    "errors": lambda site: site.errors,
    "failed": lambda site: site.traffic.failures,
    "refused": lambda site: site.traffic.refused,
}


@dataclass(frozen=True, slots=True)
class SiteOrder:
    """The sort order of the sites. ``by``: a column, "" for the stored order."""

    by: str = ""
    descending: bool = True

    @classmethod
    def read(cls, query: QueryParams) -> SiteOrder:
        """``sort``: the name of a column, with a leading minus for descending order."""
        text = query.get("sort", "")
        by = text.removeprefix("-")
        return cls(by, text.startswith("-")) if by in _SORT_KEYS else cls()

    @property
    def text(self) -> str:
        return ("-" if self.descending else "") + self.by if self.by else ""

    def sort_for(self, column: str) -> str:
        """The value of ``sort`` when the user chooses this column: numbers start with the largest,
        and the current column is reversed.
        """
        descending = not self.descending if column == self.by else column != "site"
        return ("-" if descending else "") + column

    def apply(self, sites: Sequence[SiteUsage]) -> list[SiteUsage]:
        if not self.by:
            return [*sites]
        return sorted(sites, key=_SORT_KEYS[self.by], reverse=self.descending)


@dataclass(frozen=True, slots=True)
class TrafficView:
    """The values of the tab, which the page and its stream render."""

    traffic: RunTraffic
    order: SiteOrder

    @property
    def sites(self) -> list[SiteUsage]:
        return self.order.apply(self.traffic.sites)

    def bars(self) -> dict[str, Markup]:
        """The answers of each site as a picture."""
        sites = [usage.traffic for usage in self.traffic.sites]
        most = site_bars.largest(sites)
        return {site.domain: site_bars.drawn(site, most) for site in sites}

    def key(self) -> list[tuple[Markup, site_bars.BarPart]]:
        """What the parts of the pictures mean, and their sums."""
        parts = site_bars.key(usage.traffic for usage in self.traffic.sites)
        return [(site_bars.swatch(part), part) for part in parts]

    @property
    def unseen(self) -> int:
        """Connections whose answers Fyke cannot read."""
        return sum(site.traffic.unseen for site in self.traffic.sites)

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
        frame = await self.frames.get(view, "/traffic", live)
        traffic = await self.sites.of_run(view.caller, frame.view.run.id)
        return view.page("run/traffic.html", frame=frame, shown=TrafficView(traffic, order))
