"""The answers of v1. Key order matters: clients search the bytes for the first ``"status":``."""

from __future__ import annotations

from typing import Any

import msgspec

from fyke.api.envelope import encode
from fyke.api.v1.vocabulary import ORIGIN, megabytes, seconds, usd
from fyke.domain.billing.pricing import format_balance, format_usage
from fyke.domain.callbacks.payload import NUMBERS
from fyke.domain.results.headers import with_id
from fyke.domain.results.service import ResultPage
from fyke.domain.runs.service import RunView
from fyke.domain.workers.description import WorkerDescription
from fyke.domain.workers.parameters import DEVICES
from fyke.model.account import Account
from fyke.model.log import LogEntry
from fyke.model.run import Run
from fyke.model.worker import Worker


def store_worker(worker: Worker) -> dict[str, Any]:
    return {
        "slug": worker.id,
        "title": worker.title,
        "description": worker.description,
        "path": worker.path,
        "name": worker.name,
        "username": worker.owner,
    }


def worker_detail(found: WorkerDescription) -> dict[str, Any]:
    """The newest version with what a start needs to know."""
    worker, version = found.worker, found.version
    defaults = version.defaults
    memory = defaults.memory_mb
    system = {
        "cpus": DEVICES.get(memory, memory / 4096),
        "memory": memory,
        "memory_bytes": memory,
        "max_total_charge": usd(defaults.max_charge_micros),
        "max_total_traffic": megabytes(defaults.max_traffic_bytes),
        "execute_limit_time_seconds": defaults.timeout_s,
    }
    return {
        "version": version.number,
        "readme": version.readme,
        "parameters": {"system": system, "custom": found.schema},
        "slug": worker.id,
        "title": worker.title,
        "username": worker.owner,
        "name": worker.name,
    }


def run_detail(view: RunView) -> dict[str, Any]:
    """The thirteen fields of a run, ``status`` first."""
    run = view.run
    started, finished = seconds(run.started_at), seconds(run.finished_at)
    return {
        "status": NUMBERS[run.state],
        "err_msg": run.err_msg,
        "slug": run.id,
        "scraper_title": view.worker.title,
        "scraper_slug": view.worker.id,
        "results": view.results,
        "usage": format_usage(view.usage_micros),
        "started_at": started,
        "finished_at": finished,
        "duration": max(0, finished - started) if started and finished else 0,
        "origin": ORIGIN[run.origin],
        "traffic": view.traffic_bytes,
        "version": run.version,
    }


def result_page(page: ResultPage) -> bytes:
    """``data`` of a result page as JSON; stored rows go in as the bytes that they are."""
    headers = [{"label": h.label, "key": h.key, "format": h.format} for h in page.headers]
    return b"".join(
        (
            b'{"count":%d,"headers":' % page.count,
            encode(headers),
            b',"list":[',
            b",".join([row.data for row in page.rows] if page.bare else map(with_id, page.rows)),
            b'],"page_index":%d,"page_size":%d' % (page.page_index, page.page_size),
            b',"next_cursor":%s}' % encode(page.next_cursor) if page.walking else b"}",
        )
    )


def sync_result(run: Run, now: int, page: ResultPage) -> bytes:
    """The whole answer to a start in sync mode, in the words of v1 and in ms."""
    ended = run.state.terminal
    data = {
        "run_slug": run.id,
        "run_status": "completed" if ended else "running",
        "status": NUMBERS[run.state],
        "error_message": run.err_msg,
        "result_message": "",
        "execution_start_timestamp": run.started_at,
        "execution_end_timestamp": run.finished_at if ended else 0,
        "running_duration": max(0, (run.finished_at if ended else now) - run.created_at) // 1000,
        "results": msgspec.Raw(result_page(page)),
    }
    return encode(data)


def log_line(entry: LogEntry) -> dict[str, Any]:
    return {
        "type": entry.type,
        "group": entry.group,
        "content": entry.content,
        "timestamp": entry.timestamp,
    }


def account_info(account: Account) -> dict[str, Any]:
    """Traffic is what remains, in bytes."""
    return {
        "balance": format_balance(account.balance_micros),
        "traffic": max(0, account.traffic_bytes),
        "traffic_expiration_at": seconds(account.traffic_expires_at),
    }
