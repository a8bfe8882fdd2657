"""A gauge: a bar that is filled from the left by its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH = 100.0
HEIGHT = 8.0
GAP = 0.6  # between two parts
LOW = 4.0  # the height of what is not the viewer's own
MIN_WIDTH = 0.8
FULL = 0.95  # the share from which on it counts as full


@dataclass(frozen=True, slots=True)
class GaugePart:
    """A part of what is used; ``own``: by the viewer's account. The form shows that as well as the
    colour: other parts are half as high.
    """

    label: str
    amount: float
    shown: str
    own: bool = True


@dataclass(frozen=True, slots=True)
class Gauge:
    """``svg`` is hidden from assistive technology: show ``text`` with it."""

    name: str
    text: str  # such as "3 of 10"
    svg: Markup
    full: bool


def gauge(name: str, text: str, total: float, parts: Sequence[GaugePart]) -> Gauge:
    """``total`` and amounts in the same unit; parts without an amount are left out."""
    used = sum(part.amount for part in parts)
    scale = WIDTH / max(total, used) if max(total, used) > 0 else 0.0
    full = total > 0 and used >= FULL * total
    pieces = [
        f'<svg class="gauge{" gauge-full" if full else ""}" viewBox="0 0 {WIDTH:g} {HEIGHT:g}"'
        ' preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f'<rect class="gauge-all" width="{WIDTH:g}" height="{HEIGHT:g}"/>'
    ]
    left = 0.0
    for part in parts:
        if part.amount > 0:
            width = part.amount * scale
            drawn = max(round(width - GAP, 2), MIN_WIDTH)
            height = HEIGHT if part.own else LOW
            pieces.append(
                f'<rect class="{"own" if part.own else "others"}" x="{round(left, 2):g}"'
                f' y="{HEIGHT - height:g}" width="{drawn:g}" height="{height:g}">'
                f"<title>{escape(part.label)}: {escape(part.shown)}</title></rect>"
            )
            left += width
    pieces.append("</svg>")
    svg = Markup("".join(pieces))  # noqa: S704 - made of numbers and escaped texts
    return Gauge(name, text, svg, full)
