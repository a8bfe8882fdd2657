"""One entry for each route of the application: its objects, a valid request, and who may call it.

A route without an entry fails ``test_matrix.py``, which calls every route as every role, with the
caller's own objects, with those of another account and with some that never existed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

NONE: Mapping[str, Any] = MappingProxyType({})
INPUT = {"parameters": {"custom": {"urls": [{"url": "https://a.example"}]}}}
TASK = {
    "title": "Daily",
    "input": INPUT,
    "schedule_enabled": 1,
    "schedule_type": 1,
    "schedule_time": "09:30",
}
LISTS = ("queue_refs",)  # fields that take several names


class Access(Enum):
    """Who may call a route."""

    PUBLIC = "any client"
    KEY = "any caller with a key"
    OPERATOR = "the account that runs the installation"


@dataclass(frozen=True, slots=True)
class Entry:
    """A route.

    ``names``: the fields that name an object, and the object's kind, see ``support.owned_objects``;
    a field goes into the path when the path has it, else into the query or the body. ``sends`` is
    the rest of a valid request. ``writes``: viewers may not call it. ``fresh``: kinds of which a
    new object is made right before the owner's call. ``form``: the body is a multipart form,
    ``picture``: with a picture and no project.
    ``personal``: the caller changes only objects of their own.
    """

    names: Mapping[str, str] = NONE
    sends: Mapping[str, Any] = NONE
    access: Access = Access.KEY
    writes: bool = False
    fresh: tuple[str, ...] = ()
    form: bool = False
    picture: bool = False
    personal: bool = False
    status: int = 200  # of the response to the owner


def _public(**names: str) -> Entry:
    return Entry(names, access=Access.PUBLIC)


def _reads(sends: Mapping[str, Any] = NONE, **names: str) -> Entry:
    return Entry(names, sends)


def _changes(
    sends: Mapping[str, Any] = NONE, *, fresh: tuple[str, ...] = (), **names: str
) -> Entry:
    return Entry(names, sends, writes=True, fresh=fresh)


def _operates(sends: Mapping[str, Any] = NONE, *, writes: bool = True, **names: str) -> Entry:
    return Entry(names, sends, access=Access.OPERATOR, writes=writes)


_START = {"input": INPUT}
_PLAN = {"kind": "daily", "time": "08:00"}

_SECRET = {"value": "user=ada; pass=example"}
_WEBHOOK = {"url": "http://127.0.0.1:1024/told", "events": ["run.failed"]}
_NEIGHBOUR = {"entry": "10.0.0.5:5678"}
_RULE = {"name": "Failed", "kind": "failed"}

_PUBLIC: dict[str, Entry] = {
    "GET /api/store": Entry(sends={"search": "reader"}, access=Access.PUBLIC),
    "GET /api/scraper": _public(slug="worker"),
    "GET /api/proxy/region": _public(),
    "GET /api/v2/proxy/region": _public(),
    "GET /api/v2/store": _public(),
    "GET /api/v2/workers/{workerId:worker}/input-schema": _public(workerId="worker"),
    "GET /api/v2/workers/{workerId:worker}/internal": _public(workerId="worker"),
    "GET /files/{token}/{name}": _public(token="token", name="file"),
    "HEAD /files/{token}/{name}": _public(token="token", name="file"),
    "GET /icons/{name}": _public(name="icon"),
    "GET /healthz": _public(),
    "GET /readyz": _public(),
    "GET /version": _public(),
    "GET /openapi.json": _public(),
    "GET /api/v1/openapi.json": _public(),
    "GET /api/v2/openapi.json": _public(),
    "GET /docs/api": _public(),
    "GET /docs/api/postman.json": _public(),
    "GET /docs/api/{digest}/{name}": _public(digest="asset", name="script"),
}

_V1: dict[str, Entry] = {
    "POST /api/v1/account/info": _reads(),
    "POST /api/v1/rerun": _changes(run_slug="run"),
    "POST /api/v1/run/detail": _reads(run_slug="run"),
    "POST /api/v1/run/last/log": _reads(run_slug="run"),
    "POST /api/v1/run/list": _reads(scraper_slug="worker"),
    "POST /api/v1/run/result/export": _reads(run_slug="run"),
    "POST /api/v1/run/result/list": _reads(run_slug="run"),
    "POST /api/v1/scraper/abort": _changes(run_slug="waiting"),
    "POST /api/v1/scraper/run": _changes(_START, scraper_slug="worker"),
    "POST /api/v1/task/run": _changes(task_slug="task"),
}

_RUN_SCOPES = {
    "/api/v2/worker-runs/last": ({}, "/export"),
    "/api/v2/workers/runs/last": ({}, "/export"),
    "/api/v2/worker-runs/{runId:run}": ({"runId": "run"}, "/result/export"),
    "/api/v2/workers/{workerId:worker}/runs/last": ({"workerId": "worker"}, "/export"),
}


def _scoped() -> dict[str, Entry]:
    """The operations on a run, under each path that names it."""
    entries: dict[str, Entry] = {}
    for path, (names, export) in _RUN_SCOPES.items():
        waiting = {field: "waiting" if kind == "run" else kind for field, kind in names.items()}
        for suffix in ("", "/log", "/result", export):
            entries[f"GET {path}{suffix}"] = Entry(names)
        entries[f"POST {path}/rerun"] = Entry(names, writes=True)
        entries[f"POST {path}/abort"] = Entry(waiting, writes=True, fresh=("waiting",))
    # plain routes answer HEAD too
    for suffix in ("", "/log", "/result", "/export"):
        entries[f"HEAD /api/v2/workers/runs/last{suffix}"] = Entry()
    for suffix in ("", "/result"):
        entries[f"HEAD /api/v2/worker-runs/{{runId:run}}{suffix}"] = _reads(runId="run")
    return entries


_V2: dict[str, Entry] = {
    **_scoped(),
    "GET /api/v2/users/account": _reads(),
    "GET /api/v2/workers": _reads(),
    "GET /api/v2/workers/{workerId:worker}": _reads(workerId="worker"),
    "POST /api/v2/workers/{workerId:worker}/runs": _changes(_START, workerId="worker"),
    "POST /api/v2/workers/{workerId:worker}/queued-runs": _changes(_START, workerId="worker"),
    "POST /api/v2/workers/{workerId:worker}/versions": Entry(
        {"workerId": "worker"}, writes=True, form=True
    ),
    "PUT /api/v2/workers/{workerId:worker}/versions/{version}": Entry(
        {"workerId": "worker", "version": "version"}, {"title": "New"}, writes=True, form=True
    ),
    "GET /api/v2/worker-runs": _reads(worker_id="worker"),
    # without the log: its last line comes from a runner, for which the stream would wait
    "GET /api/v2/worker-runs/{runId:run}/events": _reads({"kinds": "status,rows"}, runId="run"),
    "GET /api/v2/worker-tasks": _reads(worker_id="worker"),
    "POST /api/v2/worker-tasks": _changes(TASK, worker_id="worker"),
    "GET /api/v2/worker-tasks/{workerTaskId}": _reads(workerTaskId="task"),
    "PUT /api/v2/worker-tasks/{workerTaskId}": _changes({"title": "New"}, workerTaskId="task"),
    "DELETE /api/v2/worker-tasks/{workerTaskId}": _changes(workerTaskId="task"),
    "GET /api/v2/worker-tasks/{workerTaskId}/input": _reads(workerTaskId="task"),
    "PUT /api/v2/worker-tasks/{workerTaskId}/input": _changes(_START, workerTaskId="task"),
    "POST /api/v2/worker-tasks/{workerTaskId}/runs": _changes(workerTaskId="task"),
    "GET /api/v2/run-queue/items": _reads(),
    "POST /api/v2/run-queue/items/activate": _changes(queue_refs="item"),
    "POST /api/v2/run-queue/items/release": _changes(queue_refs="item"),
    "POST /api/v2/run-queue/items/{queueId}/release": _changes(queueId="item"),
}

_OWN: dict[str, Entry] = {
    "GET /api/fyke/account": _reads(),
    "PUT /api/fyke/account/time-zone": _changes({"time_zone": "Europe/Rome"}),
    "GET /api/fyke/accounts": _operates(writes=False),
    "POST /api/fyke/accounts": _operates(name="new_account"),
    "POST /api/fyke/accounts/{name}/credit": _operates({"usd": "1"}, name="account"),
    "PUT /api/fyke/accounts/{name}/plan": _operates({"plan": "unlimited"}, name="account"),
    "GET /api/fyke/account/caps": _reads(),
    "PUT /api/fyke/account/caps": _changes({"run_cap": "5"}),
    "PUT /api/fyke/accounts/{name}/caps": _operates({"month_cap": "50"}, name="account"),
    "GET /api/fyke/runners": _operates(writes=False),
    "GET /metrics": _operates(writes=False),
    "GET /api/fyke/nodes": _operates(writes=False),
    "GET /api/fyke/nodes/{name}": _operates(name="node", writes=False),
    "POST /api/fyke/nodes/{name}/cordon": _operates(name="node"),
    "POST /api/fyke/nodes/{name}/uncordon": _operates(name="node"),
    "POST /api/fyke/nodes/{name}/drain": _operates({"seconds": 60}, name="node"),
    "POST /api/fyke/nodes/{name}/replace": _operates({"seconds": 60}, name="node"),
    "DELETE /api/fyke/nodes/{name}": _operates(name="node"),
    "GET /api/fyke/node-demand": _operates(writes=False),
    "GET /api/fyke/node-tokens": _operates(),
    "POST /api/fyke/node-tokens": _operates({"pool": "eu", "uses": 2}),
    "DELETE /api/fyke/node-tokens/{id}": _operates(id="node_token"),
    "GET /api/fyke/keys": _reads(account="account"),
    "POST /api/fyke/keys": _changes(account="account", name="new_key"),
    "DELETE /api/fyke/keys/{id}": _changes(id="key", account="account"),
    "GET /api/fyke/users": _reads(account="account"),
    "POST /api/fyke/users": _changes({"role": "viewer"}, name="new_user", account="account"),
    "PUT /api/fyke/users/{name}/role": _changes({"role": "member"}, name="user", account="account"),
    "POST /api/fyke/users/{name}/disable": _changes(name="user", account="account"),
    "POST /api/fyke/users/{name}/enable": _changes(name="user", account="account"),
    "POST /api/fyke/users/{name}/link": _changes(name="user"),
    "DELETE /api/fyke/users/{name}/second-factor": Entry(
        {"name": "user"}, access=Access.OPERATOR, writes=True, status=400
    ),  # the user has none
    "DELETE /api/fyke/users/{name}": _changes(name="user", account="account"),
    "GET /api/fyke/audit": _changes(),  # for owners only
    "GET /api/fyke/sessions": _reads(),
    "DELETE /api/fyke/sessions": Entry(personal=True),
    "DELETE /api/fyke/sessions/{id}": Entry({"id": "session"}, personal=True),
    "GET /api/fyke/preferences": _reads(),
    "PUT /api/fyke/preferences": Entry(sends={"theme": "dark"}, personal=True),
    "PUT /api/fyke/preferences/views/{name}": Entry(
        {"name": "view"}, {"query": "state=failed"}, personal=True
    ),
    "GET /api/fyke/deliveries": _reads(host="host"),
    "GET /api/fyke/deliveries/{id}": _reads(id="delivery"),
    "POST /api/fyke/deliveries/{id}/replay": _changes(id="delivery"),
    "GET /api/fyke/webhooks": _reads(),
    "POST /api/fyke/webhooks": _changes(_WEBHOOK, name="new_webhook"),
    "GET /api/fyke/webhooks/{id}": _reads(id="webhook"),
    "PUT /api/fyke/webhooks/{id}": _changes(_WEBHOOK | {"name": "Changed"}, id="webhook"),
    "DELETE /api/fyke/webhooks/{id}": _changes(id="webhook"),
    "POST /api/fyke/webhooks/{id}/rotate": _changes(id="webhook"),
    "POST /api/fyke/webhooks/{id}/test": _changes(id="webhook"),
    "GET /api/fyke/installation/plans": _operates(writes=False),
    "GET /api/fyke/installation/prices": _operates(writes=False),
    "GET /api/fyke/installation/proxies": _operates(writes=False),
    "GET /api/fyke/installation/callback-allow": _operates(writes=False),
    "GET /api/fyke/installation/callback-allow/preview": _operates(_NEIGHBOUR, writes=False),
    "POST /api/fyke/installation/callback-allow": _operates(_NEIGHBOUR),
    "POST /api/fyke/installation/callback-allow/remove": _operates(_NEIGHBOUR),
    "GET /api/fyke/installation/mail": _operates(writes=False),
    "PUT /api/fyke/installation/mail": _operates({"host": "mail.example", "tls": "none"}),
    "POST /api/fyke/installation/mail/test": Entry(
        sends={"to": "ada@example.org"}, access=Access.OPERATOR, writes=True, status=400
    ),  # nothing can send it
    "DELETE /api/fyke/installation/mail": _operates(),
    "GET /api/fyke/installation/storage": _operates(writes=False),
    "GET /api/fyke/installation/retention": _operates(writes=False),
    "GET /api/fyke/installation/versions": _operates(writes=False),
    "GET /api/fyke/installation/settings": _operates(writes=False),
    "GET /api/fyke/installation/health/{card}": _operates(writes=False, card="card"),
    "GET /api/fyke/alerts": _reads(rule="rule"),
    "POST /api/fyke/alerts/read": _changes({"all": True}),
    "GET /api/fyke/alerts/rules": _reads(),
    "POST /api/fyke/alerts/rules": _changes(_RULE),
    "POST /api/fyke/alerts/rules/preview": _reads(_RULE),
    "GET /api/fyke/alerts/rules/{id}": _reads(id="rule"),
    "PUT /api/fyke/alerts/rules/{id}": _changes(_RULE, id="rule"),
    "DELETE /api/fyke/alerts/rules/{id}": _changes(id="rule"),
    "GET /api/fyke/receivers": _reads(),
    "POST /api/fyke/receivers/enable": _changes(receiver="receiver"),
    "DELETE /api/fyke/runs/{slug}": _changes(slug="run"),
    "GET /api/fyke/runs/{slug}/deliveries": _reads(slug="run"),
    "GET /api/fyke/runs/{slug}/events": _reads(slug="run"),
    "GET /api/fyke/runs/{slug}": _reads(slug="run"),
    "GET /api/fyke/runs/{slug}/log": _reads(slug="run"),
    "GET /api/fyke/runs/{slug}/log/page": _reads({"search": "one"}, slug="run"),
    "GET /api/fyke/runs/{slug}/log/lines/{position}": _reads(slug="run", position="line"),
    "GET /api/fyke/runs/{slug}/usage": _reads(slug="run"),
    "GET /api/fyke/runs/{slug}/sites": _reads(slug="run"),
    "GET /api/fyke/runs/{slug}/browser": _reads(slug="run"),
    "GET /api/fyke/runs/{slug}/browser/files/{attempt}/{kind}": _reads(
        slug="run", attempt="attempt", kind="page_file"
    ),
    # no browser of it is open
    "GET /api/fyke/runs/{slug}/browser/picture": Entry({"slug": "run"}, status=400),
    "GET /api/fyke/runs/{slug}/diagnosis": _reads(slug="run"),
    "POST /api/fyke/hidden-texts": _reads({"texts": ["a line"]}, runs="run"),
    "GET /api/fyke/runs/{slug}/subtasks": _reads(slug="run"),
    # a caller that sees a share link can pass it on
    "GET /api/fyke/runs/{slug}/shares": _changes(slug="run"),
    "POST /api/fyke/runs/{slug}/shares": _changes({"days": 1}, slug="run"),
    "DELETE /api/fyke/shares/{id}": _changes(id="share", fresh=("run",)),
    "GET /api/fyke/runs/{slug}/waiting": _reads(slug="run"),
    "GET /api/fyke/waiting-runs": _reads(),
    "GET /api/fyke/runs": _reads(worker="worker"),
    "GET /api/fyke/runs/export": _reads(worker="worker"),
    "POST /api/fyke/runs/bulk": _changes({"action": "delete"}, runs="run"),
    "GET /api/fyke/usage": _reads(),
    "GET /api/fyke/usage/parts": _reads({"by": "task"}),
    "GET /api/fyke/ledger": _reads(),
    "GET /api/fyke/ledger/export": _reads(),
    "GET /api/fyke/overview": _reads(),
    "GET /api/fyke/health": _operates(writes=False),
    "GET /api/fyke/tasks/{slug}/schedule": _reads(slug="task"),
    "PUT /api/fyke/tasks/{slug}/schedule": _changes(_PLAN, slug="task"),
    "DELETE /api/fyke/tasks/{slug}/schedule": _changes(slug="task"),
    "POST /api/fyke/tasks/{slug}/schedule/pause": _changes(slug="task"),
    "POST /api/fyke/tasks/{slug}/schedule/resume": _changes(slug="task"),
    "GET /api/fyke/tasks/{slug}/schedule/next": _reads(slug="task"),
    "GET /api/fyke/tasks/{slug}/schedule/fires": _reads(slug="task"),
    # viewers have favourites too
    "PUT /api/fyke/favourites/{slug}": _reads(slug="worker"),
    "DELETE /api/fyke/favourites/{slug}": _reads(slug="worker"),
    "GET /api/fyke/tasks": _reads(),
    "GET /api/fyke/tasks/{slug}": _reads(slug="task"),
    "PUT /api/fyke/tasks/{slug}": _changes({"title": "New", "revision": 0}, slug="task"),
    "POST /api/fyke/tasks/{slug}/clone": _changes(slug="task"),
    "GET /api/fyke/schedules": _reads(),
    "GET /api/fyke/schedules/month": _reads({"month": "2030-01"}),
    "GET /api/fyke/uploads": _reads(),
    "POST /api/fyke/uploads": Entry(writes=True, form=True),
    "POST /api/actors/create": Entry(sends={"title": "Made"}, writes=True, form=True),
    "POST /api/common/upload": Entry(writes=True, form=True, picture=True),
    "POST /api/fyke/uploads/git": _changes({"url": "https://127.0.0.1/a/b"}),
    "GET /api/fyke/uploads/{id}": _reads(id="upload"),
    "DELETE /api/fyke/uploads/{id}": _changes(id="upload"),
    "POST /api/fyke/uploads/{id}/again": _changes(id="upload", fresh=("upload",)),
    "POST /api/fyke/uploads/{id}/publish": _changes({"name": "brought"}, id="upload"),
    "POST /api/fyke/uploads/{id}/test": _changes(_START, id="upload"),
    "GET /api/fyke/submissions": _operates(writes=False),
    "GET /api/fyke/submissions/{id}": _reads(id="submission"),
    "POST /api/fyke/submissions/{id}/approve": _operates(id="submission"),
    "POST /api/fyke/submissions/{id}/return": _operates({"reply": "no"}, id="submission"),
    "POST /api/fyke/submissions/{id}/sample": _operates(_START, id="submission"),
    "GET /api/fyke/workers/{slug}/submissions": _reads(slug="worker"),
    "DELETE /api/fyke/workers/{slug}/submissions/waiting": _changes(
        slug="worker", fresh=("submission",)
    ),
    "POST /api/fyke/workers/{slug}/share": _changes(slug="worker"),
    "POST /api/fyke/workers/{slug}/unshare": _changes(slug="worker"),
    "GET /api/fyke/workers": _reads(),
    "DELETE /api/fyke/workers/{slug}": _changes(slug="worker"),
    "GET /api/fyke/workers/{slug}/versions": _reads(slug="worker"),
    "PATCH /api/fyke/workers/{slug}": _changes({"title": "Better"}, slug="worker"),
    "GET /api/fyke/workers/{slug}/run-options": _reads(slug="worker"),
    "PUT /api/fyke/workers/{slug}/run-options": _changes({"memory": 1024}, slug="worker"),
    "GET /api/fyke/workers/{slug}/builds": _reads(slug="worker"),
    "PUT /api/fyke/workers/{slug}/builds": _operates({"allowed": True}, slug="worker"),
    "GET /api/fyke/workers/{slug}/secrets": _reads(slug="worker"),
    "PUT /api/fyke/workers/{slug}/secrets/{name}": _changes(_SECRET, slug="worker", name="secret"),
    "DELETE /api/fyke/workers/{slug}/secrets/{name}": _changes(slug="worker", name="secret"),
    "GET /api/fyke/workers/{slug}/estimate": _reads(slug="worker"),
    "GET /api/fyke/workers/{slug}/form": _reads(slug="worker"),
    "GET /api/fyke/workers/{slug}/beginning": _reads(slug="worker"),
    "GET /api/fyke/workers/{slug}/recent-inputs": _reads(slug="worker"),
    "POST /api/fyke/workers/{slug}/normalise": _reads(_START, slug="worker"),
    "POST /api/fyke/workers/{slug}/snippet": _reads(_START, slug="worker"),
    # a caller with access still lacks the list and its file
    "POST /api/fyke/workers/{slug}/import": Entry({"slug": "worker"}, status=400),
    "PUT /api/fyke/workers/{slug}/default-input": _changes(_START, slug="worker"),
    "DELETE /api/fyke/workers/{slug}/default-input": Entry(
        {"slug": "worker"},
        writes=True,
        status=404,  # nothing is saved
    ),
    "GET /api/fyke/workers/{slug}/changelog": _reads(slug="worker"),
    "GET /api/fyke/workers/{slug}/compare": _reads(
        {"before": "v1.0.1", "after": "v1.0.1"}, slug="worker"
    ),
    "GET /api/fyke/workers/{slug}/output-fields": _reads(slug="worker"),
    "GET /api/fyke/catalog": _reads({"search": "reader"}),
    "GET /api/fyke/favourites": _reads(),
    "GET /api/fyke/workers/{slug}/versions/{version}/environment": _reads(
        slug="worker", version="version"
    ),
    "POST /api/fyke/workers/{slug}/versions/{version}/deprecate": _changes(
        slug="worker", version="version"
    ),
    "POST /api/fyke/workers/{slug}/versions/{version}/rollback": Entry(
        {"slug": "worker", "version": "version"},
        writes=True,
        status=409,  # it is the only one
    ),
    "GET /api/fyke/workers/{slug}/versions/{version}/promotion": _reads(
        slug="worker", version="version"
    ),
    "POST /api/fyke/workers/{slug}/versions/{version}/promote": _changes(
        slug="worker", version="version"
    ),
    "POST /api/fyke/workers/{slug}/versions/{version}/tag": _changes(
        {"tag": "stable"}, slug="worker", version="version"
    ),
    "POST /api/fyke/workers/{slug}/untag": Entry(
        {"slug": "worker"},
        {"tag": "absent"},
        writes=True,
        status=404,  # it has no tag
    ),
    "POST /api/fyke/workers/{slug}/versions/{version}/withdraw": _changes(
        slug="worker", version="version"
    ),
    "POST /api/fyke/workers/{slug}/versions/{version}/restore": _changes(
        slug="worker", version="version"
    ),
}

ENTRIES: dict[str, Entry] = {**_PUBLIC, **_V1, **_V2, **_OWN}
