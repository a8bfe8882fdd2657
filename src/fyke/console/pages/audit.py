"""The audit log, in pages."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from fyke.console.audit_labels import audit_action_labels
from fyke.console.page import ConsolePage
from fyke.console.settings_tabs import AREA, tabs_for
from fyke.console.view import View
from fyke.domain.accounts.audit import AuditLog
from fyke.domain.accounts.service import Accounts

PATH = "/settings/audit"
SIZE = 50


@dataclass(frozen=True, slots=True)
class AuditPages:
    audit: AuditLog
    accounts: Accounts

    def pages(self) -> list[ConsolePage]:
        return [ConsolePage("GET", PATH, self.list, area=AREA)]

    async def list(self, view: View) -> Response:
        names = audit_action_labels()
        action = view.query.get("action", "")
        action = action if action in names else ""
        before = _number(view.query.get("before", ""))
        # one entry more than shown, to know whether older ones follow
        page = await self.audit.page(view.caller, before=before, limit=SIZE + 1, action=action)
        entries, has_older = page[:SIZE], len(page) > SIZE
        keys = await self.accounts.list_keys(view.caller)
        return view.page(
            "settings/audit.html",
            area=AREA,
            tabs=tabs_for(view),
            entries=entries,
            names=names,
            action=action,
            key_names={key.id: key.name for key in keys},
            newest=_address(action, 0) if before else "",
            older=_address(action, entries[-1].seq) if has_older else "",
        )


def _address(action: str, before: int) -> str:
    parameters = {"action": action, "before": str(before or "")}
    query = urlencode({name: value for name, value in parameters.items() if value})
    return f"{PATH}?{query}" if query else PATH


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else 0
