"""A small state with a row in every table, written and read by the stores."""

from __future__ import annotations

from dataclasses import replace

from fyke.contracts.state import Transaction
from fyke.model.account import Role
from fyke.model.alert import Alert, AlertFilter, Rule, RuleKind
from fyke.model.attempt import AttemptEnd, SiteTraffic
from fyke.model.audit import AuditAction, NewAudit
from fyke.model.billing import EntryKind, UsageDimension, UsageKey, UsageSums
from fyke.model.browser import BrowserActivity, BrowserReport, ConsoleLevel, ConsoleLine
from fyke.model.callback import DeliveryAttempt, DeliveryFilter, DeliveryKind
from fyke.model.last_page import LastPage
from fyke.model.node_registry import Node, NodeToken
from fyke.model.queue import QueuedStart
from fyke.model.run import (
    SUCCESS,
    Outcome,
    Run,
    RunFilter,
    RunState,
    Share,
    StartRecord,
    UsageSample,
)
from fyke.model.run_list import RunSearch
from fyke.model.runner import AttemptUsage, Capacity, RunnerInfo
from fyke.model.schedule import (
    Fire,
    FireState,
    OverlapPolicy,
    Schedule,
    ScheduleKind,
    ScheduleSpec,
)
from fyke.model.secret import SealedSecret
from fyke.model.settings_version import ServerBeat, SettingsVersion
from fyke.model.submission import Submission, SubmissionState
from fyke.model.trace import RunTrace
from fyke.model.upload import Upload, UploadSource, UploadState, UploadStep
from fyke.model.usage_marks import MarkKind, UsageMark
from fyke.model.user import OneTimeLink, Preferences, Purpose, SecondFactor, Session
from fyke.model.webhook import Endpoint, WebhookEvent
from fyke.model.worker import Finding, VersionFacts
from fyke.reasons import Reason, ReasonCode
from support import records

AT = records.START
DAY = 20231114
REASON = Reason(ReasonCode.EXIT_CODE, {"code": 3})
FINDING = Finding("warning", "no_readme", "README.md", 0, "There is no README", "Add one")


def fill(tx: Transaction) -> None:
    owner = records.account(name="first", operator=True)
    tx.accounts.add(owner)
    user = records.user(owner.id, name="ada", role=Role.OWNER, password_hash="$argon2id$v=19$x")
    tx.accounts.add_user(user)
    tx.accounts.add_key(replace(records.key(owner.id), user_id=user.id, digest="key-digest"))
    _of_user(tx, owner.id, user.id)
    worker = records.worker(owner.id, name="titles", categories=(3, 7))
    tx.workers.add(worker)
    _of_worker(tx, owner.id, user.id, worker.id)
    task = records.task(owner.id, worker.id)
    tx.tasks.add(task)
    _schedule(tx, owner.id, task.id)
    ended = _ended_run(tx, owner.id, worker.id, task.id)
    _running_run(tx, owner.id, worker.id)
    _starts(tx, owner.id, worker.id, ended.id)
    _callbacks(tx, owner.id, ended.id)
    _alerts(tx, owner.id, ended)
    tx.servers.heartbeat(ServerBeat("server-a", AT, "place", 1))
    tx.settings.add(SettingsVersion(1, {"keep_days": 0}, "", ("keep_days",), "host", "place", AT))
    tx.installation.settle("place", "here")
    tx.nodes.add(Node("n1", "eu", {"gpu": "no"}, "DE", "J1", True, AT))
    tx.node_tokens.add(NodeToken("N1", "token-digest", "eu", {}, "n*", 1, AT + 9, "ada", AT))
    tx.runs.put_runner(
        RunnerInfo("runner-a", "node", "full", "", 2.0, 2048, AT, (("user", True, "ok"),))
    )


def _of_user(tx: Transaction, account: str, user: str) -> None:
    tx.sessions.add(Session("S1", user, "session-digest", AT, AT, AT + 9, 0, "agent", "192.0.2.1"))
    tx.links.put(OneTimeLink("link-digest", next(iter(Purpose)), user, AT, AT + 9))
    tx.second_factors.put(SecondFactor(user, "k1", "c2VhbGVk", AT, AT + 1, 2))
    tx.second_factors.put_codes(user, ["code-digest"])
    tx.preferences.put(user, Preferences(language="zh", views={"runs": "state=failed"}))
    action = next(iter(AuditAction))
    tx.audit.add(NewAudit(account, user, "ada", "", "S1", "192.0.2.1", action, "K1", "ci"))


