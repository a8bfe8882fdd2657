"""Alerts, and the rules that raise them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import delete, get, post, put
from fyke.domain.alerts.rules import EXAMPLE, RuleFields
from fyke.domain.alerts.service import Alerts
from fyke.errors import Forbidden, InvalidRequest, NotFound, Refused
from fyke.model.account import Scope
from fyke.model.alert import AlertFilter
from fyke.wire.fields import Name
from fyke.wire.fyke import alerts as wire

PATH = "/api/fyke/alerts"
RULES = f"{PATH}/rules"


@dataclass(frozen=True, slots=True)
class AlertRoutes:
    tag: ClassVar[str] = "Alerts"

    alerts: Alerts

    @get(PATH, scope=Scope.READ)
    async def list_alerts(self, call: Call, query: wire.AlertQuery) -> wire.AlertPage:
        """The account's alerts, newest first.

        They are kept for 90 days.
        """
        count, alerts = await self.alerts.page(
            call.caller,
            AlertFilter(unread=query.unread, rule_id=query.rule.strip()),
            offset=query.offset,
            limit=query.page_size,
        )
        unread = await self.alerts.count_unread(call.caller)
        items = [wire.AlertItem.of(alert) for alert in alerts]
        return wire.AlertPage(count, unread, items, query.page_index, query.page_size)

    @post(f"{PATH}/read", scope=Scope.WRITE, errors=(Forbidden,))
    async def mark_alerts_read(self, call: Call, body: wire.AlertsToMark) -> wire.AlertsMarked:
        """Mark some alerts as read, or all of them."""
        if not body.all and not body.ids:
            raise InvalidRequest("ids: name the alerts to mark, or send all=true")
        ids = None if body.all else body.ids
        return wire.AlertsMarked(await self.alerts.mark_read(call.caller, ids))

    @get(RULES, scope=Scope.READ)
    async def list_alert_rules(self, call: Call) -> wire.AlertRuleList:
        """The account's alert rules."""
        return wire.AlertRuleList(
            [wire.AlertRule.of(view) for view in await self.alerts.rules(call.caller)],
            self.alerts.mails,
            wire.AlertRuleExample(EXAMPLE.name, EXAMPLE.kind),
        )

    @get(f"{RULES}/{{id}}", scope=Scope.READ, errors=(NotFound,))
    async def get_alert_rule(self, call: Call, id: Name) -> wire.AlertRule:
        """One alert rule."""
        return wire.AlertRule.of(await self.alerts.rule(call.caller, id))

    @post(f"{RULES}/preview", scope=Scope.READ)
    async def preview_alert_rule(
        self, call: Call, body: wire.AlertRuleFields
    ) -> wire.AlertRulePreview:
        """The alerts that a rule would have raised for the last 20 runs, without saving it."""
        preview = await self.alerts.preview(call.caller, _fields(body))
        return wire.AlertRulePreview.of(preview)

    @post(RULES, scope=Scope.WRITE, errors=(Refused, Forbidden))
    async def create_alert_rule(self, call: Call, body: wire.AlertRuleFields) -> wire.AlertRule:
        """Create an alert rule for runs that end from now on.

        For runs of a worker or of a task, not both. The other members depend on the kind: `failed`
        uses `reasons`; `fewer_rows` and `slower` use `factor` times the usual; `missing_field` uses
        `field` and `percent`; `budget` uses `budget_usd` and `budget_traffic_mb`. An account has at
        most 50 rules.
        """
        return wire.AlertRule.of(await self.alerts.add_rule(call.caller, _fields(body)))

    @put(f"{RULES}/{{id}}", scope=Scope.WRITE, errors=(NotFound, Forbidden))
    async def change_alert_rule(
        self, call: Call, id: Name, body: wire.AlertRuleFields
    ) -> wire.AlertRule:
        """Replace an alert rule.

        A rule that was off checks runs that end from now on.
        """
        return wire.AlertRule.of(await self.alerts.change_rule(call.caller, id, _fields(body)))

    @delete(f"{RULES}/{{id}}", scope=Scope.WRITE, errors=(NotFound, Forbidden))
    async def delete_alert_rule(self, call: Call, id: Name) -> None:
        """Delete an alert rule; its alerts stay listed."""
        await self.alerts.remove_rule(call.caller, id)


def _fields(body: wire.AlertRuleFields) -> RuleFields:
    return RuleFields(
        name=body.name,
        kind=body.kind,
        worker=body.worker,
        task=body.task,
        factor=float(body.factor),
        field=body.field,
        percent=float(body.percent),
        budget_usd=Decimal(body.budget_usd),
        budget_traffic_mb=Decimal(body.budget_traffic_mb),
        endpoints=body.endpoints,
        emails=body.emails,
        enabled=body.enabled,
        reasons=body.reasons,
    )
