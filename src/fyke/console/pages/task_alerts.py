"""Which alert rules report the runs of a task, and which can be added or switched on: for the page
of the task and for the form of its schedule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fyke.console.texts import gettext as _
from fyke.domain.alerts.rules import RuleFields
from fyke.domain.alerts.service import RuleView
from fyke.model.alert import MAX_NAME, Rule, RuleKind
from fyke.model.task import Task

FEWER, SLOWER = 0.5, 2.0  # of the usual rows, times the usual duration


@dataclass(frozen=True, slots=True)
class TaskAlerts:
    """``rules``: those that are on and check the task's runs, its own before wider ones. ``off``:
    its own that can be switched on, ``offered``: those that can be added; no rule that is on
    reports the same.
    """

    task_id: str
    rules: list[Rule]
    off: list[Rule]
    offered: list[RuleFields]

    def chosen(self, kinds: Sequence[str]) -> list[RuleFields]:
        return [fields for fields in self.offered if fields.kind in kinds]

    def own(self, kind: RuleKind) -> Rule | None:
        """The task's own rule for this, on or off; None also where only a wider one reports it."""
        rules = [rule for rule in self.rules if rule.task_id == self.task_id and not rule.reasons]
        return next((rule for rule in [*rules, *self.off] if rule.kind is kind), None)

    def others(self, kind: RuleKind) -> list[Rule]:
        """The rules that are on and report this too, beside the own one."""
        own = self.own(kind)
        return [rule for rule in self.rules if rule.kind is kind and rule is not own]

    def reports(self, kind: RuleKind) -> bool:
        """Whether a rule that is on reports this, for whatever reasons."""
        return any(rule.kind is kind and not rule.reasons for rule in self.rules)


def task_alerts(task: Task, views: Sequence[RuleView]) -> TaskAlerts:
    """Of a task, with all rules of its account."""
    rules = [view.rule for view in views if view.rule.enabled and _checks(view.rule, task)]
    rules.sort(key=lambda rule: rule.task_id != task.id)
    reported = {rule.kind for rule in rules if not rule.reasons}
    off: dict[RuleKind, Rule] = {}  # one of each kind
    for rule in (view.rule for view in views if view.rule.task_id == task.id):
        if not (rule.enabled or rule.reasons or rule.kind in reported):
            off.setdefault(rule.kind, rule)
    ready = [fields for fields in _ready(task) if fields.kind not in {*reported, *off}]
    return TaskAlerts(task.id, rules, list(off.values()), ready)


def own_rule(task: Task, kind: RuleKind) -> RuleFields:
    """A new rule of the task for this."""
    return next(fields for fields in _ready(task) if fields.kind == kind.value)


def _checks(rule: Rule, task: Task) -> bool:
    """Whether the rule checks runs of the task."""
    if rule.kind is RuleKind.BUDGET:
        return False
    return rule.task_id == task.id or (not rule.task_id and rule.worker_id in ("", task.worker_id))


def _ready(task: Task) -> list[RuleFields]:
    rules = [
        RuleFields(_("%(task)s: a run has failed"), RuleKind.FAILED.value),
        RuleFields(_("%(task)s: no rows"), RuleKind.ZERO_ROWS.value),
        RuleFields(_("%(task)s: few rows"), RuleKind.FEWER_ROWS.value, factor=FEWER),
        RuleFields(_("%(task)s: slow"), RuleKind.SLOWER.value, factor=SLOWER),
    ]
    room = MAX_NAME - max(len(fields.name) for fields in rules)
    title = task.title[:room]
    return [replace(fields, name=fields.name % {"task": title}, task=task.id) for fields in rules]
