"""What runs report and leave behind: samples and marks of their usage, progress, sites, browsers,
last pages and shares.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from fyke.model.attempt import SiteTraffic
from fyke.model.browser import BrowserReport, BrowserTexts
from fyke.model.last_page import LastPage
from fyke.model.progress import WorkerProgress
from fyke.model.run import Run, SampleSpan, Share, UsageSample
from fyke.model.usage_marks import UsageMark


class SampleStore(Protocol):
    """Usage samples of runs. Who adds one has renewed the lease of an attempt of the run in the
    same transaction, or has taken ``runs.lock``; so none is added after the last.
    """

    def spans(self, run_ids: Collection[str]) -> dict[str, SampleSpan]:
        """The span of each run."""
        ...

    def measure(self, run_ids: Collection[str], at: int) -> dict[str, UsageSample]:
        """Return a sample of each run that has not ended, or ends in this transaction: the last
        reported usage of all its attempts. Ended attempts are not read.
        """
        ...

    def add(self, samples: Sequence[UsageSample]) -> None:
        """Add samples; of two of one run at the same time the first is kept."""
        ...

    def thin(self, run_id: str) -> None:
        """The caller has locked the run. Remove every second sample, but not the first."""
        ...

    def of_run(self, run_id: str) -> list[UsageSample]:
        """The samples, sorted by time."""
        ...


class ProgressStore(Protocol):
    """What Workers report of their progress. It counts while the attempt is active: a retry begins
    without one.
    """

    def report(self, reports: Sequence[tuple[str, WorkerProgress]]) -> None:
        """Write the progress of different attempts, by their ids; replaces their earlier reports.
        The caller has renewed their leases in the same transaction.
        """
        ...

    def of_run(self, run_id: str) -> WorkerProgress | None:
        """That of the active attempt of a run with one subtask; None when it has not reported."""
        ...

    def parts(self, run_id: str) -> float:
        """The sum of ``done / total`` of its active attempts, each at most 1. Attempts without a
        total are left out.
        """
        ...


class SiteStore(Protocol):
    """Traffic of runs by site. ``domain.runs.sites`` adds up the traffic of attempts."""

    def report(self, reports: Sequence[tuple[str, str, tuple[SiteTraffic, ...]]]) -> None:
        """Write the traffic of active attempts so far, as (attempt id, run id, sites); replaces
        their earlier reports.
        """
        ...

    def take(self, attempt_id: str) -> tuple[SiteTraffic, ...]:
        """Remove and return the last report of an attempt; empty when there is none."""
        ...

    def reported(self, run_id: str) -> list[tuple[SiteTraffic, ...]]:
        """The reports that were not taken yet, by attempt."""
        ...

    def put(self, run_id: str, site: SiteTraffic) -> None:
        """Write the total of one site. The caller has taken ``runs.lock``."""
        ...

    def of_run(self, run_id: str) -> tuple[SiteTraffic, ...]:
        """The totals, by domain."""
        ...


class BrowserStore(Protocol):
    """What the browsers of attempts did. ``domain.runs.browser_reports`` adds it up."""

    def report(self, reports: Sequence[tuple[str, str, BrowserReport]]) -> None:
        """Write what the browsers of attempts did so far, as (attempt id, run id, report); replaces
        their earlier reports.
        """
        ...

    def of_run(self, run_id: str) -> dict[str, BrowserReport]:
        """The reports by attempt id, in order of the ids, without texts."""
        ...

    def texts(self, run_id: str, attempts: int) -> dict[str, BrowserTexts]:
        """The texts of the newest ``attempts`` attempts that have some, oldest first."""
        ...

    def last_unblocked(self, run: Run, within: int) -> str:
        """The id of the last ended run of the same account and version before ``run`` whose
        browsers loaded everything, among the ``within`` runs of the Worker before it; "" without.
        """
        ...


class MarkStore(Protocol):
    """What is marked in the usage curves of attempts."""

    def report(self, reports: Sequence[tuple[str, str, tuple[UsageMark, ...]]]) -> None:
        """Write the marks of attempts so far, as (attempt id, run id, marks); replaces their
        earlier reports.
        """
        ...

    def of_run(self, run_id: str, limit: int) -> dict[str, tuple[UsageMark, ...]]:
        """The marks by attempt id, of the first ``limit`` attempts that have some."""
        ...


class LastPageStore(Protocol):
    """The last pages of attempts. ``domain.runs.last_pages`` stores their files."""

    def add(self, attempt_id: str, run_id: str, page: LastPage, now: int) -> None:
        """Store the page of an attempt that ends ``now``."""
        ...

    def of_run(self, run_id: str) -> dict[str, LastPage]:
        """The pages by attempt id, in order of the ids."""
        ...

    def count(self, run_id: str) -> int: ...
    def stored_before(self, before: int, limit: int) -> list[str]:
        """The attempts whose pages were stored before a time, the oldest first."""
        ...

    def remove(self, attempt_ids: Sequence[str]) -> None: ...


class ShareStore(Protocol):
    """Share links: they show one run to people without an account."""

    def add(self, share: Share) -> None: ...
    def get(self, share_id: str) -> Share | None: ...
    def of_run(self, run_id: str) -> list[Share]:
        """The share links of a run, newest first."""
        ...

    def revoke(self, share_id: str, at: int) -> bool:
        """Revoke a link; False when it was already revoked."""
        ...
