"""Verdicts and batches of CoreClaw's tools against the real API."""

from __future__ import annotations

import json
from typing import Any

from fyke.model.run import Outcome
from support.app import App

CUSTOM = json.dumps({"urls": ["https://a.example"]})


async def test_a_verdict_and_a_batch_notice_rows_that_only_report_errors(
    app: App, agent: Any
) -> None:
    await app.publish()
    run = (await agent.call("run_worker", worker_id="owner/reader", input_json=CUSTOM))["run_slug"]
    await app.execute([{"error": "captcha", "status": 403, "url": "https://a.example"}])
    assert (await agent.call("verify_run", run_id=run))["verdict"] == "ERROR_RECORD"
    failed = (await agent.call("rerun_worker_run", run_id=run))["run_slug"]
    await app.execute([], Outcome.EXIT_CODE, log=["Traceback: here"])
    verdict = await agent.call("verify_run", run_id=failed)
    assert (verdict["verdict"], verdict["err_lines"]) == ("FAILED", ["Traceback: here"])
    items = json.dumps(
        [{"worker_id": "owner/reader", "input_json": {"urls": 3}}, {"worker_id": "x"}]
    )
    batch = await agent.call("run_workers_batch", items=items, concurrency=2)
    assert batch["counts"] == {"SUBMIT_FAIL": 2}
