"""The answers of a site as a bar, by class of their HTTP status, with what has no status.

As long as the site's share of the largest number of all sites. What is worse is lower, what cannot
be read is a dashed outline and what was refused an outline: nothing is said by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from markupsafe import Markup, escape

from fyke.console import formats
from fyke.console.texts import gettext as _
from fyke.model.attempt import SiteTraffic

WIDTH = 100.0
HEIGHT = 8.0
MIN_WIDTH = 1.0
GAP = 0.4


@dataclass(frozen=True, slots=True)
class BarPart:
    """One part of a bar. ``name`` is the class that colours it."""

    name: str
    label: str
    height: float
    number: int = 0


def parts_of(site: SiteTraffic) -> list[BarPart]:
    """All parts of the bar of a site, those of none too, in their order."""
    by_class: dict[str, int] = {}
    for status, number in site.statuses.items():
        by_class[status[0]] = by_class.get(status[0], 0) + number
    # connections of a browser, or with an older release; a connection may have several answers
    unknown = site.requests - site.unseen - sum(by_class.values())
    return [
        BarPart("good", _("Answered (2xx)"), HEIGHT, by_class.pop("2", 0)),
        BarPart("moved", _("Redirected (3xx)"), 6.5, by_class.pop("3", 0)),
        BarPart("warned", _("Rejected (4xx)"), 5.0, by_class.pop("4", 0)),
        BarPart("bad", _("Server error (5xx)"), 3.5, by_class.pop("5", 0)),
        BarPart("rest", _("Other answers"), HEIGHT, sum(by_class.values())),
        BarPart("unseen", _("Encrypted, status not visible"), HEIGHT - 1, site.unseen),
        BarPart("rest", _("Connected, status not known"), HEIGHT, max(0, unknown)),
        BarPart("failed", _("No connection"), 2.0, site.failures),
        BarPart("refused", _("Refused by Fyke"), HEIGHT - 1, site.refused),
    ]


def largest(sites: Iterable[SiteTraffic]) -> int:
    """What a bar of full length stands for, 0 without sites."""
    return max((_total(site) for site in sites), default=0)


def _total(site: SiteTraffic) -> int:
    return sum(part.number for part in parts_of(site))


def key(sites: Iterable[SiteTraffic]) -> list[BarPart]:
    """What the parts of all bars mean, with their sums; those of none are left out."""
    sums: dict[str, BarPart] = {}
    for part in (part for site in sites for part in parts_of(site)):
        known = sums.get(part.label, replace(part, number=0))
        sums[part.label] = replace(known, number=known.number + part.number)
    return [part for part in sums.values() if part.number]


def drawn(site: SiteTraffic, most: int) -> Markup:
    """The drawing is hidden from assistive technology: show the numbers beside it."""
    pieces = [
        f'<svg class="site-bar" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none"'
        ' aria-hidden="true" focusable="false">'
    ]
    parts = [part for part in parts_of(site) if part.number]
    room = WIDTH - MIN_WIDTH * len(parts)  # so that small parts do not push others out
    left = 0.0
    for part in parts:
        width = MIN_WIDTH + part.number / most * room
        title = f"{escape(part.label)}: {formats.count(part.number)}"
        pieces.append(_path(part, left, width - GAP, title))
        left += width
    return Markup("".join((*pieces, "</svg>")))  # noqa: S704 - made of numbers and escaped texts


def swatch(part: BarPart) -> Markup:
    """A sample of a part for the key."""
    path = _path(part, 0.5, 9.0, "")
    return Markup(  # noqa: S704 - made of numbers
        f'<svg class="site-bar site-swatch" viewBox="0 0 10 {HEIGHT:g}" aria-hidden="true"'
        f' focusable="false">{path}</svg>'
    )


def _path(part: BarPart, left: float, width: float, title: str) -> str:
    return (
        f'<path class="{part.name}" d="M{left:.1f} {HEIGHT - part.height:g}h{width:.1f}'
        f'v{part.height:g}h-{width:.1f}z">{f"<title>{title}</title>" if title else ""}</path>'
    )
