"""Checks the run options of a saved input, as a start of its version does."""

from __future__ import annotations

from fyke.contracts.state import Transaction
from fyke.domain.runs.admission import check_addresses, check_device
from fyke.domain.runs.browsers import limits_at_start
from fyke.domain.runs.placement import check_pool
from fyke.domain.runs.transitions import Rules
from fyke.domain.workers.parameters import ParsedInput, read_input
from fyke.model.account import Caller
from fyke.model.worker import SystemDefaults, Version


def has_options(input: object) -> bool:
    """Whether an input has run options. They may be invalid."""
    return _system(input) is not None


def check_options(
    caller: Caller, rules: Rules, version: Version | None, input: object
) -> ParsedInput | None:
    """The run options of an input, None without any. ``version`` is None when it cannot run now.

    Raise ``InvalidRequest`` and ``Forbidden`` for those that no run of the version may have.
    """
    system = _system(input)
    if system is None:
        return None
    options = {"parameters": {"system": system, "custom": {}}}
    parsed = read_input(options, SystemDefaults() if version is None else version.defaults)
    check_addresses(caller, parsed)
    if version is not None:
        limits_at_start(rules, version, parsed)
    return parsed


def check_places(
    tx: Transaction, caller: Caller, rules: Rules, options: ParsedInput | None
) -> None:
    """Raise ``InvalidRequest`` when the plan does not allow the device of these options, or there
    is no such pool.
    """
    if options is not None:
        check_pool(tx, rules, options.pool)
        asked = options.limits.browser_memory_mb > 0
        check_device(tx, caller.account_id, options.limits, browser_memory_asked=asked)


def _system(input: object) -> object:
    parameters = input.get("parameters") if isinstance(input, dict) else None
    system = parameters.get("system") if isinstance(parameters, dict) else None
    return None if system == {} else system
