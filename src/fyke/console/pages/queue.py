"""The queue: held starts and waiting runs with their reasons, and actions on held starts."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from fyke.api.event_stream import EventStream
from fyke.api.network import header
from fyke.console import formats, live
from fyke.console.gauges import Gauge, GaugePart, gauge
from fyke.console.page import ConsolePage
from fyke.console.texts import gettext as _
from fyke.console.texts import ngettext, use_language
from fyke.console.view import View
from fyke.console.waits import estimate_text, waits_of
from fyke.domain.queue.board import PAGE, QueueBoard, QueueBoardView, Slots
from fyke.domain.queue.service import ItemResult, RunQueue
from fyke.domain.queue.stream import QueueStream
from fyke.domain.runs.search import parse_cursor
from fyke.model.queue import MAX_ITEMS_PER_REQUEST

AREA = "/queue"
_CURSOR = re.compile(r"\d{1,12}(-\d{1,12}){0,200}")
MAX_UPDATES = 60  # then the browser reconnects, and its session is checked again


@dataclass(frozen=True, slots=True)
class QueueAddress:
    """Page and order of the held starts, and the cursor of the waiting runs."""

    page: int = 1
    oldest_first: bool = False
    after: str = ""

    def path(self, *, page: int = 1, oldest_first: bool | None = None, after: str = "") -> str:
        oldest = self.oldest_first if oldest_first is None else oldest_first
        values = {
            "page": str(page) if page > 1 else "",
            "order": "oldest" if oldest else "",
            "after": after,
        }
        query = urlencode({name: value for name, value in values.items() if value})
        return f"{AREA}?{query}" if query else AREA


@dataclass(frozen=True, slots=True)
class QueuePages:
    queue: RunQueue
    board: QueueBoard
    stream: QueueStream

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", AREA, self.show, area=AREA),
            ConsolePage("GET", "/queue/live", self.live, area=AREA, part=True),
            ConsolePage("POST", "/queue/activate", self.activate, area=AREA),
            ConsolePage("POST", "/queue/release", self.release, area=AREA),
        ]

    async def show(self, view: View) -> Response:
        address = _read(view)
        board = await self._board(view, address)
        return view.page_or_part("queue/page.html", "board", **_values(view, address, board))

    async def _board(self, view: View, address: QueueAddress) -> QueueBoardView:
        start = parse_cursor(address.after) if address.after else None
        return await self.board.read(
            view.caller, start=start, number=address.page, oldest_first=address.oldest_first
        )

    async def live(self, view: View) -> Response:
        """A stream of both lists, sent whenever one of them changes."""
        address = _read(view)
        start = parse_cursor(address.after) if address.after else None
        updates = self.stream.follow(
            view.caller,
            start=start,
            number=address.page,
            oldest_first=address.oldest_first,
            shown=_shown(view),
        )

        async def source() -> AsyncGenerator[bytes, None]:
            sent = 0
            async for update in updates:
                sent += 1
                if sent > MAX_UPDATES:
                    return
                if update.board is None:
                    yield live.comment()
                    continue
                with use_language(view.language):
                    values = _values(view, address, update.board)
                    html = view.text_of("queue/update.html", "update", update=update, **values)
                yield live.message(html, cursor_of(update.board))

        return EventStream(source(), lambda: None)

    async def activate(self, view: View) -> Response:
        async def act(refs: list[str]) -> list[ItemResult]:
            return await self.queue.activate(view.caller, refs)

        return await self._act(view, act, "activated")

    async def release(self, view: View) -> Response:
        async def act(refs: list[str]) -> list[ItemResult]:
            return await self.queue.release(view.caller, refs, "")

        return await self._act(view, act, "released")

    async def _act(
        self, view: View, act: Callable[[list[str]], Awaitable[list[ItemResult]]], outcome: str
    ) -> Response:
        refs = list(dict.fromkeys(view.form.all("item")))[:MAX_ITEMS_PER_REQUEST]
        if not refs:
            return view.go(AREA, _("No items selected."), "warn")
        results = await act(refs)
        succeeded = [result for result in results if not result.error]
        if len(succeeded) == len(results):
            return view.go(AREA, _summary(outcome, len(succeeded)))
        address = QueueAddress()
        board = await self._board(view, address)
        values = _values(view, address, board)
        return view.page(
            "queue/page.html",
            **values | {"results": results, "summary": _summary(outcome, len(succeeded))},
        )


def _values(view: View, address: QueueAddress, board: QueueBoardView) -> dict[str, Any]:
    waits = waits_of([waiting.reason for waiting in board.runs])
    return {
        "area": AREA,
        "gauges": gauges_of(board.slots),
        "waits": waits,
        "estimate": estimate_text(board.waiting, board.pace_ms) if waits.moves else "",
        "address": address,
        "board": board,
        "size": PAGE,
        "shown": cursor_of(board),
        "results": [],
        "summary": "",
    }


def gauges_of(slots: Slots) -> list[Gauge]:
    """Slots of the plan if it has a limit, and cores and memory of the runners if there are any.
    A run that is larger than every runner takes one whole, so no more than all is said to be used.
    """
    found = []
    if slots.most:
        runs = [GaugePart(_("Active runs"), slots.busy, formats.count(slots.busy))]
        found.append(
            gauge(
                _("Concurrent runs"), _used(slots.busy, formats.count(slots.most)), slots.most, runs
            )
        )
    if slots.runners:
        cores = [(part.worker, part.cpus) for part in slots.filled]
        memory = [(part.worker, part.memory_mb) for part in slots.filled]
        found += [
            gauge(
                _("Cores"),
                _used(f"{min(slots.cpus_taken, slots.cpus):g}", f"{slots.cpus:g}"),
                slots.cpus,
                _parts(cores, slots.cpus_taken, lambda cpus: f"{cpus:g}"),
            ),
            gauge(
                _("Memory"),
                _used(_room(min(slots.memory_taken_mb, slots.memory_mb)), _room(slots.memory_mb)),
                slots.memory_mb,
                _parts(memory, slots.memory_taken_mb, _room),
            ),
        ]
    return found


def _parts(
    own: Sequence[tuple[str, float]], taken: float, shown: Callable[[float], str]
) -> list[GaugePart]:
    parts = [
        GaugePart(worker or _("deleted Worker"), amount, shown(amount)) for worker, amount in own
    ]
    others = round(taken - sum(amount for _worker, amount in own), 3)
    if others > 0:
        parts.append(GaugePart(_("Other accounts"), others, shown(others), own=False))
    return parts


def _used(used: object, total: str) -> str:
    return _("%(used)s of %(total)s") % {"used": used, "total": total}


def _room(megabytes: float) -> str:
    return formats.room(round(megabytes) * 2**20)


def _read(view: View) -> QueueAddress:
    page = view.query.get("page", "1")
    return QueueAddress(
        page=int(page) if page.isdecimal() and 0 < int(page) <= 1000 else 1,
        oldest_first=view.query.get("order") == "oldest",
        after=view.query.get("after", ""),
    )


def cursor_of(board: QueueBoardView) -> str:
    """The cursor of a stream: the numbers of the held items on the page, "0" for none."""
    return "-".join(str(listed.item.number) for listed in board.items) or "0"


def _shown(view: View) -> list[int] | None:
    """The held items that the browser shows, by the last update or the page; None when unknown."""
    text = header(view.request.scope, b"last-event-id") or view.query.get("shown", "")
    if not _CURSOR.fullmatch(text):
        return None
    return [int(number) for number in text.split("-") if number != "0"]


def _summary(action: str, number: int) -> str:
    if action == "activated":
        return ngettext("One run was started.", "%(num)s runs were started.", number) % {
            "num": number
        }
    return ngettext("One item was discarded.", "%(num)s items were discarded.", number) % {
        "num": number
    }
