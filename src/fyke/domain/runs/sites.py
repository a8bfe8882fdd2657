"""The sites that a run has contacted: bytes, requests, failures, refusals by site.

The counters of a running attempt are stored as last reported; when it ends they are added to those
of its run, in the same transaction. So only reports with a valid token count, and each attempt
counts once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from ipaddress import ip_address

from fyke.contracts.egress import OTHER_SITES, SiteTraffic
from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.kit.domains import Domain
from fyke.kit.hostports import BadHost, Host, parse_host
from fyke.model.account import Caller
from fyke.model.run import BlockedSite, Run

MAX_SITES = 200  # listed for a run; the rest is ``OTHER_SITES``
_NUMBERS = tuple(field.name for field in fields(SiteTraffic) if field.name != "domain")


@dataclass(frozen=True, slots=True)
class SiteUsage:
    """One line. ``barred`` is None where nothing was refused."""

    traffic: SiteTraffic
    barred: BlockedSite | None


@dataclass(frozen=True, slots=True)
class RunTraffic:
    """``declared`` are the only domains that the run's version may reach, None for every public
    one, or for a version that is gone; ``sites`` begin with what moved most bytes.
    """

    run: Run
    declared: tuple[str, ...] | None
    sites: tuple[SiteUsage, ...]


class RunSites:
    """The sites of the runs of all accounts, each seen only by its own."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def of_run(self, caller: Caller, run_id: str) -> RunTraffic:
        """Raise ``RunNotFound``, including for another account's run."""
        return await self._storage.read(lambda tx: _traffic(tx, own_run(tx, caller, run_id)))

    async def seen(self, run: Run) -> tuple[SiteUsage, ...]:
        """The same for a run that the caller may see already."""
        found = await self._storage.read(lambda tx: _traffic(tx, run))
        return found.sites


def _traffic(tx: Transaction, run: Run) -> RunTraffic:
    version = tx.workers.version(run.worker_id, run.version)
    declared = version.egress if version else None
    living = [site for sites in tx.sites.reported(run.id) for site in sites]
    found = summed(tx.sites.of_run(run.id), living)
    return RunTraffic(run, declared, _lines(found, declared))


def fold(
    tx: Transaction, run_id: str, attempt_id: str, last: tuple[SiteTraffic, ...] | None
) -> None:
    """Add the counters of an ended attempt: ``last``, or for None its last report. The caller holds
    the run's lock.
    """
    reported = tx.sites.take(attempt_id)
    more = reported if last is None else last
    if not more:
        return
    known = {site.domain: site for site in tx.sites.of_run(run_id)}
    for site in summed(known.values(), more):
        if site != known.get(site.domain):
            tx.sites.put(run_id, site)


def summed(known: Iterable[SiteTraffic], more: Iterable[SiteTraffic]) -> tuple[SiteTraffic, ...]:
    """Both together, by domain; at most ``MAX_SITES`` and the rest. Those known come first."""
    found: dict[str, SiteTraffic] = {}
    for site in (*known, *more):
        room = len(found.keys() - {OTHER_SITES}) < MAX_SITES
        name = site.domain if site.domain in found or room else OTHER_SITES
        found[name] = _plus(found.get(name) or SiteTraffic(name), site)
    return tuple(found.values())


def _plus(one: SiteTraffic, other: SiteTraffic) -> SiteTraffic:
    sums = {name: getattr(one, name) + getattr(other, name) for name in _NUMBERS}
    return SiteTraffic(one.domain, **sums)


def _lines(found: Iterable[SiteTraffic], declared: tuple[str, ...] | None) -> tuple[SiteUsage, ...]:
    entries = None if declared is None else [Domain.parse(text) for text in declared]
    order = sorted(found, key=lambda s: (-(s.bytes_up + s.bytes_down), -s.requests, s.domain))
    return tuple(SiteUsage(site, _barred(site, entries)) for site in order)


def _barred(site: SiteTraffic, declared: list[Domain] | None) -> BlockedSite | None:
    if not site.refused:
        return None
    try:
        host: Host = parse_host(site.domain)
    except BadHost:
        return BlockedSite.RULE  # several sites together, or no name at all
    if not isinstance(host, str) and not ip_address(str(host)).is_global:
        return BlockedSite.NOT_PUBLIC
    if declared is not None and not any(entry.covers(host, entry.port or 0) for entry in declared):
        return BlockedSite.UNDECLARED
    return BlockedSite.RULE
