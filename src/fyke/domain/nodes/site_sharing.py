"""Which machines share which sites, and how long a site is paused, over all servers.

Each runner says which sites its machine uses. That is stored with its row, so that the servers and
gateways of one database know of all runners. A process reads the rows at most once a second, for
all runners that it serves, and writes only what has changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import chain, islice

import msgspec

from fyke.contracts.signals import SITES
from fyke.contracts.state import Storage, Transaction
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.model.sites import MAX_PAUSES, SitePause, SiteShares, SiteUse

AGE_SECONDS = 0.8  # for so long what was read counts: less than the second between two calls
SPACING_SECONDS = 0.25  # between two reads, however urgent
SIGNAL_SECONDS = 1.0  # between two signals of a process: more would keep all machines asking
SAME_MS = 1500  # two ends of a pause that differ by less are one: it was reported again


class StoredPause(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pause that ends at ``until``, in ms of the database's clock."""

    site: str
    until: int
    number: int = 1
    status: int = 429

    def is_same(self, other: StoredPause) -> bool:
        names = (self.site, self.number, self.status)
        is_named = names == (other.site, other.number, other.status)
        return is_named and abs(self.until - other.until) < SAME_MS


class StoredUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stored for a runner: a ``SiteUse`` with the ends of its pauses."""

    sites: tuple[str, ...] = ()
    more: bool = False
    pauses: tuple[StoredPause, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredRunner:
    """What was read of one active runner."""

    machine: str
    text: str
    use: StoredUse


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(StoredUse).decode


class SiteExchange:
    """Serves all runners of one process. ``now`` is in seconds of a monotonic clock."""

    def __init__(self, storage: Storage, now: Callable[[], float] = time.monotonic) -> None:
        self._storage = storage
        self._now = now
        self._said: dict[str, SiteUse] = {}  # since the latest read, by runner
        self._view = SitesView({}, 0)
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._has_started = False  # that read, after the pause before it
        self._signalled_at = float("-inf")

    async def announce(self) -> None:
        """Signal that a machine has come: the others have less of each site from now on."""
        if self._takes_turn():
            await self._storage.write(lambda tx: tx.notify(SITES))

    async def share(self, runner_id: str, use: SiteUse, *, urgent: bool) -> SiteShares:
        """See ``NodeGateway.share_sites``."""
        self._said[runner_id] = use
        if urgent:
            await self._read_from_now()
        elif self._now() - self._read_at >= AGE_SECONDS:
            await asyncio.shield(self._current_read() or self._new_read())
        elapsed_ms = round((self._now() - self._read_at) * 1000)
        return self._view.shares(runner_id, use, elapsed_ms)

    def _takes_turn(self) -> bool:
        """Whether to signal now. Those that use sites find out what is not signalled as well,
        because they ask once a second.
        """
        now = self._now()
        if now - self._signalled_at < SIGNAL_SECONDS:
            return False
        self._signalled_at = now
        return True

    async def _read_from_now(self) -> None:
        """Wait for a read that begins after this call; calls at the same time have one together."""
        earlier = self._current_read()
        if earlier is not None and self._has_started:
            await asyncio.wait({earlier})
        await asyncio.shield(self._current_read() or self._new_read())

    def _current_read(self) -> asyncio.Task[None] | None:
        reading = self._reading
        return reading if reading is not None and not reading.done() else None

    def _new_read(self) -> asyncio.Task[None]:
        self._has_started = False
        self._reading = asyncio.create_task(self._read())
        return self._reading

    async def _read(self) -> None:
        pause = self._read_at + SPACING_SECONDS - self._now()
        if pause > 0:
            await asyncio.sleep(pause)
        self._has_started = True
        said, self._said = self._said, {}
        started_at = self._now()
        rows, at = await self._storage.read(_read_uses)
        known = {
            runner_id: StoredRunner(machine, text, _use_in(text))
            for runner_id, machine, text in rows
        }
        changed = dict[str, str]()
        has_news = False
        for runner_id, use in said.items():
            if (before := known.get(runner_id)) is None:
                continue  # it has not registered yet
            stored = _merged(use, before.use, at)
            text = "" if use.is_empty else _encode(stored).decode()
            if text != before.text:
                changed[runner_id] = text
                has_news |= not set(stored.pauses) <= set(before.use.pauses)
                known[runner_id] = StoredRunner(before.machine, text, stored)
        if changed:
            notify = has_news and self._takes_turn()
            await self._storage.write(lambda tx: _write_uses(tx, changed, notify=notify))
        self._view, self._read_at = SitesView(known, at), started_at


class SitesView:
    """What is stored for the active runners, at a time of the database's clock in ms. An answer
    costs what its sites and pauses do, however many machines there are.
    """

    def __init__(self, runners: Mapping[str, StoredRunner], at: int) -> None:
        self._at = at
        self._machine_of = {runner_id: runner.machine for runner_id, runner in runners.items()}
        self._machines = {runner.machine for runner in runners.values()}
        # those that use more sites than they name count for every site
        self._unnamed = {runner.machine for runner in runners.values() if runner.use.more}
        self._named = dict[str, set[str]]()  # machines by site
        pauses = list[tuple[str, StoredPause]]()  # with their machines
        for runner in runners.values():
            pauses += [(runner.machine, pause) for pause in runner.use.pauses]
            for site in runner.use.sites if runner.machine not in self._unnamed else ():
                self._named.setdefault(site, set()).add(runner.machine)
        pauses.sort(key=lambda entry: entry[1].until, reverse=True)
        # by site, what ends last first: the last pause, and the last one of another machine
        self._pauses = dict[str, list[tuple[str, StoredPause]]]()
        for machine, pause in pauses:
            kept = self._pauses.setdefault(pause.site, [])
            if not kept or (len(kept) == 1 and kept[0][0] != machine):
                kept.append((machine, pause))

    def shares(self, runner_id: str, use: SiteUse, elapsed_ms: int = 0) -> SiteShares:
        """The answer to a runner, so many milliseconds later."""
        own = self._machine_of.get(runner_id, "")
        unnamed = _others(self._unnamed, own)
        sharers = {
            site: 1 + unnamed + _others(self._named.get(site, frozenset()), own)
            for site in use.sites
        }
        machines = 1 + _others(self._machines, own)
        pauses = islice(self._pauses_for(use, own, self._at + elapsed_ms), MAX_PAUSES)
        return SiteShares(machines, sharers, tuple(pauses))

    def _pauses_for(self, use: SiteUse, own: str, now: int) -> Iterator[SitePause]:
        """The pauses that began on other machines: first those of the sites that this one uses,
        which no number of other pauses may displace, then what ends last.
        """
        used = {site: self._pauses[site] for site in use.sites if site in self._pauses}
        unused = ((site, kept) for site, kept in self._pauses.items() if site not in used)
        for site, kept in chain(used.items(), unused):
            if kept[0][1].until <= now and site not in used:
                return  # so are all that follow
            pause = next((one for machine, one in kept if machine != own), None)
            if pause is not None and pause.until > now:
                left = (pause.until - now) / 1000
                yield SitePause(site, left, pause.number, pause.status)


def _others(machines: Set[str], own: str) -> int:
    """How many of these machines are others."""
    return len(machines) - (own in machines)


def _read_uses(tx: Transaction) -> tuple[list[tuple[str, str, str]], int]:
    return tx.runs.site_uses(tx.now - RUNNER_SILENCE_MS), tx.now


def _write_uses(tx: Transaction, uses: Mapping[str, str], *, notify: bool) -> None:
    tx.runs.put_site_uses(uses)
    if notify:
        tx.notify(SITES)


def _use_in(text: str) -> StoredUse:
    try:
        return _decode(text) if text else StoredUse()
    except msgspec.MsgspecError:  # of another release
        return StoredUse(more=True)


def _merged(use: SiteUse, before: StoredUse, at: int) -> StoredUse:
    """What is to be stored. A pause that is stored already keeps its end."""
    pauses = list[StoredPause]()
    for said in use.pauses:
        until = at + round(said.seconds * 1000)
        pause = StoredPause(said.site, until, said.number, said.status)
        pauses.append(next((old for old in before.pauses if old.is_same(pause)), pause))
    return StoredUse(use.sites, use.more, tuple(sorted(pauses, key=lambda pause: pause.site)))