def _of_worker(tx: Transaction, account: str, user: str, worker: str) -> None:
    version = records.version(worker, egress=("example.com",), secrets=("TOKEN",))
    tx.workers.add_version(version)
    tx.workers.set_current(worker, own="1.0.0", others="1.0.0")
    tx.workers.set_tag(worker, "stable", "1.0.0")
    tx.worker_facts.add_version(version.id, VersionFacts(1234, (FINDING,)))
    tx.environments.request(version.id)
    tx.environment_archives.want(version.id)
    tx.favourites.add(user, worker, AT)
    tx.input_defaults.put(user, worker, '{"url": "https://example.com/é"}', AT)
    tx.secrets.put(SealedSecret(account, worker, "TOKEN", "k1", "c2VhbGVk", "ada", AT))
    steps = (UploadStep("read"),)
    tx.uploads.add(
        Upload(
            "U1", account, next(iter(UploadSource)), UploadState.WORKING, "titles.zip", steps,
            size=99, findings=(FINDING,), digest="d", language="python", title="T",
            input_schema="{}", worker_id=worker, version="1.0.0", created_at=AT, updated_at=AT,
            egress=("example.com",),
        )
    )  # fmt: skip
    tx.submissions.add(
        Submission("B1", account, worker, "1.0.0", SubmissionState.WAITING, "please", AT)
    )


def _schedule(tx: Transaction, account: str, task: str) -> None:
    plan = ScheduleSpec(ScheduleKind.CRON, cron="5 4 * * 1", time_zone="Europe/Berlin")
    times = {"anchor_at": AT, "next_at": AT + 9, "created_at": AT, "updated_at": AT}
    tx.schedules.put(
        Schedule(
            task, account, plan, next(iter(OverlapPolicy)), True, **times,
            missed=1, last_error="", last_fired_at=AT, revision=2,
        )
    )  # fmt: skip
    tx.schedules.add_fire(Fire(task, AT, next(iter(FireState)), "", "", 1, AT))


def _ended_run(tx: Transaction, account: str, worker: str, task: str) -> Run:
    """Add a run that was leased, ended and charged."""
    run = records.seed_run(tx, account, worker, 2, task_id=task, summary="url: https://e.example")
    tx.runs.add_event(records.event(run.id, reason=REASON))
    leases = tx.runs.lease("runner-a", Capacity(8, 8192, 8), AT + 5)
    for lease in leases:
        tx.runs.start_attempt(lease.attempt.key, AT)
        ended = AttemptEnd(SUCCESS, AttemptUsage(cpu_ms=7, memory_mb_ms=9))
        tx.runs.end_attempt(lease.attempt.key, ended, 3, AT + 4)
        tx.runs.end_subtask(run.id, lease.subtask.ordinal, SUCCESS)
    over = replace(
        run, state=RunState.SUCCEEDED, outcome=Outcome.SUCCEEDED, subtasks_succeeded=2, results=6,
        usage_micros=40, traffic_bytes=50, started_at=AT, finished_at=AT + 4, busy_ms=8, cpu_ms=14,
    )  # fmt: skip
    tx.runs.move(over, RunState.READY)
    tx.samples.add([UsageSample(run.id, AT + 1, 7, 1024, 50, 3, 2048)])
    line = ConsoleLine(AT, ConsoleLevel.ERROR, "broken", "https://example.com/app.js:1")
    activity = BrowserActivity({"image": 2}, urls=("https://example.com/",), lines=(line,))
    tx.browsers.report([(leases[0].attempt.id, run.id, BrowserReport(activity, starts=1))])
    page = LastPage(AT, "https://example.com/", "Example", ())
    tx.last_pages.add(leases[0].attempt.id, run.id, page, AT)
    tx.sites.put(run.id, SiteTraffic("example.com", 2, 20, 30, 0, 0, {"200": 2}, 1))
    tx.shares.add(Share("H1", account, run.id, "", True, False, AT, AT + 9, 0))
    tx.ledger.append(records.entry(account, EntryKind.CREDIT, 1000, 2000))
    tx.ledger.append(replace(records.entry(account, EntryKind.USAGE, -40, -50), run_id=run.id))
    key = UsageKey(account, DAY, worker_id=worker, task_id=task)
    tx.usage.add(key, UsageSums(runs=1, results=6, usage_micros=40, traffic_bytes=50))
    tx.worker_facts.note_end(worker, "+", AT + 4)
    tx.tasks.note_run(task, run.id)
    return over


def _running_run(tx: Transaction, account: str, worker: str) -> None:
    run = records.seed_run(tx, account, worker, 2, cpus=1.0)
    [lease] = tx.runs.lease("runner-a", Capacity(1, 8192, 1), AT + 5)
    tx.runs.move(replace(run, state=RunState.RUNNING, started_at=AT), RunState.READY)
    tx.sites.report([(lease.attempt.id, run.id, (SiteTraffic("example.org", 1, 2, 3, 0, 0),))])
    mark = UsageMark(MarkKind.TOO_MANY, 1000, 2000, 3)
    tx.marks.report([(lease.attempt.id, run.id, (mark,))])
    tx.traces.add(RunTrace(run.id, "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", AT))


def _starts(tx: Transaction, account: str, worker: str, run: str) -> None:
    tx.start_keys.claim(StartRecord(account, "key-1", "digest", "run", run, AT + 9), AT)
    item = QueuedStart("Q1", account, worker, "1.0.0", "{}", "", True, "", "", AT, 0, reason=REASON)
    tx.queue.add(item)


