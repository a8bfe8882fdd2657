"""An account with hostile texts in every field that another user can write."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fyke.domain.alerts.rules import RuleFields
from fyke.domain.runs.service import StartRequest
from fyke.domain.webhooks.rules import EndpointFields
from fyke.domain.workers.page import PageChange
from fyke.errors import FykeError
from fyke.model.results import Header
from fyke.model.run import Origin, Outcome
from fyke.model.worker import VersionState
from support.app import App
from support.projects import python_project

GROUP = 25  # texts in one run's rows and log
TITLE = 200  # characters of a title


@dataclass
class Hostile:
    """``taken`` counts the texts that each place has accepted; a place may refuse invalid texts.

    ``single`` are the pages that show one text, ``packed`` the pages that show many.
    """

    taken: Counter[str] = field(default_factory=Counter)
    single: list[str] = field(default_factory=list)
    packed: list[str] = field(default_factory=list)

    async def put(self, place: str, doing: Awaitable[Any]) -> Any:
        try:
            result = await doing
        except FykeError:
            return None
        self.taken[place] += 1
        return result


async def fill(app: App, texts: Sequence[str]) -> Hostile:
    """Put every text into every place of the owner's account."""
    await app.register_runner()
    hostile = Hostile()
    for number, text in enumerate(texts):
        await _worker(app, hostile, number, text)
        await _account(app, hostile, text)
    for at in range(0, len(texts), GROUP):
        await _run(app, hostile, texts[at : at + GROUP])
    hostile.packed += [
        *(f"/store?page={n}" for n in range(1, 2 + len(texts) // 20)),
        "/", "/runs", "/queue", "/tasks", "/schedules", "/dev/workers", "/usage", "/usage/ledger",
        "/alerts", "/settings/keys", "/settings/webhooks", "/settings/users", "/settings/audit",
        "/settings/account",
    ]  # fmt: skip
    return hostile


async def _worker(app: App, hostile: Hostile, number: int, text: str) -> None:
    """A Worker with the text in each of its fields, with a failed run and a task."""
    short, workers = printable(text), app.services.workers
    name = f"hostile-{number}"
    published = await workers.publish(
        app.owner, project(text), name=name, title="To be changed", public=True
    )
    hostile.taken.update(("readme", "changelog", "label", "option", "column", "file content"))
    worker = published[0]
    await hostile.put("title", workers.change_page(app.owner, worker.id, PageChange(title=short)))
    change = PageChange(description=text)
    await hostile.put("description", workers.change_page(app.owner, worker.id, change))
    files = {"more.txt": "x", f"{text.replace('/', '_')[:80]}.txt": text}
    next_version = project(text, **files)
    await hostile.put(
        "file name", workers.publish(app.owner, next_version, name=name, note=short, public=True)
    )
    await hostile.put(
        "reason", workers.set_state(app.owner, worker.id, "v1.0.1", VersionState.DEPRECATED, short)
    )
    run = await _started(app, worker.id, text)
    await app.execute(
        [{"f": text, text: text, "in": {text: [text]}}], Outcome.EXIT_CODE, text, log=[text]
    )
    hostile.taken.update(("error", "input"))
    worker_page = f"/w/{worker.path}"
    hostile.single += [worker_page, f"{worker_page}/readme", f"/runs/{run}"]
    if number % 5 == 0:
        hostile.packed += [
            f"{worker_page}/{tab}"
            for tab in ("output", "changelog", "versions", "settings", "tasks")
        ]
        hostile.packed.append(f"{worker_page}/compare?before=v1.0.1&after=v1.0.2")
    await hostile.put("task", _task(app, worker.id, text))


def project(text: str, **files: str) -> bytes:
    """A project with the text in each field, in README and CHANGELOG without NUL."""
    field = {
        "name": "f", "title": text, "description": text, "type": "string", "editor": "select",
        "options": [{"label": text, "value": text}], "sectionCaption": text,
        "sectionDescription": text, "default": text, "unit": text, "placeholder": text,
    }  # fmt: skip
    free = {"name": "g", "title": text, "type": "string", "editor": "textarea", "default": text}
    schema = {"description": text, "properties": [field, free]}
    plain = text.replace("\0", "")
    words = {"README.md": plain, "CHANGELOG.md": plain, "notes.txt": text, **files}
    column = {"name": "f", "type": "string", "description": text, "title": text}
    return python_project("", schema=schema, output=[column], **words)


async def _started(app: App, worker_id: str, text: str, **options: str) -> str:
    body = {"parameters": {"system": {}, "custom": {"f": text, "g": text}}}
    request = StartRequest(worker_id, None, body, "", Origin.WEB, **options)
    return (await app.services.runs.start(app.owner, request)).id


async def _task(app: App, worker_id: str, text: str) -> None:
    body = {"parameters": {"system": {}, "custom": {"f": text, "g": text}}}
    await app.services.tasks.create(
        app.owner, worker_id, printable(text), body, None, description=text
    )


async def _account(app: App, hostile: Hostile, text: str) -> None:
    """Every other object with a name."""
    services, owner, short = app.services, app.owner, printable(text)
    await hostile.put("key", services.accounts.create_key(owner, short))
    await hostile.put("user", services.users.invite(owner, short, "viewer"))
    await hostile.put("view", services.profiles.save_view(owner, "runs", f"error={short}"))
    url = "https://93.184.216.34/" + short.replace(" ", "")
    endpoint = EndpointFields(short, url, ("run.failed",), text)
    await hostile.put("webhook", services.webhooks.add(owner, endpoint))
    rule = RuleFields(short, "budget", budget_usd=Decimal(1))
    await hostile.put("alert rule", services.alerts.add_rule(owner, rule))


async def _run(app: App, hostile: Hostile, texts: Sequence[str]) -> None:
    """One run with all the texts as rows, names of columns, labels and lines of its log."""
    worker = await app.publish("plain")
    body = {"parameters": {"system": {}, "custom": {"urls": [{"url": t} for t in texts]}}}
    run = await app.services.runs.start(
        app.owner, StartRequest(worker.id, None, body, "", Origin.WEB)
    )
    rows: list[dict[str, Any]] = [{"f": text, text: text, "in": {text: [text]}} for text in texts]
    headers = [Header(text, text, "text") for text in texts]
    await app.execute(rows, headers=headers, log=texts)
    hostile.taken.update({"row": len(texts), "row key": len(texts), "log": len(texts)})
    page = f"/runs/{run.id}"
    hostile.packed += [
        page, f"{page}?view=json", f"{page}?fields=all", f"{page}?view=record", f"{page}/log",
        f"{page}/input", f"{page}/subtasks", f"{page}/events", f"{page}/export",
        f"{page}/rows/1", f"{page}/share",
    ]  # fmt: skip


def printable(text: str) -> str:
    """The text as a title: its printable characters, up to the longest title."""
    return "".join(item for item in text if item.isprintable())[:TITLE]


def lines(taken: Counter[str]) -> str:
    return json.dumps(taken, indent=1)
