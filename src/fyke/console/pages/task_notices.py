"""Whom a task notifies of failed runs: an alert rule of its own, set on the page of the task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.pages.alert_rules import fields_of
from fyke.console.reasons import error_text
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.alerts.rules import RuleFields
from fyke.domain.alerts.service import Alerts
from fyke.domain.tasks.service import Tasks
from fyke.domain.webhooks.service import Webhooks
from fyke.errors import FykeError
from fyke.model.alert import MAX_NAME, Rule, RuleKind

AREA = "/tasks"
SMALL = 2**16


@dataclass(frozen=True, slots=True)
class TaskNotices:
    """The form, and what it changes."""

    alerts: Alerts
    webhooks: Webhooks
    tasks: Tasks

    def pages(self) -> list[ConsolePage]:
        path = f"{AREA}/{{id}}/notify"
        return [ConsolePage("POST", path, self.save, area=AREA, form_bytes=SMALL)]

    async def values(self, view: View, task_id: str) -> dict[str, Any]:
        """What the form shows: webhooks and chats, mail addresses, and which are chosen."""
        rule = await self._rule(view, task_id)
        return {
            "notice_rule": rule,
            "hooks": [hook.endpoint for hook in await self.webhooks.list(view.caller)],
            "mails": self.alerts.mails,
            "operator": view.caller.operator,
            "addresses": await self.alerts.addresses(view.caller),
        }

    async def save(self, view: View) -> Response:
        """Notify these of failed runs from now on. Without any, the alerts are only listed."""
        form, task = view.form, await self.tasks.get(view.caller, view.param("id"))
        page = f"{AREA}/{task.id}"
        rule = await self._rule(view, task.id)
        endpoints, emails = tuple(form.all("endpoints")), tuple(form.all("emails"))
        try:
            if rule is not None:
                fields = fields_of(rule)
                fields = replace(fields, endpoints=endpoints, emails=emails, enabled=True)
                await self.alerts.change_rule(view.caller, rule.id, fields)
            elif endpoints or emails:
                name = (_("%(task)s failed") % {"task": task.title})[:MAX_NAME]
                failed = RuleKind.FAILED.value
                fields = RuleFields(name, failed, task=task.id, endpoints=endpoints, emails=emails)
                await self.alerts.add_rule(view.caller, fields)
        except FykeError as error:
            return view.go(page, error_text(error)[:300], "bad")
        text = _("They are notified of failed runs of this task.")
        none = _("No channel is notified of failed runs of this task.")
        return view.go(page, text if endpoints or emails else none)

    async def _rule(self, view: View, task_id: str) -> Rule | None:
        """The rule for every failure of this task."""
        for found in await self.alerts.rules(view.caller):
            rule = found.rule
            if rule.task_id == task_id and rule.kind is RuleKind.FAILED and not rule.reasons:
                return rule
        return None
