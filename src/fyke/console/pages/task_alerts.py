"""The ready alert rules that the form of a task's schedule offers."""

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
    """``rules``: those that are on and check the task's runs. ``offered``: those that can be
    added; no rule reports the same yet.
    """

    rules: list[Rule]
    offered: list[RuleFields]

    def chosen(self, kinds: Sequence[str]) -> list[RuleFields]:
        return [fields for fields in self.offered if fields.kind in kinds]


def task_alerts(task: Task, views: Sequence[RuleView]) -> TaskAlerts:
    """Of a task, with all rules of its account."""
    rules = [view.rule for view in views if view.rule.enabled and _checks(view.rule, task)]
    reported = {rule.kind for rule in rules if not rule.reasons}
    ready = [fields for fields in _ready(task) if fields.kind not in reported]
    return TaskAlerts(rules, ready)


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
