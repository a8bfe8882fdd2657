"""Gathers what is known of one run, for an archive that explains it to others.

Everything is read in parts of limited size, and without the secrets in the input of the run. Those
that the account stores for the Worker were masked when its output was stored.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.logs.reading import LogReader
from fyke.domain.logs.service import RunLogs
from fyke.domain.results.service import RunResults
from fyke.domain.runs.browser_reports import BrowserPresence, RunBrowser, RunBrowsers
from fyke.domain.runs.endings import RunEnding, RunEndings
from fyke.domain.runs.hidden_input import InputSecrets
from fyke.domain.runs.input_secrets import InputSecretFinder
from fyke.domain.runs.last_pages import LastPages, NumberedPage, PageData
from fyke.domain.runs.service import Runs, RunView
from fyke.domain.runs.sites import RunSites, RunTraffic
from fyke.domain.runs.subtask_reader import SubtaskReader, SubtaskView
from fyke.domain.runs.usage import RunUsage, RunUsages
from fyke.domain.runs.waiting import WaitReason, WaitReasons
from fyke.domain.secrets.masking import Masker
from fyke.errors import NotFound, RateLimited
from fyke.model.account import Caller
from fyke.model.log import LogEntry
from fyke.model.run import MAX_LISTED_SUBTASKS, RunEvent
from fyke.model.worker import Version, VersionEnvironment

MAX_SUBTASKS = 1000  # that are read; as many as a run has by default at most
MAX_EVENTS = 2000  # the last ones
MAX_LOG_LINES = 10_000  # the last ones; the log of a run has at most 10 MiB
MAX_INSTALL_LINES = 500
RETRY_SECONDS = 5  # while another archive of the account is written


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is known of a run, apart from what is read in parts. ``browser`` is None when no attempt
    had one. ``version`` and ``environment`` are None when they were deleted. ``events`` are the
    last of ``event_count``.
    """

    view: RunView
    ending: RunEnding
    hidden_rows: int
    nodes: list[str]
    waits: WaitReason
    events: Sequence[RunEvent]
    event_count: int
    usage: RunUsage
    traffic: RunTraffic
    browser: RunBrowser | None
    version: Version | None
    environment: VersionEnvironment | None
    secrets: InputSecrets
    log_lines: int

    @property
    def run_id(self) -> str:
        return self.view.run.id

    @property
    def masker(self) -> Masker:
        return self.secrets.masker

    @property
    def last_page(self) -> NumberedPage | None:
        """The last page of the latest attempt that has one."""
        return next(iter(self.browser.pages), None) if self.browser else None


class Diagnoses:
    """Gathers what is known of runs; each account can read only its own."""

    def __init__(
        self,
        storage: Storage,
        *,
        inputs: InputSecretFinder,
        runs: Runs,
        endings: RunEndings,
        results: RunResults,
        waiting: WaitReasons,
        usages: RunUsages,
        sites: RunSites,
        browsers: RunBrowsers,
        pages: LastPages,
        subtasks: SubtaskReader,
        logs: RunLogs,
        log_pages: LogReader,
    ) -> None:
        self._storage = storage
        self._inputs = inputs
        self._runs = runs
        self._endings = endings
        self._results = results
        self._waiting = waiting
        self._usages = usages
        self._sites = sites
        self._browsers = browsers
        self._pages = pages
        self._subtasks = subtasks
        self._logs = logs
        self._log_pages = log_pages
        self._busy: set[str] = set()  # accounts for which an archive is written

    @contextmanager
    def turn(self, caller: Caller) -> Iterator[None]:
        """Taken while an archive is written, which needs time and memory. Raises ``RateLimited`` if
        one of the account is written.
        """
        if caller.account_id in self._busy:
            raise RateLimited(
                RETRY_SECONDS, "another diagnosis is written for this account; wait for its end"
            )
        self._busy.add(caller.account_id)
        try:
            yield
        finally:
            self._busy.discard(caller.account_id)

    async def of(self, caller: Caller, run_id: str) -> Diagnosis:
        """What is known of the caller's run. Raises ``RunNotFound``, also for another account's
        run.
        """
        view = await self._runs.get(caller, run_id)
        run = view.run

        def work(tx: Transaction) -> tuple[Version | None, VersionEnvironment | None]:
            version = tx.workers.version(own_run(tx, caller, run_id).worker_id, run.version)
            return version, tx.environments.get(version.id) if version else None

        version, environment = await self._storage.read(work)
        secrets = await self._inputs.of_input(caller, run.input_json, version)
        browser = await self._browsers.of_run(caller, run_id)
        events = await self._runs.events(caller, run_id)
        return Diagnosis(
            view=view,
            ending=await self._endings.of(view),
            hidden_rows=await self._results.hidden_count(caller, run_id),
            nodes=await self._subtasks.nodes(caller, run_id),
            waits=await self._waiting.reason(caller, run_id),
            events=events[-MAX_EVENTS:],
            event_count=len(events),
            usage=await self._usages.of_run(caller, run_id),
            traffic=await self._sites.of_run(caller, run_id),
            browser=None if browser.state is BrowserPresence.NONE else browser,
            version=version,
            environment=environment,
            secrets=secrets,
            log_lines=await self._log_pages.count_of(run_id),
        )

    async def input(self, caller: Caller, diagnosis: Diagnosis) -> bytes | None:
        """The input as JSON without its secrets; None if it is too large to hide them."""
        text = diagnosis.view.run.input_json
        return await self._inputs.input(caller, text, diagnosis.secrets)

    async def subtasks(
        self, caller: Caller, diagnosis: Diagnosis
    ) -> AsyncIterator[list[SubtaskView]]:
        """The first ``MAX_SUBTASKS`` subtasks in pages, with their inputs in one line."""
        count = min(diagnosis.view.run.subtasks, MAX_SUBTASKS)
        for offset in range(0, count, MAX_LISTED_SUBTASKS):
            limit = min(MAX_LISTED_SUBTASKS, count - offset)
            _, views = await self._subtasks.page(
                caller, diagnosis.run_id, offset=offset, limit=limit
            )
            yield await self._inputs.subtasks(views, diagnosis.secrets)

    async def log(self, diagnosis: Diagnosis) -> AsyncIterator[list[LogEntry]]:
        """The last ``MAX_LOG_LINES`` entries of the log in parts."""
        async for entries in self._logs.walk(
            diagnosis.run_id, max(0, diagnosis.log_lines - MAX_LOG_LINES)
        ):
            yield entries

    async def install_log(self, diagnosis: Diagnosis, number: str) -> list[LogEntry]:
        """The first lines of the subtask ``number``, whose dependencies could not be installed: its
        Worker has not run, so all are about that.
        """
        lines: list[LogEntry] = []
        async for entries in self._logs.walk(diagnosis.run_id):
            lines += (entry for entry in entries if entry.group == number)
            if len(lines) >= MAX_INSTALL_LINES:
                break
        return lines[:MAX_INSTALL_LINES]

    async def page_file(
        self, caller: Caller, diagnosis: Diagnosis, page: NumberedPage, kind: str
    ) -> PageData | None:
        """A file of a last page; None if it was removed meanwhile."""
        try:
            return await self._pages.file(caller, diagnosis.run_id, page.attempt_id, kind)
        except NotFound:
            return None
