"""The log of a run: the entries after a position, or a page filtered by severity and text."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, field

from fyke.model.log import MAX_LISTED_LINES, MAX_SEARCHED_TEXT, LogType
from fyke.wire.common import Count, Items, LogSeverity, UnixMs
from fyke.wire.fields import Answer, Integer, ParsedBy, Request, to_text

if TYPE_CHECKING:
    from fyke.domain.logs.reading import LogPage
    from fyke.model.log import LogEntry, LogExcerpt

MAX_LOG_ENTRIES = 1000  # in one answer

Position = Annotated[int, Meta(ge=1, description="increases within the run, from 1")]


# --- requests ------------------------------------------------------------------------------


class LogQuery(Request):
    after: Annotated[Integer, Meta(ge=0, description="position of the last known entry")] = 0
    limit: Annotated[
        Integer, Meta(ge=1, le=MAX_LOG_ENTRIES, description="maximum number of entries")
    ] = MAX_LOG_ENTRIES


class LogPageQuery(Request):
    after: Annotated[Integer, Meta(ge=0, description="entries after this position")] | None = None
    before: Annotated[Integer, Meta(ge=0, description="entries before this position")] | None = None
    level: Annotated[
        Integer,
        Meta(
            ge=1, le=4, description="minimum severity: 1 debug, 2 information, 3 warning, 4 error"
        ),
    ] = int(LogType.DEBUG)
    search: Annotated[
        str, Meta(max_length=MAX_SEARCHED_TEXT, description="part of the entry"), ParsedBy(to_text)
    ] = ""
    limit: Annotated[Integer, Meta(ge=1, le=MAX_LISTED_LINES, description="entries of a page")] = (
        MAX_LISTED_LINES
    )


# --- answers -------------------------------------------------------------------------------


class LogItem(Answer):
    position: Position
    type: LogSeverity
    group: str
    content: str
    timestamp: UnixMs

    @classmethod
    def of(cls, entry: LogEntry) -> LogItem:
        return cls(**asdict(entry))


class LogPart(Items[LogItem]):
    pass


class LogLineItem(Answer):
    position: Position
    type: LogSeverity
    group: str
    content: Annotated[str, Meta(description="cut if `length` is greater than its length")]
    length: Annotated[Count, Meta(description="characters of the whole entry")]
    timestamp: UnixMs

    @classmethod
    def of(cls, line: LogExcerpt) -> LogLineItem:
        return cls(**asdict(line))

    @classmethod
    def whole(cls, entry: LogEntry) -> LogLineItem:
        return cls(**asdict(entry), length=len(entry.content))


class LogLinePage(Answer):
    items: list[LogLineItem] = field(name="list")
    count: Annotated[Count, Meta(description="entries of the whole log")]
    reached: Annotated[Count, Meta(description="position to continue from")]
    complete: Annotated[
        bool, Meta(description="whether there are no more entries in that direction")
    ]

    @classmethod
    def of(cls, page: LogPage) -> LogLinePage:
        lines = [LogLineItem.of(line) for line in page.lines]
        return cls(lines, page.count, page.reached, page.complete)
