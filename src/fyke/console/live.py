"""Event streams of pages: fragments that name their own targets.

A message consists of ``hx-partial`` elements and an id: the cursor that the browser sends as
``Last-Event-ID`` when it reconnects. The id comes last, so that a truncated message does not
advance the cursor.
"""

from __future__ import annotations

from markupsafe import escape

END = b"event: end\ndata: end\n\n"
BATCH_SECONDS = 0.2  # updates within this interval are sent together
MAX_LINES = 200  # log lines in one message


def partial(target: str, swap: str, html: str) -> str:
    """``html`` for the element that the selector ``target`` names; ``swap`` as in ``hx-swap``."""
    return f'<hx-partial hx-target="{escape(target)}" hx-swap="{escape(swap)}">{html}</hx-partial>'


def message(html: str, cursor: str = "") -> bytes:
    """One message of one or more partials; ``cursor`` must not contain a line break."""
    lines = "".join(f"data: {line}\n" for line in html.splitlines())
    return f"{lines}{f'id: {cursor}' if cursor else ': '}\n\n".encode()


def comment() -> bytes:
    """A comment, which keeps proxies from closing an idle stream."""
    return b": quiet\n\n"
