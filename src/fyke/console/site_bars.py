"""The answers of a site as a bar: connections that were made, failed and were refused.

As long as the site's share of the largest number of all sites. What failed is lower, and what was
refused is an outline, so that nothing is said by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from fyke.console import formats
from fyke.console.texts import gettext as _
from fyke.model.attempt import SiteTraffic

WIDTH = 100.0
HEIGHT = 8.0
LOW = 5.0  # the height of what failed
MIN_WIDTH = 1.0
GAP = 0.4


def largest(sites: Iterable[SiteTraffic]) -> int:
    """What a bar of full length stands for, 0 without sites."""
    return max((_total(site) for site in sites), default=0)


def _total(site: SiteTraffic) -> int:
    return site.requests + site.failures + site.refused


def drawn(site: SiteTraffic, most: int) -> Markup:
    """The drawing is hidden from assistive technology: show the numbers beside it."""
    pieces = [
        f'<svg class="site-bar" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none"'
        ' aria-hidden="true" focusable="false">'
    ]
    parts = [
        ("good", site.requests, HEIGHT, _("Connected")),
        ("bad", site.failures, LOW, _("Failed")),
        ("refused", site.refused, HEIGHT - 1, _("Refused")),
    ]
    parts = [part for part in parts if part[1]]
    room = WIDTH - MIN_WIDTH * len(parts)  # so that small parts do not push others out
    left = 0.0
    for name, number, height, label in parts:
        width = MIN_WIDTH + number / most * room
        pieces.append(
            f'<path class="{name}" d="M{left:.1f} {HEIGHT - height:g}h{width - GAP:.1f}v{height:g}'
            f'h-{width - GAP:.1f}z"><title>{escape(label)}: {formats.count(number)}</title></path>'
        )
        left += width
    return Markup("".join((*pieces, "</svg>")))  # noqa: S704 - made of numbers and escaped texts
