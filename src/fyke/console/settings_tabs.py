"""The pages under Settings, as tabs."""

from __future__ import annotations

from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.model.account import Role

AREA = "/settings/account"

Tab = tuple[str, str, int | None]


def tabs_for(view: View) -> list[Tab]:
    """The tabs that the caller may open: (address, label, None for no count)."""
    tabs: list[Tab] = [
        ("/settings/account", _("Account"), None),
        ("/settings/users", _("Users"), None),
    ]
    if view.caller.role is Role.OWNER:
        tabs.append(("/settings/audit", _("Audit log"), None))
    return tabs
