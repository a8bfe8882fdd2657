"""One object of each kind that belongs to the owner, for requests by the owner and by others."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fyke.domain.accounts.keys import digest, generate
from fyke.domain.accounts.sessions import add_session
from fyke.domain.alerts.rules import RuleFields
from fyke.domain.webhooks.rules import EndpointFields
from fyke.domain.workers.submitting import take_back
from fyke.kit.ids import new_ulid
from fyke.model.account import ApiKey, Role, User
from fyke.model.audit import AuditAction
from fyke.model.last_page import LastPage, PageContent, PageFile, PageFileKind
from fyke.model.node_registry import Node, NodeToken
from fyke.model.runner import Lease
from fyke.model.submission import Submission, SubmissionState
from support.api import Api
from support.app import App
from support.heads import png
from support.matrix import INPUT, LISTS, TASK, Entry
from support.projects import python_project

ABSENT_ID = "01HFXXXXXXXXXXXXXXXXXXXXXX"
RECEIVER = "https://hooks.example:443"
HOOK = "http://127.0.0.1:1024/told"  # no server listens there
PLACE = re.compile(r"\{(\w+)(?::\w+)?\}")
# The name of an object that never existed, by kind; for other kinds it is ABSENT_ID.
ABSENT = {
    "worker_path": "owner~absent",
    "item": "7000000000",
    "account": "nobod",
    "key_name": "absent",
    "user": "absent",
    "receiver": "https://absen.example:443",
    "host": "absen.example",
    "line": "99",
    "secret": "ABSENT",
    "page_file": "video",
    "node": "absent",
}


class OwnedObjects:
    """``named`` is the current object of each kind; ``renew`` makes another one."""

    def __init__(self, app: App, api: Api, archive: bytes) -> None:
        self.app, self.api, self._archive = app, api, archive
        self._numbers = itertools.count(1)
        self.named: dict[str, str] = {
            "account": app.owner.account_name,
            "account_id": app.owner.account_id,
            "user_id": app.owner.user_id,
            "receiver": RECEIVER,
            "host": "hooks.example",
            "key_name": "build",
            "card": "disk",
            "view": "runs",
            "line": "1",
            "page_file": "console",
        }
        self.viewer_key = self.expired_key = ""

    async def build(self) -> None:
        """Make one object of each kind."""
        await self.app.register_runner()
        await self.app.services.accounts.create_key(self.app.owner, "build")
        for kind in ("worker", "task", "item", "key", "new_key", "new_account", "receiver"):
            await self.renew(kind)
        for kind in ("user", "new_user", "session", "node", "node_token"):
            await self.renew(kind)
        for kind in ("webhook", "new_webhook", "rule", "upload", "submission", "secret"):
            await self.renew(kind)
        self.named["worker_path"] = self._path
        await self._find_files()
        await self.renew("waiting")
        await self._add_keys()

    async def renew(self, kind: str) -> None:  # noqa: C901, PLR0915  # an arm for each kind
        """Replace the current object of ``kind`` with a new one, if that kind allows it."""
        number = next(self._numbers)
        match kind:
            case "worker":
                await self._publish(f"hidden{number}")
            case "run" | "delivery":
                self.named["run"] = await self._start()
                for lease in await self.app.begin():
                    await self.app.push(lease, [{"n": 1}, {"n": 2}], log=["one"])
                    await self.app.end(lease)
                    await self._keep_page(lease)
                path = f"/api/fyke/runs/{self.named['run']}/deliveries"
                listed = (await self.api.get(path)).json()["data"]["list"]
                self.named["delivery"] = listed[-1]["id"]
                shares = await self.api.ok(f"/api/fyke/runs/{self.named['run']}/shares")
                self.named["share"] = shares["id"]
            case "waiting":
                self.named["waiting"] = await self._start()
            case "task":
                body = TASK | {"worker_id": self.named["worker"]}
                task = await self.api.ok("/api/v2/worker-tasks", body)
                self.named["task"] = task["slug"]
            case "item":
                path = f"/api/v2/workers/{self.named['worker']}/queued-runs"
                self.named["item"] = (await self.api.ok(path, {"input": INPUT}))["queue_ref"]
            case "key":
                accounts = self.app.services.accounts
                self.named["key"] = (await accounts.create_key(self.app.owner, f"k{number}")).id
            case "webhook" | "rule":
                self.named[kind] = await self._add(kind, f"{kind}{number}")
            case "new_key" | "new_account" | "new_webhook":
                self.named[kind] = f"new{number}"
            case "user" | "new_user":
                self.named[kind] = f"person{number}"
                if kind == "user":
                    users = self.app.services.users
                    await users.invite(self.app.owner, self.named[kind], "member")
            case "secret":
                secrets, worker = self.app.services.secrets, self.named["worker"]
                await secrets.put(self.app.owner, worker, f"LOGIN{number}", "a login of ada")
                self.named[kind] = f"LOGIN{number}"
            case "upload":
                self.named[kind] = await self._upload(f"hidden{number}.zip")
            case "submission":
                self.named[kind] = await self.app.storage.write(self._submit)
            case "session":
                self.named[kind] = await self.app.storage.write(self._sign_in)
            case "receiver":
                await self.app.storage.write(self._let_fail)
            case "node":
                node = Node(f"n{number}", "eu", {}, "", new_ulid(), True, 0)
                await self.app.storage.write(lambda tx: tx.nodes.add(node))
                self.named[kind] = node.name
            case "node_token":
                token = NodeToken(new_ulid(), new_ulid(), "", {}, "", 1, 0, "owner", 0)
                await self.app.storage.write(lambda tx: tx.node_tokens.add(token))
                self.named[kind] = token.id

    async def _keep_page(self, lease: Lease) -> None:
        """Store a last page of an attempt."""
        attempt = self.named["attempt"] = lease.attempt.id
        kind, text = PageFileKind.CONSOLE, b"hello\n"
        page = LastPage(1, "", "", (PageFile(kind, len(text)),))
        await self.app.services.last_pages.put(attempt, PageContent(page, {kind: text}))
        await self.app.storage.write(
            lambda tx: tx.last_pages.add(attempt, lease.run.id, page, tx.now)
        )

    async def _add(self, kind: str, name: str) -> str:
        services, owner = self.app.services, self.app.owner
        if kind == "rule":
            return (await services.alerts.add_rule(owner, RuleFields(name, "failed"))).rule.id
        fields = EndpointFields(name, HOOK, ("run.failed",))
        return (await services.webhooks.add(owner, fields)).endpoint.id

    async def _upload(self, name: str) -> str:
        uploads, owner = self.app.services.uploads, self.app.owner
        upload = await uploads.add_zip(owner, self._archive, name)
        async for state in uploads.follow(owner, upload.id):
            last = state
        return last.id

    def _submit(self, tx: Any) -> str:
        """Submit the current version of the Worker."""
        owner, worker = self.app.owner.account_id, self.named["worker"]
        take_back(tx, worker, SubmissionState.TAKEN_BACK)
        submission = Submission(
            new_ulid(), owner, worker, self.named["version"], SubmissionState.WAITING, "", tx.now
        )
        tx.submissions.add(submission)
        return submission.id

    def _sign_in(self, tx: Any) -> str:
        user = tx.accounts.user(self.app.owner.user_id)
        return add_session(tx, user, "a browser", "127.0.0.1").id

    def _let_fail(self, tx: Any) -> None:
        known = tx.receivers.lock(self.app.owner.account_id, RECEIVER)
        tx.receivers.save(replace(known, failing_since=1))

    async def _publish(self, name: str) -> None:
        worker, version, _ = await self.app.services.workers.publish(
            self.app.owner, self._archive, name=name, title=name, public=False
        )
        self.named |= {"worker": worker.id, "version": version.number}
        self._path = f"owner~{name}"
        await self.renew("run")

    async def _start(self) -> str:
        path = f"/api/v2/workers/{self.named['worker']}/runs"
        body = {"input": INPUT, "callback_url": f"{RECEIVER}/told"}
        return str((await self.api.ok(path, body))["run_slug"])

    async def _find_files(self) -> None:
        """A link to a file of the run, a picture, and one of the documentation's own files."""
        answer = await self.api.get(f"/api/v2/worker-runs/{self.named['run']}/result/export")
        link = answer.json()["data"]["download_url"]
        self.named["token"], self.named["file"] = link.split("/")[-2:]
        self.named["icon"] = await self.app.services.icons.add(self.app.owner, png(9, 9))
        page = (await self.api.http.get("/docs/api")).text
        match = re.search(r"api/([0-9a-f]{8,})/([\w.-]+\.js)", page)
        assert match, page
        self.named["asset"], self.named["script"] = match.groups()

    async def _add_keys(self) -> None:
        owner = self.app.owner
        viewer = User(new_ulid(), owner.account_id, "vera", Role.VIEWER, False, "", 1)
        self.viewer_key, self.expired_key = generate(), generate()
        keys = [
            _key(owner.account_id, viewer.id, "viewer", self.viewer_key),
            _key(owner.account_id, owner.user_id, "expired", self.expired_key, expires_at=1),
        ]

        def work(tx: Any) -> None:
            tx.accounts.add_user(viewer)
            for key in keys:
                tx.accounts.add_key(key)

        await self.app.storage.write(work)

    # --- requests ---------------------------------------------------------------------------

    def values(self, entry: Entry, **instead: str) -> dict[str, str]:
        """Return the values of the fields of ``entry`` that name the owner's objects."""
        return {field: self.named[kind] for field, kind in entry.names.items()} | instead

    async def ask(
        self,
        route: str,
        entry: Entry,
        values: Mapping[str, str],
        key: str | None,
        *,
        token: str | None = None,
        **headers: str,
    ) -> Any:
        """Return the answer of a route unchecked; ``token`` is a key in the query."""
        method, template = route.split()
        in_path = PLACE.findall(template)
        path = PLACE.sub(lambda found: quote(values[found[1]], safe="~"), template)
        rest = {
            field: [value] if field in LISTS else value
            for field, value in values.items()
            if field not in in_path
        } | dict(entry.sends)
        sent: dict[str, Any] = {"headers": {"x-request-id": "same", **headers}}
        if key is not None:
            sent["headers"]["api-key"] = key
        if entry.form:
            project = {"scraper_file": ("w.zip", self._archive)}
            files = {"file": ("icon.png", png(8, 8))} if entry.picture else project
            sent |= {"data": rest, "files": files}
        elif method in ("POST", "PUT"):
            sent["json"] = rest
        else:
            sent["params"] = rest
        if token is not None:
            sent["params"] = sent.get("params", {}) | {"token": token}
        return await self.api.http.request(method, path, **sent)


