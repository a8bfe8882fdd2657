"""The row of a page, with the columns of ``output_schema.json``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from crawler.fetch import Answer
from crawler.frontier import Job


def new_row(job: Job, answer: Answer) -> dict[str, Any]:
    """The row of an answer before its body is extracted."""
    return {
        "url": job.url,
        "status": answer.status,
        "title": "",
        "description": "",
        "language": None,
        "text": "",
        "markdown": "",
        "links": [],
        "depth": job.depth,
        "content_type": answer.content_type,
        "canonical_url": None,
        "requested_url": job.requested,
        "found_on": job.found_on,
        "rendered": answer.rendered,
        "fetched_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "error": answer.error,
    }
