"""Alerts, and the rules that raise them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, field

from fyke.domain.billing.pricing import format_usage
from fyke.model.alert import RuleKind
from fyke.wire.common import PageQuery, TimeOrNever, Usd
from fyke.wire.fields import (
    Answer,
    Boolean,
    Decimal,
    DocumentedAs,
    Names,
    Request,
    Text,
)
from fyke.wire.reasons import ReasonCodeText, ReasonParams, code_of, params_of
from fyke.wire.units import decimal_megabytes, seconds

if TYPE_CHECKING:
    from fyke.domain.alerts.preview import PreviewedAlert, RulePreview
    from fyke.domain.alerts.service import RuleView
    from fyke.model.alert import Alert


# --- requests ------------------------------------------------------------------------------


class AlertQuery(PageQuery):
    unread: Annotated[Boolean, Meta(description="only unread ones")] = False
    rule: Annotated[Text, Meta(description="id of a rule; empty = all")] = ""


class AlertsToMark(Request):
    ids: Annotated[Names, Meta(description="alerts to mark")] = ()
    all: Annotated[Boolean, Meta(description="mark all of them")] = False


class AlertRuleFields(Request):
    """An alert rule. Members that its kind does not use are ignored."""

    name: Text = ""
    kind: Annotated[Text, DocumentedAs(RuleKind)] = ""
    worker: Annotated[Text, Meta(description="id or owner/name; empty = all workers")] = ""
    task: Annotated[Text, Meta(description="id of a task; empty = all runs")] = ""
    factor: Annotated[Decimal, Meta(description="fewer_rows: below 1; slower: above 1")] = "0"
    field: Annotated[Text, Meta(description="missing_field: name of the output field")] = ""
    percent: Annotated[
        Decimal, Meta(description="missing_field: percentage of rows that may lack it")
    ] = "0"
    budget_usd: Annotated[Decimal, Meta(description="budget: US dollars per month")] = "0"
    budget_traffic_mb: Annotated[Decimal, Meta(description="budget: megabytes per month")] = "0"
    endpoints: Annotated[Names, Meta(description="ids of webhooks")] = ()
    emails: Annotated[Names, Meta(description="confirmed addresses of users")] = ()
    enabled: Boolean = True
    reasons: Annotated[
        Names, Meta(description="failed: values of `reason_code`; empty = all, and refused starts")
    ] = ()


# --- answers -------------------------------------------------------------------------------


class AlertItem(Answer):
    id: str
    rule_id: str
    rule: Annotated[str, Meta(description="name of the rule when it raised this alert")]
    kind: Annotated[RuleKind, Meta(description="the kind of the rule")]
    run_slug: Annotated[str, Meta(description="empty for a planned start that was refused")]
    worker_slug: str
    task_slug: Annotated[str, Meta(description="empty if the run belongs to no task")]
    sentence: str
    raised_at: TimeOrNever
    read_at: Annotated[int, Meta(ge=0, description="0 = unread")]
    reason_code: ReasonCodeText
    reason_params: ReasonParams

    @classmethod
    def of(cls, alert: Alert) -> AlertItem:
        return cls(
            id=alert.id,
            rule_id=alert.rule_id,
            rule=alert.rule_name,
            kind=alert.kind,
            run_slug=alert.run_id,
            worker_slug=alert.worker_id,
            task_slug=alert.task_id,
            sentence=alert.sentence,
            raised_at=seconds(alert.at),
            read_at=seconds(alert.read_at),
            reason_code=code_of(alert.reason),
            reason_params=params_of(alert.reason),
        )


class AlertPage(Answer):
    count: int
    unread: Annotated[int, Meta(description="unread alerts in total; 100 means 100 or more")]
    items: list[AlertItem] = field(name="list")
    page_index: int
    page_size: int


class AlertsMarked(Answer):
    marked: Annotated[int, Meta(description="the number of alerts that were unread")]


class AlertRule(Answer):
    id: str
    name: str
    kind: RuleKind
    worker: Annotated[str, Meta(description="id of the worker; empty = all workers")]
    worker_path: Annotated[str, Meta(description="its owner/name; empty if deleted")]
    task: Annotated[str, Meta(description="id of the task; empty = all runs")]
    task_title: str
    factor: float
    field: str
    percent: float
    budget_usd: Usd
    budget_traffic_mb: str
    endpoints: Annotated[list[str], Meta(description="ids of webhooks")]
    emails: list[str]
    reasons: Annotated[list[str], Meta(description="values of `reason_code`; empty = all failures")]
    enabled: bool
    created_at: TimeOrNever
    updated_at: TimeOrNever

    @classmethod
    def of(cls, view: RuleView) -> AlertRule:
        rule = view.rule
        return cls(
            id=rule.id,
            name=rule.name,
            kind=rule.kind,
            worker=rule.worker_id,
            worker_path=view.worker_path,
            task=rule.task_id,
            task_title=view.task_title,
            factor=rule.factor,
            field=rule.field,
            percent=rule.percent,
            budget_usd=format_usage(rule.usd_micros),
            budget_traffic_mb=decimal_megabytes(rule.traffic_bytes),
            endpoints=list(rule.endpoints),
            emails=list(rule.emails),
            reasons=[code.value for code in rule.reasons],
            enabled=rule.enabled,
            created_at=seconds(rule.created_at),
            updated_at=seconds(rule.updated_at),
        )


class AlertRuleExample(Answer):
    name: str
    kind: str


class AlertRuleList(Answer):
    items: list[AlertRule] = field(name="list")
    mails: Annotated[bool, Meta(description="whether a rule may name mail addresses")]
    example: Annotated[
        AlertRuleExample, Meta(description="a rule that is useful for most accounts")
    ]


class MatchedRun(Answer):
    run_slug: str
    sentence: str
    finished_at: TimeOrNever

    @classmethod
    def of(cls, alert: PreviewedAlert) -> MatchedRun:
        return cls(alert.run.id, alert.match.sentence, seconds(alert.run.finished_at))


class AlertRulePreview(Answer):
    runs: Annotated[int, Meta(description="the last runs that were checked, at most 20")]
    count: Annotated[int, Meta(description="the number of them that would have raised an alert")]
    items: list[MatchedRun] = field(name="list")
    month: Annotated[str, Meta(description="YYYY-MM, for a budget")]
    used_usd: Annotated[Usd, Meta(description="in that month so far")]
    used_traffic_mb: str
    now: Annotated[str, Meta(description="the alert of a budget now, or empty")]

    @classmethod
    def of(cls, preview: RulePreview) -> AlertRulePreview:
        return cls(
            runs=preview.runs,
            count=len(preview.fired),
            items=[MatchedRun.of(alert) for alert in preview.fired],
            month=preview.month,
            used_usd=format_usage(preview.usd_micros),
            used_traffic_mb=decimal_megabytes(preview.traffic_bytes),
            now=preview.now.sentence if preview.now else "",
        )
