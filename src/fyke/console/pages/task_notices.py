"""Whom a task notifies of failed runs: an alert rule of its own, set on the page of the task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.pages.alert_rules import fields_of
from fyke.console.pages.task_alerts import TaskAlerts, own_rule, task_alerts
from fyke.console.reasons import error_text
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.alerts.service import Alerts
from fyke.domain.tasks.service import Tasks
from fyke.domain.webhooks.service import Webhooks
from fyke.errors import FykeError
from fyke.model.alert import RuleKind
from fyke.model.task import Task

AREA = "/tasks"
SMALL = 2**16
_FAILED = RuleKind.FAILED


@dataclass(frozen=True, slots=True)
class TaskNotices:
    """The form, and what it changes."""

    alerts: Alerts
    webhooks: Webhooks
    tasks: Tasks

    def pages(self) -> list[ConsolePage]:
        path = f"{AREA}/{{id}}/notify"
        return [ConsolePage("POST", path, self.save, area=AREA, form_bytes=SMALL)]

    async def values(self, view: View, task: Task) -> dict[str, Any]:
        """What the form shows: webhooks and chats, mail addresses, and which are chosen; and the
        rules that report the failed runs too.
        """
        alerts = await self._alerts(view, task)
        return {
            "notice_rule": alerts.own(_FAILED),
            "notice_others": alerts.others(_FAILED),
            "is_reported": alerts.reports(_FAILED),
            "hooks": [hook.endpoint for hook in await self.webhooks.list(view.caller)],
            "mails": self.alerts.mails,
            "operator": view.caller.operator,
            "addresses": await self.alerts.addresses(view.caller),
        }

    async def save(self, view: View) -> Response:
        """Notify these of failed runs from now on. Without any, the alerts are only listed. A rule
        that is off is only switched on; none is added where a wider one reports the same.
        """
        form, task = view.form, await self.tasks.get(view.caller, view.param("id"))
        page = f"{AREA}/{task.id}"
        alerts = await self._alerts(view, task)
        rule = alerts.own(_FAILED)
        endpoints, emails = tuple(form.all("endpoints")), tuple(form.all("emails"))
        try:
            if rule is not None and not rule.enabled:
                if not form.on("switch"):
                    return view.go(page, _("The rule is off."), "warn")
                fields = replace(fields_of(rule), enabled=True)
                await self.alerts.change_rule(view.caller, rule.id, fields)
                return view.go(page, _("The rule is on."))
            if rule is not None:
                fields = replace(fields_of(rule), endpoints=endpoints, emails=emails)
                await self.alerts.change_rule(view.caller, rule.id, fields)
            elif alerts.reports(_FAILED):
                return view.go(page, _("Another rule reports failed runs of this task."), "warn")
            elif endpoints or emails:
                fields = replace(own_rule(task, _FAILED), endpoints=endpoints, emails=emails)
                await self.alerts.add_rule(view.caller, fields)
        except FykeError as error:
            return view.go(page, error_text(error)[:300], "bad")
        text = _("The chosen channels are notified of failed runs and refused starts of this task.")
        none = _("No channel is notified of failed runs and refused starts of this task.")
        return view.go(page, text if endpoints or emails else none)

    async def _alerts(self, view: View, task: Task) -> TaskAlerts:
        return task_alerts(task, await self.alerts.rules(view.caller))
