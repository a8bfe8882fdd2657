"""Makes the files of an attempt's last page, with secrets masked in all but the picture."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from fyke.domain.secrets.masking import Masker
from fyke.model import browser
from fyke.model.browser import ConsoleLine
from fyke.model.last_page import (
    MAX_CONSOLE,
    MAX_HAR,
    MAX_HTML,
    MAX_READ_TEXT,
    MAX_TEXT,
    LastPage,
    PageContent,
    PageFile,
    PageFileKind,
    TakenPage,
)
from fyke.runner.browser_report import masked
from fyke.runner.har import har_file


def page_content(taken: TakenPage, masker: Masker) -> PageContent:
    """What is stored of a page. Takes some ten milliseconds for each MB of HTML."""
    mask = partial(masked, masker=masker, most=MAX_TEXT, read=MAX_READ_TEXT)
    files: dict[PageFileKind, tuple[bytes, bool]] = {}
    if taken.screenshot:
        files[PageFileKind.SCREENSHOT] = taken.screenshot, False
    if taken.html:
        files[PageFileKind.HTML] = _html(taken, masker)
    if taken.requests:
        har, is_short = har_file(taken.requests, masker, MAX_HAR)
        files[PageFileKind.HAR] = har, is_short or taken.is_partial
    if taken.console:
        files[PageFileKind.CONSOLE] = _console(taken.console, masker)
    page = LastPage(
        taken.at,
        mask(taken.url),
        mask(taken.title),
        tuple(PageFile(kind, len(data), cut) for kind, (data, cut) in files.items()),
        taken.gaps,
    )
    return PageContent(page, {kind: data for kind, (data, _) in files.items()})


def _html(taken: TakenPage, masker: Masker) -> tuple[bytes, bool]:
    text = taken.html.decode(errors="ignore")
    shown = masker.host(masker.text(text))
    if taken.is_cut and masker.longest:  # a secret may have been cut
        shown = shown[: max(0, len(shown) - masker.longest + 1)]
    data = shown.encode()
    return _whole_characters(data[:MAX_HTML]), taken.is_cut or len(data) > MAX_HTML


def _console(lines: Sequence[ConsoleLine], masker: Masker) -> tuple[bytes, bool]:
    """One line for each message: time, level, text and source; the latest ones that fit."""
    kept: list[bytes] = []
    left = MAX_CONSOLE
    for line in reversed(lines):
        at = datetime.fromtimestamp(line.at / 1000, UTC).isoformat(timespec="milliseconds")
        text = masked(line.text, masker, browser.MAX_READ_TEXT)
        source = masked(line.source, masker, browser.MAX_URL)
        shown = f"{at} {line.level.value} {text}" + (f" ({source})" if source else "")
        data = shown.encode(errors="replace") + b"\n"
        left -= len(data)
        if left < 0:
            break
        kept.append(data)
    return b"".join(reversed(kept)), len(kept) < len(lines)


def _whole_characters(data: bytes) -> bytes:
    """UTF-8 without a character that was cut at its end."""
    return data.decode(errors="ignore").encode()
