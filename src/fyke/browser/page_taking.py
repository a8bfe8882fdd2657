"""Takes one page over a session of the gateway: its address and title, a picture, its HTML.

Chromium and the page may be hostile: every answer is limited, and what does not come in time is
left out.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable

import msgspec

from fyke.browser.session import BAD_ANSWER, AnswerTooLong, DevtoolsFailed, DevtoolsSession
from fyke.kit.jpeg import BadJpeg, JpegTooLarge
from fyke.model.last_page import (
    MAX_READ_HTML,
    MAX_READ_TEXT,
    MAX_SCREENSHOT,
    SCREENSHOT_LIMIT,
    PageFileKind,
    PageGap,
    TakenPage,
)

MAX_HTML_ANSWER = 4 * 2**20  # bytes; a longer document is not read
MAX_PICTURE_ANSWER = MAX_SCREENSHOT * 4 // 3 + 4096
_MAX_SMALL = 2**18  # bytes of other answers
_MAX_ID = 128  # characters
_QUALITY = 60
_SITE = ("http:", "https:")


class _PageTarget(msgspec.Struct, rename="camel"):
    target_id: str
    type: str = ""
    url: str = ""
    title: str = ""


class _Targets(msgspec.Struct, rename="camel"):
    target_infos: list[_PageTarget] = []


class _TargetInfo(msgspec.Struct, rename="camel"):
    target_info: _PageTarget


class _Node(msgspec.Struct, rename="camel"):
    node_id: int


class _Document(msgspec.Struct):
    root: _Node


class _Picture(msgspec.Struct):
    data: str


class _Html(msgspec.Struct, rename={"html": "outerHTML"}):
    html: str


_decode_targets = msgspec.json.Decoder(_Targets).decode
_decode_info = msgspec.json.Decoder(_TargetInfo).decode
_decode_document = msgspec.json.Decoder(_Document).decode
_decode_picture = msgspec.json.Decoder(_Picture).decode
_decode_html = msgspec.json.Decoder(_Html).decode


class PageTaking:
    """``run`` it once; what has arrived until it ends is in ``page``, however it ends."""

    def __init__(self, at: int) -> None:
        self.found = False  # whether there is a page
        self._at = at
        self._url = self._title = ""
        self._screenshot = self._html = b""
        self._is_cut = False
        self._gaps = {
            PageFileKind.SCREENSHOT: PageGap.NO_ANSWER,
            PageFileKind.HTML: PageGap.NO_ANSWER,
        }

    @property
    def is_empty(self) -> bool:
        """Whether there is neither a picture nor HTML."""
        return not self._screenshot and not self._html

    def page(self, state: PageGap | None = None) -> TakenPage:
        """What has arrived. ``state``: why the page did not answer, if that is known."""
        gaps = {
            kind: state if state is not None and gap is PageGap.NO_ANSWER else gap
            for kind, gap in self._gaps.items()
        }
        return TakenPage(
            self._at,
            self._url,
            self._title if state is not PageGap.CRASHED else "",  # that of the document before
            self._screenshot,
            self._html,
            self._is_cut,
            gaps,
        )

    @staticmethod
    def ignore(method: str, params: msgspec.Raw, session: str) -> None:
        """Events are not needed."""

    async def run(self, session: DevtoolsSession, target: str) -> None:
        """Take the page with this id, or one of a site. Raise ``DevtoolsFailed``."""
        target = target or await _page_of_a_site(session)
        if not target:
            return
        attached = await session.attach(target)
        self.found = True
        name = session.start("Target.getTargetInfo", {"targetId": target}, max_bytes=_MAX_SMALL)
        document = session.start("DOM.getDocument", {"depth": 0}, attached, max_bytes=_MAX_SMALL)
        options = {"format": "jpeg", "quality": _QUALITY}
        picture = session.start(
            "Page.captureScreenshot", options, attached, max_bytes=MAX_PICTURE_ANSWER
        )
        await asyncio.gather(
            self._name(name), self._draw(picture), self._read(session, attached, document)
        )

    async def _name(self, answer: Awaitable[msgspec.Raw]) -> None:
        try:
            found = _decode_info(await answer).target_info
        except (DevtoolsFailed, *BAD_ANSWER):
            return
        self._url, self._title = found.url[:MAX_READ_TEXT], found.title[:MAX_READ_TEXT]

    async def _draw(self, answer: Awaitable[msgspec.Raw]) -> None:
        kind = PageFileKind.SCREENSHOT
        try:
            data = base64.b64decode(_decode_picture(await answer).data, validate=True)
        except AnswerTooLong:
            self._gaps[kind] = PageGap.TOO_LARGE
            return
        except (DevtoolsFailed, *BAD_ANSWER, binascii.Error, ValueError):
            return
        if len(data) > MAX_SCREENSHOT:
            self._gaps[kind] = PageGap.TOO_LARGE
            return
        try:
            SCREENSHOT_LIMIT.check(data)
        except JpegTooLarge:
            self._gaps[kind] = PageGap.TOO_LARGE
        except BadJpeg:
            pass  # as if there was no answer
        else:
            self._screenshot = data
            del self._gaps[kind]

    async def _read(
        self, session: DevtoolsSession, attached: str, document: Awaitable[msgspec.Raw]
    ) -> None:
        kind = PageFileKind.HTML
        try:
            node = _decode_document(await document).root.node_id
            answer = await session.start(
                "DOM.getOuterHTML", {"nodeId": node}, attached, max_bytes=MAX_HTML_ANSWER
            )
            html = _decode_html(answer).html.encode()
        except AnswerTooLong:
            self._gaps[kind] = PageGap.TOO_LARGE
            return
        except (DevtoolsFailed, *BAD_ANSWER):
            return
        self._html = html[:MAX_READ_HTML]
        self._is_cut = len(html) > MAX_READ_HTML
        del self._gaps[kind]


async def _page_of_a_site(session: DevtoolsSession) -> str:
    """The id of a page that shows a site; "" if there is none. Raise ``DevtoolsFailed``."""
    # an answer of any size that is read: others may have long addresses, such as pictures
    answer = await session.ask("Target.getTargets", {"filter": [{"type": "page"}]})
    try:
        targets = _decode_targets(answer).target_infos
    except BAD_ANSWER:
        raise DevtoolsFailed("Target.getTargets: no targets") from None
    for target in targets:
        if target.type == "page" and target.url[:6].lower().startswith(_SITE):
            return target.target_id[:_MAX_ID]
    return ""
