"""The search for everything: the palette of each page, and a page for browsers without script."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from fyke.console.commands import PaletteCommand, matching
from fyke.console.guide import GuideHit, guide
from fyke.console.page import ConsolePage
from fyke.console.pages.worker_frame import address_of
from fyke.console.texts import gettext as _
from fyke.console.texts import pgettext
from fyke.console.view import View
from fyke.domain.catalog.nearest import nearest
from fyke.domain.catalog.service import Catalog
from fyke.domain.finder import Finder, Matches
from fyke.model.worker import MAX_SEARCH, Worker

PATH = "/find"
_MAX_HELP = 4
_MIN_TEXT = 3  # characters of a search in the text of the documentation
_MAX_COMMANDS = 5  # of each kind, beside other results
_MAX_NEAR = 4  # where nothing matches
_RUN = re.compile(r"^https?://[^/]+/runs/([0-9A-Z]{26})(?:[/?#]|$)")  # the page of a run


@dataclass(frozen=True, slots=True)
class Result:
    """A link. ``kind`` says what ``mark`` is: the name of an icon, a state of a run, or the path of
    a worker.
    """

    address: str
    title: str
    detail: str = ""
    mark: str = ""
    kind: str = "icon"
    rows: int | None = None  # of a run, as is ``at``, when it was started
    at: int = 0


@dataclass(frozen=True, slots=True)
class ResultGroup:
    label: str
    results: Sequence[Result]


@dataclass(frozen=True, slots=True)
class FindPages:
    finder: Finder
    catalog: Catalog

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", PATH, self.show),
            ConsolePage("GET", f"{PATH}/options", self.options, part=True),
        ]

    async def show(self, view: View) -> Response:
        return view.page_or_part("find/page.html", "found", **await self._values(view))

    async def options(self, view: View) -> Response:
        """The results as options of the palette."""
        return view.part("find/options.html", "options", **await self._values(view))

    async def _values(self, view: View) -> dict[str, Any]:
        text = view.query.get("q", "")[:MAX_SEARCH].replace("\0", "").strip()
        found = await self.finder.find(view.caller, text)
        open_run = _RUN.search(view.request.headers.get("hx-current-url", ""))
        run_id = open_run[1] if open_run else ""
        pages, actions = matching(text, view.caller, self._paths(view), run_id)
        own = bool(found.workers or found.tasks or found.runs)
        help_pages = await asyncio.to_thread(_help_pages, text, own)
        groups = [*_groups(text, found, pages, actions), _help(help_pages)]
        count = sum(len(group.results) for group in groups)
        if not count:
            groups = [ResultGroup(_("Did you mean"), await self._near(view, text))]
        return {
            "text": text,
            "kinds": [group for group in groups if group.results],
            "count": count,
        }

    def _paths(self, view: View) -> Collection[str]:
        """The pages to find: without prices the ledger is of no use."""
        paths = view.context.pages
        return paths if view.context.priced else set(paths) - {"/usage/ledger"}

    async def _near(self, view: View, text: str) -> Sequence[Result]:
        """Workers, pages and actions with a similar name."""
        found = [_of_worker(worker) for worker in await self.catalog.similar(view.caller, text)]
        pages, actions = matching("", view.caller, self._paths(view))
        commands = {command.label: command for command in (*actions, *pages)}
        names = [(label, label) for label in commands]
        found += _links([commands[label] for label in nearest(text, names)])
        return found[:_MAX_NEAR]


def _help_pages(text: str, own: bool) -> Sequence[GuideHit]:
    """Pages with these words in a heading; in their texts if there are none and no ``own`` results.
    Takes too long for the event loop.
    """
    found = guide().search(text, _MAX_HELP, titles=True)
    if not (found or own) and len(text) >= _MIN_TEXT:
        found = guide().search(text, _MAX_HELP)
    return found


def _groups(
    text: str, found: Matches, pages: Sequence[PaletteCommand], actions: Sequence[PaletteCommand]
) -> list[ResultGroup]:
    workers = [_of_worker(worker) for worker in found.workers]
    tasks = [Result(f"/tasks/{task.id}", task.title, "", "list-todo") for task in found.tasks]
    runs = [
        Result(
            f"/runs/{row.line.id}",
            row.worker.title or row.worker.path if row.worker else _("deleted Worker"),
            f"…{row.line.id[-8:]}",
            row.shown_state.value,
            "run",
            row.results,
            row.line.created_at,
        )
        for row in found.runs
    ]
    most = _MAX_COMMANDS if text else len(pages) + len(actions)
    named = [
        ResultGroup(pgettext("palette", "Pages"), _links(pages[:most]) if text else []),
        ResultGroup(_("Workers"), workers),
        ResultGroup(_("Tasks"), tasks),
    ]
    return [
        *sorted(named, key=lambda group: not _begins(group, text)),
        ResultGroup(_("Runs") if text else _("Latest runs"), runs),
        ResultGroup(_("Actions"), _links(actions[:most])),
        ResultGroup(pgettext("palette", "Pages"), [] if text else _links(pages)),
    ]


def _begins(group: ResultGroup, text: str) -> bool:
    """Whether a title of the group begins with the text."""
    return any(result.title.casefold().startswith(text.casefold()) for result in group.results)


def _of_worker(worker: Worker) -> Result:
    title = worker.title or worker.path
    return Result(address_of(worker), title, worker.path, worker.path, "worker")


def _help(hits: Sequence[GuideHit]) -> ResultGroup:
    results = (Result(at.address, at.heading or at.title, at.title, "book-open") for at in hits)
    return ResultGroup(_("Documentation"), list(results))


def _links(commands: Sequence[PaletteCommand]) -> list[Result]:
    return [Result(command.path, command.label, "", command.icon) for command in commands]
