"""Every start of a run by a tool, within the spend cap."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from fyke.mcp import calls
from fyke.mcp.calls import refusals, segment
from fyke.mcp.session import McpSession
from fyke.mcp.spending import token_of
from fyke.mcp.tool import ToolRefused
from fyke_client import ApiError, Unreachable

CHARGE = "max_total_charge"  # the member of ``system`` with the charge limit, US dollars
_LEAST = re.compile(rf"{CHARGE} must be at least (\d+(?:\.\d+)?) USD")  # in an error of the API


async def start(
    session: McpSession,
    worker: str,
    body: Mapping[str, Any],
    *,
    extra_seconds: float = 0,
    idempotency_key: str = "",
) -> msgspec.Raw:
    """Start a run of ``worker`` with a body of API v2. Under a spend cap, its charge limit is at
    most what is left. Raises ``ToolRefused``.
    """
    path = f"/api/v2/workers/{segment(worker)}/runs"
    # any text of an agent as printable characters
    key = hashlib.sha256(idempotency_key.encode(errors="replace")).hexdigest()
    key = key if idempotency_key else ""

    async def send(body: Mapping[str, Any]) -> msgspec.Raw:
        return await calls.call(
            session, "POST", path, body=body, extra_seconds=extra_seconds, idempotency_key=key
        )

    if session.cap is None:
        return await send(body)
    wanted = _wanted_limit(body)
    spending, token = session.spending, token_of(worker, key)
    async with spending.turn:
        limit = spending.repeated(token)
        was_sent = limit is not None
        if limit is None:
            limit = await _limit_of(session, session.cap, worker, wanted)
        if limit is not None:
            body = _with_limit(body, limit)
            if not was_sent:
                spending.reserve(token, limit)
    if limit is None:
        return await send(body)  # it costs nothing
    try:
        data = await send(body)
    except ToolRefused as refused:
        if not was_sent and _starts_nothing(refused.__cause__):
            spending.refused(token)
        if least := _LEAST.search(str(refused)):
            raise _too_little(session.cap, wanted, limit, least[1]) from None
        raise
    spending.started(token, msgspec.json.decode(data)["run_slug"], limit)
    return data


def _too_little(cap: Decimal, wanted: Decimal, limit: Decimal, least: str) -> ToolRefused:
    """The refusal of a start whose charge limit is below ``least``. The server's own sentence would
    offer a start without limit.
    """
    if 0 < wanted <= limit:
        return ToolRefused(
            f"the run needs a charge limit of at least {least} USD, the price of its first 10 "
            f"seconds; {wanted} USD were asked for, under a spend cap of {cap} USD"
        )
    return ToolRefused(
        f"{limit} USD of the spend cap of {cap} USD are left, and the run needs at least {least} "
        "USD, the price of its first 10 seconds; wait for active runs with wait_for_run, start it "
        "with less memory, or ask the user"
    )


def _starts_nothing(error: BaseException | None) -> bool:
    """Whether a start with this error has certainly started no run."""
    if isinstance(error, ApiError):
        # The client may have sent a start twice before the server was too busy or too slow for it.
        return 400 <= error.status < 500 and error.status not in (408, 429)
    return isinstance(error, Unreachable) and not error.sent


def refuse_under_cap(session: McpSession) -> None:
    """Raise ``ToolRefused`` if there is a spend cap: for starts whose charge limit is not ours."""
    if session.cap is not None:
        raise ToolRefused(
            f"a spend cap of {session.cap} USD is set, and this tool cannot limit what "
            "its run costs; use start_run with the input of that run"
        )


async def _limit_of(
    session: McpSession, cap: Decimal, worker: str, wanted: Decimal
) -> Decimal | None:
    """The charge limit of a new start for which ``wanted`` was asked, 0 for none. There is none if
    no prices are set.
    """
    estimate = await calls.read(session, f"/api/fyke/workers/{segment(worker)}/estimate")
    if not estimate["priced"]:
        return None
    with refusals():
        status = await session.spending.status(session.fyke, cap)
    if status.left <= 0:
        reserved = "without limit" if status.reserved is None else f"{status.reserved} USD"
        raise ToolRefused(
            f"the spend cap of {status.cap} USD is reached: {status.spent} USD are spent "
            f"{status.period}, and {reserved} reserved for active runs and for starts without an "
            "answer; wait for them with wait_for_run, or ask the user"
        )
    return min(wanted or status.left, status.left)


def _input_parts(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """``parameters`` of the input and its ``system``; without them it is the Worker's own."""
    given = body.get("input") or {}
    parameters = given.get("parameters", {"custom": given}) if isinstance(given, dict) else None
    system = (parameters.get("system") or {}) if isinstance(parameters, dict) else None
    if not isinstance(parameters, dict) or not isinstance(system, dict):
        raise ToolRefused("the input must be a JSON object, and so must its parameters")
    return parameters, system


def _wanted_limit(body: Mapping[str, Any]) -> Decimal:
    try:
        return Decimal(str(_input_parts(body)[1].get(CHARGE) or 0))
    except ArithmeticError:
        raise ToolRefused(f"{CHARGE} must be an amount in US dollars") from None


def _with_limit(body: Mapping[str, Any], limit: Decimal) -> dict[str, Any]:
    parameters, system = _input_parts(body)
    limited = parameters | {"system": system | {CHARGE: float(limit)}}
    return {**body, "input": {"parameters": limited}}
