"""Every start of a run by a tool, within the spend cap."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from fyke.mcp import calls
from fyke.mcp.calls import refusals, segment
from fyke.mcp.session import McpSession
from fyke.mcp.tool import ToolRefused

CHARGE = "max_total_charge"  # the member of ``system`` with the charge limit, US dollars


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

    async def send(body: Mapping[str, Any]) -> msgspec.Raw:
        return await calls.call(
            session,
            "POST",
            path,
            body=body,
            extra_seconds=extra_seconds,
            idempotency_key=idempotency_key,
        )

    if session.spending.cap is None:
        return await send(body)
    async with session.spending.turn:
        limit, body = await _limited(session, worker, body, idempotency_key)
        data = await send(body)
        session.spending.started(msgspec.json.decode(data)["run_slug"], limit)
        return data


def refuse_under_cap(session: McpSession) -> None:
    """Raise ``ToolRefused`` if there is a spend cap: for starts whose charge limit is not ours."""
    if session.spending.cap is not None:
        raise ToolRefused(
            f"a spend cap of {session.spending.cap} USD is set, and this tool cannot limit what "
            "its run costs; use start_run with the input of that run"
        )


async def _limited(
    session: McpSession, worker: str, body: Mapping[str, Any], key: str
) -> tuple[Decimal | None, Mapping[str, Any]]:
    """The charge limit of a start, and its body with it. There is none if no prices are set. A
    start that is sent again with the same idempotency key has the same limit.
    """
    spending = session.spending
    if key in spending.by_key:
        return spending.by_key[key], _with_limit(body, spending.by_key[key])
    estimate = await calls.read(session, f"/api/fyke/workers/{segment(worker)}/estimate")
    if not estimate["priced"]:
        return None, body
    with refusals():
        status = await session.spending.status(session.fyke)
    if status.left <= 0:
        reserved = "without limit" if status.reserved is None else f"{status.reserved} USD"
        raise ToolRefused(
            f"the spend cap of {status.cap} USD is reached: {status.spent} USD are spent "
            f"{status.period}, and {reserved} reserved for active runs; wait for them with "
            "wait_for_run, or ask the user"
        )
    limit = min(_wanted_limit(body) or status.left, status.left)
    if key:
        spending.by_key[key] = limit
    return limit, _with_limit(body, limit)


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
