"""Which alert rules the form of a schedule lists, and which it still offers."""

from __future__ import annotations

from typing import Any

from fyke.console.pages.task_alerts import task_alerts
from fyke.domain.alerts.service import RuleView
from fyke.model.alert import MAX_NAME, Rule, RuleKind
from support import records

TASK = records.task("a", "w")
ALL = ["failed", "zero_rows", "fewer_rows", "slower"]


def rule(kind: RuleKind, task: str = "", worker: str = "", **changes: Any) -> RuleView:
    members: dict[str, Any] = {
        "factor": 0.0, "field": "", "percent": 0.0, "usd_micros": 0, "traffic_bytes": 0,
        "endpoints": (), "emails": (), "enabled": True, "since": 0, "created_at": 0,
        "updated_at": 0,
    }  # fmt: skip
    names = {name: value for name, value in (members | changes).items() if name in Rule.__slots__}
    return RuleView(Rule("r", "a", "n", kind, worker, task, **names), "", "")


def offered(*views: RuleView) -> list[str]:
    return [fields.kind for fields in task_alerts(TASK, views).offered]


def test_a_task_without_rules_is_offered_the_usual_ones() -> None:
    found = task_alerts(TASK, [])
    assert (found.rules, offered()) == ([], ALL)
    assert {fields.task for fields in found.offered} == {TASK.id}
    assert [fields.kind for fields in found.chosen(["slower", "nonsense"])] == ["slower"]


def test_what_a_rule_of_the_task_its_worker_or_the_account_reports_is_not_offered() -> None:
    for scope in ({"task": TASK.id}, {"worker": "w"}, {}):
        view = rule(RuleKind.FAILED, **scope)
        assert offered(view) == ALL[1:]
        assert task_alerts(TASK, [view]).rules == [view.rule]


def test_rules_of_others_that_are_off_or_of_some_reasons_report_less() -> None:
    others = rule(RuleKind.FAILED, task="other"), rule(RuleKind.FAILED, worker="other")
    assert task_alerts(TASK, others).rules == [] and offered(*others) == ALL
    wider = rule(RuleKind.FAILED, enabled=False), rule(RuleKind.FAILED, worker="w", enabled=False)
    assert offered(*wider) == ALL and task_alerts(TASK, wider).off == []
    assert offered(rule(RuleKind.BUDGET)) == ALL
    some = rule(RuleKind.FAILED, reasons=("timeout",))
    assert offered(some) == ALL and task_alerts(TASK, [some]).rules == [some.rule]


def test_a_rule_of_the_task_that_is_off_is_switched_on_and_not_added_again() -> None:
    off = rule(RuleKind.FAILED, task=TASK.id, enabled=False)
    again = rule(RuleKind.FAILED, task=TASK.id, enabled=False)
    found = task_alerts(TASK, [off, again])
    assert (found.rules, found.off, offered(off)) == ([], [off.rule], ALL[1:])
    assert found.own(RuleKind.FAILED) is off.rule and not found.reports(RuleKind.FAILED)
    wider = rule(RuleKind.FAILED)
    found = task_alerts(TASK, [off, wider])
    assert found.off == [] and found.own(RuleKind.FAILED) is None, "both would report each run"
    assert found.others(RuleKind.FAILED) == [wider.rule] and found.reports(RuleKind.FAILED)
    some = rule(RuleKind.FAILED, task=TASK.id, enabled=False, reasons=("timeout",))
    assert task_alerts(TASK, [some]).off == [] and offered(some) == ALL


def test_the_own_rule_comes_before_wider_ones_and_those_of_some_reasons() -> None:
    wider, own = rule(RuleKind.FAILED), rule(RuleKind.FAILED, task=TASK.id)
    some = rule(RuleKind.FAILED, task=TASK.id, reasons=("timeout",))
    found = task_alerts(TASK, [wider, some, own])
    assert found.rules == [some.rule, own.rule, wider.rule]
    assert found.own(RuleKind.FAILED) is own.rule
    assert found.others(RuleKind.FAILED) == [some.rule, wider.rule]
    found = task_alerts(TASK, [some])
    assert found.own(RuleKind.FAILED) is None and not found.reports(RuleKind.FAILED)


def test_the_name_of_a_rule_for_a_long_title_has_room() -> None:
    long = records.task("a", "w", title="t" * 500)
    assert all(len(fields.name) <= MAX_NAME for fields in task_alerts(long, []).offered)
