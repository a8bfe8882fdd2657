"""Reasons in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Protocol

from fyke.console.run_options import name_options
from fyke.console.texts import gettext
from fyke.errors import FykeError
from fyke.reasons import (
    Detail,
    Hint,
    Reason,
    ReasonCode,
    cause,
    check_name,
    detail_sentence,
    next_step,
    sentence,
    texts,
)
from fyke.reasons.codes import ENDS
from fyke.reasons.health_texts import health_text

_MODULES = re.compile(r"^(?:\w+\.)+(?=[A-Z]\w*:)")


class EndedRecord(Protocol):
    """A run, a line of a list, a subtask or an attempt."""

    @property
    def err_msg(self) -> str: ...
    @property
    def reason(self) -> Reason | None: ...


def why(record: EndedRecord) -> str:
    """Why the record ended. Records of older releases have no code, only a stored sentence."""
    return text_of(record.reason) or record.err_msg


def why_shortly(record: EndedRecord) -> str:
    """``why`` for lists with little space: what the program said last, where that says it all,
    without the modules of an exception.
    """
    if record.reason and record.reason.code in (ReasonCode.EXIT_CODE, ReasonCode.SIGNAL):
        last_words = str(record.reason.params.get("last_words") or "")
        return _MODULES.sub("", last_words) or why(record)
    return why(record)


def text_of(reason: Reason | None) -> str:
    """The sentence, ``""`` for None."""
    return "" if reason is None else sentence(reason, _as_the_form_says)


def _as_the_form_says(text: str) -> str:
    """A text of a reason, translated, with the name that the form has for a run option."""
    return gettext(_OPTIONS_NAMED.get(text, text))


class AlertRecord(Protocol):
    """An alert, or what a rule finds in a run."""

    @property
    def sentence(self) -> str: ...
    @property
    def reason(self) -> Reason | None: ...


def alert_text(alert: AlertRecord) -> str:
    """What the rule found. Alerts of older releases have no code, only a stored sentence."""
    if alert.reason is None:
        return alert.sentence
    if alert.reason.code is ReasonCode.START_REFUSED:
        return text_of(alert.reason.mapped(name_options))
    text = text_of(alert.reason)
    if alert.reason.code in ENDS:
        return gettext("The run failed: %(reason)s") % {"reason": text}
    return text


def detail_text(detail: Detail) -> str:
    """The finding, and the remedy where there is one."""
    text = detail_sentence(detail, gettext)
    return text[:1].upper() + text[1:]


def check_name_of(name: str) -> str:
    """The name of an isolation check."""
    return check_name(name, gettext)


def health_text_of(text: str) -> str:
    """A name, finding or remedy of a health check."""
    return health_text(text, gettext)


def cause_of(hint: Hint) -> str:
    return cause(hint, gettext)


def next_step_of(hint: Hint) -> str:
    return next_step(hint, gettext)


def error_text(error: FykeError) -> str:
    """The text of an error: of its reason when it has one, else its message. It names run options
    as the form does.
    """
    text = text_of(error.reason)
    if text:
        return text[:1].upper() + text[1:]
    return gettext(error.message) if error.message in NOT_FOUND else name_options(error.message)


def groups(priced: bool, chosen: Collection[str] = ()) -> list[tuple[str, list[tuple[str, str]]]]:
    """(code, name) of every code that a run can end with, in groups with a title, the usual ones
    first: without ``priced`` those about money only if they are ``chosen``.
    """
    return [
        (
            gettext(title),
            [
                (code.value, gettext(name))
                for code, name in names.items()
                if priced or code not in _OF_MONEY or code.value in chosen
            ],
        )
        for title, names in _GROUPS.items()
    ]


def name_of(code: ReasonCode) -> str:
    """The short name of a code."""
    return gettext(_NAMES[code])


def _(message: str) -> str:
    """Mark for translation; ``name_of`` and ``error_text`` translate."""
    return message


_OF_MONEY = frozenset({
    ReasonCode.CHARGE_ESTIMATE, ReasonCode.RUN_CHARGE_CAP, ReasonCode.BALANCE_USED_UP,
    ReasonCode.ACCOUNT_RUN_CAP, ReasonCode.ACCOUNT_MONTH_CAP,
})  # fmt: skip
NOT_FOUND = frozenset({
    _("The run does not exist"), _("The task does not exist"), _("The Worker does not exist"),
})  # fmt: skip
_OPTIONS_NAMED = {
    texts.ENDS[ReasonCode.TIMEOUT][0]: _(
        "Timeout: the run went over its time limit of %(seconds)s s"
    ),
    texts.ENDS[ReasonCode.TRAFFIC_CAP][0]: _(
        "Stopped: the run reached its maximum traffic of %(traffic_bytes)s MB"
    ),
}
_GROUPS = {
    _("The Worker"): {
        ReasonCode.EXIT_CODE: _("Exit code"),
        ReasonCode.SIGNAL: _("Signal"),
        ReasonCode.VERSION_MISSING: _("Version missing"),
        ReasonCode.WORKER_DELETED: _("Worker deleted"),
    },
    _("Limits"): {
        ReasonCode.TIMEOUT: _("Timeout"),
        ReasonCode.OUT_OF_MEMORY: _("Out of memory"),
        ReasonCode.TRAFFIC_CAP: _("Traffic cap"),
        ReasonCode.ROW_CAP: _("Row cap"),
        ReasonCode.DISK_CAP: _("Disk cap"),
        ReasonCode.CHARGE_ESTIMATE: _("Highest cost of the run"),
        ReasonCode.RUN_CHARGE_CAP: _("Cost cap of the run"),
        ReasonCode.BALANCE_USED_UP: _("Balance used up"),
        ReasonCode.ACCOUNT_RUN_CAP: _("Account's cap for one run"),
        ReasonCode.ACCOUNT_MONTH_CAP: _("Account's cap for the month"),
    },
    _("Browser"): {
        ReasonCode.NO_BROWSER: _("No browser"),
        ReasonCode.BROWSER_FAILED: _("Browser failed"),
        ReasonCode.BROWSER_OUT_OF_MEMORY: _("Browser out of memory"),
        ReasonCode.BROWSER_BUSY: _("No browser free"),
        ReasonCode.BROWSER_NOT_DECLARED: _("Browser not declared"),
    },
    _("The platform"): {
        ReasonCode.INTERNAL: _("Platform fault"),
        ReasonCode.RUNNER_LOST: _("Runner lost"),
        ReasonCode.NOT_STARTED: _("Worker not started"),
        ReasonCode.PLATFORM_STOPPED: _("Platform stopped"),
        ReasonCode.NODE_DRAINED: _("Machine out of service"),
        ReasonCode.ABORTED: _("Aborted"),
        ReasonCode.ISOLATION_MISSING: _("No sandbox"),
        ReasonCode.LIMITS_MISSING: _("No hard limits"),
    },
    _("Installation of packages"): {
        ReasonCode.PACKAGES_FAILED: _("Installer failed"),
        ReasonCode.PACKAGE_NOT_FOUND: _("Package not found"),
        ReasonCode.BAD_REQUIREMENT: _("Requirement refused"),
        ReasonCode.BUILD_FAILED: _("Build failed"),
        ReasonCode.BUILDS_NOT_ALLOWED: _("Builds not allowed"),
        ReasonCode.NO_READY_PACKAGE: _("No ready-made package"),
        ReasonCode.PACKAGES_REFUSED: _("Package files refused"),
        ReasonCode.INSTALL_TIMEOUT: _("Installation timeout"),
        ReasonCode.INSTALL_LIMIT: _("Installation limit"),
        ReasonCode.INSTALL_DISK_FULL: _("Disk full during installation"),
        ReasonCode.INSTALLER_MISSING: _("Installer missing"),
        ReasonCode.NPM_TOO_OLD: _("npm too old"),
        ReasonCode.REGISTRY_LOGIN: _("Registry refused the login"),
        ReasonCode.REGISTRY_CREDENTIALS: _("Registry credentials at risk"),
        ReasonCode.REGISTRY_SETTINGS: _("Registry settings not usable"),
        ReasonCode.REGISTRY_PROXY: _("Registry behind a proxy"),
        ReasonCode.REGISTRY_LOOPBACK: _("Registry on a loopback address"),
    },
}
_NAMES = {code: name for names in _GROUPS.values() for code, name in names.items()}
