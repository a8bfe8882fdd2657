"""Event streams of pages: fragments that name their own targets.

A message carries ``hx-partial`` elements; its id is the place to go on from, which the browser
sends back as ``Last-Event-ID`` after a break. The id comes last: a message that was cut off then
has not moved the place.
"""

from __future__ import annotations

from markupsafe import escape

END = b"event: end\ndata: end\n\n"
BATCH_SECONDS = 0.2  # updates within this interval are sent together
MAX_LINES = 200  # of a log in one message


def partial(target: str, swap: str, html: str) -> str:
    """``html`` for the element that the selector ``target`` names; ``swap`` as in ``hx-swap``."""
    return f'<hx-partial hx-target="{escape(target)}" hx-swap="{escape(swap)}">{html}</hx-partial>'


def message(html: str, place: str = "") -> bytes:
    """One message of one or more partials; ``place`` must not contain a line break."""
    lines = "".join(f"data: {line}\n" for line in html.splitlines())
    return f"{lines}{f'id: {place}' if place else ': '}\n\n".encode()


def comment() -> bytes:
    """Keeps proxies from closing an idle stream."""
    return b": quiet\n\n"
