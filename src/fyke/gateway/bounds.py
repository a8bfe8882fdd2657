"""What no runner sends: the bounds of all that a node says.

A node may have been taken over. What it sends is stored, added up and shown, so a value that no
column can contain, that overflows a sum or that fills a page must not get further than here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import msgspec

from fyke.contracts.execution import Isolation
from fyke.domain.results.caps import LOG_LINE_BYTES
from fyke.domain.results.intake import MAX_HEADER_CHARS
from fyke.domain.runs.site_sums import MAX_SITES
from fyke.errors import InvalidRequest
from fyke.kit.hostports import MAX_NAME
from fyke.model.attempt import AttemptEnd, AttemptReport, SiteTraffic
from fyke.model.browser import MAX_LINE, MAX_LINES, MAX_URL, MAX_URLS, BrowserProgram, BrowserReport
from fyke.model.last_page import MAX_FILE_BYTES, LastPage
from fyke.model.last_page import MAX_TEXT as MAX_PAGE_TEXT
from fyke.model.log import LogType
from fyke.model.node import ENVIRONMENT_NAME_LENGTH
from fyke.model.progress import MAX_PROGRESS, MAX_PROGRESS_TEXT, WorkerProgress
from fyke.model.results import LAST_BATCH, MAX_HEADERS, MAX_ROW_BYTES, AttemptBatch
from fyke.model.run import Outcome
from fyke.model.runner import MAX_ENVIRONMENTS, AttemptUsage, Capacity, RunnerInfo
from fyke.model.sites import MAX_OWN_PAUSES, MAX_PAUSE_NUMBER, MAX_SHARED_SITES, SiteUse
from fyke.model.statuses import MAX_STATUSES, OTHER_STATUS
from fyke.model.usage_marks import MAX_MARKS, UsageMark
from fyke.wire.nodes import encode

# a counter: 256 TiB, or nearly a week with 512 GiB of memory. Counters of many attempts are added
# up in columns of 63 bits: one that overflowed could not be written, and no attempt would end
MAX_COUNT = 2**48
MAX_STORED_ROW = 2 * MAX_ROW_BYTES  # with secrets masked, it may be longer than it was pushed
# characters of a text in a reason: the output of a tool has 128 Ki, the last line of a Worker 64 Ki
MAX_TEXT = 256 * 1024
MAX_SAID_BYTES = 2 * 2**20  # of a whole end, reason or fault
MAX_INFO_TEXT = 16 * 1024  # characters of a finding, or of another text about a runner
MAX_VERSION = 1000  # characters of the name and number of a browser
MAX_DOMAIN = 255  # characters
MAX_PAUSE_SECONDS = 7 * 24 * 3600  # of a site
PAUSING = (429, 503)
MAX_KINDS = 64  # of requests or answers that a browser counts
MAX_KINDS_OF_MARKS = 16  # those of newer releases too
MAX_MEMBERS = 256  # of any other list or mapping
MAX_NUMBER = 2**53
MAX_CPUS = 2**16
MAX_MEMORY_MB = 2**40
MAX_PLACES = 2**16  # for attempts, or for browsers of attempts

# a host as ``fyke.kit.hostports.parse_host`` makes it: a name or an address, a byte a character
_HOST = re.compile(f"[a-z0-9.:-]{{1,{MAX_NAME}}}")
_STATUS = re.compile("[1-5][0-9]{2}")
_ENVIRONMENT = re.compile(f"[0-9a-f]{{{ENVIRONMENT_NAME_LENGTH}}}")
_ISOLATIONS = frozenset(level.value for level in Isolation)

_json_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class ImpossibleRequest(InvalidRequest):
    """A request that no runner makes. A node that makes several loses its connection."""


# --- runners -----------------------------------------------------------------------------------


def check_info(info: RunnerInfo) -> None:
    """Raise ``ImpossibleRequest`` for what no runner says of itself."""
    check_record(info, MAX_INFO_TEXT)
    check_range(info.cpus, MAX_CPUS, "number of cores")
    check_range(info.memory_mb, MAX_MEMORY_MB, "number of MiB")
    check_range(info.browser_share, 1, "part of a browser")
    for count in (info.browsers, info.idle_sandboxes):
        check_range(count, MAX_PLACES, "number")
    numbers = (info.idle_memory, info.settings_version, info.clock_ms)
    for number in (
        *numbers,
        info.measured_caches or 0,
        info.disk_free,
        info.disk_total,
        info.disk_floor,
    ):
        check_range(number, MAX_COUNT, "number")
    if info.isolation not in _ISOLATIONS:
        raise ImpossibleRequest("There is no such level of isolation")
    if len(info.browser_programs) > len(BrowserProgram):
        raise ImpossibleRequest("A browser is named twice")
    names = info.environments
    if len(names) > MAX_ENVIRONMENTS or not all(map(_ENVIRONMENT.fullmatch, names)):
        raise ImpossibleRequest("There are too many environments, or one has no such name")


def bounded_capacity(capacity: Capacity, info: RunnerInfo, slots: int) -> Capacity:
    """The part of this capacity that the runner has, with at most so many slots. Raise
    ``ImpossibleRequest``.
    """
    check_record(capacity, MAX_INFO_TEXT)
    check_range(capacity.browser_share, 1, "part of a browser")
    browsers = capacity.browsers
    return replace(
        capacity,
        cpus=min(capacity.cpus, info.cpus),
        memory_mb=min(capacity.memory_mb, info.memory_mb),
        slots=min(capacity.slots, slots),
        browsers=None if browsers is None else min(browsers, info.browsers),
        total=(info.cpus, info.memory_mb),
    )


def check_browser_limits(cpus: float, memory_mb: int) -> None:
    """Raise ``ImpossibleRequest`` for what no browser is."""
    check_range(cpus, MAX_CPUS, "number of cores")
    check_range(memory_mb, MAX_MEMORY_MB, "number of MiB")
    if not cpus or not memory_mb:
        raise ImpossibleRequest("A browser needs something of the machine")


def check_site_use(use: SiteUse) -> None:
    """Raise ``ImpossibleRequest`` for what no runner says of the sites that it uses."""
    paused = [pause.site for pause in use.pauses]
    if len(use.sites) > MAX_SHARED_SITES or len(paused) > MAX_OWN_PAUSES:
        raise ImpossibleRequest("There are too many sites")
    for names in (use.sites, paused):
        if len(set(names)) < len(names):
            raise ImpossibleRequest("A site is named twice")
        if not all(map(_HOST.fullmatch, names)):
            raise ImpossibleRequest("A site is not a host, or its name is too long")
    for pause in use.pauses:
        check_range(pause.seconds, MAX_PAUSE_SECONDS, "pause")
        check_range(pause.number, MAX_PAUSE_NUMBER, "number")
        if pause.status not in PAUSING:
            raise ImpossibleRequest("A site is not paused for this status")


# --- attempts ----------------------------------------------------------------------------------


def check_report(report: AttemptReport | AttemptEnd) -> None:
    """Raise ``ImpossibleRequest`` for what no runner reports: counters determine the costs."""
    _check_counts(report.usage)
    if len(report.usage.browser_version) > MAX_VERSION:
        raise ImpossibleRequest("The version of a browser is too long")
    if report.sites is not None:
        _check_sites(report.sites)
    if report.browser is not None:
        _check_browser(report.browser)
    if report.marks is not None:
        _check_marks(report.marks)
    if isinstance(report, AttemptReport) and report.progress is not None:
        _check_progress(report.progress)


def check_end(ended: AttemptEnd) -> None:
    """Raise ``ImpossibleRequest`` for an end that no runner decides."""
    if ended.end.outcome is Outcome.RETURNED:
        raise ImpossibleRequest("An attempt that is returned does not end")
    check_said(ended.end)
    check_report(ended)
    if ended.page is not None:
        _check_page(ended.page)


def check_said(*parts: Any) -> None:
    """Raise ``ImpossibleRequest`` for an end, a reason or a fault that is too large."""
    for part in parts:
        check_record(part, MAX_TEXT)
        if len(encode(part)) > MAX_SAID_BYTES:
            raise ImpossibleRequest("A reason is too long")


def _check_counts(record: AttemptUsage | SiteTraffic) -> None:
    values = (getattr(record, field.name) for field in fields(record))
    if not all(0 <= value <= MAX_COUNT for value in values if isinstance(value, int)):
        raise ImpossibleRequest("A counter is negative, or too large")


def _check_sites(sites: Sequence[SiteTraffic]) -> None:
    if len(sites) > MAX_SITES + 1 or len({site.domain for site in sites}) < len(sites):
        raise ImpossibleRequest("There are too many sites, or one is named twice")
    for site in sites:
        _check_counts(site)
        if len(site.domain) > MAX_DOMAIN:
            raise ImpossibleRequest("The name of a site is too long")
        if len(site.statuses.keys() - {OTHER_STATUS}) > MAX_STATUSES:
            raise ImpossibleRequest("A site has too many statuses")
        for status, count in site.statuses.items():
            if status != OTHER_STATUS and not _STATUS.fullmatch(status):
                raise ImpossibleRequest("HTTP has no such status")
            check_range(count, MAX_COUNT, "counter")


def _check_progress(progress: WorkerProgress) -> None:
    check_range(progress.done, MAX_PROGRESS, "progress")
    check_range(progress.total, MAX_PROGRESS, "progress")
    if len(progress.text) > MAX_PROGRESS_TEXT:
        raise ImpossibleRequest("The text of a progress is too long")


def _check_browser(report: BrowserReport) -> None:
    did = report.activity
    if len(did.urls) > MAX_URLS or len(did.lines) > MAX_LINES:
        raise ImpossibleRequest("A browser has too many lines or addresses")
    texts = [*did.urls, *(line.source for line in did.lines), *(line.text for line in did.lines)]
    if any(len(text) > max(MAX_URL, MAX_LINE) for text in texts):
        raise ImpossibleRequest("A line or an address of a browser is too long")
    if did.sites:
        raise ImpossibleRequest("The answers of sites are reported with their traffic")
    for counts in (did.requests, did.received, did.statuses, did.console, did.cached, did.blocked):
        if len(counts) > MAX_KINDS:
            raise ImpossibleRequest("A browser counts too many kinds")
        if any(len(kind) > MAX_KINDS for kind in counts):
            raise ImpossibleRequest("The name of a kind is too long")
        for count in counts.values():
            check_range(count, MAX_COUNT, "counter")
    for count in (did.pages, did.crashes, report.starts, *(line.at for line in did.lines)):
        check_range(count, MAX_COUNT, "counter")


def _check_marks(marks: Sequence[UsageMark]) -> None:
    if len(marks) > MAX_KINDS_OF_MARKS * MAX_MARKS:
        raise ImpossibleRequest("There are too many marks")
    for mark in marks:
        if len(mark.kind) > MAX_KINDS:
            raise ImpossibleRequest("The name of a kind is too long")
        for number in (mark.since, mark.until, mark.count):
            check_range(number, MAX_COUNT, "mark")


def _check_page(page: LastPage) -> None:
    sizes = {file.kind: file.size for file in page.files}
    is_large = any(not 0 <= size <= MAX_FILE_BYTES[kind] for kind, size in sizes.items())
    if is_large or len(sizes) < len(page.files):
        raise ImpossibleRequest("A page has files that are too large, or too many")
    if len(page.url) > MAX_PAGE_TEXT or len(page.title) > MAX_PAGE_TEXT:
        raise ImpossibleRequest("The address or the title of a page is too long")
    check_range(page.at, MAX_COUNT, "time")


# --- rows and log lines ------------------------------------------------------------------------


def check_batch(batch: AttemptBatch) -> None:
    """Raise ``ImpossibleRequest`` for what no runner puts out."""
    if not 0 < batch.number < LAST_BATCH:
        raise ImpossibleRequest("A batch has no number, so it may be stored twice")
    for row in batch.rows:
        if len(row.data) > MAX_STORED_ROW:
            raise ImpossibleRequest("A row is too large")
        try:
            _json_object.decode(row.data)
            if not row.data.isascii():
                row.data.decode()  # which the parser does not check
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ImpossibleRequest("A row is not a JSON object") from None
    kinds = set(LogType)
    for entry in batch.log:
        is_bad = "\0" in entry.content or entry.type not in kinds
        if is_bad or len(entry.content.encode()) > LOG_LINE_BYTES:
            raise ImpossibleRequest("A log line is too long, has a NUL, or is of an unknown kind")
    headers = batch.headers or ()
    size = sum(len(h.label) + len(h.key) + len(h.format) for h in headers)
    if len(headers) > MAX_HEADERS or size > MAX_HEADER_CHARS:
        raise ImpossibleRequest("The headers are too long, or too many")


# --- any value ---------------------------------------------------------------------------------


def check_range(value: float, most: float, noun: str) -> None:
    """Raise ``ImpossibleRequest`` unless the value is from 0 to ``most``; NaN is not."""
    if not 0 <= value <= most:
        raise ImpossibleRequest(f"A {noun} is negative, or too large")


def check_record(value: Any, most: int) -> None:
    """Raise ``ImpossibleRequest`` for a text in this value with more than ``most`` characters, a
    list or a number that is too large, and a number that is not finite.
    """
    if isinstance(value, str):
        if len(value) > most:
            raise ImpossibleRequest("A text is too long")
    elif isinstance(value, int | float):
        check_range(abs(value), MAX_NUMBER, "number")
    elif isinstance(value, Mapping):
        check_record([*value.keys(), *value.values()], most)
    elif isinstance(value, list | tuple):
        if len(value) > MAX_MEMBERS:
            raise ImpossibleRequest("A list is too long")
        for member in value:
            check_record(member, most)
    elif is_dataclass(value):
        for field in fields(value):
            check_record(getattr(value, field.name), most)
