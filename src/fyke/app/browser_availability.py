"""Whether this machine has browsers for its Workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fyke.sandbox.installed_browser import find_programs

if TYPE_CHECKING:
    from fyke.settings import Settings


def serves_browsers(settings: Settings) -> bool:
    """Whether Workers of this machine can have browsers; otherwise the role ``browser`` would have
    nothing to serve.
    """
    return settings.browser != "off" and bool(find_programs())
