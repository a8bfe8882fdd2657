"""Alert rules: list, a form for each kind, preview."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.responses import Response

from fyke.console import reasons
from fyke.console.page import ConsolePage
from fyke.console.problems import faults_of
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.alerts.preview import RulePreview
from fyke.domain.alerts.rules import EXAMPLE, RuleFields
from fyke.domain.alerts.service import Alerts, RuleView
from fyke.domain.overview import Overview
from fyke.domain.tasks.service import Tasks
from fyke.domain.webhooks.service import Webhooks
from fyke.errors import InvalidRequest, Refused
from fyke.model.alert import Rule, RuleKind
from fyke.model.billing import MICROS

AREA = "/alerts"
RULES = "/alerts/rules"
SMALL = 2**16
MAX_TASKS = 200  # in the select
MAX_WORKERS = 20
_MEGABYTE = 10**6
_KINDS = tuple(kind.value for kind in RuleKind)
_FACTOR = {RuleKind.FEWER_ROWS.value: "share", RuleKind.SLOWER.value: "multiple"}


@dataclass(frozen=True, slots=True)
class AlertRulePages:
    alerts: Alerts
    webhooks: Webhooks
    tasks: Tasks
    overview: Overview

    def pages(self) -> list[ConsolePage]:
        rule_path = f"{RULES}/{{id}}"
        return [
            ConsolePage("GET", RULES, self.list, area=AREA),
            ConsolePage("GET", f"{RULES}/new", self.new, area=AREA),
            ConsolePage("POST", f"{RULES}/new", self.create, area=AREA, form_bytes=SMALL),
            ConsolePage("POST", f"{RULES}/example", self.example, area=AREA, form_bytes=SMALL),
            ConsolePage("GET", rule_path, self.edit, area=AREA),
            ConsolePage("POST", rule_path, self.change, area=AREA, form_bytes=SMALL),
            ConsolePage("POST", f"{rule_path}/switch", self.switch, area=AREA, form_bytes=SMALL),
            ConsolePage("POST", f"{rule_path}/delete", self.delete, area=AREA, form_bytes=SMALL),
        ]

    async def list(self, view: View) -> Response:
        rules = await self.alerts.rules(view.caller)
        return view.page(
            "alerts/rules.html",
            area=AREA,
            rules=rules,
            hooks=[hook.endpoint for hook in await self.webhooks.list(view.caller)],
            example=EXAMPLE,
        )

    async def example(self, view: View) -> Response:
        await self.alerts.add_rule(view.caller, EXAMPLE)
        return view.go(RULES, _("The rule is on: you are notified of every failed run."))

    async def new(self, view: View) -> Response:
        worker, task = view.query.get("worker", ""), view.query.get("task", "")
        kind = view.query.get("kind", RuleKind.FAILED.value)
        return await self._form(view, {**_DEFAULTS, "worker": worker, "task": task, "kind": kind})

    async def create(self, view: View) -> Response:
        fields, faults = _fields(view)
        if faults or view.form.get("act") == "preview":
            return await self._preview_page(view, fields, faults)
        try:
            await self.alerts.add_rule(view.caller, fields)
        except (InvalidRequest, Refused) as error:
            return await self._form(view, _typed(view), _faults(view, error))
        return view.go(RULES, _("The rule checks runs that end from now on."))

    async def edit(self, view: View) -> Response:
        current = await self.alerts.rule(view.caller, view.param("id"))
        return await self._form(view, _values(current), rule=current.rule)

    async def change(self, view: View) -> Response:
        current = await self.alerts.rule(view.caller, view.param("id"))
        fields, faults = _fields(view)
        if faults or view.form.get("act") == "preview":
            return await self._preview_page(view, fields, faults, current.rule)
        try:
            await self.alerts.change_rule(view.caller, current.rule.id, fields)
        except InvalidRequest as error:
            return await self._form(view, _typed(view), _faults(view, error), rule=current.rule)
        return view.go(RULES, _("The rule was changed."))

    async def switch(self, view: View) -> Response:
        current = await self.alerts.rule(view.caller, view.param("id"))
        fields = replace(fields_of(current.rule), enabled=view.form.get("to") == "on")
        try:
            await self.alerts.change_rule(view.caller, current.rule.id, fields)
        except InvalidRequest:  # it refers to a deleted object; the form names it
            text = _("The rule refers to something that no longer exists. Check the marked fields.")
            return view.go(f"{RULES}/{current.rule.id}", text, "warn")
        return view.go(RULES, _("The rule is on.") if fields.enabled else _("The rule is off."))

    async def delete(self, view: View) -> Response:
        await self.alerts.remove_rule(view.caller, view.param("id"))
        return view.go(RULES, _("The rule was removed. Its alerts are kept."))

    async def _preview_page(
        self, view: View, fields: RuleFields, faults: dict[str, str], rule: Rule | None = None
    ) -> Response:
        """The form with a preview of the rule on the last runs, or only the preview. It needs no
        name.
        """
        fields = replace(fields, name=fields.name.strip() or _("Preview"))
        preview = None
        if not faults:
            try:
                emails = rule.emails if rule is not None else ()
                preview = await self.alerts.preview(view.caller, fields, emails=emails)
            except InvalidRequest as error:
                faults = _faults(view, error)
        if view.wants_part:
            return view.part("alerts/preview.html", "preview", preview=preview, faults=faults)
        return await self._form(view, _typed(view), faults, rule=rule, preview=preview)

    async def _form(
        self,
        view: View,
        typed: Mapping[str, Any],
        faults: Mapping[str, str] | None = None,
        *,
        rule: Rule | None = None,
        preview: RulePreview | None = None,
    ) -> Response:
        _count, tasks = await self.tasks.list(view.caller, offset=0, limit=MAX_TASKS)
        own = await self.overview.workers(view.caller)
        recent = await self.overview.recent_workers(view.caller, MAX_WORKERS)
        workers = {worker.path: worker.title or worker.path for worker in (*own, *recent)}
        return view.page(
            "alerts/form.html",
            status=422 if faults else 200,
            area=AREA,
            typed=typed,
            faults=faults or {},
            rule=rule,
            preview=preview,
            kinds=_KINDS,
            reasons=reasons.groups(view.context.priced, typed["reasons"]),
            hooks=[hook.endpoint for hook in await self.webhooks.list(view.caller)],
            tasks=[(task.task.id, task.task.title) for task in tasks],
            workers=workers,
            few_workers=len(workers) <= MAX_WORKERS
            and typed["worker"] in ("", *workers)
            and "worker" not in (faults or {}),
            mails=self.alerts.mails,
            operator=view.caller.operator,
            addresses=await self.alerts.addresses(view.caller),
        )


_DEFAULTS: dict[str, Any] = {
    "name": "", "kind": "", "worker": "", "task": "", "share": "50", "multiple": "2",
    "field": "", "percent": "10", "usd": "", "megabytes": "", "endpoints": [], "emails": [],
    "enabled": True, "reasons": [],
}  # fmt: skip


def _typed(view: View) -> dict[str, Any]:
    form = view.form
    lists = {name: form.all(name) for name in ("endpoints", "emails", "reasons")}
    return {**_DEFAULTS, **form.values(), **lists, "enabled": form.on("enabled")}


def _values(view: RuleView) -> dict[str, Any]:
    """The form values of a rule."""
    rule = view.rule
    kind = rule.kind
    return {
        **_DEFAULTS,
        "name": rule.name,
        "kind": kind.value,
        "worker": view.worker_path or rule.worker_id,
        "task": rule.task_id,
        "share": f"{rule.factor * 100:g}" if kind is RuleKind.FEWER_ROWS else "50",
        "multiple": f"{rule.factor:g}" if kind is RuleKind.SLOWER else "2",
        "field": rule.field,
        "percent": f"{rule.percent:g}" if kind is RuleKind.MISSING_FIELD else "10",
        "usd": _plain(Decimal(rule.usd_micros) / MICROS),
        "megabytes": _plain(Decimal(rule.traffic_bytes) / _MEGABYTE),
        "endpoints": list(rule.endpoints),
        "reasons": [code.value for code in rule.reasons],
        "emails": list(rule.emails),
        "enabled": rule.enabled,
    }


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}" if amount else ""


def fields_of(rule: Rule) -> RuleFields:
    """The fields of an existing rule."""
    return RuleFields(
        name=rule.name,
        kind=rule.kind.value,
        worker=rule.worker_id,
        task=rule.task_id,
        factor=rule.factor,
        field=rule.field,
        percent=rule.percent,
        budget_usd=Decimal(rule.usd_micros) / MICROS,
        budget_traffic_mb=Decimal(rule.traffic_bytes) / _MEGABYTE,
        endpoints=rule.endpoints,
        emails=rule.emails,
        enabled=rule.enabled,
        reasons=tuple(code.value for code in rule.reasons),
    )


def _fields(view: View) -> tuple[RuleFields, dict[str, str]]:
    """The submitted fields, and errors of those that are not numbers."""
    form, faults = view.form, dict[str, str]()

    def number(name: str, of: str) -> Decimal:
        text = form.get(name).strip().replace(",", ".")
        if form.get("kind") not in of.split() or not text:
            return Decimal(0)
        try:
            amount = Decimal(text)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or abs(amount) > 10**15:
            faults[name] = _("Enter a number such as 2.5.")
            return Decimal(0)
        return amount

    factor = number("share", "fewer_rows") / 100 or number("multiple", "slower")
    fields = RuleFields(
        name=form.get("name"),
        kind=form.get("kind"),
        worker=form.get("worker"),
        task=form.get("task"),
        factor=float(factor),
        field=form.get("field"),
        percent=float(number("percent", "missing_field")),
        budget_usd=number("usd", "budget"),
        budget_traffic_mb=number("megabytes", "budget"),
        endpoints=tuple(form.all("endpoints")),
        emails=tuple(form.all("emails")),
        enabled=form.on("enabled"),
        reasons=tuple(form.all("reasons")),
    )
    return fields, faults


def _faults(view: View, error: InvalidRequest | Refused) -> dict[str, str]:
    names = {
        name: name for name in ("name", "kind", "worker", "task", "field", "percent", "reasons")
    }
    names |= {"endpoints": "endpoints", "emails": "emails"}
    names |= {"budget_usd": "usd", "budget_traffic_mb": "megabytes"}
    names["factor"] = _FACTOR.get(view.form.get("kind"), "kind")
    faults = faults_of(error, names)
    if "share" in faults:
        faults["share"] = _("Enter a number above 0 and at most 100.")
    return faults
