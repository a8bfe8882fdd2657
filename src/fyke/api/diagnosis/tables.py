"""The CSV files of a diagnosis. Texts that a spreadsheet would read as a formula are escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from fyke.domain.runs.sites import SiteUsage
from fyke.domain.secrets.masking import Masker
from fyke.kit.spreadsheets import csv_lines, escape_formula, iso_time
from fyke.model.run import UsageSample

SITES = (
    "site", "requests", "bytes_up", "bytes_down", "failures", "refused", "why",
    "statuses", "unseen",
)  # fmt: skip
USAGE = ("time", "cpu_ms", "memory_bytes", "browser_memory_bytes", "traffic_bytes", "rows")
REQUESTS = (
    "started", "method", "url", "type", "status", "error", "wait_ms", "receive_ms", "total_ms",
    "bytes",
)  # fmt: skip


def sites_csv(sites: Iterable[SiteUsage], masker: Masker) -> bytes:
    """A line for each site, the one with the most bytes first. Statuses as ``200:38 403:2``."""
    rows = [
        [
            escape_formula(masker.host(site.traffic.domain)),
            str(site.traffic.requests),
            str(site.traffic.bytes_up),
            str(site.traffic.bytes_down),
            str(site.traffic.failures),
            str(site.traffic.refused),
            site.block_reason.value if site.block_reason else "",
            " ".join(f"{status}:{count}" for status, count in site.answers),
            str(site.traffic.unseen),
        ]
        for site in sites
    ]
    return csv_lines([SITES, *rows])


def usage_csv(samples: Sequence[UsageSample], peak: int = 0) -> bytes:
    """A line for each sample of the usage curve. CPU time, traffic and rows are totals since the
    start, memory is what was in use at that time; it is empty in all lines if it was never read,
    see ``memory_was_read``.
    """
    was_read = memory_was_read(samples, peak)
    rows = [
        [
            iso_time(sample.at),
            str(sample.cpu_ms),
            str(sample.memory_bytes) if was_read else "",
            str(sample.browser_memory_bytes),
            str(sample.traffic_bytes),
            str(sample.rows),
        ]
        for sample in samples
    ]
    return csv_lines([USAGE, *rows])


def memory_was_read(samples: Iterable[UsageSample], peak: int) -> bool:
    """Whether a sample has a reading of the memory, of which the Worker used ``peak`` bytes at
    most. A runner reports it each second, so one of a shorter run may only have the peak, from its
    end.
    """
    return not peak or any(sample.memory_bytes for sample in samples)


class _HarRequest(msgspec.Struct):
    method: str = ""
    url: str = ""


class _HarResponse(msgspec.Struct, rename={"size": "_transferSize", "error": "_error"}):
    status: int = 0
    size: int = 0
    error: str = ""


class _Timings(msgspec.Struct):
    wait: float = 0
    receive: float = 0


class SeenEntry(msgspec.Struct, rename={"started": "startedDateTime", "kind": "_resourceType"}):
    """One request in the HAR file of a last page."""

    request: _HarRequest = msgspec.field(default_factory=_HarRequest)
    response: _HarResponse = msgspec.field(default_factory=_HarResponse)
    timings: _Timings = msgspec.field(default_factory=_Timings)
    started: str = ""
    time: float = 0
    kind: str = ""

    @property
    def failed(self) -> bool:
        return self.response.status == 0 or self.response.status >= 400


class _Log(msgspec.Struct):
    entries: list[SeenEntry] = msgspec.field(default_factory=list)


class _Har(msgspec.Struct):
    log: _Log = msgspec.field(default_factory=_Log)


_decode = msgspec.json.Decoder(_Har, strict=False).decode


def seen_requests(har: bytes) -> list[SeenEntry]:
    """The requests of a HAR file that the platform has written; none if it cannot be read."""
    try:
        return _decode(har).log.entries
    except msgspec.DecodeError:
        return []


def requests_csv(entries: Iterable[SeenEntry]) -> bytes:
    """A line for each request of the last page. Status 0: there was no answer."""
    rows = [
        [
            entry.started,
            escape_formula(entry.request.method),
            escape_formula(entry.request.url),
            escape_formula(entry.kind),
            str(entry.response.status),
            escape_formula(entry.response.error),
            f"{entry.timings.wait:g}",
            f"{entry.timings.receive:g}",
            f"{entry.time:g}",
            str(entry.response.size),
        ]
        for entry in entries
    ]
    return csv_lines([REQUESTS, *rows])
