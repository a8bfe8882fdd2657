"""Sums of traffic by site. Apart from ``sites``, because nodes have no access to the state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from fyke.model.attempt import OTHER_SITES, SiteTraffic
from fyke.model.statuses import sum_statuses

MAX_SITES = 200  # of a run; further sites are counted as ``OTHER_SITES``
_COUNTERS = tuple(
    field.name for field in fields(SiteTraffic) if field.name not in ("domain", "statuses")
)


def sum_sites(
    stored: Iterable[SiteTraffic], added: Iterable[SiteTraffic]
) -> tuple[SiteTraffic, ...]:
    """The sums by domain, of at most ``MAX_SITES`` sites and ``OTHER_SITES``; stored sites take
    precedence.
    """
    sums: dict[str, SiteTraffic] = {}
    for site in (*stored, *added):
        has_space = len(sums.keys() - {OTHER_SITES}) < MAX_SITES
        name = site.domain if site.domain in sums or has_space else OTHER_SITES
        sums[name] = _plus(sums.get(name) or SiteTraffic(name), site)
    return tuple(sums.values())


def _plus(total: SiteTraffic, site: SiteTraffic) -> SiteTraffic:
    sums = {name: getattr(total, name) + getattr(site, name) for name in _COUNTERS}
    statuses = sum_statuses(total.statuses, site.statuses)
    return SiteTraffic(total.domain, **sums, statuses=statuses)
