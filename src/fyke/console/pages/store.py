"""The store: public Workers and those of the account, with search while typing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.pages.run_pictures import RunPictures
from fyke.console.pages.worker_frame import address_of
from fyke.console.texts import gettext as _
from fyke.console.view import View, own_address
from fyke.domain.catalog.service import Catalog, CatalogQuery
from fyke.model.worker import MAX_SEARCH, BrowserFilter, Worker, WorkerOrder

AREA = "/store"
CARDS = 24
FOR_TASK = "task"
_LAST_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """The query of the address."""

    text: str = ""
    category: int | None = None
    browser: BrowserFilter = BrowserFilter.ANY
    order: WorkerOrder = WorkerOrder.USED
    page: int = 1
    marked: bool = False  # favourites only
    for_task: bool = False  # to choose the Worker of a new task

    @property
    def plain(self) -> bool:
        """Whether the list has no filter."""
        filters = self.text.strip(), self.category, self.marked
        return not any(filters) and self.browser is BrowserFilter.ANY

    def address(self, **changes: str) -> str:
        """The address of this list with changes; defaults are omitted."""
        values: Mapping[str, str] = {
            "q": self.text,
            "category": str(self.category or ""),
            "browser": "" if self.browser is BrowserFilter.ANY else self.browser.value,
            "sort": "" if self.order is WorkerOrder.USED else self.order.value,
            "marked": "1" if self.marked else "",
            "page": "" if self.page == 1 else str(self.page),
            "for": FOR_TASK if self.for_task else "",
            **changes,
        }
        query = urlencode({name: value for name, value in values.items() if value})
        return f"{AREA}?{query}" if query else AREA

    @property
    def unfiltered(self) -> str:
        """The address of the whole list."""
        return StoreRequest(for_task=self.for_task).address()

    def form_of(self, worker: Worker) -> str:
        """The address of a Worker's form."""
        return address_of(worker) + (f"?for={FOR_TASK}" if self.for_task else "")

    def at_page(self, number: int) -> str:
        return self.address(page=str(number) if number > 1 else "")


@dataclass(frozen=True, slots=True)
class StorePages:
    catalog: Catalog
    pictures: RunPictures

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", AREA, self.list, area=AREA),
            ConsolePage("POST", "/w/{owner}/{name}/favourite", self.mark, area=AREA),
        ]

    async def list(self, view: View) -> Response:
        request = _request_of(view)
        query = CatalogQuery(
            request.text[:MAX_SEARCH],
            request.category,
            request.browser,
            request.order,
            (request.page - 1) * CARDS,
            CARDS,
        )
        listing = await self.catalog.browse(view.caller, query)
        marked = await self.catalog.favourites(view.caller, request.text)
        entries = marked if request.marked else listing.entries
        shown = [entry.worker.id for entry in entries]
        first = (request.page - 1) * CARDS + 1
        return view.page_or_part(
            "store/list.html",
            "found",
            area="/tasks" if request.for_task else AREA,
            request=request,
            listing=listing,
            entries=entries,
            pictures=await self.pictures.of_workers(view, shown),
            marked=len(marked),
            priced=self.catalog.priced,
            address_of=request.form_of,
            translate=_,
            first=first,
            before=request.at_page(request.page - 1) if request.page > 1 else "",
            after=request.at_page(request.page + 1) if first + CARDS <= listing.total else "",
        )

    async def mark(self, view: View) -> Response:
        ref = f"{view.param('owner')}/{view.param('name')}"
        favourite = view.form.get("marked") == "1"
        entry = await self.catalog.mark(view.caller, ref, favourite=favourite)
        back = own_address(view.form.get("back") or address_of(entry.worker))
        notice = (
            _("%(title)s was added to favourites.")
            if favourite
            else _("%(title)s was removed from favourites.")
        )
        return view.go(back, notice % {"title": entry.worker.title})


def _request_of(view: View) -> StoreRequest:
    query = view.query
    order, browser = query.get("sort", ""), query.get("browser", "")
    return StoreRequest(
        text=query.get("q", ""),
        category=_number(query.get("category", ""), 2**31) or None,
        browser=BrowserFilter(browser) if browser in [*BrowserFilter] else BrowserFilter.ANY,
        order=WorkerOrder(order) if order in [*WorkerOrder] else WorkerOrder.USED,
        page=max(1, _number(query.get("page", ""), _LAST_PAGE)),
        marked=query.get("marked") == "1",
        for_task=view.may_edit and query.get("for") == FOR_TASK,
    )


def _number(text: str, maximum: int) -> int:
    """The number in an address; 0 for any other text."""
    return min(int(text), maximum) if text.isascii() and text.isdecimal() and len(text) < 12 else 0
