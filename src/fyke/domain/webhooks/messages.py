"""The messages to endpoints: type, time and data, without rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from fyke.domain.callbacks.payload import payload
from fyke.model.run import Run, RunState
from fyke.model.webhook import TEST_EVENT, Endpoint, WebhookEvent

_ENDS = {
    RunState.SUCCEEDED: WebhookEvent.RUN_SUCCEEDED,
    RunState.FAILED: WebhookEvent.RUN_FAILED,
    RunState.ABORTED: WebhookEvent.RUN_ABORTED,
}


def event_of(run: Run) -> WebhookEvent:
    """The event for the current state of ``run``."""
    return _ENDS.get(run.state, WebhookEvent.RUN_STARTED)


def message(kind: str, at: int, data: dict[str, Any]) -> str:
    """One message as compact JSON; ``at`` in ms since the epoch."""
    moment = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
    body = {"type": kind, "timestamp": moment.replace("+00:00", "Z"), "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def run_data(run: Run) -> dict[str, Any]:
    """The data of a run: the payload of a callback, with its worker, version, task and origin."""
    return {
        **payload(run),
        "worker_slug": run.worker_id,
        "version": run.version,
        "task_slug": run.task_id,
        "origin": run.origin.value,
    }


def test_message(endpoint: Endpoint, at: int) -> str:
    """The message of a test call."""
    data = {"webhook_id": endpoint.id, "name": endpoint.name, "events": list(endpoint.events)}
    return message(TEST_EVENT, at, data)