def _callbacks(tx: Transaction, account: str, run: str) -> None:
    receiver = "https://example.com:443"
    sent = records.delivery(account, run, receiver=receiver, kind=DeliveryKind.TERMINAL)
    tx.outbox.add(sent)
    tx.outbox.add_try(DeliveryAttempt(sent.id, AT, 503, "", 12, "busy"))
    tx.receivers.save(replace(tx.receivers.lock(account, receiver), failing_since=AT))
    events = tuple(WebhookEvent)[:2]
    tx.webhooks.add(
        Endpoint(
            "E1", account, "ops", "https://example.com/h", events, "", True, "s", "", 0, AT, AT
        )
    )


def _alerts(tx: Transaction, account: str, run: Run) -> None:
    kind = next(iter(RuleKind))
    rule = Rule(
        "R1", account, "late", kind, run.worker_id, "", 2.0, "", 0.0, 0, 0, ("E1",),
        ("ada@example.com",), True, AT, AT, AT, reasons=(REASON.code,),
    )  # fmt: skip
    tx.alerts.add_rule(rule)
    tx.alerts.add_check(run)
    tx.alerts.claim_month("R1", "2023-11")
    alert = Alert("A1", account, "R1", "late", kind, run.id, run.worker_id, "", "It failed", AT)
    tx.alerts.add_alert(replace(alert, reason=REASON))


def read(tx: Transaction) -> None:
    """Read every record; check that each is there and has its type."""
    operator = tx.accounts.operator()
    assert operator is not None and operator.balance_micros == 960
    account = operator.id
    user = tx.accounts.user_by_name("ada")
    assert user is not None
    assert tx.accounts.key_by_digest("key-digest")
    assert tx.sessions.by_digest("session-digest") and tx.links.get("link-digest")
    assert tx.preferences.get(user.id).views == {"runs": "state=failed"}
    assert tx.audit.page(account, before=0, limit=9, action="")
    worker = tx.workers.by_path("acme", "titles")
    assert worker is not None and worker.categories == (3, 7)
    _read_of_worker(tx, account, user.id, worker.id)
    _read_runs(tx, account, worker.id)
    delivery = tx.outbox.page(account, DeliveryFilter(), offset=0, limit=9)[1][0]
    assert tx.outbox.tries_of([delivery.id]) and tx.receivers.of_account(account)
    assert tx.webhooks.get("E1") and tx.alerts.next_check(AT)
    rule = tx.alerts.rule("R1")
    assert rule is not None and rule.reasons == (REASON.code,)
    assert not tx.alerts.claim_month("R1", "2023-11")
    [alert] = tx.alerts.alerts(account, AlertFilter(), offset=0, limit=9)[1]
    assert alert.reason == REASON
    assert tx.servers.count_active(AT) == 1 and tx.runs.runners(AT)[0].checks
    assert tx.ledger.sums(account) == (960, 0, 1950)
    assert tx.usage.days(account, DAY, DAY)[DAY].results == 6
    assert tx.usage.parts(account, DAY, DAY, UsageDimension.TASK, 9)


def _read_of_worker(tx: Transaction, account: str, user: str, worker: str) -> None:
    version = tx.workers.version(worker, "1.0.0")
    assert version is not None and version.egress == ("example.com",)
    newest = tx.workers.get(worker)
    assert newest is not None and newest.latest == newest.latest_approved == "1.0.0"
    assert tx.worker_facts.of_versions(worker)["1.0.0"].findings == (FINDING,)
    assert tx.worker_facts.of_workers([worker])[worker].recent == "+"
    assert tx.workers.categories("", account_id=account) == {3: 1, 7: 1}
    assert tx.favourites.of_user(user) == [worker]
    assert tx.input_defaults.get(user, worker)
    assert tx.secrets.of(account, worker)[0].name == "TOKEN"
    upload = tx.uploads.get("U1")
    assert upload is not None and upload.findings == (FINDING,)
    assert tx.submissions.waiting_of(worker)
    [task] = tx.tasks.of_account(account, offset=0, limit=9)[1]
    schedule = tx.schedules.get(task.id)
    assert schedule is not None and schedule.spec.cron == "5 4 * * 1"
    assert tx.schedules.fires(task.id, offset=0, limit=9)[0] == 1


def _read_runs(tx: Transaction, account: str, worker: str) -> None:
    count, [running, ended] = tx.runs.page(account, RunFilter(), offset=0, limit=9)
    assert (count, running.state, ended.state) == (2, RunState.RUNNING, RunState.SUCCEEDED)
    assert ended.egress_allow == ("db.example:5432",)
    assert [len(tx.runs.subtasks(run.id)) for run in (running, ended)] == [2, 2]
    assert [len(tx.runs.attempts(run.id)) for run in (running, ended)] == [1, 2]
    assert REASON in [event.reason for event in tx.runs.events(ended.id)]
    assert tx.samples.of_run(ended.id) and tx.sites.of_run(ended.id)
    assert tx.sites.reported(running.id) and tx.shares.get("H1")
    assert len(tx.marks.of_run(running.id, 9)) <= 1  # the first release has none
    assert tx.run_lists.total(account, RunSearch(worker_id=worker)) == 2
    assert tx.start_keys.get(account, "key-1")
    item = tx.queue.get("Q1")
    assert item is not None and item.reason == REASON
