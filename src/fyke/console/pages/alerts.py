"""The list of alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.reasons import alert_text
from fyke.console.texts import gettext as _
from fyke.console.texts import ngettext
from fyke.console.view import View
from fyke.domain.alerts.rules import EXAMPLE
from fyke.domain.alerts.service import Alerts
from fyke.model.alert import Alert, AlertFilter

AREA = "/alerts"
PAGE_SIZE = 30


@dataclass(frozen=True, slots=True)
class AlertPages:
    alerts: Alerts

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", AREA, self.list, area=AREA),
            ConsolePage("POST", f"{AREA}/read", self.read, area=AREA, form_bytes=2**18),
        ]

    async def list(self, view: View) -> Response:
        unread, rule = view.query.get("unread") == "1", view.query.get("rule", "")[:40]
        text = view.query.get("page", "1")
        index = max(1, int(text)) if text.isdecimal() and len(text) < 9 else 1
        count, alerts = await self.alerts.page(
            view.caller,
            AlertFilter(unread=unread, rule_id=rule),
            offset=(index - 1) * PAGE_SIZE,
            limit=PAGE_SIZE,
        )
        rules = await self.alerts.rules(view.caller)
        return view.page(
            "alerts/list.html",
            area=AREA,
            alert_groups=_grouped(alerts),
            subjects=await self.alerts.subjects(alerts),
            count=count,
            unread=unread,
            rule=rule,
            rules=rules,
            example=EXAMPLE,
            index=index,
            size=PAGE_SIZE,
        )

    async def read(self, view: View) -> Response:
        ids = " ".join(view.form.all("id")).split()  # a row names all of its group
        chosen = None if view.form.on("all") else ids
        marked = await self.alerts.mark_read(view.caller, chosen)
        text = ngettext(
            "%(num)s alert was marked as read.", "%(num)s alerts were marked as read.", marked
        )
        back = "/alerts?unread=1" if view.form.get("back") == "unread" else AREA
        return view.go(
            back, text % {"num": marked} if marked else _("All alerts were already read.")
        )


def _grouped(alerts: Sequence[Alert]) -> list[list[Alert]]:
    """Newest first. Those of one rule with the same text are one group, read ones apart."""
    groups: dict[tuple[object, ...], list[Alert]] = {}
    for alert in alerts:
        text = alert_text(alert)
        same = alert.rule_id, alert.worker_id, alert.task_id, text, alert.read_at > 0
        groups.setdefault(same, []).append(alert)
    return list(groups.values())
