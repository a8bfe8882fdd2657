"""Validation of rules: each kind has its own members. Every error names its field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from fyke.contracts.state import Transaction
from fyke.domain.access import own_task
from fyke.domain.workers.lookup import find_worker
from fyke.errors import InvalidRequest, Problem, TaskNotFound, WorkerNotFound
from fyke.model.account import Caller
from fyke.model.alert import MAX_FIELD, MAX_NAME, MAX_TARGETS, Rule, RuleKind
from fyke.model.billing import MICROS
from fyke.reasons.codes import ENDS

MAX_EMAIL = 254
MAX_FACTOR = 1000
MAX_USD = Decimal(10**9)
MAX_MB = Decimal(10**12)
_MEGABYTE = 10**6
# what every mail server accepts; it also keeps line breaks out of the headers
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


@dataclass(frozen=True, slots=True)
class RuleFields:
    """What a request says about a rule; members that its kind does not know are left out.

    ``worker`` is an id or path, ``task`` an id. ``factor`` is a share for ``fewer_rows`` and a
    multiple for ``slower``; ``percent`` of rows may lack ``field``; ``reasons`` are codes of ends.
    """

    name: str
    kind: str
    worker: str = ""
    task: str = ""
    factor: float = 0.0
    field: str = ""
    percent: float = 0.0
    budget_usd: Decimal = Decimal(0)
    budget_traffic_mb: Decimal = Decimal(0)
    endpoints: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    enabled: bool = True
    reasons: tuple[str, ...] = ()


EXAMPLE = RuleFields(name="A run has failed", kind=RuleKind.FAILED.value)


def checked(
    tx: Transaction, caller: Caller, wanted: RuleFields, blank: Rule, *, mails: bool
) -> Rule:
    """``blank`` (id, times) with what ``wanted`` says. Raise ``InvalidRequest`` with each
    problem.
    """
    faults: list[Problem] = []

    def keep(found: Iterator[Problem]) -> None:
        faults.extend(found)

    name = " ".join(wanted.name.split())
    if not 1 <= len(name) <= MAX_NAME:
        faults.append(Problem(f"it must have 1 to {MAX_NAME} characters", "name"))
    kind = _kind(wanted.kind, faults)
    worker_id, task_id = _scope(tx, caller, wanted, faults)
    keep(_endpoint_faults(tx, caller, wanted))
    keep(_email_faults(wanted, mails=mails))
    rule = replace(
        blank,
        name=name,
        worker_id=worker_id,
        task_id=task_id,
        endpoints=tuple(dict.fromkeys(wanted.endpoints)),
        emails=tuple(dict.fromkeys(address.strip() for address in wanted.emails)),
        enabled=wanted.enabled,
    )
    if kind is not None:
        rule = _bare(rule, kind)
        member = _MEMBERS.get(kind)
        rule = member(rule, wanted, faults) if member else rule
    if faults:
        raise InvalidRequest.of(faults)
    return rule


def _bare(rule: Rule, kind: RuleKind) -> Rule:
    """The rule as one of ``kind``, without the members of any kind."""
    return replace(
        rule,
        kind=kind,
        factor=0.0,
        field="",
        percent=0.0,
        usd_micros=0,
        traffic_bytes=0,
        reasons=(),
    )


def _kind(word: str, faults: list[Problem]) -> RuleKind | None:
    try:
        return RuleKind(word.strip().lower())
    except ValueError:
        faults.append(Problem(f"it must be one of {', '.join(RuleKind)}", "kind"))
        return None


def _scope(
    tx: Transaction, caller: Caller, wanted: RuleFields, faults: list[Problem]
) -> tuple[str, str]:
    worker, task = wanted.worker.strip(), wanted.task.strip()
    if worker and task:
        faults.append(Problem("give a worker or a task, not both", "task"))
        return "", ""
    try:
        if task:
            return "", own_task(tx, caller, task).id
        return (find_worker(tx, caller, worker).id, "") if worker else ("", "")
    except WorkerNotFound:
        faults.append(Problem(f"unknown worker {worker[:80]!r}; leave it empty for all", "worker"))
    except TaskNotFound:
        faults.append(Problem(f"unknown task {task[:80]!r}; leave it empty for all", "task"))
    return "", ""


def _failed(rule: Rule, wanted: RuleFields, faults: list[Problem]) -> Rule:
    known = {code.value: code for code in ENDS}
    named = list(dict.fromkeys(word for text in wanted.reasons if (word := text.strip().lower())))
    strange = [word for word in named if word not in known]
    if strange:
        text = (
            f"unknown reason {strange[0][:40]!r}; use one or more of "
            f"{', '.join(known)}, or none for every failure"
        )
        faults.append(Problem(text, "reasons"))
    return replace(rule, reasons=tuple(known[word] for word in named if word in known))


def _fewer(rule: Rule, wanted: RuleFields, faults: list[Problem]) -> Rule:
    if not 0 < wanted.factor <= 1:
        faults.append(
            Problem("it must be above 0 and at most 1, such as 0.5 for half of the usual", "factor")
        )
    return replace(rule, factor=wanted.factor)


def _slower(rule: Rule, wanted: RuleFields, faults: list[Problem]) -> Rule:
    if not 1 <= wanted.factor <= MAX_FACTOR:
        faults.append(
            Problem(f"it must be 1 to {MAX_FACTOR}, such as 2 for twice the usual time", "factor")
        )
    return replace(rule, factor=wanted.factor)


def _missing(rule: Rule, wanted: RuleFields, faults: list[Problem]) -> Rule:
    field = wanted.field.strip()
    if not 1 <= len(field) <= MAX_FIELD:
        faults.append(Problem(f"name the output field, with 1 to {MAX_FIELD} characters", "field"))
    if not 0 <= wanted.percent < 100:
        faults.append(Problem("it must be 0 or more and less than 100", "percent"))
    return replace(rule, field=field, percent=wanted.percent)


def _budget(rule: Rule, wanted: RuleFields, faults: list[Problem]) -> Rule:
    usd, megabytes = wanted.budget_usd, wanted.budget_traffic_mb
    if not 0 <= usd <= MAX_USD:
        faults.append(Problem(f"it must be 0 to {MAX_USD}", "budget_usd"))
    if not 0 <= megabytes <= MAX_MB:
        faults.append(Problem(f"it must be 0 to {MAX_MB}", "budget_traffic_mb"))
    if not usd and not megabytes:
        faults.append(
            Problem("give an amount above 0 here, in budget_traffic_mb, or in both", "budget_usd")
        )
    return replace(rule, usd_micros=int(usd * MICROS), traffic_bytes=int(megabytes * _MEGABYTE))


_MEMBERS: dict[RuleKind, Callable[[Rule, RuleFields, list[Problem]], Rule]] = {
    RuleKind.FAILED: _failed,
    RuleKind.FEWER_ROWS: _fewer,
    RuleKind.SLOWER: _slower,
    RuleKind.MISSING_FIELD: _missing,
    RuleKind.BUDGET: _budget,
}


def _endpoint_faults(tx: Transaction, caller: Caller, wanted: RuleFields) -> Iterator[Problem]:
    if len(wanted.endpoints) > MAX_TARGETS:
        yield Problem(f"at most {MAX_TARGETS}", "endpoints")
        return
    mine = {endpoint.id for endpoint in tx.webhooks.of_account(caller.account_id)}
    strange = [name for name in wanted.endpoints if name not in mine]
    if strange:
        yield Problem(f"unknown webhook {strange[0][:40]!r}", "endpoints")


def _email_faults(wanted: RuleFields, *, mails: bool) -> Iterator[Problem]:
    if wanted.emails and not mails:
        yield Problem(
            "this installation has no mail server; its operator can set FYKE_SMTP_URL", "emails"
        )
    elif len(wanted.emails) > MAX_TARGETS:
        yield Problem(f"at most {MAX_TARGETS}", "emails")
    else:
        for address in wanted.emails:
            text = address.strip()
            if len(text) > MAX_EMAIL or not _EMAIL.fullmatch(text):
                yield Problem(
                    f"{text[:80]!r} is not a mail address such as ada@example.org", "emails"
                )
