"""Validation of rules: each kind has its own members. Every error names its field."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from fyke.contracts.state import Transaction
from fyke.domain.access import own_task
from fyke.domain.callbacks.current_mail import NO_MAIL
from fyke.domain.workers.lookup import find_worker
from fyke.errors import InvalidRequest, Problem, TaskNotFound, WorkerNotFound
from fyke.kit.mail_servers import is_address
from fyke.model.account import Caller
from fyke.model.alert import MAX_FIELD, MAX_NAME, MAX_TARGETS, Rule, RuleKind
from fyke.model.billing import MICROS
from fyke.reasons.codes import ENDS

MAX_FACTOR = 1000
MAX_USD = Decimal(10**9)
MAX_MB = Decimal(10**12)
_MEGABYTE = 10**6


@dataclass(frozen=True, slots=True)
class RuleFields:
    """The members of a request for a rule; those that its kind does not have are ignored.

    ``worker`` is an id or path, ``task`` an id. ``factor`` is a share for ``fewer_rows`` and a
    multiple for ``slower``; ``percent`` of rows may lack ``field``; ``reasons`` are the codes of
    failures.
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


def validate_rule(
    tx: Transaction, caller: Caller, fields: RuleFields, base: Rule, *, mails: bool
) -> Rule:
    """``base`` (id, times, addresses so far) with the values of ``fields``. ``mails``: whether
    addresses may be added. Raise ``InvalidRequest`` with all problems.
    """
    problems: list[Problem] = []
    name = " ".join(fields.name.split())
    if not 1 <= len(name) <= MAX_NAME:
        problems.append(Problem(f"it must have 1 to {MAX_NAME} characters", "name"))
    kind = _kind(fields.kind, problems)
    worker_id, task_id = _scope(tx, caller, fields, problems)
    problems.extend(_endpoint_problems(tx, caller, fields))
    problems.extend(_email_problems(tx, caller, fields, base.emails, mails=mails))
    rule = replace(
        base,
        name=name,
        worker_id=worker_id,
        task_id=task_id,
        endpoints=tuple(dict.fromkeys(fields.endpoints)),
        emails=tuple(dict.fromkeys(address.strip() for address in fields.emails)),
        enabled=fields.enabled,
    )
    if kind is not None:
        rule = _without_members(rule, kind)
        set_members = _SET_MEMBERS.get(kind)
        rule = set_members(rule, fields, problems) if set_members else rule
    if problems:
        raise InvalidRequest.of(problems)
    return rule


def _without_members(rule: Rule, kind: RuleKind) -> Rule:
    """The rule with ``kind``, and with all members that belong to a kind at their defaults."""
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


def _kind(name: str, problems: list[Problem]) -> RuleKind | None:
    try:
        return RuleKind(name.strip().lower())
    except ValueError:
        problems.append(Problem(f"it must be one of {', '.join(RuleKind)}", "kind"))
        return None


def _scope(
    tx: Transaction, caller: Caller, fields: RuleFields, problems: list[Problem]
) -> tuple[str, str]:
    worker, task = fields.worker.strip(), fields.task.strip()
    if worker and task:
        problems.append(Problem("name a worker or a task, not both", "task"))
        return "", ""
    try:
        if task:
            return "", own_task(tx, caller, task).id
        return (find_worker(tx, caller, worker).id, "") if worker else ("", "")
    except WorkerNotFound:
        problems.append(
            Problem(f"unknown worker {worker[:80]!r}; leave it empty for all", "worker")
        )
    except TaskNotFound:
        problems.append(Problem(f"unknown task {task[:80]!r}; leave it empty for all", "task"))
    return "", ""


def _failed(rule: Rule, fields: RuleFields, problems: list[Problem]) -> Rule:
    codes = {code.value: code for code in ENDS}
    names = list(dict.fromkeys(word for text in fields.reasons if (word := text.strip().lower())))
    unknown = [word for word in names if word not in codes]
    if unknown:
        text = (
            f"unknown reason {unknown[0][:40]!r}; use one or more of "
            f"{', '.join(codes)}, or none for every failure"
        )
        problems.append(Problem(text, "reasons"))
    return replace(rule, reasons=tuple(codes[word] for word in names if word in codes))


