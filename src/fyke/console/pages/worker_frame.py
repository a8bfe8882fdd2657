"""The common frame of a Worker's pages: head and tabs.

The handler of a tab passes the result of ``WorkerFrames.get`` to its template as ``frame``; the
template extends ``workers/frame.html``.
"""

from __future__ import annotations

from dataclasses import dataclass

from fyke.console.pages.run_pictures import RunPictures
from fyke.console.run_bars import DrawnRuns
from fyke.console.texts import gettext
from fyke.console.view import View
from fyke.domain.catalog.service import Catalog
from fyke.model.worker import Version, VersionEnvironment, Worker, WorkerFacts


def _(message: str) -> str:
    """Mark for translation; the frame translates."""
    return message


@dataclass(frozen=True, slots=True)
class Tab:
    """``path`` follows the worker's address. ``own``: only for the account that owns it."""

    path: str
    label: str
    own: bool = False


TABS: tuple[Tab, ...] = (
    Tab("", _("Input")),
    Tab("/readme", _("Readme")),
    Tab("/output", _("Output fields")),
    Tab("/runs", _("Runs")),
    Tab("/tasks", _("Tasks")),
    Tab("/schedules", _("Schedules")),
    Tab("/secrets", _("Secrets")),
    Tab("/versions", _("Versions")),
    Tab("/api", _("API")),
    Tab("/changelog", _("Changelog")),
    Tab("/settings", _("Settings"), own=True),
)


@dataclass(frozen=True, slots=True)
class WorkerFrame:
    """``base``: the Worker's address; ``current``: that of the open tab; ``tab``: its label."""

    worker: Worker
    facts: WorkerFacts
    favourite: bool
    own: bool
    base: str
    current: str
    tab: str
    tabs: list[tuple[str, str, int | None]]
    area: str
    home: str
    notice: str | None = None  # why the latest version is deprecated, None when it is not
    latest: Version | None = None
    environment: VersionEnvironment | None = None  # of the latest version
    picture: DrawnRuns | None = None  # the account's last runs


def address_of(worker: Worker) -> str:
    """The address of a worker's page."""
    return f"/w/{worker.owner}/{worker.name}"


@dataclass(frozen=True, slots=True)
class WorkerFrames:
    """Builds the frame of a worker's page from the catalog."""

    catalog: Catalog
    pictures: RunPictures

    async def get(self, view: View, tab: str) -> WorkerFrame:
        """The frame of the worker that the path names, with the tab of this path open.

        Raise ``WorkerNotFound``, including for workers that the caller may not see.
        """
        ref = f"{view.param('owner')}/{view.param('name')}"
        catalog_page = await self.catalog.view(view.caller, ref)
        entry, worker = catalog_page.entry, catalog_page.entry.worker
        own = worker.account_id == view.caller.account_id
        base = address_of(worker)
        pictures = await self.pictures.of_workers(view, [worker.id])
        counts = {"/runs": catalog_page.runs or None, "/tasks": catalog_page.tasks or None}
        shown = [item for item in TABS if own or not item.own]
        home = "/dev/workers" if own and "/dev/workers" in view.context.pages else "/store"
        return WorkerFrame(
            worker=worker,
            facts=entry.facts,
            favourite=entry.favourite,
            own=own,
            base=base,
            current=base + tab,
            tab=next((gettext(item.label) for item in shown if item.path == tab), ""),
            tabs=[(base + item.path, gettext(item.label), counts.get(item.path)) for item in shown],
            notice=catalog_page.notice,
            latest=catalog_page.latest,
            environment=catalog_page.environment,
            picture=pictures.get(worker.id),
            area=home,
            home=home,
        )
