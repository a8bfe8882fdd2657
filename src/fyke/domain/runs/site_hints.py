"""What the sites that a run was refused tell about its end."""

from __future__ import annotations

from collections.abc import Sequence

from fyke.domain.runs.sites import SiteUsage
from fyke.model.run import BlockedSite
from fyke.reasons import Hint, HintCode


def hint_of_sites(sites: Sequence[SiteUsage]) -> Hint | None:
    """None when nothing was refused that could explain a bad end."""
    reached = any(site.traffic.requests for site in sites)
    undeclared = _names(sites, {BlockedSite.UNDECLARED})
    if undeclared:
        return Hint(HintCode.UNDECLARED_SITES, {"some" if reached else "sites": undeclared})
    barred = _names(sites, {BlockedSite.NOT_PUBLIC, BlockedSite.RULE})
    if barred and not reached:
        return Hint.of(HintCode.REFUSED_SITES, sites=barred)
    return None


def _names(sites: Sequence[SiteUsage], why: set[BlockedSite]) -> list[str]:
    return [site.traffic.domain for site in sites if site.barred in why]
