"""What the sites that a run was refused tell about its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fyke.domain.runs.sites import BlockedSite, SiteUsage

NAMED = 3  # sites in a sentence


@dataclass(frozen=True, slots=True)
class Hint:
    """``code`` is for programs and stays; the sentences are for people."""

    code: str
    cause: str
    next_step: str


def hint_of_sites(sites: Sequence[SiteUsage]) -> Hint | None:
    """None when nothing was refused that could explain a bad end."""
    reached = any(site.traffic.requests for site in sites)
    undeclared = _names(sites, {BlockedSite.UNDECLARED})
    if undeclared:
        which = "Some sites" if reached else "All sites"
        return Hint(
            "undeclared_sites",
            f"{which} that the Worker asked for were refused, because its version does not declare "
            f"them: {_listed(undeclared)}",
            "Its author adds them to egress in fyke.json and publishes a new version; until then "
            "give it pages of the sites that its page names",
        )
    barred = _names(sites, {BlockedSite.NOT_PUBLIC, BlockedSite.RULE})
    if barred and not reached:
        return Hint(
            "refused_sites",
            f"All sites that the Worker asked for were refused: {_listed(barred)}",
            "The part Traffic says why. Addresses inside a network are never reached, unless the "
            "operator opens one for a run; a site that is being spared answers again later",
        )
    return None


def _names(sites: Sequence[SiteUsage], why: set[BlockedSite]) -> list[str]:
    return [site.traffic.domain for site in sites if site.barred in why]


def _listed(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
