"""Alerts, and the rules that raise them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import Field

from fyke.api.decode import (
    PageIndex,
    PageSize20,
    Wire,
    WireBool,
    WireName,
    WireNumber,
    WireText,
)
from fyke.api.envelope import NULL, encode
from fyke.api.errors import TABLE, UNKNOWN_PATH
from fyke.api.operations import Call, Nothing, Operation
from fyke.api.own import alert_answers as answers
from fyke.api.own.name_lists import WireNames
from fyke.api.v1.vocabulary import seconds
from fyke.domain.alerts.preview import RulePreview
from fyke.domain.alerts.rules import EXAMPLE, RuleFields
from fyke.domain.alerts.service import Alerts, RuleView
from fyke.domain.billing.pricing import format_usage
from fyke.errors import Forbidden, InvalidRequest, Refused
from fyke.model.alert import Alert, AlertFilter, RuleKind

PATH = "/api/fyke/alerts"
RULES = f"{PATH}/rules"
_MEGABYTE = 10**6


class AlertList(Wire):
    unread: WireBool = Field(False, description="only those that are unread")
    rule: WireText = Field("", description="id of a rule; empty = all")
    page_index: PageIndex = 1
    page_size: PageSize20 = 20


class ReadFields(Wire):
    ids: WireNames = Field((), description="alerts to mark, at most 1000")
    all: WireBool = Field(False, description="mark all of them")


class RuleRef(Wire):
    id: WireName


class RuleBody(Wire):
    """What a rule says; members that its kind does not know are ignored."""

    name: WireText = ""
    kind: WireText = Field("", description=f"one of {', '.join(RuleKind)}")
    worker: WireText = Field("", description="id or owner/name; empty = every one")
    task: WireText = Field("", description="id of a task; empty = every run")
    factor: WireNumber = Field("0", description="fewer_rows: below 1; slower: above 1")
    field: WireText = Field("", description="missing_field: name of the output field")
    percent: WireNumber = Field("0", description="missing_field: share of rows that may lack it")
    budget_usd: WireNumber = Field("0", description="budget: US dollars a month")
    budget_traffic_mb: WireNumber = Field("0", description="budget: megabytes a month")
    endpoints: WireNames = Field((), description="ids of webhooks")
    emails: WireNames = Field((), description="where the installation has a mail server")
    enabled: WireBool = True

    def fields(self) -> RuleFields:
        return RuleFields(
            name=self.name,
            kind=self.kind,
            worker=self.worker,
            task=self.task,
            factor=float(self.factor),
            field=self.field,
            percent=float(self.percent),
            budget_usd=Decimal(self.budget_usd),
            budget_traffic_mb=Decimal(self.budget_traffic_mb),
            endpoints=self.endpoints,
            emails=self.emails,
            enabled=self.enabled,
        )


class RuleChange(RuleBody):
    id: WireName


@dataclass(frozen=True, slots=True)
class AlertOperations:
    alerts: Alerts

    def operations(self) -> list[Operation[Any]]:
        return [*self._of_alerts(), *self._looking(), *self._changing()]

    def _of_alerts(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                PATH,
                id="listAlerts",
                tag="Alerts",
                summary="The account's alerts, newest first",
                fields=AlertList,
                handler=self.page,
                answer=answers.AlertPage,
            ),
            Operation(
                "POST",
                f"{PATH}/read",
                id="markAlertsRead",
                tag="Alerts",
                summary="Mark some alerts as read, or all of them",
                fields=ReadFields,
                handler=self.read,
                answer=answers.Marked,
                errors=(TABLE[Forbidden],),
            ),
        ]

    def _looking(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                RULES,
                id="listAlertRules",
                tag="Alerts",
                summary="The account's alert rules",
                fields=Nothing,
                handler=self.rules,
                answer=answers.RuleList,
            ),
            Operation(
                "GET",
                f"{RULES}/{{id}}",
                id="getAlertRule",
                tag="Alerts",
                summary="One alert rule",
                fields=RuleRef,
                handler=self.rule,
                answer=answers.RuleItem,
                errors=(UNKNOWN_PATH,),
                path_fields=("id",),
            ),
            Operation(
                "POST",
                f"{RULES}/preview",
                id="previewAlertRule",
                tag="Alerts",
                summary="What a rule would have said of the last 20 runs, without saving it",
                fields=RuleBody,
                handler=self.preview,
                answer=answers.PreviewItem,
            ),
        ]

    def _changing(self) -> list[Operation[Any]]:
        denied = TABLE[Forbidden]
        return [
            Operation(
                "POST",
                RULES,
                id="createAlertRule",
                tag="Alerts",
                summary="Make an alert rule for runs that end from now on",
                fields=RuleBody,
                handler=self.add,
                answer=answers.RuleItem,
                errors=(TABLE[Refused], denied),
            ),
            Operation(
                "PUT",
                f"{RULES}/{{id}}",
                id="changeAlertRule",
                tag="Alerts",
                summary="Set all that an alert rule says",
                fields=RuleChange,
                handler=self.change,
                answer=answers.RuleItem,
                errors=(UNKNOWN_PATH, denied),
                path_fields=("id",),
            ),
            Operation(
                "DELETE",
                f"{RULES}/{{id}}",
                id="deleteAlertRule",
                tag="Alerts",
                summary="Remove an alert rule; its alerts stay listed",
                fields=RuleRef,
                handler=self.remove,
                errors=(UNKNOWN_PATH, denied),
                path_fields=("id",),
            ),
        ]

    async def page(self, call: Call, wanted: AlertList) -> bytes:
        count, found = await self.alerts.page(
            call.caller,
            AlertFilter(unread=wanted.unread, rule_id=wanted.rule.strip()),
            offset=(wanted.page_index - 1) * wanted.page_size,
            limit=wanted.page_size,
        )
        return encode(
            {
                "count": count,
                "unread": await self.alerts.unread(call.caller),
                "list": [_alert(alert) for alert in found],
                "page_index": wanted.page_index,
                "page_size": wanted.page_size,
            }
        )

    async def read(self, call: Call, wanted: ReadFields) -> bytes:
        if not wanted.all and not wanted.ids:
            raise InvalidRequest("ids: name the alerts to mark, or send all=true")
        marked = await self.alerts.mark_read(call.caller, None if wanted.all else wanted.ids)
        return encode({"marked": marked})

    async def rules(self, call: Call, _wanted: Nothing) -> bytes:
        found = await self.alerts.rules(call.caller)
        return encode(
            {
                "list": [_rule(view) for view in found],
                "mails": self.alerts.mails,
                "example": {"name": EXAMPLE.name, "kind": EXAMPLE.kind},
            }
        )

    async def rule(self, call: Call, wanted: RuleRef) -> bytes:
        return encode(_rule(await self.alerts.rule(call.caller, wanted.id)))

    async def preview(self, call: Call, wanted: RuleBody) -> bytes:
        return encode(_preview(await self.alerts.preview(call.caller, wanted.fields())))

    async def add(self, call: Call, wanted: RuleBody) -> bytes:
        return encode(_rule(await self.alerts.add_rule(call.caller, wanted.fields())))

    async def change(self, call: Call, wanted: RuleChange) -> bytes:
        changed = await self.alerts.change_rule(call.caller, wanted.id, wanted.fields())
        return encode(_rule(changed))

    async def remove(self, call: Call, wanted: RuleRef) -> bytes:
        await self.alerts.remove_rule(call.caller, wanted.id)
        return NULL


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "rule_id": alert.rule_id,
        "rule": alert.rule_name,
        "kind": alert.kind.value,
        "run_slug": alert.run_id,
        "worker_slug": alert.worker_id,
        "task_slug": alert.task_id,
        "sentence": alert.sentence,
        "raised_at": seconds(alert.at),
        "read_at": seconds(alert.read_at),
    }


def _rule(view: RuleView) -> dict[str, Any]:
    rule = view.rule
    return {
        "id": rule.id,
        "name": rule.name,
        "kind": rule.kind.value,
        "worker": rule.worker_id,
        "worker_path": view.worker_path,
        "task": rule.task_id,
        "task_title": view.task_title,
        "factor": rule.factor,
        "field": rule.field,
        "percent": rule.percent,
        "budget_usd": format_usage(rule.usd_micros),
        "budget_traffic_mb": megabytes(rule.traffic_bytes),
        "endpoints": list(rule.endpoints),
        "emails": list(rule.emails),
        "enabled": rule.enabled,
        "created_at": seconds(rule.created_at),
        "updated_at": seconds(rule.updated_at),
    }


def _preview(found: RulePreview) -> dict[str, Any]:
    return {
        "runs": found.runs,
        "count": len(found.fired),
        "list": [
            {
                "run_slug": one.run.id,
                "sentence": one.sentence,
                "finished_at": seconds(one.run.finished_at),
            }
            for one in found.fired
        ],
        "month": found.month,
        "used_usd": format_usage(found.usd_micros),
        "used_traffic_mb": megabytes(found.traffic_bytes),
        "now": found.now,
    }


def megabytes(size: int) -> str:
    """Megabytes with up to 6 decimals and no trailing zeros."""
    return f"{Decimal(size) / _MEGABYTE:f}"