def _fewer(rule: Rule, fields: RuleFields, problems: list[Problem]) -> Rule:
    if not 0 < fields.factor <= 1:
        problems.append(
            Problem("it must be above 0 and at most 1; 0.5 is half of the usual rows", "factor")
        )
    return replace(rule, factor=fields.factor)


def _slower(rule: Rule, fields: RuleFields, problems: list[Problem]) -> Rule:
    if not 1 <= fields.factor <= MAX_FACTOR:
        problems.append(
            Problem(f"it must be 1 to {MAX_FACTOR}; 2 is twice the usual time", "factor")
        )
    return replace(rule, factor=fields.factor)


def _missing(rule: Rule, fields: RuleFields, problems: list[Problem]) -> Rule:
    field = fields.field.strip()
    if not 1 <= len(field) <= MAX_FIELD:
        problems.append(
            Problem(f"name the output field, with 1 to {MAX_FIELD} characters", "field")
        )
    if not 0 <= fields.percent < 100:
        problems.append(Problem("it must be 0 or more and less than 100", "percent"))
    return replace(rule, field=field, percent=fields.percent)


def _budget(rule: Rule, fields: RuleFields, problems: list[Problem]) -> Rule:
    usd, megabytes = fields.budget_usd, fields.budget_traffic_mb
    if not 0 <= usd <= MAX_USD:
        problems.append(Problem(f"it must be 0 to {MAX_USD}", "budget_usd"))
    if not 0 <= megabytes <= MAX_MB:
        problems.append(Problem(f"it must be 0 to {MAX_MB}", "budget_traffic_mb"))
    if not usd and not megabytes:
        problems.append(
            Problem("give an amount above 0 here, in budget_traffic_mb, or in both", "budget_usd")
        )
    return replace(rule, usd_micros=int(usd * MICROS), traffic_bytes=int(megabytes * _MEGABYTE))


_SET_MEMBERS: dict[RuleKind, Callable[[Rule, RuleFields, list[Problem]], Rule]] = {
    RuleKind.FAILED: _failed,
    RuleKind.FEWER_ROWS: _fewer,
    RuleKind.SLOWER: _slower,
    RuleKind.MISSING_FIELD: _missing,
    RuleKind.BUDGET: _budget,
}


def _endpoint_problems(tx: Transaction, caller: Caller, fields: RuleFields) -> Iterator[Problem]:
    if len(fields.endpoints) > MAX_TARGETS:
        yield Problem(f"at most {MAX_TARGETS} are allowed", "endpoints")
        return
    account_endpoints = {endpoint.id for endpoint in tx.webhooks.of_account(caller.account_id)}
    unknown = [name for name in fields.endpoints if name not in account_endpoints]
    if unknown:
        yield Problem(f"unknown webhook {unknown[0][:40]!r}", "endpoints")


def mail_addresses(tx: Transaction, account_id: str) -> frozenset[str]:
    """The addresses, in lower case, to which alerts of the account may be mailed: the names of its
    users who have confirmed them and are not disabled. Otherwise a user could send mail to any
    address through the operator's server.
    """
    users = tx.accounts.users(account_id)
    return frozenset(user.name for user in users if user.confirmed_at and not user.disabled)


def _email_problems(
    tx: Transaction, caller: Caller, fields: RuleFields, kept: tuple[str, ...], *, mails: bool
) -> Iterator[Problem]:
    """Of the addresses that are added. A rule keeps those that it has: without a mail server, and
    when their users are gone, it can still be changed and switched off; they get no mail.
    """
    before = {address.lower() for address in kept}
    added = [address for address in fields.emails if address.strip().lower() not in before]
    if added and not mails:
        yield Problem(NO_MAIL, "emails")
    elif len(fields.emails) > MAX_TARGETS:
        yield Problem(f"at most {MAX_TARGETS} are allowed", "emails")
    else:
        known = mail_addresses(tx, caller.account_id) if added else frozenset()
        for address in added:
            text = address.strip()
            if not is_address(text):
                yield Problem(
                    f"{text[:80]!r} is not a mail address; write one like ada@example.org", "emails"
                )
            elif text.lower() not in known:
                yield Problem(
                    f"{text[:80]!r} is not the confirmed address of an active user of this "
                    "account; invite its owner, who can confirm it in the console under Settings",
                    "emails",
                )
