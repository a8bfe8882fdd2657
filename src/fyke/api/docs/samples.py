"""Examples by the name of a field, in one table so that they are consistent."""

from __future__ import annotations

from typing import Any

from fyke.api.media import SAMPLE_ULID
from fyke.wire.common import EXAMPLE_ID

_RUN = EXAMPLE_ID
_WORKER = SAMPLE_ULID
_TASK = "01KJXV8D5F7G9H1J3K5M7N9P1Q"
_QUEUED = "22"
_INPUT = {
    "parameters": {
        "system": {"cpus": 0.25, "memory": 1024, "execute_limit_time_seconds": 600},
        "custom": {"urls": [{"url": "https://example.org/"}], "max_results": 10},
    }
}

BY_NAME: dict[str, Any] = {
    # ids and names
    "slug": _WORKER,
    "scraper_slug": _WORKER,
    "worker_id": "owner~page-reader",
    "workerId": "owner~page-reader",
    "worker_slug": _WORKER,
    "run_slug": _RUN,
    "runId": _RUN,
    "task_slug": _TASK,
    "workerTaskId": _TASK,
    "queueId": _QUEUED,
    "queue_ref": _QUEUED,
    "queue_refs": [_QUEUED],
    "request_id": SAMPLE_ULID,
    "id": SAMPLE_ULID,
    "key": "scraper_api_" + SAMPLE_ULID,
    "__coreclaw_data_id__": "9f2c61b0a7d34e58",
    # texts
    "name": "page-reader",
    "username": "owner",
    "path": "owner~page-reader",
    "worker_path": "owner~page-reader",
    "scraper_path": "owner~page-reader",
    "title": "Page reader",
    "worker_title": "Page reader",
    "scraper_title": "Page reader",
    "description": "Reads pages and keeps their titles.",
    "readme": "# Page reader\n\nReads pages and keeps their titles.\n",
    "keyword": "reader",
    "search": "reader",
    "language": "en",
    "format": "csv",
    "filter_keys": "url,title",
    "content": "read https://example.org/",
    "group": "1",
    "label": "Title",
    "origin": "api",
    "reason": "no longer needed",
    "version": "v1.0.1",
    "code": "US",
    "time_zone": "Europe/Berlin",
    "zone": "Europe/Berlin",
    "plan": "pro",
    # addresses
    "callback_url": "https://example.org/hooks/runs",
    "url": "https://example.org/hooks/runs",
    "download_url": "https://fyke.example.org/files/eyJ.aZ1.c9/run.csv",
    "all_logs_url": "https://fyke.example.org/files/eyJ.aZ1.c9/run.log",
    # inputs
    "input": _INPUT,
    "custom": {"properties": [{"name": "urls", "type": "array", "editor": "requestList"}]},
    "input_schema": {"properties": [{"name": "urls", "type": "array", "editor": "requestList"}]},
    # numbers and times
    "balance": "10.00",
    "held": "0",
    "usage": "0.0217",
    "traffic": 1048576,
    "memory": 1024,
    "memory_bytes": 1024,
    "cpus": 0.25,
    "execute_limit_time_seconds": 600,
    "max_total_charge": 0,
    "max_total_traffic": 0,
    "page_index": 1,
    "page_size": 20,
    "offset": 1,
    "limit": 20,
    "count": 1,
    "duration": 12,
    "running_duration": 12,
    "started_at": 1767225600,
    "finished_at": 1767225612,
    "created_at": 1767225600,
    "updated_at": 1767225600,
    "timestamp": 1767225600000,
    "from": "2026-11-01",
    "until": "2026-11-24",
    "start_time": 1767225600,
    "end_time": 1767225600,
    "execution_start_timestamp": 1767225600,
    "execution_end_timestamp": 1767225612,
    "err_msg": "",
    "error_message": "",
    "result_message": "",
}

# Request bodies with more than their required fields.
BY_OPERATION: dict[str, Any] = {
    "startRunV1": {"scraper_slug": _WORKER, "is_async": True, "input": _INPUT},
    "runWorker": {"is_async": True, "input": _INPUT},
    "queuedRunWorker": {"input": _INPUT},
    "creditAccount": {"usd": "10.00", "traffic_mb": "1000"},
    "changeRuns": {"action": "rerun", "runs": [_RUN]},
    "listRunsV1": {"page_index": 1, "page_size": 20, "status": 3},
}
