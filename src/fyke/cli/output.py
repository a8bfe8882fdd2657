"""The output of commands: data to standard output, messages to standard error.

Tables are styled on a terminal, and plain aligned text without shortening elsewhere; ``--json``
writes JSON. Control characters are removed from text of Workers and other users.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

STYLES = {
    "succeeded": "green",
    "published": "green",
    "full": "green",
    "delivered": "green",
    "ok": "green",
    "running": "cyan",
    "ready": "cyan",
    "failed": "red",
    "none": "red",
    "missing": "red",
    "aborted": "yellow",
    "withdrawn": "yellow",
    "no-limits": "yellow",
}
FLEXIBLE = frozenset({"title", "description", "detail", "reason", "url", "message", "labels"})
MIN_COLUMN_WIDTH = 10  # of a shortened column
MAX_COLUMN_WIDTH = 60  # of the padding in a streamed table


def data_of(value: Any) -> Any:
    """An answer of the server as JSON values."""
    import msgspec

    return msgspec.json.decode(msgspec.json.encode(value))


class Output:
    """Writes the result of one command."""

    def __init__(
        self, as_json: bool, stdout: TextIO | None = None, stderr: TextIO | None = None
    ) -> None:
        self.as_json = as_json
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr

    def to_messages(self) -> Output:
        """An output whose data goes to standard error, beside the messages."""
        return Output(self.as_json, self._stderr, self._stderr)

    @property
    def on_terminal(self) -> bool:
        """Whether standard output is a terminal."""
        return self._stdout.isatty()

    @property
    def messages_on_terminal(self) -> bool:
        """Whether standard error can show a line that is updated."""
        return self._stderr.isatty() and os.environ.get("TERM") != "dumb"

    # --- data -----------------------------------------------------------------------------

    def json(self, value: Any) -> None:
        """One JSON value on one line."""
        self.raw(to_json(value))

    def raw(self, text: str) -> None:
        """A line of data as it is."""
        self._stdout.write(text + "\n")
        self._stdout.flush()

    def line(self, text: str, style: str = "") -> None:
        """A line of data without control characters; ``style`` is used on a terminal only."""
        text = printable(text, keep_lines=True)
        if style and self.on_terminal:
            self._console().print(text, style=style, markup=False, soft_wrap=True)
        else:
            self.raw(text)

    def table(
        self, titles: Sequence[str], rows: Iterable[Sequence[object]], *, keys: bool = False
    ) -> None:
        """Rows under titles, or a message when there are none. ``keys``: the titles are keys of
        rows, whose case matters.
        """
        titles = [printable(title) for title in titles]
        cells = [[printable(str(cell)) for cell in row] for row in rows]
        if not cells:
            self.say("Nothing found.")
        elif self.on_terminal:
            self._styled_table(titles, cells)
        else:
            heading = titles if keys else [title.upper() for title in titles]
            for text in plain_table([heading, *cells]):
                self.raw(text)

    def fields(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Names with values, one per line."""
        lines = [(name, printable(str(value))) for name, value in pairs]
        width = max((len(name) for name, _ in lines), default=0)
        for name, value in lines:
            style = STYLES.get(value, "")
            if style and self.on_terminal:
                from rich.text import Text

                text = Text.assemble(f"{name:<{width}}  ", (value, style))
                self._console().print(text, soft_wrap=True)
            else:
                self.line(f"{name:<{width}}  {value}".rstrip())

    def stream(self, titles: Sequence[str], pages: Iterable[list[list[str]]]) -> None:
        """A table of any length; the first page determines the widths of columns."""
        titles = [printable(title) for title in titles]
        widths: list[int] = []
        for page in pages:
            if not widths:
                widths = column_widths([titles, *page])
                self.raw(plain_row(titles, widths))
            for row in page:
                self.raw(plain_row(row, widths))

    # --- messages -------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Write a message for the user to standard error."""
        self._stderr.write(printable(text, keep_lines=True) + "\n")
        self._stderr.flush()

    # --- a terminal -----------------------------------------------------------------------

    def _console(self) -> Any:
        from rich.console import Console

        return Console(file=self._stdout, highlight=False, emoji=False)

    def _styled_table(self, titles: Sequence[str], rows: list[list[str]]) -> None:
        from rich.text import Text

        console = self._console()
        widths = fitting_widths(titles, rows, console.width)
        console.print(Text(_padded(titles, widths), style="bold"), soft_wrap=True)
        for row in rows:
            line = Text()
            for cell, width in zip(row, widths, strict=True):
                line.append(_shortened(cell, width), style=STYLES.get(cell, ""))
                line.append("  ")
            line.rstrip()
            console.print(line, soft_wrap=True)


class LiveLine:
    """A line on standard error that is updated on a terminal; nothing elsewhere."""

    def __init__(self, out: Output, stream: TextIO | None = None) -> None:
        self.active = out.messages_on_terminal and not out.as_json
        self._stream = stream or sys.stderr
        self._text = ""

    def show(self, text: str) -> None:
        if self.active and text != self._text:
            self._text = text
            width = max(20, _terminal_width() - 1)
            self._stream.write(f"\r\x1b[K{printable(text)[:width]}")
            self._stream.flush()

    def clear(self) -> None:
        """Remove the line, so that another one can be printed."""
        if self.active and self._text:
            self._text = ""
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def to_json(value: Any) -> str:
    """JSON on one line, with non-ASCII characters as they are and integers of any size."""
    return json.dumps(value, ensure_ascii=False)


def printable(text: str, *, keep_lines: bool = False) -> str:
    """``text`` without control characters and bidirectional overrides."""
    from fyke.domain.logs.text import clean

    text = clean(text)
    return text if keep_lines else text.replace("\n", " ").replace("\t", " ")


def plain_table(lines: list[list[str]]) -> Iterator[str]:
    """Aligned lines, not shortened."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for row in lines:
        yield plain_row(row, widths)


def fitting_widths(titles: Sequence[str], rows: list[list[str]], available: int) -> list[int]:
    """The widths of the widest cells. If they exceed ``available``, only columns of sentences and
    labels are shortened, because ids and numbers must stay copyable."""
    from rich.cells import cell_len

    widths = [
        max(cell_len(title), *(cell_len(row[index]) for row in rows))
        for index, title in enumerate(titles)
    ]
    excess = sum(widths) + 2 * (len(widths) - 1) - available
    flexible = [index for index, title in enumerate(titles) if title in FLEXIBLE]
    for index in sorted(flexible, key=lambda index: -widths[index]):
        reduction = max(0, min(excess, widths[index] - MIN_COLUMN_WIDTH))
        widths[index] -= reduction
        excess -= reduction
    return widths


def _shortened(cell: str, width: int) -> str:
    from rich.cells import cell_len, set_cell_size

    if cell_len(cell) <= width:
        return set_cell_size(cell, width)
    return set_cell_size(cell, width - 1) + "\u2026"


def _padded(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_shortened(c, w) for c, w in zip(cells, widths, strict=True)).rstrip()


def plain_row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def column_widths(rows: list[list[str]]) -> list[int]:
    return [
        min(MAX_COLUMN_WIDTH, max(len(row[index]) for row in rows)) for index in range(len(rows[0]))
    ]
