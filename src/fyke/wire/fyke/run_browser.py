"""What the browsers of a run did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from fyke.model.browser import ConsoleLevel, StatusClass
from fyke.model.last_page import PageFileKind, PageGap
from fyke.wire.common import Count, UnixMs, known_values
from fyke.wire.fields import Answer
from fyke.wire.run_members import Bytes

if TYPE_CHECKING:
    from fyke.domain.runs.browser_reports import NumberedLine, RunBrowser
    from fyke.domain.runs.last_pages import NumberedPage

STATES = ("none", "open", "ended")


class RequestTypeItem(Answer):
    type: Annotated[
        str,
        Meta(description="as Chromium names it, in lower case", examples=["document", "image"]),
    ]
    count: Count
    cached: Annotated[Count, Meta(description="how many of them a cache of the browser answered")]
    received: Annotated[Bytes, Meta(description="bytes with heads, as far as they are known")]
    blocked: Annotated[Count, Meta(description="those that the run does not load")] = 0


class UnblockedLoadItem(Answer):
    run_slug: str
    requests: Count
    received: Annotated[Bytes, Meta(description="bytes with heads")]


class StatusClassItem(Answer):
    status: Annotated[
        str, known_values(StatusClass, "`failed`: refused, failed or cancelled without a status")
    ]
    count: Count


class ConsoleLevelItem(Answer):
    level: Annotated[str, known_values(ConsoleLevel)]
    count: Count


class ConsoleLineItem(Answer):
    timestamp: UnixMs
    subtask: Annotated[str, Meta(description="its number in the log")]
    level: Annotated[str, known_values(ConsoleLevel)]
    text: str
    source: Annotated[str, Meta(description="URL and line of the script, or empty")]

    @classmethod
    def of(cls, numbered: NumberedLine) -> ConsoleLineItem:
        line = numbered.line
        return cls(line.at, numbered.number, line.level.value, line.text, line.source)


class PageFileItem(Answer):
    kind: Annotated[str, known_values(PageFileKind)]
    size: Bytes
    truncated: Annotated[bool, Meta(description="whether something was left out")]


class PageGapItem(Answer):
    kind: Annotated[str, known_values(PageFileKind)]
    reason: Annotated[
        str,
        known_values(
            PageGap, "`gone`: it was closed, or its browser ended, before it could be taken"
        ),
    ]


class LastPageItem(Answer):
    attempt: Annotated[str, Meta(description="names its files")]
    subtask: Annotated[str, Meta(description="its number in the log")]
    timestamp: Annotated[UnixMs, Meta(description="when it was taken")]
    url: Annotated[str, Meta(description="empty if it is not known; secrets are masked")]
    title: str
    files: list[PageFileItem]
    missing: Annotated[list[PageGapItem], Meta(description="what could not be taken")]
    kept_until: Annotated[
        UnixMs | None,
        Meta(
            description="when its files will be removed, unless the run is deleted before; "
            "null: never"
        ),
    ] = None

    @classmethod
    def of(cls, numbered: NumberedPage, kept_until: int | None) -> LastPageItem:
        page = numbered.page
        return cls(
            attempt=numbered.attempt_id,
            subtask=numbered.number,
            timestamp=page.at,
            url=page.url,
            title=page.title,
            files=[PageFileItem(file.kind.value, file.size, file.truncated) for file in page.files],
            missing=[PageGapItem(kind.value, gap.value) for kind, gap in page.gaps.items()],
            kept_until=kept_until,
        )


class RunBrowserReport(Answer):
    state: Annotated[str, known_values(STATES, "`none`: no attempt had a browser")]
    program: Annotated[str, known_values(["", "headless-shell", "chromium"], "the latest one")]
    headful: Annotated[bool, Meta(description="whether it has windows, on a virtual display")]
    version: Annotated[str, Meta(examples=["156.0.8078.108"])]
    own_sandbox: Annotated[
        bool | None, Meta(description="whether Chromium's own sandbox worked; null: not known")
    ]
    starts: Annotated[
        Count,
        Meta(description="how often a sandbox was started for browsers; each may have had several"),
    ]
    ms: Annotated[Count, Meta(description="how long attempts had a browser")]
    memory_peak: Annotated[Bytes, Meta(description="bytes, the highest of all attempts")]
    pages: Annotated[Count, Meta(description="documents that were opened in tabs")]
    crashes: Annotated[Count, Meta(description="pages that crashed")]
    requests: Annotated[list[RequestTypeItem], Meta(description="the most frequent type first")]
    statuses: list[StatusClassItem]
    console: list[ConsoleLevelItem]
    lines: Annotated[
        list[ConsoleLineItem], Meta(description="the last 50 console lines, secrets are masked")
    ]
    urls: Annotated[list[str], Meta(description="the last five pages, secrets are masked")]
    block: Annotated[list[str], Meta(description="what the run does not load")] = []
    unblocked: Annotated[
        UnblockedLoadItem | None,
        Meta(
            description="what the last run of the version that did not block loaded of it; "
            "null: not known, or nothing is blocked"
        ),
    ] = None
    last_pages: Annotated[
        list[LastPageItem],
        Meta(description="what is kept of the last pages of attempts, the latest attempt first"),
    ] = []

    @classmethod
    def of(cls, browser: RunBrowser) -> RunBrowserReport:
        activity, unblocked = browser.activity, browser.unblocked
        return cls(
            state=browser.state.value,
            program=browser.program,
            headful=browser.run.browser_choice.headful,
            version=browser.number,
            own_sandbox=browser.own_sandbox,
            starts=browser.starts,
            ms=browser.milliseconds,
            memory_peak=browser.memory_peak_bytes,
            pages=activity.pages,
            crashes=activity.crashes,
            requests=[
                RequestTypeItem(
                    name,
                    count,
                    activity.cached.get(name, 0),
                    activity.received.get(name, 0),
                    activity.blocked.get(name, 0),
                )
                for name, count in browser.by_type
            ],
            statuses=[StatusClassItem(*item) for item in browser.by_status],
            console=[ConsoleLevelItem(*item) for item in browser.by_level],
            lines=[ConsoleLineItem.of(line) for line in browser.lines],
            urls=list(activity.urls),
            block=[*browser.run.browser_block],
            unblocked=UnblockedLoadItem(
                run_slug=unblocked.run_id,
                requests=unblocked.requests,
                received=unblocked.received,
            )
            if unblocked
            else None,
            last_pages=[LastPageItem.of(page, browser.kept_until(page)) for page in browser.pages],
        )
