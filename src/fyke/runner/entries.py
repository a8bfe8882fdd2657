"""Makes log entries of the lines that a Worker prints: finds severities and groups lines.

The severity is read from the beginning of a line, as common loggers write it. A line without a
severity is info on stdout and a warning on stderr; a continuation line has the severity of the line
before. A traceback or a stack is one entry, and an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fyke.model.log import LogType

_MAX_PREFIX = 300  # characters of a line in which its severity is looked for
_MAX_LINES = 200  # of one entry
_MAX_BYTES = 15_000  # of one entry, below the limit at which the log cuts

_SEVERITIES: Mapping[str, LogType] = {
    **dict.fromkeys(("TRACE", "DEBUG", "VERBOSE", "10", "20"), LogType.DEBUG),
    **dict.fromkeys(("INFO", "NOTICE", "SUCCESS", "30"), LogType.INFO),
    **dict.fromkeys(("WARN", "WARNING", "40"), LogType.WARN),
    **dict.fromkeys(("ERROR", "CRITICAL", "FATAL", "50", "60"), LogType.ERROR),
}
_WORDS = "|".join(word for word in _SEVERITIES if word.isalpha())

_COLOURS = re.compile(r"\x1b\[[0-9;]{0,20}m")
_TIME = (
    r"[\[(]?\d{1,4}[-/:.]\d{1,2}[-/:.]\d{1,4}(?:[T ]\d{1,2}:\d\d:\d\d)?(?:[.,]\d{1,9})?"
    r"(?:Z| ?[+-]\d\d:?\d\d)?[\])]?"
)
_SEPARATOR = r"[ \t]{0,4}(?:[|-][ \t]{1,4})?"
_NAME = r"(?:\[[^\]]{1,60}\][ \t]{1,4}|[\w.$<>-]{1,60}[ \t]{1,4}[|-][ \t]{1,4})"
# for example "2026-11-27 12:00:00 [scrapy.core.engine] INFO: ", "12:00:00 | ERROR    | ", "[WARN] "
_PREFIX = re.compile(
    rf"(?:{_TIME}{_SEPARATOR})?{_NAME}{{0,2}}?"
    rf"(?:({_WORDS})(?=[ \t]*[:|\]\[(-]|[ \t]+\S|$)|\[[ \t]{{0,4}}((?i:{_WORDS}))[ \t]{{0,9}}\])"
)
_JSON_LEVEL = re.compile(r'"(?:level|levelname|severity)"\s{0,2}:\s{0,2}"?(\w{2,8})\b')
_PAIR_LEVEL = re.compile(r'(?:^|\s)level="?(\w{4,8})\b')
_PAIRS = ("time=", "ts=", "level=", "msg=")

_CONTINUES = re.compile(r"[\s{}|+)\]\u2500-\u257f]|$")  # with the lines of tables
_TRACEBACK = re.compile(r"[\s|+]*(?:Exception Group )?Traceback \(most recent call last\)")
_CHAINED = ("During handling of the above", "The above exception was the direct")
_STACK_HEAD = re.compile(
    r"(?:Uncaught )?(?:[A-Za-z_$][\w$.]{0,80})?(?:(?:Error|Exception)\b| \[\w{1,60}\]: )"
)
_STACK = re.compile(r"\s+at ")
_FRAME = re.compile(r"\s{1,40}at [^\n]{0,500}:\d{1,9}:\d{1,9}\)?(?: \{)?$")


def severity(line: str) -> LogType | None:
    """The severity that the beginning of ``line`` states, None when it states none."""
    head = _COLOURS.sub("", line[:_MAX_PREFIX]).lstrip()
    if head.startswith("{"):
        match = _JSON_LEVEL.search(head)
    elif head.startswith(_PAIRS):
        match = _PAIR_LEVEL.search(head)
    else:
        match = _PREFIX.match(head)
    if match is None:
        return None
    return _SEVERITIES.get((match[1] or match[match.re.groups]).upper())


@dataclass(slots=True)
class _Block:
    """The lines of a traceback or stack so far."""

    lines: list[str]
    in_frames: bool  # whether the line that names the exception is still to come
    confirmed: bool = True  # False: one line that is perhaps the head of a stack
    size: int = 0  # bytes of the lines after the first one

    def append(self, line: str) -> bool:
        """Append ``line`` and return True, unless the entry would become too large."""
        size = self.size + len(line.encode()) + 1
        if len(self.lines) >= _MAX_LINES or size + len(self.lines[0].encode()) + 1 > _MAX_BYTES:
            return False
        self.lines.append(line)
        self.size = size
        return True


@dataclass(slots=True)
class StreamEntries:
    """Makes entries of the lines of one stream; ``default`` is the severity of a plain line."""

    default: LogType
    _block: _Block | None = None
    _last: LogType | None = field(default=None)  # of the record before, None after a plain line
    _in_frames: bool = False  # whether a traceback was logged before its exception was printed

    @property
    def waiting(self) -> bool:
        """Whether lines wait because more lines of their entry may follow; ``rest`` yields them."""
        return self._block is not None

    def add(self, line: str) -> Iterator[tuple[LogType, str]]:
        """Yield the entries that ``line`` completes."""
        block = self._block
        if block is not None:
            belongs = _belongs(block, line)
            if belongs and block.append(line):
                return
            yield from self.rest()
            if belongs and line.strip():
                self._block = _Block([line], block.in_frames)
                return
        elif self._in_frames and line.strip() and not _TRACEBACK.match(line):
            self._block = _Block([line], in_frames=line[0].isspace())
            return
        if _TRACEBACK.match(line):
            self._block = _Block([line], in_frames=True)
        elif _STACK_HEAD.match(line):
            self._block = _Block([line], in_frames=False, confirmed=False)
        elif _FRAME.match(line):  # a frame below an unknown kind of head
            self._block = _Block([line], in_frames=False)
        else:
            yield self._severity(line), line

    def rest(self) -> Iterator[tuple[LogType, str]]:
        """Yield the lines that wait, as one entry."""
        block, self._block = self._block, None
        if block is None:
            return
        if not block.confirmed:
            self._in_frames = False
            yield self._severity(block.lines[0]), block.lines[0]
            return
        blank = 0
        while not block.lines[-1 - blank].strip():  # ends: the first line is never blank
            blank += 1
        self._last, self._in_frames = None, block.in_frames
        kept = len(block.lines) - blank
        yield LogType.ERROR, "\n".join(block.lines[:kept])
        for line in block.lines[kept:]:
            yield self.default, line

    def _severity(self, line: str) -> LogType:
        stated = severity(line)
        if stated is None and self._last is not None and _CONTINUES.match(line):
            return self._last
        self._last = stated
        return stated or self.default


def _belongs(block: _Block, line: str) -> bool:
    """Whether ``line`` continues the block. Updates the block's ``in_frames`` and ``confirmed``."""
    if not block.confirmed:
        block.confirmed = bool(_STACK.match(line))
        return block.confirmed
    if not line.strip() or line[0].isspace():
        return True
    if _TRACEBACK.match(line):
        block.in_frames = True
        return not block.lines[-1].strip() or block.lines[-1].startswith(_CHAINED)
    if block.in_frames:
        block.in_frames = False
        return True
    return line.startswith(_CHAINED) or line in ("}", "]")
