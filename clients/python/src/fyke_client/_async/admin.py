"""The client of the command line: also accounts, keys, users, nodes, callbacks and the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from fyke_client import types
from fyke_client._async.client import AsyncFyke
from fyke_client._async.mail import AsyncMailCalls
from fyke_client._async.nodes import AsyncNodeCalls
from fyke_client._async.publishing import AsyncPublishingCalls
from fyke_client._async.runs import run_input
from fyke_client._async.secrets import AsyncSecretCalls
from fyke_client._async.users import AsyncUserCalls
from fyke_client._async.webhooks import AsyncWebhookCalls
from fyke_client._requests import (
    json_request,
    new_idempotency_key,
    segment,
    worker_path,
    worker_segment,
)

QUEUE = "/api/v2/run-queue/items"
ALLOWED = "/api/fyke/installation/callback-allow"


class AsyncFykeAdmin(
    AsyncFyke,
    AsyncUserCalls,
    AsyncSecretCalls,
    AsyncNodeCalls,
    AsyncPublishingCalls,
    AsyncWebhookCalls,
    AsyncMailCalls,
):
    """``AsyncFyke`` with what administrators and the command line need besides."""

    # --- one run ------------------------------------------------------------------------

    async def run_usage(self, run: str) -> types.fyke.runs.RunUsageReport:
        """What a run has used so far, and its cost by item."""
        return await self._connection.get(
            f"/api/fyke/runs/{segment(run)}/usage", types.fyke.runs.RunUsageReport
        )

    async def sites(self, run: str) -> types.fyke.runs.SiteList:
        """The sites that the run has connected to."""
        return await self._connection.get(
            f"/api/fyke/runs/{segment(run)}/sites", types.fyke.runs.SiteList
        )

    async def browser(self, run: str) -> types.fyke.run_browser.RunBrowserReport:
        """What the browsers of the run did."""
        return await self._connection.get(
            f"/api/fyke/runs/{segment(run)}/browser", types.fyke.run_browser.RunBrowserReport
        )

    async def page_file(self, run: str, attempt: str, kind: str) -> bytes:
        """A file of the last page of an attempt."""
        at = f"/api/fyke/runs/{segment(run)}/browser/files/{segment(attempt)}/{segment(kind)}"
        return await self._connection.file(at)

    async def browser_picture(self, run: str, subtask: int = 0) -> bytes:
        """A JPEG of the page that the browser of a running run shows; ``subtask`` counts from 1,
        and 0 stands for the attempt that started last.
        """
        path = f"/api/fyke/runs/{segment(run)}/browser/picture?subtask={subtask}"
        return await self._connection.file(path)

    # --- runs that wait -----------------------------------------------------------------

    async def waiting(self, run: str) -> types.fyke.runs.WaitingRun:
        """Why the run has not started."""
        return await self._connection.get(
            f"/api/fyke/runs/{segment(run)}/waiting", types.fyke.runs.WaitingRun
        )

    async def waiting_runs(self) -> list[types.fyke.runs.WaitingRun]:
        """The newest runs that have not started."""
        return (
            await self._connection.get("/api/fyke/waiting-runs", types.fyke.runs.WaitingRunList)
        ).items

    async def hold(
        self,
        worker: str,
        input: Mapping[str, Any] | None = None,
        *,
        system: Mapping[str, Any] | None = None,
        version: str = "",
        callback_url: str = "",
        idempotency_key: str = "",
    ) -> str:
        """Put a start into the run queue; return its reference."""
        body = types.v2.fields.StartWorker(
            input=run_input(input, system), version=version, callback_url=callback_url
        )
        request = json_request(
            "POST",
            f"/api/v2/workers/{worker_segment(worker)}/queued-runs",
            body,
            idempotency_key=idempotency_key or new_idempotency_key(),
        )
        return (await self._connection.answer(request, types.v2.queue.QueuedRun)).queue_ref

    async def queue(
        self, *, status: str = "", page: int = 1, size: int = 20
    ) -> types.v2.queue.QueuePage:
        query = {"status": status, "offset": page, "limit": size}
        return await self._connection.get(QUEUE, types.v2.queue.QueuePage, query)

    async def activate(self, refs: Sequence[str]) -> list[types.v2.queue.QueueResult]:
        """Start waiting items; a result for each."""
        body = types.v2.queue.QueueActivation([*refs])
        return (
            await self._connection.post(f"{QUEUE}/activate", types.v2.queue.QueueResults, body)
        ).results

    async def release(
        self, refs: Sequence[str], reason: str = ""
    ) -> list[types.v2.queue.QueueResult]:
        """Remove waiting items permanently, without starting them; a result for each."""
        body = types.v2.queue.QueueRelease([*refs], reason)
        return (
            await self._connection.post(f"{QUEUE}/release", types.v2.queue.QueueResults, body)
        ).results

    # --- callbacks ----------------------------------------------------------------------

    async def deliveries(self, run: str) -> list[types.fyke.callbacks.DeliveryItem]:
        return (
            await self._connection.get(
                f"/api/fyke/runs/{segment(run)}/deliveries", types.fyke.callbacks.DeliveryList
            )
        ).items

    async def account_deliveries(
        self, *, state: str = "", host: str = "", page: int = 1, page_size: int = 20
    ) -> list[types.fyke.callbacks.DeliveryItem]:
        """One page of the callbacks of the account, newest first."""
        query = {"state": state, "host": host, "page_index": page, "page_size": page_size}
        return (
            await self._connection.get(
                "/api/fyke/deliveries", types.fyke.callbacks.DeliveryPage, query
            )
        ).items

    async def replay_delivery(self, delivery: str) -> types.fyke.callbacks.DeliveryItem:
        path = f"/api/fyke/deliveries/{segment(delivery)}/replay"
        return await self._connection.post(path, types.fyke.callbacks.DeliveryItem, {})

    async def receivers(self) -> list[types.fyke.callbacks.ReceiverItem]:
        return (
            await self._connection.get("/api/fyke/receivers", types.fyke.callbacks.ReceiverList)
        ).items

    async def enable_receiver(self, receiver: str) -> types.fyke.callbacks.ReceiverItem:
        body = types.fyke.callbacks.ReceiverName(receiver)
        return await self._connection.post(
            "/api/fyke/receivers/enable", types.fyke.callbacks.ReceiverItem, body
        )

    async def allowed_receivers(self) -> types.fyke.installation.AllowedReceiverList:
        """Private addresses to which callbacks are allowed, for the operator."""
        return await self._connection.get(ALLOWED, types.fyke.installation.AllowedReceiverList)

    async def preview_receiver(self, entry: str) -> types.fyke.installation.AllowedReceiverPreview:
        """What ``allow_receiver`` would change."""
        return await self._connection.get(
            f"{ALLOWED}/preview", types.fyke.installation.AllowedReceiverPreview, {"entry": entry}
        )

    async def allow_receiver(self, entry: str) -> types.fyke.installation.AllowedReceiverList:
        """Allow callbacks to ``host:port`` or ``network:port``."""
        body = types.fyke.installation.AllowedEntry(entry)
        return await self._connection.post(
            ALLOWED, types.fyke.installation.AllowedReceiverList, body
        )

    async def disallow_receiver(self, entry: str) -> types.fyke.installation.AllowedReceiverList:
        """Take back what ``allow_receiver`` has allowed."""
        body = types.fyke.installation.AllowedEntry(entry)
        return await self._connection.post(
            f"{ALLOWED}/remove", types.fyke.installation.AllowedReceiverList, body
        )

    # --- versions of workers ------------------------------------------------------------

    async def environment(
        self, ref: str, version: str
    ) -> types.fyke.versions.EnvironmentItem | None:
        """Whether its dependencies are installed; None when a run installs them."""
        path = f"{worker_path(ref)}/versions/{segment(version)}/environment"
        return (await self._connection.get(path, types.fyke.versions.EnvironmentAnswer)).environment

    async def preview_promotion(
        self, ref: str, version: str
    ) -> types.fyke.changes.PromotionPreview:
        """What would change if the version became the current one."""
        path = f"{worker_path(ref)}/versions/{segment(version)}/promotion"
        return await self._connection.get(path, types.fyke.changes.PromotionPreview)

    async def promote(self, ref: str, version: str) -> types.fyke.versions.VersionItem:
        """Let runs that name no version use this one."""
        path = f"{worker_path(ref)}/versions/{segment(version)}/promote"
        return await self._connection.post(path, types.fyke.versions.VersionItem, {})

    async def tag(self, ref: str, version: str, tag: str) -> types.fyke.versions.VersionItem:
        """Give a version a tag, which another one loses."""
        path = f"{worker_path(ref)}/versions/{segment(version)}/tag"
        body = types.fyke.versions.VersionTag(tag)
        return await self._connection.post(path, types.fyke.versions.VersionItem, body)

    async def untag(self, ref: str, tag: str) -> None:
        """Remove a tag."""
        body = types.fyke.versions.VersionTag(tag)
        await self._connection.post(f"{worker_path(ref)}/untag", type(None), body)

    async def withdraw(self, ref: str, version: str) -> types.fyke.versions.VersionItem:
        """Withdraw a version."""
        path = f"{worker_path(ref)}/versions/{segment(version)}/withdraw"
        return await self._connection.post(
            path, types.fyke.versions.VersionItem, types.fyke.versions.VersionNotice()
        )

    async def restore(self, ref: str, version: str) -> types.fyke.versions.VersionItem:
        """Make a withdrawn version available again."""
        path = f"{worker_path(ref)}/versions/{segment(version)}/restore"
        return await self._connection.post(path, types.fyke.versions.VersionItem, {})

    # --- accounts and keys --------------------------------------------------------------

    async def accounts(self) -> list[types.fyke.accounts.AccountItem]:
        return (
            await self._connection.get("/api/fyke/accounts", types.fyke.accounts.AccountList)
        ).items

    async def create_account(self, name: str) -> types.fyke.accounts.CreatedAccount:
        return await self._connection.post(
            "/api/fyke/accounts",
            types.fyke.accounts.CreatedAccount,
            types.fyke.accounts.AccountToCreate(name),
        )

    async def credit(
        self, account: str, usd: Decimal | str = "0", traffic_mb: Decimal | str = "0"
    ) -> types.fyke.accounts.AccountItem:
        path = f"/api/fyke/accounts/{segment(account)}/credit"
        return await self._connection.post(
            path,
            types.fyke.accounts.AccountItem,
            types.fyke.accounts.Credit(str(usd), str(traffic_mb)),
        )

    async def change_plan(self, account: str, plan: str) -> types.fyke.accounts.AccountItem:
        path = f"/api/fyke/accounts/{segment(account)}/plan"
        return await self._connection.put(
            path, types.fyke.accounts.AccountItem, types.fyke.accounts.PlanChange(plan)
        )

    async def caps(self) -> types.fyke.caps.CapsReport:
        return await self._connection.get("/api/fyke/account/caps", types.fyke.caps.CapsReport)

    async def change_caps(
        self, run_cap: str | None = None, month_cap: str | None = None, account: str = ""
    ) -> types.fyke.caps.CapsReport:
        """Caps in US dollars, "0" for no cap, None for unchanged; ``account``: for the operator."""
        path = f"/api/fyke/accounts/{segment(account)}" if account else "/api/fyke/account"
        return await self._connection.put(
            f"{path}/caps",
            types.fyke.caps.CapsReport,
            types.fyke.caps.CapsToChange(run_cap, month_cap),
        )

    async def create_key(
        self,
        name: str,
        *,
        account: str = "",
        expires_at: int = 0,
        rate_limit: int = 0,
        scopes: Sequence[str] = (),
    ) -> types.fyke.accounts.CreatedKey:
        """``scopes``: some of read, run, write, admin; empty for all."""
        body = types.fyke.accounts.KeyToCreate(name, account, expires_at, rate_limit, list(scopes))
        return await self._connection.post("/api/fyke/keys", types.fyke.accounts.CreatedKey, body)

    async def list_keys(self, account: str = "") -> list[types.fyke.accounts.KeyItem]:
        query = {"account": account} if account else {}
        return (
            await self._connection.get("/api/fyke/keys", types.fyke.accounts.KeyItems, query)
        ).items

    async def revoke_key(self, id_or_name: str, account: str = "") -> None:
        query = {"account": account} if account else {}
        await self._connection.delete(f"/api/fyke/keys/{segment(id_or_name)}", type(None), query)

    # --- the installation ---------------------------------------------------------------

    async def runners(self) -> list[types.fyke.overview.RunnerItem]:
        """The runners that are alive, for the operator."""
        return (
            await self._connection.get("/api/fyke/runners", types.fyke.overview.RunnerList)
        ).items

    async def health(self) -> list[types.fyke.overview.HealthCheckItem]:
        """All checks of the installation, for its operator."""
        return (
            await self._connection.get("/api/fyke/health", types.fyke.overview.HealthReport)
        ).items
