"""The input of a run, for starting it again."""

from __future__ import annotations

import json
from typing import Any

from fyke.model.run import Run


def rerun_input(run: Run) -> dict[str, Any]:
    """Return the whole ``input``: the object for the Worker, and all limits of the run."""
    limits = run.limits
    system: dict[str, Any] = {
        "cpus": limits.cpus,
        "memory": limits.memory_mb,
        "execute_limit_time_seconds": limits.timeout_s,
        "max_total_charge": limits.max_charge_micros / 1e6,
        "max_total_traffic": limits.max_traffic_bytes / 1e6,
        "max_retries": limits.max_retries,
    }
    if run.browser_memory_asked:
        system["browser_memory"] = limits.browser_memory_mb
    if run.browser_mode:
        system["browser"] = run.browser_mode.value
    if run.browser_program:
        system["browser_program"] = run.browser_program
    if run.region:
        system["proxy_region"] = run.region
    if run.egress_allow:
        system["egress_allow"] = list(run.egress_allow)
    if run.browser_block:
        system["browser_block"] = [*run.browser_block]
    if run.pool_asked:
        system["pool"] = run.pool
    if run.labels:
        system["labels"] = dict(run.labels)
    return {"parameters": {"system": system, "custom": json.loads(run.input_json)}}
