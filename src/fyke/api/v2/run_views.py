"""A run and what became of it, in the words of v2.

Key order matters: a client searches the bytes of a detail for the first ``"status":``.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fyke.api.envelope import encode
from fyke.api.v1.views import result_page
from fyke.api.v2.vocabulary import ORIGIN, seconds, status
from fyke.domain.billing.pricing import format_usage
from fyke.domain.results.service import ResultPage
from fyke.domain.runs.service import RunView
from fyke.model.run import Run


def run_object(view: RunView, grace: int) -> dict[str, Any]:
    """A run as details and lists show it. ``grace`` is in ms, see ``words.status``."""
    run = view.run
    started, finished = seconds(run.started_at), seconds(run.finished_at)
    return {
        "status": status(run, view.now, grace),
        "err_msg": run.err_msg,
        "slug": run.id,
        "run_slug": run.id,  # where a client's list of runs to choose from looks for it
        "scraper_slug": view.worker.id,
        "scraper_title": view.worker.title,
        "version": run.version,
        "results": view.results,
        "usage": format_usage(view.usage_micros),
        "traffic": view.traffic_bytes,
        "origin": ORIGIN[run.origin],
        "started_at": started,
        "finished_at": finished,
        "duration": max(0, finished - started) if started and finished else 0,
    }


def sync_result(run: Run, now: int, grace: int, page: ResultPage) -> bytes:
    """The whole answer to a start in sync mode; ``now`` and ``grace`` are in ms.

    A run that has not begun when the wait is over is told as running: the answer knows only
    runs that have ended and runs that go on.
    """
    ended = run.state.terminal
    word = status(run, now, grace)
    data = {
        "run_slug": run.id,
        "run_status": "running" if word == "ready" else word,
        "error_message": run.err_msg,
        "result_message": "",
        "execution_start_timestamp": seconds(run.started_at),
        "execution_end_timestamp": seconds(run.finished_at),
        "running_duration": seconds(max(0, (run.finished_at if ended else now) - run.created_at)),
        "is_finished": ended,
        "results": msgspec.Raw(result_page(page)),
    }
    return encode(data)
