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
class TabPage:
    """One page of a Worker. ``path`` follows the Worker's address. ``own``: only for the account
    that owns it.
    """

    path: str
    label: str
    own: bool = False


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab and its pages; one with a single page has the label of that page."""

    label: str
    sections: tuple[TabPage, ...]


TABS: tuple[Tab, ...] = (
    Tab("", (TabPage("", _("Input")),)),
    Tab(_("About"), (TabPage("/readme", _("Readme")), TabPage("/output", _("Output fields")))),
    Tab("", (TabPage("/runs", _("Runs")),)),
    Tab(_("Automation"), (TabPage("/tasks", _("Tasks")), TabPage("/schedules", _("Schedules")))),
    Tab(
        _("Versions"),
        (TabPage("/versions", _("Versions")), TabPage("/changelog", _("Changelog"))),
    ),
    Tab("", (TabPage("/api", _("API")),)),
    Tab(
        _("Settings"),
        (TabPage("/settings", _("Settings"), own=True), TabPage("/secrets", _("Secrets"))),
    ),
)

Link = tuple[str, str, int | None]  # address, text, count


@dataclass(frozen=True, slots=True)
class WorkerFrame:
    """``base``: the Worker's address; ``tab``: the label of the open page; ``current``: the address
    of the open tab. ``sections``: the pages of this tab when it has several, ``section`` the
    address of the open one.
    """

    worker: Worker
    facts: WorkerFacts
    favourite: bool
    own: bool
    base: str
    current: str
    tab: str
    tabs: list[Link]
    sections: list[Link]
    section: str
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

    async def get(self, view: View, path: str) -> WorkerFrame:
        """The frame of the Worker that the address names, with the page of this path open.

        Raise ``WorkerNotFound``, including for workers that the caller may not see.
        """
        ref = f"{view.param('owner')}/{view.param('name')}"
        catalog_page = await self.catalog.view(view.caller, ref)
        entry, worker = catalog_page.entry, catalog_page.entry.worker
        own = worker.account_id == view.caller.account_id
        base = address_of(worker)
        pictures = await self.pictures.of_workers(view, [worker.id])
        counts = {"/runs": catalog_page.runs or None, "/tasks": catalog_page.tasks or None}
        shown = [
            (tab, sections)
            for tab in TABS
            if (sections := [section for section in tab.sections if own or not section.own])
        ]
        label, siblings = next(
            (
                (section.label, sections)
                for _tab, sections in shown
                for section in sections
                if section.path == path
            ),
            ("", [TabPage(path, "")]),
        )
        home = "/dev/workers" if own and "/dev/workers" in view.context.pages else "/store"
        return WorkerFrame(
            worker=worker,
            facts=entry.facts,
            favourite=entry.favourite,
            own=own,
            base=base,
            current=base + siblings[0].path,
            tab=gettext(label) if label else "",
            tabs=[
                (
                    base + sections[0].path,
                    gettext(tab.label if len(sections) > 1 else sections[0].label),
                    counts.get(sections[0].path),
                )
                for tab, sections in shown
            ],
            sections=[(base + item.path, gettext(item.label), None) for item in siblings]
            if len(siblings) > 1
            else [],
            section=base + path,
            notice=catalog_page.notice,
            latest=catalog_page.latest,
            environment=catalog_page.environment,
            picture=pictures.get(worker.id),
            area=home,
            home=home,
        )
