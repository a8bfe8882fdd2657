"""One run: its state, events, subtasks, usage, sites and share links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import delete, get, post
from fyke.domain.results.service import RunResults
from fyke.domain.runs.browser_reports import RunBrowsers
from fyke.domain.runs.endings import RunEndings
from fyke.domain.runs.input_secrets import InputSecretFinder
from fyke.domain.runs.progress import RunProgress
from fyke.domain.runs.service import Runs
from fyke.domain.runs.sharing import Shares
from fyke.domain.runs.sites import RunSites
from fyke.domain.runs.subtask_reader import SubtaskReader
from fyke.domain.runs.usage import RunUsages
from fyke.domain.runs.waiting import WaitReasons
from fyke.errors import NotFound, Refused, RunNotFound
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.fyke import runs as wire
from fyke.wire.fyke.run_browser import RunBrowserReport
from fyke.wire.v1 import RunSlug

RUN = "/api/fyke/runs/{slug}"


@dataclass(frozen=True, slots=True)
class RunRoutes:
    tag: ClassVar[str] = "Runs"

    runs: Runs
    endings: RunEndings
    results: RunResults
    waiting: WaitReasons
    usages: RunUsages
    subtasks: SubtaskReader
    sites: RunSites
    browsers: RunBrowsers
    input_secrets: InputSecretFinder
    progress: RunProgress

    @get(RUN, scope=Scope.READ, errors=(RunNotFound,))
    async def get_run_summary(self, call: Call, slug: RunSlug) -> wire.RunSummary:
        """The state of a run, or how it ended, with the cause and the next step."""
        view = await self.runs.get(call.caller, slug)
        hidden = await self.results.hidden_count(call.caller, slug)
        nodes = await self.subtasks.nodes(call.caller, slug)
        progress = await self.progress.of(view.run, view.results)
        return wire.RunSummary.of(view, await self.endings.of(view), hidden, nodes, progress)

    @delete(RUN, scope=Scope.WRITE, errors=(RunNotFound, Refused))
    async def delete_run(self, call: Call, slug: RunSlug) -> None:
        """Delete a finished run with its rows and logs.

        Its ledger entries stay.
        """
        await self.runs.delete(call.caller, slug)

    @get(f"{RUN}/events", scope=Scope.READ, errors=(RunNotFound,))
    async def list_run_events(self, call: Call, slug: RunSlug) -> wire.RunEventList:
        """The events of a run, in order."""
        events = await self.runs.events(call.caller, slug)
        return wire.RunEventList([wire.RunEventItem.of(event) for event in events])

    @get(f"{RUN}/waiting", scope=Scope.READ, errors=(RunNotFound,))
    async def explain_waiting_run(self, call: Call, slug: RunSlug) -> wire.WaitingRun:
        """Why a run has not started.

        `code` is empty when it does not wait.
        """
        return wire.WaitingRun.of(await self.waiting.reason(call.caller, slug))

    @get("/api/fyke/waiting-runs", scope=Scope.READ)
    async def list_waiting_runs(self, call: Call) -> wire.WaitingRunList:
        """Runs that have not started, newest first, each with the reason.

        At most 100.
        """
        waits = await self.waiting.reasons(call.caller)
        return wire.WaitingRunList([wire.WaitingRun.of(wait) for wait in waits])

    @get(f"{RUN}/usage", scope=Scope.READ, errors=(RunNotFound,))
    async def get_run_usage(self, call: Call, slug: RunSlug) -> wire.RunUsageReport:
        """The usage of a run over time, and its cost by item.

        At most 300 samples; a run of less than two seconds has none.
        """
        return wire.RunUsageReport.of(await self.usages.of_run(call.caller, slug))

    @get(f"{RUN}/subtasks", scope=Scope.READ, errors=(RunNotFound,))
    async def list_run_subtasks(
        self, call: Call, slug: RunSlug, query: wire.SubtaskQuery
    ) -> wire.SubtaskPage:
        """The subtasks of a run with their input, outcome and attempts."""
        count, subtasks = await self.subtasks.page(
            call.caller, slug, offset=query.offset, limit=query.limit
        )
        if query.safe_input:
            secrets = await self.input_secrets.of_run(call.caller, slug)
            subtasks = await self.input_secrets.subtasks(call.caller, subtasks, secrets)
        return wire.SubtaskPage(count, [wire.SubtaskItem.of(view) for view in subtasks])

    @get(f"{RUN}/sites", scope=Scope.READ, errors=(RunNotFound,))
    async def list_run_sites(self, call: Call, slug: RunSlug) -> wire.SiteList:
        """The sites that a run has connected to, and those that were refused.

        Ordered by traffic. During the run, the figures are a few seconds old. `(other)` is the sum
        of the sites beyond 200.
        """
        return wire.SiteList.of(await self.sites.of_run(call.caller, slug))

    @get(f"{RUN}/browser", scope=Scope.READ, errors=(RunNotFound,))
    async def get_run_browser(self, call: Call, slug: RunSlug) -> RunBrowserReport:
        """What the browsers of a run did: requests by type and status, console messages, pages.

        Fyke counts what the client of the Worker lets Chromium report; Playwright and Puppeteer
        let it report everything. During the run, the figures are a few seconds old.
        """
        return RunBrowserReport.of(await self.browsers.of_run(call.caller, slug))


@dataclass(frozen=True, slots=True)
class ShareRoutes:
    tag: ClassVar[str] = "Runs"

    shares: Shares

    # a link gives access to the run, so viewers do not see it, nor does a key that may not read
    @get(f"{RUN}/shares", scope=frozenset({Scope.READ, Scope.WRITE}), errors=(RunNotFound,))
    async def list_run_shares(self, call: Call, slug: RunSlug) -> wire.ShareList:
        """The share links of a run."""
        shares = await self.shares.of_run(call.caller, slug)
        origin = call.visit.origin
        return wire.ShareList([wire.ShareItem.of(share, token, origin) for share, token in shares])

    @post(f"{RUN}/shares", scope=Scope.WRITE, errors=(RunNotFound, Refused))
    async def share_run(
        self, call: Call, slug: RunSlug, body: wire.ShareToCreate
    ) -> wire.ShareItem:
        """Create a share link of a run.

        It shows only this run, without a key. With `rows` or `log` this also needs the scope
        `read`.
        """
        share, token = await self.shares.create(
            call.caller, slug, days=body.days, rows=body.rows, log=body.log
        )
        return wire.ShareItem.of(share, token, call.visit.origin)

    @delete("/api/fyke/shares/{id}", scope=Scope.WRITE, errors=(NotFound,))
    async def revoke_share(self, call: Call, id: Name) -> None:
        """Revoke a share link."""
        await self.shares.revoke(call.caller, id)