def archive() -> bytes:
    """A small project."""
    return python_project("print('hello')\n", schema={"description": "d", "properties": []})


def seen(answer: Any, *names: str) -> tuple[int, str, dict[str, str]]:
    """Return the status, body and headers that a client sees, without the names that it sent."""
    text = answer.text
    for name in names:
        pattern = rf'"{name}"' if name.isdigit() else rf"\b{re.escape(name)}\b"
        text = re.sub(pattern, "NAME", text)
    headers = {k: v for k, v in answer.headers.items() if k != "content-length"}
    return answer.status_code, text, headers


def records(folder: Path) -> dict[str, list[str]]:
    """Every row of both databases, without the columns that reads change and without the entries
    that refusals add to the audit log.
    """
    import sqlite3

    tables = {}
    for name in ("state.db", "rows.db"):
        with sqlite3.connect(folder / name) as connection:
            listed = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in listed.fetchall():
                rows = connection.execute(f'SELECT * FROM "{table}"')
                columns = [column[0] for column in rows.description]
                tables[f"{name} {table}"] = sorted(
                    _row(columns, row) for row in rows if AuditAction.REFUSED not in row
                )
        connection.close()
    return tables


def _row(columns: Iterable[str], row: Iterable[Any]) -> str:
    read_at = ("last_used_at", "seen_at")
    return repr({c: v for c, v in zip(columns, row, strict=True) if c not in read_at})


def _key(account: str, user: str, name: str, text: str, expires_at: int = 0) -> ApiKey:
    return ApiKey(new_ulid(), account, user, name, text[:16], digest(text), 1, expires_at, 0, 0)
