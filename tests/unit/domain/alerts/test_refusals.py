"""Planned starts that are refused raise one alert for a series, by the rules for failed runs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.alerts.refusals import RefusedStarts
from fyke.domain.schedules.editing import ScheduleEdit
from fyke.domain.schedules.firing import Firing
from fyke.errors import FykeError, InvalidRequest, PlanLimitReached
from fyke.model.alert import Alert, AlertFilter, Rule, RuleKind
from fyke.model.callback import Delivery, DeliveryFilter
from fyke.model.schedule import FireState, OverlapPolicy, Schedule, ScheduleKind
from fyke.model.webhook import MessageChannel, WebhookEvent
from fyke.reasons import Reason, ReasonCode
from support import records
from support.alerts import a_rule, an_endpoint
from support.schedules import ScheduledTask, Starts
from support.stores import Stores

pytestmark = pytest.mark.anyio

START = 1_767_225_600_000  # 2026-01-01 00:00 UTC
EVERY_MINUTE = ScheduleEdit(enabled=True, kind=ScheduleKind.CRON, cron="* * * * *")
REFUSED = InvalidRequest("field limit is missing")


@pytest.fixture
async def setup(stores: Stores) -> ScheduledTask:
    starts = Starts(stores.storage)
    report = RefusedStarts().report
    firing = Firing(stores.storage, starts, stores.clock, report_refusal=report)
    task = replace(records.task(stores.account, stores.worker), title="Veg")
    await stores.write(lambda tx: tx.tasks.add(task))
    made = ScheduledTask(stores.clock, stores.storage, starts, firing, task)
    made.at(START)
    await made.schedule(EVERY_MINUTE)
    return made


async def rule_of(setup: ScheduledTask, **changes: Any) -> Rule:
    rule = a_rule(setup.task.account_id, **changes)
    await setup.storage.write(lambda tx: tx.alerts.add_rule(rule))
    return rule


async def minutes(setup: ScheduledTask, *errors: Exception | None) -> None:
    """Let the schedule fire once for each; None: a run starts."""
    for error in errors:
        setup.starts.error = error
        setup.clock.advance(60)
        await setup.firing.process_pending()


async def alerts(setup: ScheduledTask) -> list[Alert]:
    _, found = await setup.storage.read(
        lambda tx: tx.alerts.alerts(setup.task.account_id, AlertFilter(), offset=0, limit=99)
    )
    return found[::-1]


async def sent(setup: ScheduledTask) -> list[Delivery]:
    _, found = await setup.storage.read(
        lambda tx: tx.outbox.page(setup.task.account_id, DeliveryFilter(), offset=0, limit=99)
    )
    return found[::-1]


async def test_a_report_that_fails_does_not_stop_the_schedule(setup: ScheduledTask) -> None:
    rule = await rule_of(setup)

    def report(tx: Transaction, schedule: Schedule, error: FykeError) -> None:
        RefusedStarts().report(tx, schedule, error)
        raise ValueError("after the alert was written")

    setup.firing.report_refusal = report
    await minutes(setup, REFUSED, REFUSED)
    assert [fire.state for fire in await setup.fires()] == [FireState.REFUSED] * 2
    assert await alerts(setup) == [], rule.id


async def test_the_parameters_of_a_reason_cannot_replace_those_of_the_alert(
    setup: ScheduledTask,
) -> None:
    await rule_of(setup)
    named = {"task": "other", "reason": "other", "reason_code": "other", "code": 4}
    await minutes(setup, PlanLimitReached(Reason(ReasonCode.PLAN_FULL, named)))
    [alert] = await alerts(setup)
    assert alert.reason is not None
    params = alert.reason.params
    assert (params["task"], params["reason_code"], params["code"]) == ("Veg", "plan_full", 4)


async def test_one_alert_for_a_series_names_the_task_and_the_reason(setup: ScheduledTask) -> None:
    rule = await rule_of(setup, task_id=setup.task.id)
    await minutes(setup, REFUSED, REFUSED, REFUSED)
    assert [fire.state for fire in await setup.fires()] == [FireState.REFUSED] * 3
    [alert] = await alerts(setup)
    assert (alert.rule_id, alert.kind, alert.run_id) == (rule.id, RuleKind.FAILED, "")
    assert (alert.worker_id, alert.task_id) == (setup.task.worker_id, setup.task.id)
    assert alert.at == START + 60_000 and alert.reason is not None
    assert alert.reason.code is ReasonCode.START_REFUSED
    assert alert.sentence == (
        "The planned start of the task Veg was refused: field limit is missing"
    )
    await minutes(setup, None, REFUSED, REFUSED)  # a run ends the series
    assert [alert.at - START for alert in await alerts(setup)] == [60_000, 300_000]


async def test_a_schedule_that_is_on_again_begins_a_series(setup: ScheduledTask) -> None:
    await rule_of(setup)
    await minutes(setup, REFUSED)
    await setup.schedule(ScheduleEdit(enabled=False))
    await setup.schedule(ScheduleEdit(enabled=True))
    await minutes(setup, REFUSED, REFUSED)
    assert len(await alerts(setup)) == 2


async def test_rules_that_do_not_report_it(setup: ScheduledTask) -> None:
    await rule_of(setup, kind=RuleKind.ZERO_ROWS)
    await rule_of(setup, reasons=(ReasonCode.TIMEOUT,))
    await rule_of(setup, enabled=False)
    await rule_of(setup, task_id="another")
    await rule_of(setup, since=START + 90_000)
    await minutes(setup, REFUSED)
    assert await alerts(setup) == []
    await minutes(setup, REFUSED)  # the last rule applies from now on
    assert len(await alerts(setup)) == 1


async def test_the_reason_keeps_its_code(setup: ScheduledTask) -> None:
    await rule_of(setup)
    full = Reason.of(ReasonCode.PLAN_FULL, plan="free", most=1)
    await minutes(setup, PlanLimitReached(full))
    [alert] = await alerts(setup)
    assert alert.reason is not None
    assert (alert.reason.params["reason_code"], alert.reason.params["most"]) == ("plan_full", 1)
    assert "the plan free allows 1 runs at once" in alert.sentence


async def test_a_time_that_waited_may_be_refused_too(setup: ScheduledTask) -> None:
    await rule_of(setup)
    await setup.schedule(ScheduleEdit(overlap=OverlapPolicy.QUEUE))
    await minutes(setup, None, None)
    [run] = await setup.runs()
    await setup.end(run.id)
    setup.starts.error = REFUSED
    await setup.firing.process_pending()
    assert [fire.state for fire in await setup.fires()] == [FireState.STARTED, FireState.REFUSED]
    assert len(await alerts(setup)) == 1


async def test_webhooks_get_each_alert_and_a_chat_one_message(setup: ScheduledTask) -> None:
    account = setup.task.account_id
    raised = (WebhookEvent.ALERT_RAISED,)
    hook = an_endpoint(account, events=raised)
    chat = an_endpoint(account, events=raised, channel=MessageChannel.SLACK)
    await setup.storage.write(lambda tx: [tx.webhooks.add(each) for each in (hook, chat)])
    await rule_of(setup)
    await rule_of(setup, endpoints=(chat.id,))
    await minutes(setup, REFUSED, REFUSED)
    messages = await sent(setup)
    assert sorted(each.endpoint_id for each in messages) == sorted([hook.id, hook.id, chat.id])
    assert {(each.event, each.run_id) for each in messages} == {("alert.raised", "")}
    data = json.loads(messages[0].payload)["data"]
    assert (data["run_slug"], data["task_slug"]) == ("", setup.task.id)


async def test_old_messages_without_a_run_are_removed(setup: ScheduledTask) -> None:
    hook = an_endpoint(setup.task.account_id, events=(WebhookEvent.ALERT_RAISED,))
    await setup.storage.write(lambda tx: tx.webhooks.add(hook))
    await rule_of(setup)
    await minutes(setup, REFUSED)
    [message] = await sent(setup)
    now = message.created_at
    assert await setup.storage.write(lambda tx: tx.outbox.remove_without_run(now, 9)) == 0
    assert await setup.storage.write(lambda tx: tx.outbox.remove_without_run(now + 1, 9)) == 1
    assert await sent(setup) == []
