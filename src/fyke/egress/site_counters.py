"""The traffic of one attempt with each site: a table in the shared memory after its counters.

Like the counters (``meter``), the runner reads it without a request, and it survives the egress
process. A row is a name and numbers: five counters, the connections whose answers cannot be read,
and a number for each HTTP status of the site: the status, and how often it was answered. The length
of the name is written last, so that a reader never sees a partial name.
"""

from __future__ import annotations

import mmap
import os
from collections import OrderedDict
from dataclasses import dataclass

from fyke.egress import meter
from fyke.model.attempt import OTHER_SITES, SiteTraffic
from fyke.model.statuses import MAX_STATUSES, OTHER_STATUS, is_status

MAX_SITES = 200
_NAME_SIZE = 256  # a length and at most 253 bytes
REQUESTS, FAILURES, REFUSED, UNSEEN = 2, 3, 4, 5  # after meter.UP and meter.DOWN
_FIRST_STATUS = 6
_OTHER_STATUS = _FIRST_STATUS + MAX_STATUSES
_NUMBERS = _OTHER_STATUS + 1
_COUNT_BITS = 48  # of a number of a status; the status is above them
_ROW_SIZE = _NAME_SIZE + 8 * _NUMBERS
TABLE_SIZE = (MAX_SITES + 1) * _ROW_SIZE  # the last row is for all other sites
SHARED_SIZE = meter.SHARED_SIZE + TABLE_SIZE
_MAX_ENDED = 256


@dataclass(frozen=True, slots=True)
class CountedSite:
    """One row: ``cells`` are bytes up, bytes down, requests, failures, refusals, unseen answers,
    then the statuses.
    """

    cells: memoryview

    def connected(self) -> None:
        self.cells[REQUESTS] += 1

    def failed(self) -> None:
        self.cells[FAILURES] += 1

    def refused(self) -> None:
        self.cells[REFUSED] += 1

    def answered(self, status: int) -> None:
        """The site has answered with this status; one that HTTP does not have cannot be read."""
        if not is_status(status):
            self.cells[UNSEEN] += 1
            return
        for at in range(_FIRST_STATUS, _OTHER_STATUS):
            number = self.cells[at]
            if not number:
                self.cells[at] = status << _COUNT_BITS | 1
                return
            if number >> _COUNT_BITS == status:
                self.cells[at] = number + 1
                return
        self.cells[_OTHER_STATUS] += 1

    def statuses(self) -> dict[str, int]:
        """How often each status was answered."""
        found: dict[str, int] = {}
        for number in self.cells[_FIRST_STATUS:_OTHER_STATUS]:
            if not number:
                break
            found[str(number >> _COUNT_BITS)] = number & (1 << _COUNT_BITS) - 1
        if others := self.cells[_OTHER_STATUS]:
            found[OTHER_STATUS] = others
        return found


class SiteCounters:
    """All rows of an attempt. ``memory`` has ``TABLE_SIZE`` bytes; existing rows are continued."""

    def __init__(self, memory: memoryview | None = None) -> None:
        self._bytes = memoryview(bytearray(TABLE_SIZE)) if memory is None else memory
        self._numbers = self._bytes.cast("Q")
        self._rows: dict[str, CountedSite] = {}
        for row in range(MAX_SITES):
            name = self._name(row)
            if not name:
                break
            self._rows[name] = self._site(row)
        self.others = self._site(MAX_SITES)

    def for_host(self, host: str) -> CountedSite:
        """The row of a checked host; ``others`` when the table is full."""
        site = self._rows.get(host)
        if site is not None:
            return site
        row = len(self._rows)
        if row == MAX_SITES:
            return self.others
        self._rows[host] = site = self._site(row)
        raw, start = host.encode(), row * _ROW_SIZE
        self._bytes[start + 1 : start + 1 + len(raw)] = raw
        self._bytes[start] = len(raw)
        return site

    def read(self) -> tuple[SiteTraffic, ...]:
        """All rows, including those that another process wrote."""
        sites: list[SiteTraffic] = []
        for row in range(MAX_SITES):
            name = self._name(row)
            if not name:
                break
            sites.append(_to_traffic(name, self._site(row)))
        if any(self.others.cells):
            sites.append(_to_traffic(OTHER_SITES, self.others))
        return tuple(sites)

    def _name(self, row: int) -> str:
        start = row * _ROW_SIZE
        return bytes(self._bytes[start + 1 : start + 1 + self._bytes[start]]).decode()

    def _site(self, row: int) -> CountedSite:
        start = (row * _ROW_SIZE + _NAME_SIZE) // 8
        return CountedSite(self._numbers[start : start + _NUMBERS])


def map_sites(descriptor: int) -> SiteCounters:
    """Map the table of a descriptor. Raise ``ValueError`` when the memory is too small."""
    if os.fstat(descriptor).st_size < SHARED_SIZE:
        raise ValueError("the memory of the counters is too small")
    memory = memoryview(mmap.mmap(descriptor, SHARED_SIZE))
    return SiteCounters(memory[meter.SHARED_SIZE : SHARED_SIZE])


class SharedSiteCounters:
    """The counters of open attempts, and the final counts of the last attempts that ended."""

    def __init__(self) -> None:
        self._open: dict[str, SiteCounters] = {}
        self._ended: OrderedDict[str, tuple[SiteTraffic, ...]] = OrderedDict()

    def add(self, attempt_id: str, counters: SiteCounters) -> None:
        self._open[attempt_id] = counters

    def read(self, attempt_id: str) -> tuple[SiteTraffic, ...]:
        counters = self._open.get(attempt_id)
        return counters.read() if counters is not None else self._ended.get(attempt_id, ())

    def drop(self, attempt_id: str) -> None:
        """Forget an attempt that was never opened."""
        self._open.pop(attempt_id, None)

    def end(self, attempt_id: str) -> None:
        """Keep the final counts and release the memory."""
        counters = self._open.pop(attempt_id, None)
        if counters is None:
            return
        self._ended[attempt_id] = counters.read()
        while len(self._ended) > _MAX_ENDED:
            self._ended.popitem(last=False)


def _to_traffic(name: str, site: CountedSite) -> SiteTraffic:
    up, down, requests, failures, refused, unseen = site.cells[:_FIRST_STATUS]
    return SiteTraffic(name, requests, up, down, failures, refused, site.statuses(), unseen)
