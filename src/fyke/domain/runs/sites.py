"""The sites that a run has contacted, with bytes, requests, answers, failures and refusals.

The counters of a running attempt are stored as last reported; in the transaction that ends it, they
are added to those of its run. So only reports with a valid token count, and each attempt counts
once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.runs.site_sums import sum_sites
from fyke.kit.addresses import AllowEntry
from fyke.kit.domains import Domain
from fyke.kit.hostports import BadHost, Host, parse_host
from fyke.model.account import Caller
from fyke.model.attempt import SiteTraffic
from fyke.model.run import BlockedSite, Run


@dataclass(frozen=True, slots=True)
class SiteUsage:
    """The traffic of one site. ``block_reason`` is None when no request was refused, and
    some connection to it was made.
    """

    traffic: SiteTraffic
    block_reason: BlockedSite | None

    @property
    def answers(self) -> list[tuple[str, int]]:
        """The answers by status, in order of the statuses; the others are the last."""
        return sorted(self.traffic.statuses.items())

    @property
    def errors(self) -> int:
        """The answers with an error, as far as their status is counted by itself."""
        return sum(n for status, n in self.traffic.statuses.items() if status[:1] in ("4", "5"))


@dataclass(frozen=True, slots=True)
class RunTraffic:
    """``declared`` are the declared sites of the version, None when it may reach every public site
    or was deleted; ``sites`` are sorted by bytes, the largest first.
    """

    run: Run
    declared: tuple[str, ...] | None
    sites: tuple[SiteUsage, ...]


class RunSites:
    """The sites of all runs; each account can read only the sites of its own runs."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def of_run(self, caller: Caller, run_id: str) -> RunTraffic:
        """The sites of a run. Raises ``RunNotFound``, also for another account's run."""
        return await self._storage.read(lambda tx: _traffic(tx, own_run(tx, caller, run_id)))

    async def contacted(self, run: Run) -> tuple[SiteUsage, ...]:
        """The sites of a run. The caller has checked the access to it."""
        traffic = await self._storage.read(lambda tx: _traffic(tx, run))
        return traffic.sites


def _traffic(tx: Transaction, run: Run) -> RunTraffic:
    version = tx.workers.version(run.worker_id, run.version)
    declared = version.egress if version else None
    running = [site for sites in tx.sites.reported(run.id) for site in sites]
    total = sum_sites(tx.sites.of_run(run.id), running)
    return RunTraffic(run, declared, _lines(total, declared, run.egress_allow))


def fold(
    tx: Transaction, run_id: str, attempt_id: str, last: tuple[SiteTraffic, ...] | None
) -> None:
    """Add the counters of an ended attempt: ``last``, or if that is None, those of its last report.
    The caller has locked the run.
    """
    reported = tx.sites.take(attempt_id)
    added = reported if last is None else last
    if not added:
        return
    stored = {site.domain: site for site in tx.sites.of_run(run_id)}
    for site in sum_sites(stored.values(), added):
        if site != stored.get(site.domain):
            tx.sites.put(run_id, site)


def _lines(
    sites: Iterable[SiteTraffic], declared: tuple[str, ...] | None, allowed: tuple[str, ...]
) -> tuple[SiteUsage, ...]:
    entries = None if declared is None else [Domain.parse(text) for text in declared]
    opened = [AllowEntry.parse(text) for text in allowed]
    by_bytes = sorted(sites, key=lambda s: (-(s.bytes_up + s.bytes_down), -s.requests, s.domain))
    return tuple(SiteUsage(site, _block_reason(site, entries, opened)) for site in by_bytes)


def _block_reason(
    site: SiteTraffic, declared: list[Domain] | None, opened: list[AllowEntry]
) -> BlockedSite | None:
    """``opened`` are the private addresses that the run may reach."""
    if not site.refused:
        is_unreached = site.failures and not site.requests
        return BlockedSite.UNREACHABLE if is_unreached else None
    try:
        host: Host = parse_host(site.domain)
    except BadHost:
        return BlockedSite.RULE  # ``OTHER_SITES``, or not a valid host name
    is_private = not isinstance(host, str) and not ip_address(str(host)).is_global
    is_opened = not isinstance(host, str) and any(
        entry.covers(host, entry.port or 0) for entry in opened
    )
    if is_private and not is_opened:
        return BlockedSite.NOT_PUBLIC
    if declared is not None and not any(entry.covers(host, entry.port or 0) for entry in declared):
        return BlockedSite.UNDECLARED
    return BlockedSite.NOT_PUBLIC if is_private else BlockedSite.RULE
