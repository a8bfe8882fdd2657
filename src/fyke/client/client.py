"""The client: one method for each operation of the server."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Self

from fyke import wire
from fyke.client import models
from fyke.client.connection import Connection, segment
from fyke.client.errors import ApiError
from fyke.client.nodes import NodeCalls
from fyke.client.publishing import PublishingCalls
from fyke.client.secrets import SecretCalls
from fyke.client.tasks import TaskCalls
from fyke.client.users import UserCalls
from fyke.kit.typed import convert

if TYPE_CHECKING:
    import httpx2
    from msgspec import Raw

    from fyke.wire.fields import Request

SYNC_SECONDS = 300.0
WALK_PAGE = 1000
QUEUE = "/api/v2/run-queue/items"


class FykeClient(TaskCalls, UserCalls, SecretCalls, NodeCalls, PublishingCalls):
    """A synchronous, thread-safe client of one server. ``timeout``: seconds for each request.

    Every method raises ``ApiError`` for an error answer and ``Unreachable`` without an answer. It
    is a context manager.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        timeout: float = 30,
        *,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._wire = Connection(base_url, key, timeout, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    # --- the server ------------------------------------------------------------------------

    def ready(self) -> bool:
        """Whether the storage answers, a runner is alive, and every process reports."""
        return not self.not_ready()

    def not_ready(self) -> str:
        """Why the server is not ready, ``""`` if it is."""
        try:
            self._wire.call("GET", "/readyz")
        except ApiError as error:
            if error.status == 503:
                return error.message.partition(": ")[2] or error.message
            raise
        return ""

    def health(self) -> list[wire.fyke.overview.HealthCheckItem]:
        """All checks of the installation, for its operator."""
        return self._wire.get("/api/fyke/health", wire.fyke.overview.HealthReport).items

    def version(self) -> str:
        """The server's version."""
        return self._wire.get("/version", wire.health.ProductVersion).version

    # --- catalog ---------------------------------------------------------------------------

    def search(self, text: str, limit: int = 10, *, browser: str = "") -> list[wire.v1.StoreWorker]:
        """``browser``: ``with`` or ``without``; empty: all."""
        if browser:
            query = {"search": text, "page_size": limit, "browser": browser}
            found = self._wire.get("/api/fyke/catalog", wire.fyke.workers.CatalogList, query)
            return [
                wire.v1.StoreWorker(
                    item.slug,
                    item.title,
                    item.description,
                    item.path,
                    name=item.path.rpartition("/")[2],
                    username=item.path.partition("/")[0],
                )
                for item in found.items
            ]
        query = {"search": text, "limit": limit}
        return self._wire.get("/api/store", wire.v1.Store, query).scraper

    def worker(self, ref: str) -> wire.v1.WorkerDetail:
        return self._wire.get("/api/scraper", wire.v1.WorkerDetail, {"slug": ref})

    def regions(self) -> list[wire.v1.Region]:
        return self._wire.get("/api/proxy/region", wire.v1.Regions).items

    # --- runs ------------------------------------------------------------------------------

    def start(self, request: models.RunRequest) -> str:
        """Start a run; return its slug."""
        return self._start("/api/v1/scraper/run", request.body())

    def start_and_wait(
        self, request: models.RunRequest, page_index: int = 1, page_size: int = 10
    ) -> wire.v1.SyncResult:
        """Start a run and wait for its end, at most five minutes."""
        return self._wire.post(
            "/api/v1/scraper/run",
            wire.v1.SyncResult,
            request.body(is_async=False, page_index=page_index, page_size=page_size),
            extra_seconds=SYNC_SECONDS,
        )

    def rerun(self, run: str, callback_url: str = "") -> str:
        return self._start("/api/v1/rerun", wire.v1.Rerun(run, callback_url))

    def run(self, run: str) -> wire.v1.RunDetail:
        return self._wire.post("/api/v1/run/detail", wire.v1.RunDetail, wire.v1.RunRef(run))

    def runs(
        self, *, status: int = 0, worker: str = "", page_index: int = 1, page_size: int = 20
    ) -> wire.v1.RunPage:
        body = wire.v1.RunList(page_index, page_size, status, worker)
        return self._wire.post("/api/v1/run/list", wire.v1.RunPage, body)

    def search_runs(
        self,
        *,
        reason: str = "",
        state: str = "",
        worker: str = "",
        page_index: int = 1,
        page_size: int = 20,
    ) -> wire.fyke.run_lists.RunItemPage:
        """Runs, newest first. ``reason``: codes of why they ended, separated by commas."""
        query = {"reason": reason, "state": state, "worker": worker}
        pages = {"page_index": str(page_index), "page_size": str(page_size)}
        return self._wire.get("/api/fyke/runs", wire.fyke.run_lists.RunItemPage, query | pages)

    def abort(self, run: str) -> None:
        self._wire.post("/api/v1/scraper/abort", type(None), wire.v1.RunRef(run))

    def wait(self, run: str, seconds: float, pause: float = 0.25) -> wire.v1.RunDetail:
        """Poll until the run has ended. Raises ``TimeoutError`` after ``seconds``."""
        deadline = time.monotonic() + seconds
        while True:
            detail = self.run(run)
            if detail.ended:
                return detail
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError(f"run {run} is still {detail.status_name} after {seconds:g} s")
            time.sleep(min(pause, remaining))

    def log(self, run: str) -> wire.v1.LogTail:
        return self._wire.post("/api/v1/run/last/log", wire.v1.LogTail, wire.v1.RunRef(run))

    def delete_run(self, run: str) -> None:
        """Delete a finished run with its rows and logs."""
        self._wire.call("DELETE", f"/api/fyke/runs/{segment(run)}")

    def events(self, run: str) -> list[wire.fyke.runs.RunEventItem]:
        return self._wire.get(
            f"/api/fyke/runs/{segment(run)}/events", wire.fyke.runs.RunEventList
        ).items

    def run_usage(self, run: str) -> wire.fyke.runs.RunUsageReport:
        """What a run has used so far, and its cost by item."""
        return self._wire.get(f"/api/fyke/runs/{segment(run)}/usage", wire.fyke.runs.RunUsageReport)

    def sites(self, run: str) -> wire.fyke.runs.SiteList:
        """The sites that the run has connected to."""
        return self._wire.get(f"/api/fyke/runs/{segment(run)}/sites", wire.fyke.runs.SiteList)

    def browser(self, run: str) -> wire.fyke.run_browser.RunBrowserReport:
        """What the browsers of the run did."""
        return self._wire.get(
            f"/api/fyke/runs/{segment(run)}/browser", wire.fyke.run_browser.RunBrowserReport
        )

    def page_file(self, run: str, attempt: str, kind: str) -> bytes:
        """A file of the last page of an attempt."""
        at = f"/api/fyke/runs/{segment(run)}/browser/files/{segment(attempt)}/{segment(kind)}"
        return self._wire.file(at)

    def browser_picture(self, run: str, subtask: int = 0) -> bytes:
        """A JPEG of the page that the browser of a running run shows; ``subtask`` counts from 1,
        and 0 stands for the attempt that started last.
        """
        path = f"/api/fyke/runs/{segment(run)}/browser/picture?subtask={subtask}"
        return self._wire.file(path)

    def waiting(self, run: str) -> wire.fyke.runs.WaitingRun:
        """Why the run has not started."""
        return self._wire.get(f"/api/fyke/runs/{segment(run)}/waiting", wire.fyke.runs.WaitingRun)

    def waiting_runs(self) -> list[wire.fyke.runs.WaitingRun]:
        """The newest runs that have not started."""
        return self._wire.get("/api/fyke/waiting-runs", wire.fyke.runs.WaitingRunList).items

    def hold(self, request: models.RunRequest) -> str:
        """Put a start into the run queue; return its reference."""
        path = f"/api/v2/workers/{_worker_segment(request.worker)}/queued-runs"
        body = wire.v2.fields.StartWorker(
            input=request.input(), version=request.version, callback_url=request.callback_url
        )
        return self._wire.post(path, wire.v2.queue.QueuedRun, body).queue_ref

    def queue(self, *, status: str = "", page: int = 1, size: int = 20) -> wire.v2.queue.QueuePage:
        query = {"status": status, "offset": page, "limit": size}
        return self._wire.get(QUEUE, wire.v2.queue.QueuePage, query)

    def activate(self, refs: Sequence[str]) -> list[wire.v2.queue.QueueResult]:
        """Start waiting items; a result for each."""
        body = wire.v2.queue.QueueActivation([*refs])
        return self._wire.post(f"{QUEUE}/activate", wire.v2.queue.QueueResults, body).results

    def release(self, refs: Sequence[str], reason: str = "") -> list[wire.v2.queue.QueueResult]:
        """Remove waiting items permanently, without starting them; a result for each."""
        body = wire.v2.queue.QueueRelease([*refs], reason)
        return self._wire.post(f"{QUEUE}/release", wire.v2.queue.QueueResults, body).results

    def log_after(
        self, run: str, position: int = 0, limit: int = 1000
    ) -> list[wire.fyke.run_logs.LogItem]:
        """Entries of the log after ``position``, in order; empty when there are none yet."""
        query = {"after": str(position), "limit": str(limit)}
        return self._wire.get(
            f"/api/fyke/runs/{segment(run)}/log", wire.fyke.run_logs.LogPart, query
        ).items

    def deliveries(self, run: str) -> list[wire.fyke.callbacks.DeliveryItem]:
        return self._wire.get(
            f"/api/fyke/runs/{segment(run)}/deliveries", wire.fyke.callbacks.DeliveryList
        ).items

    # --- callbacks -------------------------------------------------------------------------

    def account_deliveries(
        self, *, state: str = "", host: str = "", page: int = 1, page_size: int = 20
    ) -> list[wire.fyke.callbacks.DeliveryItem]:
        """One page of the callbacks of the account, newest first."""
        query = {"state": state, "host": host, "page_index": page, "page_size": page_size}
        return self._wire.get("/api/fyke/deliveries", wire.fyke.callbacks.DeliveryPage, query).items

    def replay_delivery(self, delivery: str) -> wire.fyke.callbacks.DeliveryItem:
        path = f"/api/fyke/deliveries/{segment(delivery)}/replay"
        return self._wire.post(path, wire.fyke.callbacks.DeliveryItem, {})

    def receivers(self) -> list[wire.fyke.callbacks.ReceiverItem]:
        return self._wire.get("/api/fyke/receivers", wire.fyke.callbacks.ReceiverList).items

    def enable_receiver(self, receiver: str) -> wire.fyke.callbacks.ReceiverItem:
        body = wire.fyke.callbacks.ReceiverName(receiver)
        return self._wire.post("/api/fyke/receivers/enable", wire.fyke.callbacks.ReceiverItem, body)

    # --- results ---------------------------------------------------------------------------

    def run_summary(self, run: str) -> wire.fyke.runs.RunSummary:
        """The state of a run, or how it ended, with the number of ``hidden`` rows."""
        return self._wire.get(f"/api/fyke/runs/{segment(run)}", wire.fyke.runs.RunSummary)

    def results(
        self, run: str, page_index: int = 1, page_size: int = 10, *, failed_rows: bool = False
    ) -> wire.rows.ResultPage:
        """A page of rows; ``failed_rows`` includes the hidden ones."""
        body = wire.v1.ResultList(
            run_slug=run, page_index=page_index, page_size=page_size, failed_rows=failed_rows
        )
        return self._wire.post("/api/v1/run/result/list", wire.rows.ResultPage, body)

    def walk_results(self, run: str, *, failed_rows: bool = False) -> Iterator[Raw]:
        """The JSON text of all rows, requested in pages."""
        page_index = 1
        while True:
            page = self.results(run, page_index, WALK_PAGE, failed_rows=failed_rows)
            yield from page.items
            if len(page.items) < WALK_PAGE:
                return
            page_index += 1

    def export(
        self,
        run: str,
        format: str = "csv",
        keys: Sequence[str] = (),
        *,
        safe: bool = False,
        bom: bool = False,
        failed_rows: bool = False,
    ) -> str:
        """A temporary link to the file; see ``download``."""
        body = wire.v1.Export(
            run_slug=run,
            format=format,
            filter_keys=[*keys],
            safe=safe,
            bom=bom,
            failed_rows=failed_rows,
        )
        return self._wire.post("/api/v1/run/result/export", wire.rows.Download, body).download_url

    def download(self, url: str, file: IO[bytes]) -> int:
        """Write the content of a link to ``file``; return the number of bytes. After an error the
        file is incomplete.
        """
        return self._wire.download(url, file)

    # --- workers -------------------------------------------------------------------------

    def push_worker(
        self,
        archive: bytes,
        *,
        name: str,
        title: str = "",
        description: str | None = None,
        public: bool | None = None,
    ) -> wire.fyke.uploads.PublishedUpload:
        """Publish a ZIP as the next version of a worker.

        ``name``: ``owner/name``, or a name in the caller's account. Creates a missing worker.
        Omitted arguments leave its page as it is.
        """
        ref = name if "/" in name or "~" in name else f"{self.account().name}~{name}"
        form: dict[str, str] = {"title": title}
        if description is not None:
            form["description"] = description
        if public is not None:
            form["public"] = "true" if public else "false"
        data = self._wire.post_form(
            f"/api/v2/workers/{_worker_segment(ref)}/versions",
            form,
            {"scraper_file": ("worker.zip", archive, "application/zip")},
        )
        path = str(data["path"]).replace("~", "/")
        return convert(data | {"path": path}, wire.fyke.uploads.PublishedUpload)

    def own_workers(self) -> list[wire.fyke.workers.OwnWorker]:
        return self._wire.get("/api/fyke/workers", wire.fyke.workers.OwnWorkerList).items

    def versions(self, ref: str) -> list[wire.fyke.versions.VersionEntryItem]:
        """Newest first."""
        return self._wire.get(f"{_worker_path(ref)}/versions", wire.fyke.versions.VersionList).items

    def environment(self, ref: str, version: str) -> wire.fyke.versions.EnvironmentItem | None:
        """Whether its dependencies are installed; None when a run installs them."""
        path = f"{_worker_path(ref)}/versions/{segment(version)}/environment"
        return self._wire.get(path, wire.fyke.versions.EnvironmentAnswer).environment

    def withdraw(self, ref: str, version: str) -> wire.fyke.versions.VersionItem:
        """Withdraw a version."""
        path = f"{_worker_path(ref)}/versions/{segment(version)}/withdraw"
        return self._wire.post(
            path, wire.fyke.versions.VersionItem, wire.fyke.versions.VersionNotice()
        )

    def restore(self, ref: str, version: str) -> wire.fyke.versions.VersionItem:
        """Make a withdrawn version available again."""
        path = f"{_worker_path(ref)}/versions/{segment(version)}/restore"
        return self._wire.post(path, wire.fyke.versions.VersionItem, {})

    def delete_worker(self, ref: str) -> int:
        """Delete a worker; return how many of its waiting runs have failed because of it."""
        return self._wire.delete(_worker_path(ref), wire.fyke.workers.DeletedWorker).ended_runs

    def estimate(
        self, ref: str, version: str = "", subtasks: int = 0, **system: object
    ) -> wire.fyke.estimates.EstimateReport:
        """The probable usage and cost of a run; ``system`` as in an input."""
        query = {"version": version, "subtasks": subtasks, **system}
        return self._wire.get(
            f"{_worker_path(ref)}/estimate", wire.fyke.estimates.EstimateReport, query
        )

    # --- accounts and keys -----------------------------------------------------------------

    def account_info(self) -> wire.v1.AccountInfo:
        return self._wire.post("/api/v1/account/info", wire.v1.AccountInfo, {})

    def account(self) -> wire.fyke.accounts.OwnAccount:
        """The caller's account, with the secret that signs its callbacks."""
        return self._wire.get("/api/fyke/account", wire.fyke.accounts.OwnAccount)

    def accounts(self) -> list[wire.fyke.accounts.AccountItem]:
        return self._wire.get("/api/fyke/accounts", wire.fyke.accounts.AccountList).items

    def create_account(self, name: str) -> wire.fyke.accounts.CreatedAccount:
        return self._wire.post(
            "/api/fyke/accounts",
            wire.fyke.accounts.CreatedAccount,
            wire.fyke.accounts.AccountToCreate(name),
        )

    def credit(
        self, account: str, usd: Decimal | str = "0", traffic_mb: Decimal | str = "0"
    ) -> wire.fyke.accounts.AccountItem:
        path = f"/api/fyke/accounts/{segment(account)}/credit"
        return self._wire.post(
            path,
            wire.fyke.accounts.AccountItem,
            wire.fyke.accounts.Credit(str(usd), str(traffic_mb)),
        )

    def change_plan(self, account: str, plan: str) -> wire.fyke.accounts.AccountItem:
        path = f"/api/fyke/accounts/{segment(account)}/plan"
        return self._wire.put(
            path, wire.fyke.accounts.AccountItem, wire.fyke.accounts.PlanChange(plan)
        )

    def caps(self) -> wire.fyke.caps.CapsReport:
        return self._wire.get("/api/fyke/account/caps", wire.fyke.caps.CapsReport)

    def change_caps(
        self, run_cap: str | None = None, month_cap: str | None = None, account: str = ""
    ) -> wire.fyke.caps.CapsReport:
        """Caps in US dollars, "0" for no cap, None for unchanged; ``account``: for the operator."""
        path = f"/api/fyke/accounts/{segment(account)}" if account else "/api/fyke/account"
        return self._wire.put(
            f"{path}/caps",
            wire.fyke.caps.CapsReport,
            wire.fyke.caps.CapsToChange(run_cap, month_cap),
        )

    def create_key(
        self,
        name: str,
        *,
        account: str = "",
        expires_at: int = 0,
        rate_limit: int = 0,
        scopes: Sequence[str] = (),
    ) -> wire.fyke.accounts.CreatedKey:
        """``scopes``: some of read, run, write, admin; empty for all."""
        body = wire.fyke.accounts.KeyToCreate(name, account, expires_at, rate_limit, list(scopes))
        return self._wire.post("/api/fyke/keys", wire.fyke.accounts.CreatedKey, body)

    def list_keys(self, account: str = "") -> list[wire.fyke.accounts.KeyItem]:
        query = {"account": account} if account else {}
        return self._wire.get("/api/fyke/keys", wire.fyke.accounts.KeyItems, query).items

    def revoke_key(self, id_or_name: str, account: str = "") -> None:
        query = {"account": account} if account else {}
        self._wire.delete(f"/api/fyke/keys/{segment(id_or_name)}", type(None), query)

    def runners(self) -> list[wire.fyke.overview.RunnerItem]:
        """The runners that are alive, for the operator."""
        return self._wire.get("/api/fyke/runners", wire.fyke.overview.RunnerList).items

    # --- helpers ---------------------------------------------------------------------------

    def _start(self, path: str, body: Request) -> str:
        return self._wire.post(path, wire.v1.RunStarted, body).run_slug


def _worker_path(ref: str) -> str:
    return f"/api/fyke/workers/{_worker_segment(ref)}"


def _worker_segment(ref: str) -> str:
    """A worker's reference as one segment of a path, ``owner/name`` as ``owner~name``."""
    return segment(ref.replace("/", "~"))
